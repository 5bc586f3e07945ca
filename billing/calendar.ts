/**
 * What the calendar brings a team, whoever runs then: a hold's end, a discount's, a reservation's, a spot price's first
 * second, the look at the volume discount at 00:00 UTC, a reclaim that was announced. When each is due is worked out here;
 * what it changes, in clock.ts. Source: docs/rules.md#facts-and-their-seconds.
 */
import type { Account, Terms } from './account.ts';
import { add, type Micros, ZERO } from './money.ts';
import { type GpuPrice, isDiscountable, priceAt } from './prices.ts';
import { nextDayStart } from './time.ts';
import type { Meter } from './usage.ts';

/** So much is held until this second, in which it is held no more. */
export interface HoldExpiry {
  second: number;
  micros: Micros;
}

export type DatedKind =
  | 'hold_expires'
  | 'discount_ends'
  | 'reservation_ends'
  | 'spot_reclaim'
  | 'spot_price'
  | 'volume_review';

/** What is let go at exactly this second. */
export const expiringMicros = (expiries: readonly HoldExpiry[], second: number): Micros =>
  expiries.reduce((sum, expiry) => (expiry.second === second ? add(sum, expiry.micros) : sum), ZERO);

/** Whether the price list moves it while it runs: of a covered one, what it is worth to cover it. */
const followsSpotPrice = ({ priced: { pricing, given } }: Meter): boolean => pricing === 'spot' && !given;

/** The first second, not before `fromSecond`, at which the spot price is not what the instance is charged from. */
function nextSpotMove(prices: readonly GpuPrice[], meter: Meter, fromSecond: number): number | null {
  const { priced } = meter;
  const differsAt = (second: number): boolean => {
    const price = priceAt(prices, priced, second);
    return price !== null && price.spotMicros !== priced.listMicrosPerHour;
  };
  const seconds = prices.map(({ effectiveSecond }) => Math.max(effectiveSecond, fromSecond)).filter(differsAt);
  return seconds.length === 0 ? null : Math.min(...seconds);
}

/** Whether anything runs whose rate the team's discount moves. */
export const hasDiscountable = ({ meters, summed }: Pick<Account, 'meters' | 'summed'>): boolean =>
  meters.some(({ priced }) => isDiscountable(priced)) ||
  (summed?.classes.some(({ isDiscountable }) => isDiscountable) ?? false);

/** Whether the volume discount is looked at each midnight: only while it can move a rate. */
export const isReviewed = (account: Account, { volumeTiers }: Terms): boolean =>
  volumeTiers.length > 0 && hasDiscountable(account);

/** The soonest of what the calendar brings. Of one second, a hold's end comes first. */
export function nextDated(account: Account, terms: Terms): { second: number; what: DatedKind } | null {
  const { meters, reservations, holdExpiries, discount, prices, datedThroughSecond } = account;
  let next: { second: number; what: DatedKind } | null = null;
  const due = (what: DatedKind, second: number | null | undefined): void => {
    if (second !== null && second !== undefined && (next === null || second < next.second)) next = { second, what };
  };
  due('hold_expires', holdExpiries[0]?.second);
  for (const { reclaimSecond } of meters) due('spot_reclaim', reclaimSecond);
  due('discount_ends', discount?.untilSecond);
  for (const { endSecond } of reservations) due('reservation_ends', endSecond);
  for (const meter of meters.filter(followsSpotPrice))
    due('spot_price', nextSpotMove(prices, meter, datedThroughSecond));
  if (isReviewed(account, terms)) due('volume_review', nextDayStart(datedThroughSecond));
  return next;
}
