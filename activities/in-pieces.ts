/** Makes many calls in a single step: several at once, and finished calls count even when another call fails. */
import { performance } from 'node:perf_hooks';

const AT_ONCE = 20;
/** Well within the activity's timeout, so the activity returns its progress. */
const WITHIN_MS = 8_000;

/**
 * Calls `act` for each item in order, 20 at once. Begins no further call once a call has failed or eight seconds are over.
 * @returns how many of the first items are done: the caller goes on after them. Calls beyond a failed one may be done too.
 * @throws the failure, if not even the first item is done
 */
export async function firstDone<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<number> {
  const untilMs = performance.now() + WITHIN_MS;
  let begun = 0;
  let failedAt = items.length;
  let failure: unknown;
  const lane = async (): Promise<void> => {
    while (begun < failedAt && performance.now() < untilMs) {
      const index = begun++;
      try {
        await act(items[index] as T);
      } catch (error) {
        if (index >= failedAt) continue;
        failedAt = index;
        failure = error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, lane));
  if (failedAt === 0 && items.length > 0) throw failure;
  return Math.min(begun, failedAt);
}

/**
 * Calls `act` for each item, 20 at once, and goes on after a failure. Begins no further call once eight seconds are over.
 * @returns the items whose call succeeded
 */
export async function doneOf<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<T[]> {
  const untilMs = performance.now() + WITHIN_MS;
  const done: T[] = [];
  let begun = 0;
  const lane = async (): Promise<void> => {
    while (begun < items.length && performance.now() < untilMs) {
      const item = items[begun++] as T;
      await act(item).then(
        () => done.push(item),
        () => {},
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, lane));
  return done;
}
