/** The fact by which a person sets a team's alerts. Source: docs/rules.md#budgets, docs/rules.md#low-balance-warning. */
import { type Account, type BillingSettings, moneySecond, spendableMicros } from './account.ts';
import {
  type Alerts,
  type AlertTerms,
  type Budget,
  type BudgetTerms,
  isSameBudget,
  type LaterSpend,
  type LowLevel,
} from './alerts.ts';
import { budgetAt, budgetsOf, periodStart, stretchMicros } from './budgets.ts';
import type { AccountChange, FactOutcome } from './change.ts';
import { applyFact } from './clock.ts';
import { BillingError } from './errors.ts';
import { add, type Micros, micros, ZERO } from './money.ts';
import { burnMicrosPerHour } from './runway.ts';
import type { Metered } from './usage.ts';

/** The recorded spend of a new budget's scope since the start of its period, apart from running meters. */
export interface RecordedSpend {
  spentMicros: Micros;
  /** Tokens posted after the second at which money stands. */
  later: readonly LaterSpend[];
}

/** The version of alerts that nobody has set. */
export const UNSET_VERSION = 0;

/** The budgets of new terms that are not in force yet: a second equal budget is left out. */
export const newBudgets = (account: Account, budgets: readonly BudgetTerms[]): BudgetTerms[] =>
  distinct(budgets).filter((terms) => !budgetsOf(account).some((present) => isSameBudget(present, terms)));

const distinct = (budgets: readonly BudgetTerms[]): BudgetTerms[] =>
  budgets.filter((terms, index) => budgets.findIndex((other) => isSameBudget(other, terms)) === index);

/**
 * Sets the alerts. A budget that stays the same keeps its episode, and every other budget begins an episode, with the
 * spend since the start of its period. A low-balance level is armed if credit is not below the level.
 * @param asked `version`: the version that the caller read; `spendOf`: the recorded spend of each new budget
 * @throws BillingError `version_conflict` where another change came between
 */
export const setAlerts = (
  account: Account,
  settings: BillingSettings,
  asked: AlertTerms & { version?: number; spendOf: (budget: BudgetTerms) => RecordedSpend },
  nowSecond: number,
): FactOutcome =>
  applyFact(account, settings, nowSecond, (change) => {
    const { account } = change;
    const present = account.alerts;
    const version = present?.version ?? UNSET_VERSION;
    if (asked.version !== undefined && asked.version !== version) throw versionConflict(version);
    const { burnLimitMicros } = asked;
    let episodes = present?.episodes ?? 0;
    const budgets = distinct(asked.budgets).map((budget): Budget => {
      const same = budgetsOf(account).find((other) => isSameBudget(other, budget));
      if (same) return same;
      episodes += 1;
      return opened(change, budget, episodes, asked.spendOf(budget));
    });
    const alerts: Alerts = {
      version: version + 1,
      episodes,
      budgets,
      lowLevels: lowLevels(account, settings, asked.lowLevelsMicros),
      burnLimitMicros,
      isBurnAbove: burnLimitMicros !== null && burnMicrosPerHour(account) > burnLimitMicros,
    };
    account.alerts = alerts;
  });

const versionConflict = (version: number): BillingError =>
  new BillingError(
    'version_conflict',
    `version: the alerts are at version ${version} by now: read them again, then send the change with that version`,
    'version',
  );

/** A budget at the beginning of its first episode. */
function opened(
  { account, effects }: AccountChange,
  terms: BudgetTerms,
  episode: number,
  { spentMicros, later }: RecordedSpend,
): Budget {
  const second = account.asOfSecond;
  const periodStartSecond = periodStart(terms.period, moneySecond(account, second));
  // Stretches that this change has ended are in no row yet.
  const isCounted = ({ project }: { project?: string | null }) => terms.project === null || project === terms.project;
  const ended = effects.flatMap((effect): Array<{ metered: Metered & { project?: string | null }; end: number }> => {
    if (effect.kind === 'meter_closed') return [{ metered: effect.meter, end: effect.endSecond }];
    if (effect.kind === 'reservation_closed') return [{ metered: effect.reservation, end: effect.endSecond }];
    return [];
  });
  const stretches = ended
    .filter(({ metered }) => isCounted(metered))
    .map(({ metered, end }) => stretchMicros(metered, end, periodStartSecond));
  return budgetAt(
    {
      ...terms,
      episode,
      sinceSecond: second,
      periodStartSecond,
      spentMicros: add(spentMicros, ...stretches),
      later,
      metSecond: null,
    },
    periodStartSecond,
  );
}

/** The levels, highest first. A level that was set before keeps its state. */
function lowLevels(
  account: Account,
  { lowLevelMicros }: BillingSettings,
  levelsMicros: readonly Micros[] | null,
): LowLevel[] | null {
  if (levelsMicros === null) return null;
  const spendable = spendableMicros(account, account.asOfSecond);
  const before = account.alerts?.lowLevels ?? [{ levelMicros: lowLevelMicros, isArmed: account.lowArmed }];
  return [...new Set(levelsMicros)]
    .sort((a, b) => b - a)
    .map((levelMicros) => {
      const same = before.find((level) => level.levelMicros === levelMicros);
      return { levelMicros: micros(levelMicros), isArmed: same ? same.isArmed : spendable >= levelMicros };
    });
}

/** No spend that was recorded before. */
export const NOTHING_SPENT: RecordedSpend = { spentMicros: ZERO, later: [] };
