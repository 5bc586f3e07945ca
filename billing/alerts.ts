/**
 * The alerts that a team has set: levels of low balance, budgets, and a ceiling on burn, each with its state. Part of the
 * account, because budgets end instances and refuse starts. Source: docs/rules.md#budgets,
 * docs/rules.md#low-balance-warning.
 */
import { BillingError } from './errors.ts';
import { formatForPeople, formatInFull, type Micros, ZERO } from './money.ts';

export const BUDGET_PERIODS = ['day', 'month'] as const;
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number];

/** In the order in which the actions of one second take effect. */
export const BUDGET_ACTIONS = ['stop', 'refuse', 'mail'] as const;
export type BudgetAction = (typeof BUDGET_ACTIONS)[number];

/** A limit of spending, as a person sets the limit. */
export interface BudgetTerms {
  /** Null: the whole team. */
  project: string | null;
  /** A UTC day or a UTC month. */
  period: BudgetPeriod;
  amountMicros: Micros;
  action: BudgetAction;
}

/** Tokens posted at a second at which money stood at an earlier second. */
export interface LaterSpend {
  second: number;
  micros: Micros;
}

/** A budget and its state in one period. */
export interface Budget extends BudgetTerms {
  /** Unique within the team. A changed amount begins a new episode. */
  episode: number;
  /** The second since which the budget is in force. */
  sinceSecond: number;
  /** The first second of the period of the state. */
  periodStartSecond: number;
  /** The spend of the period apart from running meters: ended stretches of running, and tokens. */
  spentMicros: Micros;
  /** Tokens that do not count yet, because money stands at an earlier second. Soonest first. */
  later: readonly LaterSpend[];
  /** The second at which the budget was met in the period. */
  metSecond: number | null;
}

/** A level of credit below which the team is warned. */
export interface LowLevel {
  levelMicros: Micros;
  /** False from a warning until credit is well above the level again. */
  isArmed: boolean;
}

export interface Alerts {
  /** Counts the changes by people, from 1. */
  version: number;
  /** The number of the last episode. Never reused. */
  episodes: number;
  budgets: readonly Budget[];
  /** Highest first. Null: the deployment's level, with the account's `lowArmed`. */
  lowLevels: readonly LowLevel[] | null;
  /** A start after which the team's burn would be above the ceiling is refused. Null: no ceiling. */
  burnLimitMicros: Micros | null;
  /** True from a burn above the ceiling until the burn is at the ceiling or below again. */
  isBurnAbove: boolean;
}

/** The alerts as a person sets them. */
export interface AlertTerms {
  /** Null: the deployment's level. */
  lowLevelsMicros: readonly Micros[] | null;
  budgets: readonly BudgetTerms[];
  burnLimitMicros: Micros | null;
}

export const MOST_BUDGETS = 50;
export const MOST_LOW_LEVELS = 10;

/** True for equal scope, period, action and amount: such budgets are one. */
export const isSameBudget = (a: BudgetTerms, b: BudgetTerms): boolean =>
  a.project === b.project && a.period === b.period && a.action === b.action && a.amountMicros === b.amountMicros;

/**
 * Refuses alerts that could never take effect.
 * @throws BillingError `amount_out_of_range`, naming the field
 */
export function checkAlerts({ lowLevelsMicros, budgets, burnLimitMicros }: AlertTerms): void {
  const mustBeAbove = (amountMicros: Micros, param: string): void => {
    if (amountMicros <= ZERO) throw new BillingError('amount_out_of_range', `${param} must be above $0`, param);
  };
  lowLevelsMicros?.forEach((level, index) => {
    mustBeAbove(level, `lowBalance.${index}`);
  });
  budgets.forEach(({ amountMicros }, index) => {
    mustBeAbove(amountMicros, `budgets.${index}.amount`);
  });
  if (burnLimitMicros !== null) mustBeAbove(burnLimitMicros, 'burnPerHourLimit');
}

/** A budget's scope and period in words: `the monthly budget of project train`. */
export const budgetInWords = ({ project, period }: Pick<BudgetTerms, 'project' | 'period'>): string =>
  `the ${period === 'day' ? 'daily' : 'monthly'} budget of ${project === null ? 'the team' : `project ${project}`}`;

/** The refusal of a start after which burn would be above the ceiling. */
export const burnLimitRefusal = (limitMicros: Micros, presentMicros: Micros, afterMicros: Micros): BillingError =>
  new BillingError(
    'burn_limit',
    `The burn of the team would be ${formatInFull(afterMicros)} an hour, above its limit of ${formatInFull(limitMicros)} an hour: it is ${formatInFull(presentMicros)} an hour now. Stop an instance, or raise burnPerHourLimit.`,
  );

/** The amount above a level at which its warning is armed again: the level and a tenth. */
export const wellAbove = (levelMicros: Micros): number => levelMicros + Math.floor(levelMicros / 10);

/** An amount of a budget for people. */
export const budgetAmount = ({ amountMicros }: Pick<BudgetTerms, 'amountMicros'>): string =>
  formatForPeople(amountMicros);
