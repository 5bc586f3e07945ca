/**
 * What moves the rates of running instances: the team's discount, a spot price, a reservation that covers or covers no
 * more. Where one of them has changed, a segment ends and the next begins at the same second.
 * Source: rules.md, "What an instance costs" and "Discounts, reservations, spot".
 */
import type { Account, Terms } from './account.ts';
import { type Change, closeMeter } from './change.ts';
import { coversOf } from './covers.ts';
import { discountAt, volumeBasisPointsOf } from './discounts.ts';
import { ZERO } from './money.ts';
import { isDiscountable, type Priced, priceAt, rateOf } from './prices.ts';
import { trailingSpendMicros } from './spending.ts';
import { dayStart, daysBefore } from './time.ts';
import type { Meter } from './usage.ts';

/** Looks at what the team has spent by a second, and keeps the discount that it earns. */
export function reviewVolume(change: Change, second: number): void {
  change.account.volumeBasisPoints = volumeDiscountAt(change.account, change.terms, second);
}

/**
 * The look at 00:00. It may be made late, after a charge in flight has kept the end of credit open beyond it: what was spent
 * in the new day by then does not count.
 */
export function reviewVolumeAtMidnight(change: Change, midnightSecond: number): void {
  const yesterday = daysBefore(midnightSecond, 1);
  change.account.volumeBasisPoints = volumeDiscountAt(change.account, change.terms, midnightSecond, yesterday);
}

/**
 * What volume earns a team at a second, in basis points.
 * @param lastDay see `trailingSpendMicros`
 */
export function volumeDiscountAt(
  account: Account,
  { volumeTiers }: Terms,
  second: number,
  lastDay = dayStart(second),
): number {
  if (volumeTiers.length === 0) return 0;
  if (account.spentByDay === null) throw new Error(`what ${account.teamId} has spent was not read`);
  return volumeBasisPointsOf(volumeTiers, trailingSpendMicros(account, account.spentByDay, second, lastDay));
}

/** How an instance is priced from a second on, as it stands; which reservation covers it is a question of all of them. */
export function pricedAt(account: Account, { priced }: Meter, second: number): Priced {
  if (!isDiscountable(priced)) return priced;
  const spotMicros = priced.pricing === 'spot' ? priceAt(account.prices, priced, second)?.spotMicros : undefined;
  const { basisPoints, kind } = discountAt(account.discount, account.volumeBasisPoints, second);
  return {
    ...priced,
    listMicrosPerHour: spotMicros ?? priced.listMicrosPerHour,
    discountBasisPoints: basisPoints,
    discountKind: kind,
  };
}

/** Nothing that its rate, or its worth to be covered, is made of has changed. Of a covered one the discount does not matter. */
const isAsBefore = (before: Priced, now: Priced): boolean =>
  before.coveredBy === now.coveredBy &&
  before.listMicrosPerHour === now.listMicrosPerHour &&
  (now.coveredBy !== null || before.discountBasisPoints === now.discountBasisPoints);

/**
 * Prices every running instance anew as of a second, and cuts a segment wherever that changes something.
 * @param opening those that start at this second: they have no segment to cut yet
 */
export function rerate(change: Change, second: number, opening: readonly Meter[] = []): void {
  const { account } = change;
  const opens = new Set(opening);
  const inForce = new Map(account.meters.map((meter) => [meter, pricedAt(account, meter, second)]));
  const covers = coversOf(
    [...inForce].map(([meter, priced]) => ({ ...meter, priced })),
    account.reservations,
  );
  for (const [meter, uncovered] of inForce) {
    const priced: Priced = { ...uncovered, coveredBy: covers.get(meter.instanceId) ?? null };
    if (opens.has(meter)) Object.assign(meter, { priced, rateMicrosPerHour: rateOf(priced) });
    else if (!isAsBefore(meter.priced, priced)) beginSegment(change, meter, priced, second);
  }
}

/** Ends a segment and begins the next at the same second. */
export function beginSegment(change: Change, meter: Meter, priced: Priced, second: number): void {
  closeMeter(change, meter, second);
  const next: Meter = {
    ...meter,
    segment: meter.segment + 1,
    priced,
    rateMicrosPerHour: rateOf(priced),
    startSecond: second,
    postedMicros: ZERO,
  };
  change.account.meters.push(next);
  change.effects.push({ kind: 'meter_opened', meter: { ...next } });
}
