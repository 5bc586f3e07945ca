/**
 * Records holds: credit set aside for a request under way, and released. Usage that names a hold settles the hold: see
 * usage.ts.
 */

import type { FactOutcome } from '../billing/change.ts';
import { BillingError } from '../billing/errors.ts';
import { advance } from '../billing/facts.ts';
import { hasExpired, holdMicrosFor, placeHold, voidHold } from '../billing/holds.ts';
import { tokensCost } from '../billing/tokens.ts';
import { isUniqueViolation } from '../prisma/client.ts';
import { closeHolds, expireFreeHolds, findHold, getHold, type HoldOfTeam, insertHold } from '../prisma/holds.ts';
import { modelPriceAt } from '../prisma/prices.ts';
import { recordFact } from '../prisma/record.ts';
import { isUrgent } from './urgency.ts';
import type { LedgerWorld } from './world.ts';

export interface HoldOrder {
  holdId: string;
  teamId: string;
  model: string;
  /** The project of the request, for its budgets. */
  project?: string | null | undefined;
  maxInputTokens: number;
  maxOutputTokens: number;
  ttlSeconds: number;
  nowSecond: number;
}

/** A recorded hold, and whether the watch must act on a consequence at once. */
export interface HoldRecorded {
  hold: HoldOfTeam;
  urgent: boolean;
}

const idTaken = (): BillingError => new BillingError('id_taken', 'another hold has this id', 'id');

/** Refuses another hold under the same id. */
function checkSame(hold: HoldOfTeam, order: HoldOrder): void {
  const isSame =
    hold.teamId === order.teamId &&
    hold.model === order.model &&
    hold.project === (order.project ?? null) &&
    hold.maxInputTokens === order.maxInputTokens &&
    hold.maxOutputTokens === order.maxOutputTokens &&
    hold.expiresSecond - hold.placedSecond === order.ttlSeconds;
  if (!isSame) throw idTaken();
}

const holdClosed = (how: string): BillingError =>
  new BillingError('hold_closed', `the hold ${how}: it holds nothing any more`);

export const holdActs = ({ db, settings }: LedgerWorld) => ({
  /**
   * Sets aside the highest possible cost of a request, at the model's price in force at the receipt of the call. A
   * repeat of the id with the same request is the same hold, also after its end.
   * @throws BillingError `not_found` for an unknown team, `id_taken`, `price_not_found`, `insufficient_credit`,
   *   `budget_met`, `team_suspended`, `team_archived`
   */
  placeHold: (order: HoldOrder, causedBy: string): Promise<HoldRecorded> => {
    const { holdId, teamId, model, project = null, maxInputTokens, maxOutputTokens, ttlSeconds, nowSecond } = order;
    return recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx) => {
      const recorded = (outcome: FactOutcome) => ({
        outcome,
        answer: async () => ({ hold: await getHold(tx, holdId), urgent: isUrgent(outcome.effects) }),
      });
      const earlier = await findHold(tx, holdId);
      if (earlier) {
        checkSame(earlier, order);
        return recorded(advance(account, settings, nowSecond));
      }

      const price = await modelPriceAt(tx, model, nowSecond);
      if (!price) throw new BillingError('price_not_found', 'this model is not listed: see GET /v1/models', 'model');
      const amountMicros = holdMicrosFor(tokensCost(price, maxInputTokens, maxOutputTokens));
      const outcome = placeHold(account, settings, { amountMicros, ttlSeconds, project }, nowSecond);
      const placedSecond = outcome.account.asOfSecond;
      const expiresSecond = placedSecond + ttlSeconds;
      if (amountMicros === 0) await expireFreeHolds(tx, teamId, placedSecond);
      await insertHold(tx, {
        holdId,
        teamId,
        model,
        project,
        maxInputTokens,
        maxOutputTokens,
        amountMicros,
        placedSecond,
        expiresSecond,
      }).catch((error) => {
        // Another team has taken the id since. The row lock of the other team is not held here.
        throw isUniqueViolation(error) ? idTaken() : error;
      });
      return recorded(outcome);
    });
  },

  /**
   * Releases a hold before its second. A voided hold is returned unchanged.
   * @throws BillingError `not_found`; `hold_closed` where the hold was settled, or has expired
   */
  voidHold: async (
    { holdId, nowSecond }: { holdId: string; nowSecond: number },
    causedBy: string,
  ): Promise<HoldRecorded> => {
    const { teamId } = await getHold(db, holdId);
    return recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx) => {
      const hold = await getHold(tx, holdId);
      const recorded = (outcome: FactOutcome) => ({
        outcome,
        answer: async () => {
          if (hold.status === 'pending') await closeHolds(tx, [{ holdId }], 'voided', outcome.account.asOfSecond);
          return { hold: await getHold(tx, holdId), urgent: isUrgent(outcome.effects) };
        },
      });
      if (hold.status === 'voided') return recorded(advance(account, settings, nowSecond));
      const outcome = voidHold(account, settings, hold, nowSecond);
      if (hold.status === 'settled') throw holdClosed('was settled by usage');
      if (hold.status === 'expired' || hasExpired(hold, outcome.account)) throw holdClosed('has expired');
      return recorded(outcome);
    });
  },
});
