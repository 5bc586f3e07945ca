/** The size of a load. */
export interface LoadOptions {
  /** Multiplies the numbers of calls, teams and instances: 1 for the figures of docs/performance.md. */
  scale: number;
  /** The number of further rows in the table of transfers. */
  transfers: number;
  /** The duration of a steady load. */
  minutes: number;
}

export const DEFAULTS: LoadOptions = { scale: 1, transfers: 10_000_000, minutes: 30 };

/** So many by the scale, and no fewer than the least. */
export const scaled = (count: number, { scale }: LoadOptions, least = 1): number =>
  Math.max(least, Math.round(count * scale));
