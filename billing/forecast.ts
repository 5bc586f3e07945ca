/**
 * Where a team's line will lead if nothing more happens: the same crossings as the watch waits for, followed into the
 * future. Source: rules.md, "Balance", and api.md, "balance" and "quote".
 */
import { type Account, moneySecond, nextCrossing, type Terms } from './account.ts';
import { Change } from './change.ts';
import { cross } from './clock.ts';
import type { Micros } from './money.ts';
import { firstSecondBelow, meteredOf } from './runway.ts';
import { daysBefore } from './time.ts';

/** After so many days in which nothing changes, what volume earns does not change either. */
const STEADY_DAYS = 32;
/** No calendar brings more than this before credit ends; a bound, so that no answer takes for ever. */
const MOST_CROSSINGS = 5_000;

/** The account as if nobody would charge a card any more. */
const withoutTopUps = (account: Account): Account => ({ ...account, policy: null, attempt: null, lowArmed: false });

/** Follows an account through what the clock will bring, crossing by crossing, until `stop` has seen enough. */
function follow(
  account: Account,
  terms: Terms,
  stop: (account: Account, next: ReturnType<typeof nextCrossing>) => boolean,
) {
  const change = new Change(account, terms);
  let steadySince = account.asOfSecond;
  for (let crossed = 0; crossed < MOST_CROSSINGS; crossed += 1) {
    const isSteady = daysBefore(change.account.datedThroughSecond, STEADY_DAYS) > steadySince;
    const next = nextCrossing(change.account, isSteady ? { ...terms, volumeTiers: [] } : terms);
    if (stop(change.account, next) || next === null) return;
    const effects = change.effects.length;
    change.account.asOfSecond = Math.max(change.account.asOfSecond, next.second);
    cross(change, next);
    if (change.effects.length > effects) steadySince = next.second;
  }
}

/** The last second that can be paid in full if no card is charged any more. Null when credit is not being used up. */
export function runsOutSecond(account: Account, terms: Terms): number | null {
  if (account.standsAtSecond !== null) return account.standsAtSecond;
  let runsOut: number | null = null;
  follow(withoutTopUps(account), terms, (_, next) => {
    if (next?.what === 'exhaustion') runsOut = next.second;
    return next?.what === 'exhaustion';
  });
  return runsOut;
}

/** The first second below a level if no card is charged any more; now if it is below. Null: never. */
export function firstBelowSecond(account: Account, terms: Terms, levelMicros: Micros): number | null {
  let below: number | null = null;
  follow(withoutTopUps(account), terms, (ahead, next) => {
    const second = firstSecondBelow(ahead, levelMicros, moneySecond(ahead, ahead.asOfSecond));
    // What is let go at a second counts at that second already; what changes a rate, only from the next one on.
    const before =
      next === null || next.what === 'exhaustion' ? null : next.what === 'hold_expires' ? next.second - 1 : next.second;
    if (second !== null && (before === null || second <= before)) below = second;
    return below !== null || next?.what === 'exhaustion';
  });
  return below;
}

/** When the card will be charged next. Null when it will not be, or credit ends before. */
export function nextTopUpSecond(account: Account, terms: Terms): number | null {
  let due: number | null = null;
  follow({ ...account, lowArmed: false }, terms, (_, next) => {
    if (next?.what === 'top_up') due = next.second;
    return next?.what === 'top_up' || next?.what === 'exhaustion' || next?.what === 'grace_over';
  });
  return due;
}

/** Whether anything runs that uses credit up. */
export const burns = (account: Account): boolean =>
  meteredOf(account).some(({ rateMicrosPerHour }) => rateMicrosPerHour > 0);
