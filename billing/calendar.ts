/**
 * The dated facts of a team: the end of a hold, of a discount or of a reservation, the first second of a spot price,
 * the review of the volume discount at 00:00 UTC, and an announced reclaim. This file finds the second of each;
 * clock.ts applies the effects, whichever process runs then. Source: docs/rules.md#facts-and-their-seconds.
 */
import type { Account, BillingSettings, HoldExpiry } from './account.ts';
import { add, type Micros, ZERO } from './money.ts';
import { type GpuPrice, isDiscountable, priceAt } from './prices.ts';
import { nextDayStart } from './time.ts';
import type { Meter } from './usage.ts';

export type DatedKind =
  | 'hold_expires'
  | 'discount_ends'
  | 'reservation_ends'
  | 'spot_reclaim'
  | 'spot_price'
  | 'volume_review';

/** The amount released at exactly this second. */
export const expiringMicros = (expiries: readonly HoldExpiry[], second: number): Micros =>
  expiries.reduce((sum, expiry) => (expiry.second === second ? add(sum, expiry.micros) : sum), ZERO);

/**
 * True if a list price can move the meter while the meter runs. For a covered meter the price moves the cover priority.
 */
const followsSpotPrice = ({ priced: { pricing, given } }: Meter): boolean => pricing === 'spot' && !given;

/** The first second, not before `fromSecond`, at which the spot price differs from the price of the instance. */
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

/** True if the volume discount is reviewed each midnight, which happens only while a rate depends on the discount. */
export const isReviewed = (account: Account, { volumeTiers }: BillingSettings): boolean =>
  volumeTiers.length > 0 && hasDiscountable(account);

/** The soonest dated fact. Within one second the end of a hold comes first. */
export function nextDated(account: Account, settings: BillingSettings): { second: number; what: DatedKind } | null {
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
  if (isReviewed(account, settings)) due('volume_review', nextDayStart(datedThroughSecond));
  return next;
}
