/** The auto top-up policy: set by a person, asked by the workflow, each change a consent row. */
import { type TopUpOutlook, topUpOutlook } from '../billing/crossings.ts';
import { BillingError } from '../billing/errors.ts';
import { advance, setPolicy } from '../billing/facts.ts';
import { checkNotArchived } from '../billing/team-state.ts';
import { checkPolicy, type TopUpPolicy } from '../billing/top-up.ts';
import { setDisabledReason } from '../prisma/accounts.ts';
import { insertConsent, policyVersion } from '../prisma/consents.ts';
import { recordFact } from '../prisma/record.ts';
import { lookFor } from './looks.ts';
import type { LedgerWorld } from './world.ts';

/** The next step of auto top-up. */
export interface TopUpDecision {
  policyOn: boolean;
  /** The attempt in flight, opened by this look or earlier. */
  attemptDepositId: string | null;
  /**
   * The second of the next look without a wake: the end of the cooldown, or the next month for a cap. Null: at the next
   * wake only.
   */
  lookAgainSecond: number | null;
  state: TopUpOutlook['state'];
}

function checkVersion(read: number, version: number): void {
  if (read === version) return;
  throw new BillingError(
    'version_conflict',
    `version: the auto top-up policy is at version ${version} by now: read it again, then send the change with that version`,
    'version',
  );
}

export const policyActs = ({ db, settings }: LedgerWorld) => ({
  /** Opens the due attempt, if any. The transaction decides; a wake is no decision. */
  openAttempt: (input: { teamId: string; nowSecond: number }, causedBy: string): Promise<TopUpDecision> =>
    recordFact(db, { teamId: input.teamId, causedBy, throughSecond: input.nowSecond }, async (account) => {
      const outcome = advance(account, settings, input.nowSecond);
      const { attempt, policy } = outcome.account;
      const outlook = topUpOutlook(outcome.account, settings);
      const lookAgainSecond =
        outlook.state === 'cooling_down'
          ? outlook.cooldownUntilSecond
          : outlook.state === 'capped'
            ? outlook.dueSecond
            : null;
      return {
        outcome,
        look: lookFor(outcome.effects),
        answer: async () => ({
          policyOn: policy?.enabled ?? false,
          attemptDepositId: attempt?.depositId ?? null,
          lookAgainSecond,
          state: outlook.state,
        }),
      };
    }),

  /**
   * Puts a policy in force and keeps the consent. Enabled while the balance is below, the attempt is opened at once.
   * @param input `version`: the version that the caller read; without a version, the last writer wins
   * @throws BillingError `amount_out_of_range`, `payment_method_required`, `version_conflict`, `team_archived`
   */
  setPolicy: (
    input: { teamId: string; policy: TopUpPolicy; actor: string; version?: number; nowSecond: number },
    causedBy: string,
  ): Promise<void> =>
    recordFact(db, { teamId: input.teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
      checkPolicy(input.policy);
      checkNotArchived(account);
      if (input.version !== undefined) checkVersion(input.version, await policyVersion(tx, input.teamId));
      const outcome = setPolicy(account, settings, input.policy, input.nowSecond);
      await insertConsent(tx, {
        teamId: input.teamId,
        second: outcome.account.asOfSecond,
        actor: input.actor,
        cause: causedBy,
        oldPolicy: account.policy,
        newPolicy: input.policy,
      });
      return { outcome, answer: (within) => setDisabledReason(within, input.teamId, null) };
    }),
});
