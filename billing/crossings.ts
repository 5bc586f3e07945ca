/**
 * The crossings ahead of an account: when the next top-up is due, when credit is low, and when credit ends. Pure
 * arithmetic over recorded facts. Source: docs/rules.md#balance, docs/rules.md#auto-top-up.
 */
import { type Account, type BillingSettings, maySpend } from './account.ts';
import type { LowLevel } from './alerts.ts';
import { type BudgetCrossing, nextBudgetCrossing } from './budgets.ts';
import { type DatedKind, expiringMicros, nextDated } from './calendar.ts';
import { add, ZERO } from './money.ts';
import { availableMicros, exhaustionSecond, firstSecondBelow } from './runway.ts';
import { monthStart, nextMonthStart } from './time.ts';
import type { TopUpPolicy } from './top-up.ts';

/** Either why no attempt can be opened now, or the second at which the next attempt is due. */
export type TopUpOutlook =
  | { state: 'off' }
  | { state: 'charging' }
  /** The team is suspended or archived, so no charge is due. */
  | { state: 'suspended' }
  | { state: 'watching'; dueSecond: number | null }
  | { state: 'cooling_down'; dueSecond: number | null; cooldownUntilSecond: number }
  | { state: 'capped'; dueSecond: number | null };

/** True if one more charge stays within the cap of the UTC month of the given second. */
export const fitsMonth = (account: Account, policy: TopUpPolicy, second: number): boolean => {
  if (policy.monthlyCapMicros === null) return true;
  const sameMonth = account.toppedUp.monthStartSecond === monthStart(second);
  return add(sameMonth ? account.toppedUp.micros : ZERO, policy.amountMicros) <= policy.monthlyCapMicros;
};

/**
 * When the card is to be charged next: the first second with available below the threshold, not before the cooldown's
 * end, and in a month whose cap has room. `dueSecond` is null when the balance never falls so far.
 */
export function topUpOutlook(account: Account, settings: BillingSettings): TopUpOutlook {
  const { policy, attempt, lastAttemptSecond, asOfSecond } = account;
  if (attempt) return { state: 'charging' };
  if (!policy?.enabled) return { state: 'off' };
  if (!maySpend(account)) return { state: 'suspended' };

  const below = firstSecondBelow(account, policy.thresholdMicros, asOfSecond);
  const cooldownUntilSecond = lastAttemptSecond === null ? asOfSecond : lastAttemptSecond + settings.cooldownSeconds;
  const dueSecond = below === null ? null : Math.max(below, cooldownUntilSecond);
  if (dueSecond !== null && !fitsMonth(account, policy, dueSecond))
    return { state: 'capped', dueSecond: nextMonthStart(dueSecond) };
  // This month has no room, even where the next charge is due only in a later month.
  if (!fitsMonth(account, policy, asOfSecond)) return { state: 'capped', dueSecond };
  return cooldownUntilSecond > asOfSecond
    ? { state: 'cooling_down', dueSecond, cooldownUntilSecond }
    : { state: 'watching', dueSecond };
}

const dueSecondOf = (outlook: TopUpOutlook): number | null => ('dueSecond' in outlook ? outlook.dueSecond : null);

/** A low-balance warning is due below the level, once an episode, and not while auto top-up is there to prevent it. */
function lowSecond(account: Account, settings: BillingSettings, outlook: TopUpOutlook): number | null {
  const prevented = outlook.state === 'watching' || outlook.state === 'cooling_down' || outlook.state === 'charging';
  if (prevented) return null;
  // The highest armed level is the first to be met.
  const highest = lowLevelsOf(account, settings).find(({ isArmed }) => isArmed);
  return highest ? firstSecondBelow(account, highest.levelMicros, account.asOfSecond) : null;
}

/** The low-balance levels of a team, highest first. */
export const lowLevelsOf = ({ alerts, lowArmed }: Account, { lowLevelMicros }: BillingSettings): readonly LowLevel[] =>
  alerts?.lowLevels ?? [{ levelMicros: lowLevelMicros, isArmed: lowArmed }];

/**
 * X, where credit ends. A hold that expires at X + 1 is released there. If the released amount pays for second X + 1, X
 * lies later, and the expiry is the next crossing.
 */
function endOfCredit(account: Account): Crossing | null {
  const second = exhaustionSecond(account);
  if (second === null) return null;
  const next = second + 1;
  const freedMicros = expiringMicros(account.holdExpiries, next);
  return freedMicros > 0 && availableMicros(account, next) + freedMicros >= 0
    ? { second: next, what: 'hold_expires' }
    : { second, what: 'exhaustion' };
}

/** The next crossing: its second and its kind. The watch sleeps until then. Null: nothing will ever happen. */
export type Crossing =
  | { second: number; what: DatedKind | 'top_up' | 'low' | 'exhaustion' | 'grace_over' }
  | BudgetCrossing;

export function nextCrossing(account: Account, settings: BillingSettings): Crossing | null {
  if (account.standsAtSecond !== null)
    return { second: account.standsAtSecond + settings.graceSeconds + 1, what: 'grace_over' };
  const outlook = topUpOutlook(account, settings);
  // Within one second dated facts come first: they may free credit, or change the cost of the next second. Budgets are
  // next, because the instances that a budget ends free credit.
  const crossings: Array<Crossing | { second: null }> = [
    nextDated(account, settings) ?? { second: null },
    nextBudgetCrossing(account) ?? { second: null },
    { second: dueSecondOf(outlook), what: 'top_up' },
    { second: lowSecond(account, settings, outlook), what: 'low' },
    endOfCredit(account) ?? { second: null },
  ].filter((crossing): crossing is Crossing => crossing.second !== null);
  return (crossings as Crossing[]).reduce<Crossing | null>(
    (next, crossing) => (next === null || crossing.second < next.second ? crossing : next),
    null,
  );
}
