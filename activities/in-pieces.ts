/** Makes many calls in a single step: several at once, and finished calls count even when another call fails. */
import { performance } from 'node:perf_hooks';

const AT_ONCE = 20;
/** Well within the activity's timeout, so the activity returns its progress. */
const WITHIN_MS = 8_000;

/**
 * Calls `act` for each item in order, 20 at once. Begins no further call once a call has failed or eight seconds are
 * over.
 * @returns the number n of items at the beginning that are all done. The caller continues after them. Later items may
 * be done too.
 * @throws the failure, if not even the first item is done
 */
export async function firstDone<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<number> {
  let begun = 0;
  let failedAt = items.length;
  let failure: unknown;
  const next = async (): Promise<void> => {
    const index = begun++;
    try {
      await act(items[index] as T);
    } catch (error) {
      if (index >= failedAt) return;
      failedAt = index;
      failure = error;
    }
  };
  await inLanes(() => begun < failedAt, next);
  if (failedAt === 0 && items.length > 0) throw failure;
  return Math.min(begun, failedAt);
}

/**
 * Calls `act` for each item, 20 at once, and goes on after a failure. Begins no further call once eight seconds are
 * over.
 * @returns the items whose call succeeded
 */
export async function doneOf<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<T[]> {
  const done: T[] = [];
  let begun = 0;
  const next = async (): Promise<void> => {
    const item = items[begun++] as T;
    await act(item).then(
      () => done.push(item),
      () => {},
    );
  };
  await inLanes(() => begun < items.length, next);
  return done;
}

/** Calls `next` in 20 lanes while `hasNext`, and begins no further call once eight seconds are over. */
async function inLanes(hasNext: () => boolean, next: () => Promise<void>): Promise<void> {
  const untilMs = performance.now() + WITHIN_MS;
  const lane = async (): Promise<void> => {
    while (hasNext() && performance.now() < untilMs) await next();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
