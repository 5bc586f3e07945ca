/**
 * The future of a team's balance line without further facts: the crossings for which the watch waits, followed into the
 * future. Source: docs/rules.md#balance, docs/http.md#balance-and-quote.
 */
import type { Account, BillingSettings } from './account.ts';
import type { Alerts } from './alerts.ts';
import { isReviewed } from './calendar.ts';
import { AccountChange } from './change.ts';
import { cross } from './clock.ts';
import { type Crossing, nextCrossing } from './crossings.ts';
import type { Micros } from './money.ts';
import { availableMicros } from './runway.ts';
import { firstOtherTier } from './spending.ts';

/** Limits the duration of an answer. A reservation that is renewed each month has this many crossings in 83 years. */
const MOST_CROSSINGS = 1_000;

/** The account as if nobody would charge a card any more. */
const withoutTopUps = (account: Account): Account => ({ ...account, policy: null, attempt: null });

/** The account as if the calendar brought nothing any more. */
const withoutCalendar = (account: Account): Account => ({
  ...account,
  meters: account.meters.map((meter) => ({ ...meter, reclaimSecond: null })),
  reservations: account.reservations.map((reservation) => ({ ...reservation, endSecond: Number.POSITIVE_INFINITY })),
  holdExpiries: [],
  discount: null,
  prices: [],
  alerts: null,
});

/**
 * Follows an account through its crossings to the first crossing of a kind. Null when none comes. After a very large
 * number of crossings the line is assumed to go on unchanged.
 */
function firstCrossing(
  account: Account,
  settings: BillingSettings,
  wanted: 'exhaustion' | 'low' | 'top_up',
): number | null {
  const change = new AccountChange({ ...account, alerts: alertsAhead(account) }, settings, { isForecast: true });
  const ahead = change.account;
  for (let crossed = 0; ; crossed += 1) {
    // Arms the warning if the forecast is for the warning, and disarms the warning otherwise.
    ahead.lowArmed = wanted === 'low';
    const isOver = crossed >= MOST_CROSSINGS;
    const next = isOver ? nextCrossing(withoutCalendar(ahead), withoutTiers(settings)) : nextAhead(ahead, settings);
    if (next === null || next.what === wanted) return next?.second ?? null;
    if (isOver) return null;
    ahead.asOfSecond = Math.max(ahead.asOfSecond, next.second);
    cross(change, next);
  }
}

/** The budgets that end instances. Other alerts do not change the line. */
function alertsAhead({ alerts }: Account): Alerts | null {
  const budgets = alerts?.budgets.filter(({ action }) => action === 'stop') ?? [];
  return alerts && budgets.length > 0 ? { ...alerts, budgets, lowLevels: null, burnLimitMicros: null } : null;
}

const withoutTiers = (settings: BillingSettings): BillingSettings => ({ ...settings, volumeTiers: [] });

/**
 * The next crossing with an effect. Midnights without a new volume tier are skipped, and so are expiries of holds
 * without another effect.
 */
function nextAhead(account: Account, settings: BillingSettings): Crossing | null {
  const untiered = withoutTiers(settings);
  const next = nextCrossing(account, untiered);
  const review = nextReview(account, settings, next?.second ?? Number.POSITIVE_INFINITY);
  if (
    review !== null &&
    (next === null || review < next.second || (review === next.second && next.what !== 'hold_expires'))
  )
    return { second: review, what: 'volume_review' };
  return next?.what === 'hold_expires' ? severalHolds(account, settings, next) : next;
}

/**
 * The last expiry of a hold before any other crossing. An expiry only raises the line, so no falling crossing can lie
 * in between, and all of the expiries are applied together. While the team owes an amount or a dispute lacks credit,
 * each expiry is applied separately.
 */
function severalHolds(account: Account, settings: BillingSettings, first: Crossing): Crossing {
  const { holdExpiries, owedMicros, contests } = account;
  if (owedMicros > 0 || contests.some(({ heldMicros, amountMicros }) => heldMicros < amountMicros)) return first;
  const besides = nextCrossing({ ...account, holdExpiries: [] }, withoutTiers(settings))?.second;
  const until =
    nextReview(account, settings, besides ?? Number.POSITIVE_INFINITY) ?? besides ?? Number.POSITIVE_INFINITY;
  const last = holdExpiries.findLast(({ second }) => second <= until);
  return { ...first, second: Math.max(first.second, last?.second ?? first.second) };
}

/** The first 00:00 UTC at which the review changes the volume discount. */
function nextReview(account: Account, settings: BillingSettings, throughSecond: number): number | null {
  const { teamId, spentByDay, standsAtSecond, volumeBasisPoints } = account;
  if (standsAtSecond !== null || !isReviewed(account, settings)) return null;
  if (spentByDay === null) throw new Error(`what ${teamId} has spent was not read`);
  return firstOtherTier(account, spentByDay, settings.volumeTiers, volumeBasisPoints, throughSecond);
}

/** The last second that can be paid in full if no card is charged any more. Null when credit is not being used up. */
export const runsOutSecond = (account: Account, settings: BillingSettings): number | null =>
  account.standsAtSecond ?? firstCrossing(withoutTopUps(account), settings, 'exhaustion');

/**
 * The first second below a level if no card is charged any more; now if it is below. Null: never, also where all ends
 * before, since the next second would cost more than the level.
 */
export function firstBelowSecond(account: Account, settings: BillingSettings, levelMicros: Micros): number | null {
  const { standsAtSecond } = account;
  if (standsAtSecond !== null && availableMicros(account, standsAtSecond) < levelMicros) return standsAtSecond;
  return firstCrossing(withoutTopUps(account), { ...settings, lowLevelMicros: levelMicros }, 'low');
}

/** The second of the next charge of the card, also after the end of credit. Null when no charge will come. */
export const nextTopUpSecond = (account: Account, settings: BillingSettings): number | null =>
  firstCrossing(account, settings, 'top_up');
