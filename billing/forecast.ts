/**
 * Where a team's line will lead if nothing more happens: the same crossings as the watch waits for, followed into the
 * future. Source: docs/rules.md#balance, docs/http.md#balance-and-quote.
 */
import { type Account, type Crossing, nextCrossing, type Terms } from './account.ts';
import { isReviewed } from './calendar.ts';
import { Change } from './change.ts';
import { cross } from './clock.ts';
import type { Micros } from './money.ts';
import { availableMicros } from './runway.ts';
import { firstOtherTier } from './spending.ts';

/** So that no answer takes long: a reservation that is renewed each month comes to this many in 83 years. */
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
});

/**
 * Follows an account through what the clock will bring to the first crossing of a kind. Null when it never comes. Beyond
 * more crossings than anybody will see, the line goes on as it is.
 */
function firstCrossing(account: Account, terms: Terms, wanted: 'exhaustion' | 'low' | 'top_up'): number | null {
  const change = new Change(account, terms, { isForecast: true });
  const ahead = change.account;
  for (let crossed = 0; ; crossed += 1) {
    // Asked for, a warning is due whenever credit is low; otherwise it is of no interest.
    ahead.lowArmed = wanted === 'low';
    const isOver = crossed >= MOST_CROSSINGS;
    const next = isOver ? nextCrossing(withoutCalendar(ahead), withoutTiers(terms)) : nextAhead(ahead, terms);
    if (next === null || next.what === wanted) return next?.second ?? null;
    if (isOver) return null;
    ahead.asOfSecond = Math.max(ahead.asOfSecond, next.second);
    cross(change, next);
  }
}

const withoutTiers = (terms: Terms): Terms => ({ ...terms, volumeTiers: [] });

/** The next crossing that changes anything: midnights at which volume earns what it did, and holds that only end, are passed over. */
function nextAhead(account: Account, terms: Terms): Crossing | null {
  const untiered = withoutTiers(terms);
  const next = nextCrossing(account, untiered);
  const review = nextReview(account, terms, next?.second ?? Number.POSITIVE_INFINITY);
  if (
    review !== null &&
    (next === null || review < next.second || (review === next.second && next.what !== 'hold_expires'))
  )
    return { second: review, what: 'volume_review' };
  return next?.what === 'hold_expires' ? severalHolds(account, terms, next) : next;
}

/**
 * The last hold's end before anything else comes, for all of them: each end only raises the line, so that nothing which
 * comes when it falls can come in between. Where somebody waits for credit, each is taken by itself.
 */
function severalHolds(account: Account, terms: Terms, first: Crossing): Crossing {
  const { holdExpiries, owedMicros, contests } = account;
  if (owedMicros > 0 || contests.some(({ heldMicros, amountMicros }) => heldMicros < amountMicros)) return first;
  const besides = nextCrossing({ ...account, holdExpiries: [] }, withoutTiers(terms))?.second;
  const until = nextReview(account, terms, besides ?? Number.POSITIVE_INFINITY) ?? besides ?? Number.POSITIVE_INFINITY;
  const last = holdExpiries.findLast(({ second }) => second <= until);
  return { ...first, second: Math.max(first.second, last?.second ?? first.second) };
}

/** The first 00:00 UTC at which the look at the volume discount changes what it earns. */
function nextReview(account: Account, terms: Terms, throughSecond: number): number | null {
  const { teamId, spentByDay, standsAtSecond, volumeBasisPoints } = account;
  if (standsAtSecond !== null || !isReviewed(account, terms)) return null;
  if (spentByDay === null) throw new Error(`what ${teamId} has spent was not read`);
  return firstOtherTier(account, spentByDay, terms.volumeTiers, volumeBasisPoints, throughSecond);
}

/** The last second that can be paid in full if no card is charged any more. Null when credit is not being used up. */
export const runsOutSecond = (account: Account, terms: Terms): number | null =>
  account.standsAtSecond ?? firstCrossing(withoutTopUps(account), terms, 'exhaustion');

/**
 * The first second below a level if no card is charged any more; now if it is below. Null: never, also where all ends
 * before, since the next second would cost more than the level.
 */
export function firstBelowSecond(account: Account, terms: Terms, levelMicros: Micros): number | null {
  const { standsAtSecond } = account;
  if (standsAtSecond !== null && availableMicros(account, standsAtSecond) < levelMicros) return standsAtSecond;
  return firstCrossing(withoutTopUps(account), { ...terms, lowLevelMicros: levelMicros }, 'low');
}

/** When the card will be charged next, be it after the end of credit. Null when it will not be. */
export const nextTopUpSecond = (account: Account, terms: Terms): number | null =>
  firstCrossing(account, terms, 'top_up');
