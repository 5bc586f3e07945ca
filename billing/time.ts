/** Billing counts whole UTC seconds since 1970. The present time is always an argument. Source: docs/rules.md#units. */

/** The last second with an RFC 3339 time: 9999-12-31T23:59:59Z. A crossing beyond this second counts as never. */
export const LAST_SECOND = 253_402_300_799;

/** The second of an instant: floor(ms / 1000). */
export const secondOf = (epochMs: number): number => Math.floor(epochMs / 1000);

/** A second as RFC 3339 UTC, `2026-03-01T00:00:00Z`. */
export const formatSecond = (second: number): string => new Date(second * 1000).toISOString().replace('.000Z', 'Z');

/** The first second of the UTC month of a second. A month lasts until the first second of the next month, exclusive. */
export function monthStart(second: number): number {
  const date = new Date(second * 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / 1000;
}

/** The first second of the following UTC month. */
export function nextMonthStart(second: number): number {
  const date = new Date(second * 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / 1000;
}

export const SECONDS_PER_DAY = 86_400;

/** The first second of the UTC day of a second. */
export const dayStart = (second: number): number =>
  second - (((second % SECONDS_PER_DAY) + SECONDS_PER_DAY) % SECONDS_PER_DAY);

/** The next 00:00 UTC after a second. */
export const nextDayStart = (second: number): number => dayStart(second) + SECONDS_PER_DAY;

/** So many whole UTC days before a second. */
export const daysBefore = (second: number, days: number): number => second - days * SECONDS_PER_DAY;

/** So many whole UTC days after a second. */
export const daysAfter = (second: number, days: number): number => second + days * SECONDS_PER_DAY;

/** The number of whole days between two seconds. */
export const daysBetween = (fromSecond: number, toSecond: number): number =>
  Math.floor((toSecond - fromSecond) / SECONDS_PER_DAY);

/** A UTC day. */
export interface Day {
  /** `2026-03-01` */
  name: string;
  fromSecond: number;
  /** The first second of the next day. */
  toSecond: number;
}

/** The name of the UTC day of a second, `2026-03-01`. */
export const dayOf = (second: number): string => new Date(second * 1000).toISOString().slice(0, 10);

/** The name of the last UTC day that was over at a second. */
export const dayBefore = (second: number): string => dayOf(second - SECONDS_PER_DAY);

/** The UTC day with a name such as `2026-03-01`; null if there is no such day. */
export function parseDay(name: string): Day | null {
  const ms = /^(19[7-9]|[2-9]\d\d)\d-\d\d-\d\d$/.test(name) ? Date.parse(`${name}T00:00:00Z`) : Number.NaN;
  // Date.parse reads the 30th of February as the 2nd of March in some engines.
  if (Number.isNaN(ms) || dayOf(ms / 1000) !== name) return null;
  return { name, fromSecond: ms / 1000, toSecond: ms / 1000 + SECONDS_PER_DAY };
}

/**
 * The same time of day a number of UTC months later, on the same day of the month, or on the last day of a shorter
 * month (31 January and a month is 28 or 29 February).
 */
export function addMonths(second: number, months: number): number {
  const date = new Date(second * 1000);
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months + 1, 0)).getUTCDate();
  const day = Math.min(date.getUTCDate(), lastDay);
  const midnight = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, day) / 1000;
  return midnight + (second - dayStart(second));
}
