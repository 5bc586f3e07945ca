/**
 * The state of the platform. `fail`: answers 503. `gone`: nobody listens. `slowMs`: delays each answer. `failNext`:
 * fails this number of deliveries, then recovers.
 */
export type Mode = 'ok' | 'fail' | 'gone' | { readonly slowMs: number } | { readonly failNext: number };

/** The result of one delivery. */
export interface Fare {
  readonly status: 200 | 503;
  readonly afterMs: number;
}

/** The result of a delivery in `mode`, and the mode afterwards. */
export function nextFare(mode: Mode): { fare: Fare; next: Mode } {
  if (mode === 'fail' || mode === 'gone') return { fare: { status: 503, afterMs: 0 }, next: mode };
  if (mode === 'ok') return { fare: { status: 200, afterMs: 0 }, next: mode };
  if ('slowMs' in mode) return { fare: { status: 200, afterMs: mode.slowMs }, next: mode };
  if (mode.failNext < 1) return nextFare('ok');
  const left = mode.failNext - 1;
  return { fare: { status: 503, afterMs: 0 }, next: left === 0 ? 'ok' : { failNext: left } };
}

/** The mode in `value`, from HTTP; undefined for an invalid value. */
export function readMode(value: unknown): Mode | undefined {
  if (value === 'ok' || value === 'fail' || value === 'gone') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const { slowMs, failNext } = value as { slowMs?: unknown; failNext?: unknown };
  if (isCount(slowMs)) return { slowMs };
  return isCount(failNext) ? { failNext } : undefined;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
