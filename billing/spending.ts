/**
 * A team's recent spending by UTC day, for the volume discount: 30 whole days before today, and today so far. A day
 * counts whole or not at all, and the sum at 00:00 covers exactly 30 days. Sums stop at the largest amount that fits,
 * far above every tier. Source: docs/rules.md#discounts.
 */
import type { Account, SpentByDay } from './account.ts';
import { type VolumeTier, volumeBasisPointsOf } from './discounts.ts';
import { classCostBetweenMicros, classCostMicros, type MeterClass, type MeterGroup } from './meter-sums.ts';
import { atMost, type Micros, ZERO } from './money.ts';
import { meteredOf } from './runway.ts';
import { dayStart, daysAfter, daysBefore, daysBetween, nextDayStart } from './time.ts';
import { costBetweenMicros, type Metered } from './usage.ts';

const TRAILING_DAYS = 30;
const HOURS_OF_DAY = 24;

/** The first second that counts towards the review at a second. */
export const trailingFrom = (second: number): number => daysBefore(dayStart(second), TRAILING_DAYS);

/**
 * A team's spending by a second, running meters included.
 * @param lastDay the first second of the last day that counts: today, or at 00:00 the day before
 */
export function trailingSpendMicros(
  account: Account,
  spentByDay: SpentByDay,
  second: number,
  lastDay = dayStart(second),
): Micros {
  const from = trailingFrom(second);
  let spent = ZERO;
  for (const [day, micros] of spentByDay) if (day >= from && day <= lastDay) spent = atMost(spent + micros);
  const { summed } = account;
  for (const each of summed?.classes ?? [])
    if (summed) spent = atMost(BigInt(spent) + classCostBetweenMicros(summed, each, from, second));
  return meteredOf(account).reduce((sum, meter) => atMost(sum + costBetweenMicros(meter, from, second)), spent);
}

/** After this many midnights, a window of 30 days holds only whole days of the running meters. */
const MIDNIGHTS_UNTIL_STEADY = 32;

/**
 * The first 00:00 UTC after `datedThroughSecond`, up to `throughSecond`, at which the volume tier changes if nothing
 * else happens. A whole day of a meter costs 24 times its hour, without a fraction, so each day is added only once.
 */
export function firstOtherTier(
  account: Account,
  spentByDay: SpentByDay,
  tiers: readonly VolumeTier[],
  basisPoints: number,
  throughSecond: number,
): number | null {
  const midnight = nextDayStart(account.datedThroughSecond);
  if (midnight > throughSecond) return null;
  const firstDay = trailingFrom(midnight);
  const days = TRAILING_DAYS + MIDNIGHTS_UNTIL_STEADY;
  const running = runningByDay(account, firstDay, days);
  const spentOn = (day: number): number => (running[day] ?? 0) + (spentByDay.get(daysAfter(firstDay, day)) ?? 0);
  let spent = 0;
  for (let day = 0; day < TRAILING_DAYS; day += 1) spent += spentOn(day);
  for (let day = TRAILING_DAYS; day < days; day += 1) {
    const second = daysAfter(firstDay, day);
    if (second > throughSecond) return null;
    if (volumeBasisPointsOf(tiers, atMost(spent)) !== basisPoints) return second;
    spent += spentOn(day) - spentOn(day - TRAILING_DAYS);
  }
  return null;
}

/** The cost of all running meters on each of a number of days, if they run on. */
function runningByDay(account: Account, firstDay: number, days: number): number[] {
  const costs = new Array<number>(days).fill(0);
  const begins = new Array<number>(days).fill(0);
  for (const meter of meteredOf(account)) {
    const { startSecond, rateMicrosPerHour } = meter;
    const day = daysBetween(firstDay, dayStart(startSecond));
    // From the second day of a meter on, its days are whole.
    const whole = startSecond <= firstDay ? 0 : day + 1;
    if (whole > 0) costs[day] = (costs[day] ?? 0) + costBetweenMicros(meter, startSecond, nextDayStart(startSecond));
    begins[whole] = (begins[whole] ?? 0) + rateMicrosPerHour;
  }
  for (const each of account.summed?.classes ?? []) {
    const day = daysBetween(firstDay, each.daySecond);
    const whole = day < 0 ? 0 : day + 1;
    if (whole > 0) costs[day] = (costs[day] ?? 0) + Number(classCostMicros(each, nextDayStart(each.daySecond)));
    begins[whole] = (begins[whole] ?? 0) + each.rateMicrosPerHour;
  }
  let hourly = 0;
  return costs.map((cost, day) => {
    hourly += begins[day] ?? 0;
    return cost + HOURS_OF_DAY * hourly;
  });
}

/** Counts an amount spent at a second. */
export function spendAt(spentByDay: Map<number, Micros>, second: number, micros: Micros): void {
  const day = dayStart(second);
  spentByDay.set(day, atMost((spentByDay.get(day) ?? ZERO) + micros));
}

/** Counts an ended stretch of running, for each day the cost within the day. Days before the window are left out. */
export function spendOver(spentByDay: Map<number, Micros>, metered: Metered, endSecond: number): void {
  let from = Math.max(metered.startSecond, trailingFrom(endSecond));
  while (from < endSecond) {
    const to = Math.min(nextDayStart(from), endSecond);
    spendAt(spentByDay, from, costBetweenMicros(metered, from, to));
    from = to;
  }
}

/** Counts an ended stretch of the meters of a class. No meter of the class starts later. */
export function spendClassOver(
  spentByDay: Map<number, Micros>,
  each: MeterClass | MeterGroup,
  endSecond: number,
): void {
  let from = Math.max(each.daySecond, trailingFrom(endSecond));
  while (from < endSecond) {
    const to = Math.min(nextDayStart(from), endSecond);
    const before = from > each.daySecond ? classCostMicros(each, from) : 0n;
    spendAt(spentByDay, from, atMost(classCostMicros(each, to) - before));
    from = to;
  }
}
