/**
 * A team's alerts as the value of a column of its account. Each field is read by name, so a row that an earlier release
 * wrote keeps its meaning.
 */
import type { Alerts, Budget, BudgetAction, BudgetPeriod } from '../billing/alerts.ts';
import { toMicros, toMicrosOrNull, toSecondOrNull } from './columns.ts';

interface AlertsJson {
  version: number;
  episodes: number;
  budgets: Array<{
    project: string | null;
    period: string;
    amountMicros: number;
    action: string;
    episode: number;
    sinceSecond: number;
    periodStartSecond: number;
    spentMicros: number;
    later: Array<{ second: number; micros: number }>;
    metSecond: number | null;
  }>;
  lowLevels: Array<{ levelMicros: number; isArmed: boolean }> | null;
  burnLimitMicros: number | null;
  isBurnAbove: boolean;
}

/** @param value as the database gives the value: parsed, or as text */
export function alertsOfColumn(value: unknown): Alerts | null {
  if (value === null || value === undefined) return null;
  const json = (typeof value === 'string' ? JSON.parse(value) : value) as AlertsJson;
  return {
    version: json.version,
    episodes: json.episodes,
    budgets: json.budgets.map(
      (budget): Budget => ({
        project: budget.project,
        period: budget.period as BudgetPeriod,
        amountMicros: toMicros(budget.amountMicros),
        action: budget.action as BudgetAction,
        episode: budget.episode,
        sinceSecond: budget.sinceSecond,
        periodStartSecond: budget.periodStartSecond,
        spentMicros: toMicros(budget.spentMicros),
        later: budget.later.map(({ second, micros }) => ({ second, micros: toMicros(micros) })),
        metSecond: toSecondOrNull(budget.metSecond),
      }),
    ),
    lowLevels:
      json.lowLevels?.map(({ levelMicros, isArmed }) => ({ levelMicros: toMicros(levelMicros), isArmed })) ?? null,
    burnLimitMicros: toMicrosOrNull(json.burnLimitMicros),
    isBurnAbove: json.isBurnAbove,
  };
}

/** The value of the column, as text. */
export const columnOfAlerts = (alerts: Alerts | null): string | null => alerts && JSON.stringify(alerts);

/** True if the team has a budget. */
export const hasBudgets = (value: unknown): boolean => (alertsOfColumn(value)?.budgets.length ?? 0) > 0;

/** True if a budget of a project needs the meters of a team singly. */
export const hasProjectBudgets = (value: unknown): boolean =>
  alertsOfColumn(value)?.budgets.some(({ project }) => project !== null) ?? false;
