/** Budgets of a scenario, set by the act of the api. */
import type { BudgetTerms } from '../billing/alerts.ts';
import { AS_RECORDED, readAccount } from '../prisma/accounts.ts';
import type { Engine } from './engine.ts';
import type { ScenarioEvent } from './scenario.ts';

export type BudgetEvent = Extract<ScenarioEvent, { do: 'budget' }>;

const isReplacedBy = (other: BudgetTerms, { project, period, action }: BudgetTerms): boolean =>
  other.project === project && other.period === period && other.action === action;

/**
 * Replaces the budget of equal scope, period and action. The new budget begins an episode: an equal one is removed first,
 * because it would go on.
 */
export async function setBudget(
  { ledger, clock, db }: Pick<Engine, 'ledger' | 'clock' | 'db'>,
  teamId: string,
  { project, period, action, amount }: BudgetEvent,
): Promise<void> {
  const budget: BudgetTerms = { project: project ?? null, period, action, amountMicros: amount };
  const present = (await readAccount(db, teamId, AS_RECORDED)).alerts?.budgets ?? [];
  const place = present.findIndex((other) => isReplacedBy(other, budget));
  const put = (budgets: readonly BudgetTerms[]) =>
    ledger.setAlerts(
      { teamId, budgets, lowLevelsMicros: null, burnLimitMicros: null, nowSecond: clock.now },
      'scenario',
    );
  if (present[place]?.amountMicros === amount) await put(present.filter((_, index) => index !== place));
  await put(place === -1 ? [...present, budget] : present.map((other, index) => (index === place ? budget : other)));
}
