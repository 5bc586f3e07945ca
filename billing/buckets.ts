/**
 * The hours, days and months of a time zone as buckets of UTC seconds. The buckets of a range are disjoint, cover the
 * range, and are in order. Source: docs/rules.md#sums.
 */
import { nextMonthStart, SECONDS_PER_DAY } from './time.ts';
import { type OffsetStretch, offsetsBetween } from './time-zones.ts';

export const TIME_UNITS = ['hour', 'day', 'month'] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

/** A bucket `[fromSecond, toSecond)`, cut to the range of the sum. */
export interface Bucket {
  /**
   * The name of the local hour, day or month: `2026-10-25T02:00:00+01:00`, `2026-10-25`, `2026-10`. The time of an hour is
   * its first second in local time.
   */
  name: string;
  fromSecond: number;
  toSecond: number;
}

/** A part of a range that lies in one bucket of each unit. */
export interface RangePart {
  fromSecond: number;
  toSecond: number;
  /** The names of the buckets, in the order of the units. */
  names: readonly string[];
}

const SECONDS_PER_HOUR = 3600;
const LENGTH_OF_DATE = { day: '2026-10-25'.length, month: '2026-10'.length };

/** A local second as a date and time without a zone. */
const localText = (localSecond: number): string => new Date(localSecond * 1000).toISOString().slice(0, 19);

function offsetText(offsetSeconds: number): string {
  if (offsetSeconds === 0) return 'Z';
  const minutes = Math.floor(Math.abs(offsetSeconds) / 60);
  const padded = (number: number) => String(number).padStart(2, '0');
  return `${offsetSeconds < 0 ? '-' : '+'}${padded(Math.floor(minutes / 60))}:${padded(minutes % 60)}`;
}

const nameOf = (unit: TimeUnit, localSecond: number, offsetSeconds: number): string =>
  unit === 'hour'
    ? localText(localSecond) + offsetText(offsetSeconds)
    : localText(localSecond).slice(0, LENGTH_OF_DATE[unit]);

/** The first local second of the next hour, day or month. */
function nextStart(unit: TimeUnit, localSecond: number): number {
  if (unit === 'month') return nextMonthStart(localSecond);
  const length = unit === 'day' ? SECONDS_PER_DAY : SECONDS_PER_HOUR;
  return (Math.floor(localSecond / length) + 1) * length;
}

/** The buckets that begin in a stretch with one offset. */
function startsIn(unit: TimeUnit, { fromSecond, offsetSeconds }: OffsetStretch, toSecond: number): Bucket[] {
  const starts: Bucket[] = [];
  for (let second = fromSecond; second < toSecond; ) {
    const local = second + offsetSeconds;
    const next = Math.min(nextStart(unit, local) - offsetSeconds, toSecond);
    starts.push({ name: nameOf(unit, local, offsetSeconds), fromSecond: second, toSecond: next });
    second = next;
  }
  return starts;
}

/**
 * The buckets of a zone in `[fromSecond, toSecond)`. An hour also ends where the offset changes, so an hour that is repeated
 * in autumn is two buckets. A day begins at the first second with its date, and a month likewise. Empty where the range
 * is empty.
 */
export function bucketsOf(unit: TimeUnit, zone: string, fromSecond: number, toSecond: number): Bucket[] {
  if (fromSecond >= toSecond) return [];
  // The first bucket may have begun before the range, at a change of the offset.
  const beganSecond = fromSecond - (unit === 'hour' ? SECONDS_PER_HOUR : SECONDS_PER_DAY);
  const stretches = offsetsBetween(zone, beganSecond, toSecond);
  const buckets: Bucket[] = [];
  stretches.forEach((stretch, index) => {
    for (const started of startsIn(unit, stretch, stretches[index + 1]?.fromSecond ?? toSecond)) {
      const last = buckets.at(-1);
      // A clock that is set back over midnight shows the old date again: the new day goes on.
      if (last && unit !== 'hour' && started.name <= last.name) last.toSecond = started.toSecond;
      else buckets.push(started);
    }
  });
  return buckets
    .filter((bucket) => bucket.toSecond > fromSecond)
    .map((bucket) => ({ ...bucket, fromSecond: Math.max(bucket.fromSecond, fromSecond) }));
}

/** The parts of `[fromSecond, toSecond)` that the buckets of all units cut. Without a unit, the range is one part. */
export function partsOfRange(
  units: readonly TimeUnit[],
  zone: string,
  fromSecond: number,
  toSecond: number,
): RangePart[] {
  if (fromSecond >= toSecond) return [];
  let parts: RangePart[] = [{ fromSecond, toSecond, names: [] }];
  for (const unit of units) parts = cutBy(parts, bucketsOf(unit, zone, fromSecond, toSecond));
  return parts;
}

/** Cuts parts by buckets of the same range. */
function cutBy(parts: readonly RangePart[], buckets: readonly Bucket[]): RangePart[] {
  const cut: RangePart[] = [];
  let index = 0;
  for (const part of parts)
    for (let from = part.fromSecond; from < part.toSecond; ) {
      while ((buckets[index]?.toSecond ?? Number.POSITIVE_INFINITY) <= from) index += 1;
      const bucket = buckets[index] ?? { name: '', toSecond: part.toSecond };
      const toSecond = Math.min(bucket.toSecond, part.toSecond);
      cut.push({ fromSecond: from, toSecond, names: [...part.names, bucket.name] });
      from = toSecond;
    }
  return cut;
}
