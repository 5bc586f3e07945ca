/** How large a load is. */
export interface LoadOptions {
  /** Multiplies the numbers of calls, teams and instances: 1 for the figures of docs/performance.md. */
  scale: number;
  /** How many rows the table of transfers has beside those of the bench. */
  transfers: number;
  /** How long a steady load goes on. */
  minutes: number;
}

export const DEFAULTS: LoadOptions = { scale: 1, transfers: 10_000_000, minutes: 30 };

/** So many by the scale, and no fewer than the least. */
export const scaled = (count: number, { scale }: LoadOptions, least = 1): number =>
  Math.max(least, Math.round(count * scale));
