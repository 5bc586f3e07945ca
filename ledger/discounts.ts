/** Records discounts that an operator assigns, with author, second, amount, end and note. */
import { assignDiscount } from '../billing/facts.ts';
import { checkNotArchived } from '../billing/team-state.ts';
import { insertDiscount } from '../prisma/discounts.ts';
import { recordFact } from '../prisma/record.ts';
import type { LedgerWorld } from './world.ts';

export interface DiscountOrder {
  teamId: string;
  /** 0 removes the discount. */
  basisPoints: number;
  untilSecond: number | null;
  note: string;
  actor: string;
  nowSecond: number;
}

export const discountActs = ({ db, settings }: LedgerWorld) => ({
  /**
   * Assigns a team's discount in place of the present one. The rates of running instances at a list price change too.
   * @throws BillingError `not_found`; `team_archived`; `at_out_of_range` where `untilSecond` has come already
   */
  assignDiscount: (order: DiscountOrder, causedBy: string): Promise<void> => {
    const { teamId, basisPoints, note, actor, nowSecond } = order;
    const untilSecond = basisPoints === 0 ? null : order.untilSecond;
    return recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx) => {
      checkNotArchived(account);
      const assigned = basisPoints === 0 ? null : { basisPoints, untilSecond };
      const outcome = assignDiscount(account, settings, assigned, nowSecond);
      const second = outcome.account.asOfSecond;
      await insertDiscount(tx, { teamId, basisPoints, untilSecond, note, actor, second });
      return { outcome, answer: async () => {} };
    });
  },
});
