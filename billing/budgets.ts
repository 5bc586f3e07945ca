/**
 * The spend of a budget's scope, and the second at which the spend is above the amount. The amount less the spend falls
 * like a balance line, so the second is computed by the same arithmetic. Source: docs/rules.md#budgets.
 */
import type { Account } from './account.ts';
import { BUDGET_ACTIONS, type Budget, type BudgetPeriod, budgetAmount, budgetInWords } from './alerts.ts';
import { BillingError } from './errors.ts';
import { classCostMicros, type MeterClass, type MeterGroup, type MeterSums, mustHaveAllMeters } from './meter-sums.ts';
import { add, type Micros, micros, subtract, ZERO } from './money.ts';
import { availableMicros, type BalanceLine, burnMicrosPerHour, firstSecondBelow } from './runway.ts';
import { dayStart, formatSecond, monthStart, nextDayStart, nextMonthStart } from './time.ts';
import { costBetweenMicros, type Metered, meterCostMicros } from './usage.ts';

const START_OF: Record<BudgetPeriod, (second: number) => number> = { day: dayStart, month: monthStart };
const NEXT_START_OF: Record<BudgetPeriod, (second: number) => number> = { day: nextDayStart, month: nextMonthStart };
const LONGEST_DAYS: Record<BudgetPeriod, number> = { day: 1, month: 31 };

/** The first second of a budget's period that has the second. */
export const periodStart = (period: BudgetPeriod, second: number): number => START_OF[period](second);

/** The first second after the period that has the second. */
export const nextPeriodStart = (period: BudgetPeriod, second: number): number => NEXT_START_OF[period](second);

/** The first second after the period of a budget's state. */
export const periodEnd = ({ period, periodStartSecond }: Budget): number => nextPeriodStart(period, periodStartSecond);

/** The budgets of an account. */
export const budgetsOf = ({ alerts }: Account): readonly Budget[] => alerts?.budgets ?? [];

/** Replaces each budget of a private copy of an account. */
export function changeBudgets(account: Account, change: (budget: Budget) => Budget): void {
  const { alerts } = account;
  if (alerts === null || alerts.budgets.length === 0) return;
  account.alerts = { ...alerts, budgets: alerts.budgets.map(change) };
}

/** A budget as of a second. In a new period nothing is spent, and the episode is over. */
export function budgetAt(budget: Budget, second: number): Budget {
  const start = periodStart(budget.period, second);
  if (start <= budget.periodStartSecond) return budget;
  const later = budget.later.filter((spend) => spend.second >= start);
  return { ...budget, periodStartSecond: start, spentMicros: ZERO, later, metSecond: null };
}

/** Anything that a budget may count. A reservation has no project and counts for the team only. */
type InScope = Metered & { project?: string | null };

const isInScope = ({ project }: Budget, counted: { project?: string | null }): boolean =>
  project === null || counted.project === project;

/** The cost of a stretch from the start of a period to the end of the stretch. */
export function stretchMicros(metered: Metered, endSecond: number, fromSecond: number): Micros {
  const from = Math.max(metered.startSecond, fromSecond);
  return endSecond <= from ? ZERO : costBetweenMicros(metered, from, endSecond);
}

/** Counts an ended stretch of running. */
export const countStretch = (account: Account, metered: InScope, endSecond: number): void =>
  changeBudgets(account, (before) => {
    if (!isInScope(before, metered)) return before;
    const budget = budgetAt(before, endSecond);
    const spent = stretchMicros(metered, endSecond, budget.periodStartSecond);
    return { ...budget, spentMicros: add(budget.spentMicros, spent) };
  });

/** Counts a stretch that was counted before, and turned out to have ended earlier. */
export const recountStretch = (account: Account, metered: InScope, before: number, endSecond: number): void =>
  changeBudgets(account, (budget) => {
    if (!isInScope(budget, metered)) return budget;
    const { periodStartSecond: from, spentMicros } = budget;
    const beyond = subtract(stretchMicros(metered, before, from), stretchMicros(metered, endSecond, from));
    return { ...budget, spentMicros: subtract(spentMicros, beyond) };
  });

/** Counts an ended stretch of the meters of a class, for forecasts. No meter of the class starts later. */
export const countClass = (account: Account, each: MeterClass | MeterGroup, endSecond: number): void =>
  changeBudgets(account, (before) => {
    if (before.project !== null) return before;
    const budget = budgetAt(before, endSecond);
    const { periodStartSecond: from } = budget;
    const earlier = each.daySecond < from ? classCostMicros(each, from) : 0n;
    return { ...budget, spentMicros: add(budget.spentMicros, micros(classCostMicros(each, endSecond) - earlier)) };
  });

/** Tokens of one project, or without a project. */
export interface TokenSpend {
  project: string | null;
  micros: Micros;
}

/** Counts tokens at the second of their posting; while money stands at an earlier second, once money has come so far. */
export const countTokens = (account: Account, second: number, spends: readonly TokenSpend[]): void =>
  changeBudgets(account, (before) => {
    const spent = add(ZERO, ...spends.filter((spend) => isInScope(before, spend)).map(({ micros }) => micros));
    if (spent === 0) return before;
    if (account.standsAtSecond !== null) return { ...before, later: [...before.later, { second, micros: spent }] };
    const budget = budgetAt(before, second);
    return { ...budget, spentMicros: add(budget.spentMicros, spent) };
  });

/** Counts the tokens through a second at which money has arrived. */
export const bringBudgetsTo = (account: Account, second: number): void =>
  changeBudgets(account, (before) => {
    const budget = budgetAt(before, second);
    if (budget.later.length === 0) return budget;
    const due = budget.later.filter((spend) => spend.second <= second);
    return {
      ...budget,
      spentMicros: add(budget.spentMicros, ...due.map(({ micros }) => micros)),
      later: budget.later.filter((spend) => spend.second > second),
    };
  });

/** The sums as if exactly the cost before a second was posted. @param second the first second of a day */
function countedFrom(sums: MeterSums, second: number): MeterSums {
  const earlier = sums.classes.filter(({ daySecond }) => daySecond < second);
  const before = earlier.reduce((sum, each) => sum + classCostMicros(each, second), 0n);
  return { ...sums, postedMicros: Number(before) };
}

/**
 * The rest of a budget as a balance line: the amount less what is spent, falling with the meters of the scope.
 * @throws MetersNeeded for a project, where some meters are known as sums only
 */
function lineOf({ meters, reservations, summed }: Account, budget: Budget, spentMicros: Micros): BalanceLine {
  const { project, amountMicros, periodStartSecond: from } = budget;
  if (project !== null) mustHaveAllMeters({ summed }, 'the spend of a project');
  const counted = <M extends Metered>(metered: M): M => ({ ...metered, postedMicros: meterCostMicros(metered, from) });
  return {
    postedMicros: subtract(amountMicros, spentMicros),
    heldMicros: ZERO,
    meters: meters.filter((meter) => isInScope(budget, meter)).map(counted),
    reservations: project === null ? reservations.map(counted) : [],
    summed: project === null && summed ? countedFrom(summed, from) : null,
  };
}

/** The spend of a budget's scope at a second of its present period, or of a later period. */
export function spendMicros(account: Account, given: Budget, second: number): Micros {
  const budget = budgetAt(given, second);
  const later = budget.later.filter((spend) => spend.second <= second).map(({ micros }) => micros);
  const line = lineOf(account, budget, add(budget.spentMicros, ...later));
  return subtract(budget.amountMicros, availableMicros(line, second));
}

/** The last second within a budget, and the first second above. */
export interface Meeting {
  /** The second of a fact that lifts the spend is both. */
  withinSecond: number;
  aboveSecond: number;
}

/**
 * The meeting of a budget in its present period, at today's burn; null if the spend stays within the amount.
 * @param fromSecond no meeting lies before
 */
export function meetingOf(account: Account, budget: Budget, fromSecond: number): Meeting | null {
  const endSecond = periodEnd(budget);
  let from = Math.max(fromSecond, budget.periodStartSecond, budget.sinceSecond);
  let spent = add(
    budget.spentMicros,
    ...budget.later.filter(({ second }) => second <= from).map((each) => each.micros),
  );
  const later = budget.later.filter(({ second }) => second > from && second < endSecond);
  while (from < endSecond) {
    const [next] = later;
    const until = next?.second ?? endSecond - 1;
    const aboveSecond = firstSecondBelow(lineOf(account, budget, spent), ZERO, from);
    if (aboveSecond !== null && aboveSecond <= until)
      return { withinSecond: Math.max(aboveSecond - 1, from), aboveSecond };
    if (!next) return null;
    later.shift();
    spent = add(spent, next.micros);
    from = next.second;
  }
  return null;
}

/** The second at which a meeting takes effect. */
export const effectSecond = ({ action }: Pick<Budget, 'action'>, { withinSecond, aboveSecond }: Meeting): number =>
  action === 'stop' ? withinSecond : aboveSecond;

/** True if the scope may spend more than the amount in a whole later period, at today's burn. */
function mayBeMetLater(account: Account, budget: Budget): boolean {
  if (budget.later.some(({ second }) => second >= periodEnd(budget))) return true;
  const line = lineOf(account, budget, ZERO);
  const count = line.meters.length + (line.reservations?.length ?? 0) + (line.summed?.count ?? 0);
  const hours = 24n * BigInt(LONGEST_DAYS[budget.period]);
  // The floors of each meter change the cost of a period by less than a micro.
  return BigInt(burnMicrosPerHour(line)) * hours + BigInt(count) > BigInt(budget.amountMicros);
}

/** The next crossing of budgets: a budget is met, or a new period begins. */
export type BudgetCrossing =
  | { second: number; what: 'budget_met'; budget: number }
  | { second: number; what: 'budget_period' };

/** @returns `budget`: the place of the budget in the account's list */
export function nextBudgetCrossing(account: Account): BudgetCrossing | null {
  const fromSecond = account.datedThroughSecond;
  let met: { second: number; rank: number; budget: number } | null = null;
  let period: number | null = null;
  for (const [index, given] of budgetsOf(account).entries()) {
    const budget = budgetAt(given, fromSecond);
    const meeting = budget.metSecond === null ? meetingOf(account, budget, fromSecond) : null;
    if (meeting !== null) {
      const second = effectSecond(budget, meeting);
      const rank = BUDGET_ACTIONS.indexOf(budget.action);
      if (met === null || second < met.second || (second === met.second && rank < met.rank))
        met = { second, rank, budget: index };
    } else if (mayBeMetLater(account, budget)) period = Math.min(period ?? Number.POSITIVE_INFINITY, periodEnd(budget));
  }
  if (period !== null && (met === null || period <= met.second)) return { second: period, what: 'budget_period' };
  return met && { second: met.second, what: 'budget_met', budget: met.budget };
}

/** The meters of a budget's scope. */
export function metersInScope(account: Account, budget: Budget) {
  mustHaveAllMeters(account, 'what a budget ends');
  return account.meters.filter((meter) => isInScope(budget, meter));
}

/**
 * The refusal of new spending by a budget that was met, or null.
 * @param project the project of the start or hold; null concerns the team's budgets only
 */
export function budgetRefusal(account: Account, project: string | null): BillingError | null {
  const second = account.standsAtSecond ?? account.asOfSecond;
  const met = budgetsOf(account)
    .map((budget) => budgetAt(budget, second))
    .find((budget) => budget.metSecond !== null && budget.action !== 'mail' && isInScope(budget, { project }));
  if (!met || met.metSecond === null) return null;
  return new BillingError(
    'budget_met',
    `${sentence(budgetInWords(met))}, ${budgetAmount(met)}, was met at ${formatSecond(met.metSecond)}: nothing is started before ${formatSecond(periodEnd(met))}, unless the budget is raised.`,
  );
}

const sentence = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);
