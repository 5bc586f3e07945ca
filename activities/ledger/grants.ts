/** Credit that an operator gives. */
import { grantCredit } from '../../billing/facts.ts';
import type { Micros } from '../../billing/money.ts';
import { insertGrant } from '../../prisma/grants.ts';
import { recordFact } from '../../prisma/record.ts';
import type { LedgerWorld } from '../world.ts';

export const grantActs = ({ db, terms }: LedgerWorld) => ({
  /** Gives a team credit at the second of the call. Answers the second of the fact. */
  grant: (
    input: { teamId: string; grantId: string; amountMicros: Micros; note: string; nowSecond: number },
    causedBy: string,
  ): Promise<number> =>
    recordFact(db, { teamId: input.teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
      const { teamId, grantId, amountMicros, note } = input;
      const outcome = grantCredit(account, terms, { grantId, amountMicros }, input.nowSecond);
      const { asOfSecond } = outcome.account;
      await insertGrant(tx, { id: grantId, teamId, amountMicros, note, second: asOfSecond });
      return { outcome, answer: async () => asOfSecond };
    }),
});
