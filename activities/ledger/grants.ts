/** Records grants of an operator, and their revocation. */
import type { Account } from '../../billing/account.ts';
import type { Outcome } from '../../billing/change.ts';
import { BillingError } from '../../billing/errors.ts';
import { advance, grantCredit } from '../../billing/facts.ts';
import { revokeGrant } from '../../billing/grants.ts';
import type { Micros } from '../../billing/money.ts';
import { checkNotArchived } from '../../billing/team-state.ts';
import { isUniqueViolation, type Tx } from '../../prisma/client.ts';
import { findGrant, type Grant, insertGrant, insertGrantRevocation } from '../../prisma/grants.ts';
import { isSameMetadata, type Metadata } from '../../prisma/metadata.ts';
import { recordFact } from '../../prisma/record.ts';
import type { LedgerWorld } from '../world.ts';

export interface NewGrant {
  teamId: string;
  grantId: string;
  amountMicros: Micros;
  note: string;
  metadata?: Metadata;
  nowSecond: number;
}

const idTaken = () => new BillingError('id_taken', 'another grant has this id', 'id');

async function getGrant(tx: Tx, id: string): Promise<Grant> {
  const grant = await findGrant(tx, id);
  if (!grant) throw new BillingError('not_found', 'no such grant', 'id');
  return grant;
}

/** Returns the grant under this id if the grant is the same. */
function sameOrTaken(grant: Grant, { teamId, amountMicros, note, metadata = {} }: NewGrant): Grant {
  const isSame = grant.teamId === teamId && grant.amountMicros === amountMicros && grant.note === note;
  if (!isSame || !isSameMetadata(grant.metadata, metadata)) throw idTaken();
  return grant;
}

type Recorded = { outcome: Outcome; answer: (tx: Tx) => Promise<Grant> };

export const grantActs = ({ db, terms }: LedgerWorld) => ({
  /**
   * Gives a team credit at the second of the call. The same id with the same request again is the same grant.
   * @throws BillingError `id_taken`, `team_archived`
   */
  grant: async (input: NewGrant, causedBy: string): Promise<Grant> => {
    const { teamId, grantId, amountMicros, note, metadata = {}, nowSecond } = input;
    const fact = async (account: Account, tx: Tx): Promise<Recorded> => {
      const earlier = await findGrant(tx, grantId);
      if (earlier) {
        const same = sameOrTaken(earlier, input);
        return { outcome: advance(account, terms, nowSecond), answer: async () => same };
      }
      checkNotArchived(account);
      const outcome = grantCredit(account, terms, { grantId, amountMicros }, nowSecond);
      await insertGrant(tx, { id: grantId, teamId, amountMicros, note, metadata, second: outcome.account.asOfSecond });
      return { outcome, answer: (within) => getGrant(within, grantId) };
    };
    try {
      return await recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, fact);
    } catch (error) {
      // Another team has taken the id since. The row lock of the other team is not held here.
      throw isUniqueViolation(error) ? idTaken() : error;
    }
  },

  /**
   * Takes a grant back, once: from credit first, the rest becomes owed. Answers the grant.
   * @throws BillingError `not_found`, `team_archived`
   */
  revokeGrant: async (
    input: { grantId: string; note: string | null; nowSecond: number },
    causedBy: string,
  ): Promise<Grant> => {
    const { grantId, note, nowSecond } = input;
    const { teamId } = await getGrant(db, grantId);
    return recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx): Promise<Recorded> => {
      const answer = (within: Tx) => getGrant(within, grantId);
      const { revocation, amountMicros } = await getGrant(tx, grantId);
      if (revocation) return { outcome: advance(account, terms, nowSecond), answer };
      const { creditMicros, ...outcome } = revokeGrant(account, terms, { grantId, amountMicros }, nowSecond);
      const second = outcome.account.asOfSecond;
      await insertGrantRevocation(tx, { grantId, teamId, second, note, creditMicros });
      return { outcome, answer };
    });
  },
});
