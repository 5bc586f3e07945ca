/**
 * How the platform fares. `fail`: answers 503. `gone`: nobody listens. `slowMs`: takes its time to answer. `failNext`:
 * fails so many deliveries and is well after that.
 */
export type Mode = 'ok' | 'fail' | 'gone' | { readonly slowMs: number } | { readonly failNext: number };

/** How one delivery fares. */
export interface Fare {
  readonly status: 200 | 503;
  readonly afterMs: number;
}

/** How a delivery fares in `mode`, and the mode it leaves behind. */
export function nextFare(mode: Mode): { fare: Fare; next: Mode } {
  if (mode === 'fail' || mode === 'gone') return { fare: { status: 503, afterMs: 0 }, next: mode };
  if (mode === 'ok') return { fare: { status: 200, afterMs: 0 }, next: mode };
  if ('slowMs' in mode) return { fare: { status: 200, afterMs: mode.slowMs }, next: mode };
  if (mode.failNext < 1) return nextFare('ok');
  const left = mode.failNext - 1;
  return { fare: { status: 503, afterMs: 0 }, next: left === 0 ? 'ok' : { failNext: left } };
}

/** The mode in `value`, which came over HTTP; undefined when it is none. */
export function readMode(value: unknown): Mode | undefined {
  if (value === 'ok' || value === 'fail' || value === 'gone') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const { slowMs, failNext } = value as { slowMs?: unknown; failNext?: unknown };
  if (isCount(slowMs)) return { slowMs };
  return isCount(failNext) ? { failNext } : undefined;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
