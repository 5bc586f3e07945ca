/**
 * Changes of the rates of running instances: by the team's discount, a spot price, or the begin or end of a cover. Each
 * change ends a segment and begins the next at the same second. Source: docs/rules.md#what-an-instance-costs,
 * docs/rules.md#discounts.
 */
import type { Account, BillingSettings } from './account.ts';
import { type AccountChange, closeMeter, replaceMeters } from './change.ts';
import { coversOf } from './covers.ts';
import { discountAt, discountedMicros, volumeBasisPointsOf } from './discounts.ts';
import {
  classCostMicros,
  classOf,
  type MeterClass,
  type MeterGroup,
  MetersNeeded,
  mergedClasses,
  meterSums,
} from './meter-sums.ts';
import { micros, subtract, ZERO } from './money.ts';
import { isDiscountable, type Priced, priceAt, rateOf } from './prices.ts';
import { trailingSpendMicros } from './spending.ts';
import { dayStart, daysBefore } from './time.ts';
import type { Meter } from './usage.ts';

/** Sums the team's spending by a second, and stores the volume discount. */
export function reviewVolume(change: AccountChange, second: number): void {
  change.account.volumeBasisPoints = volumeDiscountAt(change.account, change.settings, second);
}

/**
 * The volume review at 00:00. A charge in flight may keep the end of credit open beyond midnight and delay the review.
 * Spending of the new day does not count in the review.
 */
export function reviewVolumeAtMidnight(change: AccountChange, midnightSecond: number): void {
  const yesterday = daysBefore(midnightSecond, 1);
  change.account.volumeBasisPoints = volumeDiscountAt(change.account, change.settings, midnightSecond, yesterday);
}

/**
 * The volume discount of a team at a second, in basis points.
 * @param lastDay see `trailingSpendMicros`
 */
export function volumeDiscountAt(
  account: Account,
  { volumeTiers }: BillingSettings,
  second: number,
  lastDay = dayStart(second),
): number {
  if (volumeTiers.length === 0) return 0;
  if (account.spentByDay === null) throw new Error(`what ${account.teamId} has spent was not read`);
  return volumeBasisPointsOf(volumeTiers, trailingSpendMicros(account, account.spentByDay, second, lastDay));
}

/** The price of an instance from a second on, without covers: covers depend on all instances together. */
export function pricedAt(account: Account, { priced }: Meter, second: number): Priced {
  if (!isDiscountable(priced)) return priced;
  const spotMicros = priced.pricing === 'spot' ? priceAt(account.prices, priced, second)?.spotMicros : undefined;
  const listMicrosPerHour = spotMicros ?? priced.listMicrosPerHour;
  const { basisPoints, kind } = discountAt(account.discount, account.volumeBasisPoints, second);
  const { discountBasisPoints, discountKind } = priced;
  if (listMicrosPerHour === priced.listMicrosPerHour && basisPoints === discountBasisPoints && kind === discountKind)
    return priced;
  return {
    ...priced,
    listMicrosPerHour,
    discountBasisPoints: basisPoints,
    discountKind: kind,
  };
}

/** True if neither the rate nor the cover priority changed. A discount has no effect on a covered instance. */
const isAsBefore = (before: Priced, now: Priced, coveredBy: string | null): boolean =>
  before.coveredBy === coveredBy &&
  before.listMicrosPerHour === now.listMicrosPerHour &&
  (coveredBy !== null || before.discountBasisPoints === now.discountBasisPoints);

/**
 * Re-rates the meters in the sums. Given prices never change, and spot prices are in no sum, so only the discount can
 * change. A forecast applies the discount class by class.
 * @throws MetersNeeded where segments would have to be cut, and where a reservation may cover some of the meters
 */
function rerateSummed(change: AccountChange, second: number): void {
  const { account, isForecast } = change;
  const { summed, discount, volumeBasisPoints, reservations } = account;
  if (!summed) return;
  const discountable = summed.classes.filter(({ isDiscountable }) => isDiscountable);
  if (discountable.length === 0) return;
  if (reservations.length > 0) throw new MetersNeeded('which instances are covered');
  const { basisPoints } = discountAt(discount, volumeBasisPoints, second);
  const moved = new Set(discountable.filter(({ discountBasisPoints }) => discountBasisPoints !== basisPoints));
  if (moved.size === 0) return;
  if (!isForecast || second < summed.startedBySecond) throw new MetersNeeded('which rates change');
  const next = summed.classes.map((each) => (moved.has(each) ? nextClass(change, each, basisPoints, second) : each));
  account.summed = meterSums(mergedClasses(next), second);
}

/** Ends the segments of a class and begins the next at the same second, at another discount. */
export function nextClass(
  change: AccountChange,
  each: MeterClass | MeterGroup,
  basisPoints: number,
  second: number,
): MeterClass {
  const { account } = change;
  account.postedMicros = subtract(
    account.postedMicros,
    micros(classCostMicros(each, second) - BigInt(each.postedMicros)),
  );
  change.spentByClass(each, second);
  const listMicrosPerHour = micros(each.listMicrosPerHour);
  const one = classOf({
    rateMicrosPerHour: discountedMicros(listMicrosPerHour, basisPoints),
    startSecond: second,
    postedMicros: 0,
    priced: { given: false, listMicrosPerHour, discountBasisPoints: basisPoints },
  });
  const { count } = each;
  return {
    ...one,
    count,
    rateMicrosPerHour: count * one.rateMicrosPerHour,
    rateTimesStart: BigInt(count) * one.rateTimesStart,
  };
}

/**
 * Prices every running instance again as of a second, and cuts a segment wherever the price changed.
 * @param opening instances that start at this second and have no segment to cut yet
 */
export function rerate(change: AccountChange, second: number, opening: readonly Meter[] = []): void {
  const { account } = change;
  rerateSummed(change, second);
  const opens = new Set(opening);
  const inForce = account.meters.map((meter) => ({ meter, priced: pricedAt(account, meter, second) }));
  const covers = coversOf(
    account.reservations.length === 0
      ? []
      : inForce.map(({ meter: { instanceId, instanceStartSecond }, priced }) => ({
          instanceId,
          instanceStartSecond,
          priced,
        })),
    account.reservations,
  );
  const cut: Meter[] = [];
  const begun: Meter[] = [];
  for (const { meter, priced: uncovered } of inForce) {
    const coveredBy = covers.get(meter.instanceId) ?? null;
    if (opens.has(meter)) {
      const priced = { ...uncovered, coveredBy };
      Object.assign(meter, { priced, rateMicrosPerHour: rateOf(priced) });
    } else if (!isAsBefore(meter.priced, uncovered, coveredBy)) {
      cut.push(meter);
      begun.push(nextSegment(change, meter, { ...uncovered, coveredBy }, second));
    }
  }
  replaceMeters(change, cut, begun);
}

/** Ends a segment and begins the next at the same second. */
export const beginSegment = (change: AccountChange, meter: Meter, priced: Priced, second: number): void =>
  replaceMeters(change, [meter], [nextSegment(change, meter, priced, second)]);

/** Ends a segment and returns the next segment. The caller puts the new segment on the line, by `replaceMeters`. */
export function nextSegment(change: AccountChange, meter: Meter, priced: Priced, second: number): Meter {
  closeMeter(change, meter, second);
  const next: Meter = {
    ...meter,
    segment: meter.segment + 1,
    priced,
    rateMicrosPerHour: rateOf(priced),
    startSecond: second,
    postedMicros: ZERO,
  };
  change.effects.push({ kind: 'meter_opened', meter: { ...next } });
  return next;
}
