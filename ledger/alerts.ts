/** Records a person's change of a team's alerts: low-balance levels, budgets, and the limit of burn. */
import { type AlertTerms, type BudgetTerms, checkAlerts } from '../billing/alerts.ts';
import { periodStart } from '../billing/budgets.ts';
import { advance } from '../billing/facts.ts';
import { NOTHING_SPENT, newBudgets, type RecordedSpend, setAlerts } from '../billing/setting-alerts.ts';
import { checkNotArchived } from '../billing/team-state.ts';
import { recordedSpend } from '../prisma/budget-spend.ts';
import { recordFact } from '../prisma/record.ts';
import type { LedgerWorld } from './world.ts';

export interface AlertsChange extends AlertTerms {
  teamId: string;
  /** The version that the caller read. Absent: the last writer wins. */
  version?: number;
  nowSecond: number;
}

/** The version after the change. */
export interface AlertsRecorded {
  version: number;
}

export const alertActs = ({ db, settings }: LedgerWorld) => ({
  /**
   * Sets a team's alerts. A budget that stays the same keeps its episode.
   * @throws BillingError `amount_out_of_range`, `version_conflict`, `team_archived`, `not_found`
   */
  setAlerts: ({ teamId, nowSecond, ...asked }: AlertsChange, causedBy: string): Promise<AlertsRecorded> =>
    recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx) => {
      checkAlerts(asked);
      checkNotArchived(account);
      const { standsAtSecond, asOfSecond } = advance(account, settings, nowSecond).account;
      const moneySecond = standsAtSecond ?? asOfSecond;
      const spends = new Map<BudgetTerms, RecordedSpend>();
      for (const budget of newBudgets(account, asked.budgets)) {
        const { project, period } = budget;
        const scope = { teamId, project, fromSecond: periodStart(period, moneySecond) };
        spends.set(budget, await recordedSpend(tx, scope, standsAtSecond));
      }
      const spendOf = (budget: BudgetTerms) => spends.get(budget) ?? NOTHING_SPENT;
      const outcome = setAlerts(account, settings, { ...asked, spendOf }, nowSecond);
      return { outcome, answer: async () => ({ version: outcome.account.alerts?.version ?? 0 }) };
    }),
});
