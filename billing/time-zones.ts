/**
 * The offsets of named time zones from UTC. Zones are for sums and display only; bills count UTC seconds. Source:
 * https://www.iana.org/time-zones
 */
import { SECONDS_PER_DAY } from './time.ts';

/** A stretch of time with one offset, until the start of the next stretch. */
export interface OffsetStretch {
  fromSecond: number;
  /** Local time less UTC. */
  offsetSeconds: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const number = '2-digit';
  const fields = { year: 'numeric', month: number, day: number, hour: number, minute: number, second: number } as const;
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', calendar: 'gregory', ...fields });
  formats.set(zone, format);
  return format;
}

/** True for the name of a zone, such as `Europe/Berlin` or `UTC`. False for an offset such as `+05:30`. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** Local time less UTC at a second. @throws RangeError for an unknown zone */
export function offsetSecondsAt(zone: string, second: number): number {
  const parts = new Map(
    formatOf(zone)
      .formatToParts(second * 1000)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  const localMs = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return localMs / 1000 - second;
}

/** The first second of `(fromSecond, toSecond]` with the offset of `toSecond`. One transition lies in between. */
function transitionIn(zone: string, fromSecond: number, toSecond: number): number {
  const offset = offsetSecondsAt(zone, toSecond);
  let [before, after] = [fromSecond, toSecond];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetSecondsAt(zone, middle) === offset) after = middle;
    else before = middle;
  }
  return after;
}

/**
 * The offsets of a zone in `[fromSecond, toSecond)`, in order; the first stretch begins at `fromSecond`. No zone changes
 * its offset twice within a day.
 */
export function offsetsBetween(zone: string, fromSecond: number, toSecond: number): OffsetStretch[] {
  const stretches: OffsetStretch[] = [{ fromSecond, offsetSeconds: offsetSecondsAt(zone, fromSecond) }];
  for (let before = fromSecond; before < toSecond - 1; before += SECONDS_PER_DAY) {
    const after = Math.min(before + SECONDS_PER_DAY, toSecond - 1);
    const offsetSeconds = offsetSecondsAt(zone, after);
    if (offsetSeconds === stretches.at(-1)?.offsetSeconds) continue;
    stretches.push({ fromSecond: transitionIn(zone, before, after), offsetSeconds });
  }
  return stretches;
}
