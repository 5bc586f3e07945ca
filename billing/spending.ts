/**
 * What a team has spent lately, by UTC day: what the volume discount looks at. Of the 30 whole days before today, and of
 * today so far, so that a day is counted whole or not at all and the sum at 00:00 is that of 30 days.
 * Source: rules.md, "Discounts, reservations, spot".
 */
import type { Account } from './account.ts';
import { add, type Micros, ZERO } from './money.ts';
import { meteredOf } from './runway.ts';
import { dayStart, daysBefore, nextDayStart } from './time.ts';
import { costBetweenMicros, type Metered } from './usage.ts';

const TRAILING_DAYS = 30;

/** By a day's first second: what was spent in it by tokens and by stretches of running that are over. */
export type SpentByDay = ReadonlyMap<number, Micros>;

/** The first second that counts at a second. */
export const trailingFrom = (second: number): number => daysBefore(dayStart(second), TRAILING_DAYS);

/**
 * What a team has spent by a second, what still runs included.
 * @param lastDay the first second of the last day that counts: today so far, or at 00:00 the day before
 */
export function trailingSpendMicros(
  account: Account,
  spentByDay: SpentByDay,
  second: number,
  lastDay = dayStart(second),
): Micros {
  const from = trailingFrom(second);
  let spent = ZERO;
  for (const [day, micros] of spentByDay) if (day >= from && day <= lastDay) spent = add(spent, micros);
  return meteredOf(account).reduce((sum, meter) => add(sum, costBetweenMicros(meter, from, second)), spent);
}

/** Counts what was spent at one second. */
export function spendAt(spentByDay: Map<number, Micros>, second: number, micros: Micros): void {
  const day = dayStart(second);
  spentByDay.set(day, add(spentByDay.get(day) ?? ZERO, micros));
}

/** Counts a stretch of running that is over, to each of its days what it cost in it; days that no sum will ask for are left out. */
export function spendOver(spentByDay: Map<number, Micros>, metered: Metered, endSecond: number): void {
  let from = Math.max(metered.startSecond, trailingFrom(endSecond));
  while (from < endSecond) {
    const to = Math.min(nextDayStart(from), endSecond);
    spendAt(spentByDay, from, costBetweenMicros(metered, from, to));
    from = to;
  }
}
