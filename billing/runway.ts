/**
 * A balance is a line, not a counter: between two facts the balance falls in a known way, so the second at which the
 * balance meets a level is computed instead of polled for. Source: docs/rules.md#balance,
 * docs/architecture.md#the-balance-line.
 */
import { type MeterSums, summedDueBounds, summedDueMicros } from './meter-sums.ts';
import { type Micros, micros } from './money.ts';
import { LAST_SECOND } from './time.ts';
import { chargeDueMicros, type Metered } from './usage.ts';

/** The parts of a team's balance between two facts. */
export interface BalanceLine {
  postedMicros: Micros;
  heldMicros: Micros;
  /** Running instances and reservations. Reservations cost whether used or not. */
  meters: readonly Metered[];
  reservations?: readonly Metered[];
  /** Running meters beside `meters`, where not every meter was read. */
  summed?: MeterSums | null;
}

/** Every meter on the line that was read singly. */
export const meteredOf = ({ meters, reservations = [] }: BalanceLine): readonly Metered[] =>
  reservations.length === 0 ? meters : [...meters, ...reservations];

/** posted − Σ (cost at S − posted for it) − held. */
export function availableMicros(line: BalanceLine, second: number): Micros {
  const accrued = meteredOf(line).reduce((sum, meter) => sum + chargeDueMicros(meter, second), 0);
  const summedAccrued = line.summed ? summedDueMicros(line.summed, second) : 0;
  return micros(line.postedMicros - accrued - summedAccrued - line.heldMicros);
}

/**
 * True if `available < level` at a second. Where the remainders of sums are not known, bounds decide for levels that lie
 * outside them.
 * @throws RemaindersNeeded for a level within the bounds
 */
export function isBelow(line: BalanceLine, levelMicros: Micros, second: number): boolean {
  const bounds = line.summed ? summedDueBounds(line.summed, second) : null;
  if (bounds) {
    const others = availableMicros({ ...line, summed: null }, second);
    if (others - bounds.least < levelMicros) return true;
    if (others - bounds.most >= levelMicros) return false;
  }
  return availableMicros(line, second) < levelMicros;
}

/** Σ of the running rates, micros per hour. */
export const burnMicrosPerHour = (line: BalanceLine): Micros =>
  micros(meteredOf(line).reduce((sum, meter) => sum + meter.rateMicrosPerHour, line.summed?.rateMicrosPerHour ?? 0));

/**
 * The last second at which `available ≥ level`, or null when the line never falls below the level: nothing runs, or the
 * second lies beyond the year 9999. The second may lie before a meter's last fact when the line is below the level
 * already.
 *
 * The sum of the exact costs without floors brackets the answer in closed form. The bracket is at most one micro per
 * meter wide, and inside the bracket the floors are summed exactly.
 * @throws MetersNeeded where the answer may lie before the start of a meter in the sums, RemaindersNeeded
 */
export function lastSecondAtOrAbove(line: BalanceLine, levelMicros: Micros): number | null {
  const meters = meteredOf(line);
  const { summed = null } = line;
  const summedRate = BigInt(summed?.rateMicrosPerHour ?? 0);
  const rate = meters.reduce((sum, meter) => sum + BigInt(meter.rateMicrosPerHour), summedRate);
  if (rate === 0n) return null;

  const rateTimesStart = meters.reduce(
    (sum, meter) => sum + BigInt(meter.rateMicrosPerHour) * BigInt(meter.startSecond),
    summed?.rateTimesStart ?? 0n,
  );
  const summedPosted = BigInt(summed?.postedMicros ?? 0);
  const postedForMeters = meters.reduce((sum, meter) => sum + BigInt(meter.postedMicros), summedPosted);
  const count = meters.length + (summed?.count ?? 0);
  const budget = BigInt(line.postedMicros) - BigInt(line.heldMicros) - BigInt(levelMicros) + postedForMeters;
  const secondWhenSpent = (amount: bigint) => Number((3600n * amount + rateTimesStart) / rate);

  let above = secondWhenSpent(budget) - 1;
  let below = secondWhenSpent(budget + BigInt(count)) + 1;
  if (above >= LAST_SECOND) return null;
  while (below - above > 1) {
    const middle = above + Math.floor((below - above) / 2);
    if (isBelow(line, levelMicros, middle)) below = middle;
    else above = middle;
  }
  return above > LAST_SECOND ? null : above;
}

/** The first second, not before `fromSecond`, at which `available < level`; null for never. */
export function firstSecondBelow(line: BalanceLine, levelMicros: Micros, fromSecond: number): number | null {
  if (isBelow(line, levelMicros, fromSecond)) return fromSecond;
  const last = lastSecondAtOrAbove(line, levelMicros);
  return last === null ? null : last + 1;
}

/** X: the last second that can be paid in full. Null when nothing runs, or credit lasts beyond the year 9999. */
export const exhaustionSecond = (line: BalanceLine): number | null => lastSecondAtOrAbove(line, micros(0));
