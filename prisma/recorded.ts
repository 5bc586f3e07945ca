/**
 * Whether the call under way has recorded anything yet. A call that fails before its first commit has recorded nothing; one
 * that fails later has. The note follows the call through every function that it calls.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

const current = new AsyncLocalStorage<{ hasRecorded: boolean }>();

/** Runs `work` with a note of its own, in which nothing is recorded yet. */
export const notingRecords = <T>(work: () => T): T => current.run({ hasRecorded: false }, work);

/** Notes that the call under way has recorded something. */
export const noteRecorded = (): void => {
  const noted = current.getStore();
  if (noted) noted.hasRecorded = true;
};

export const hasRecorded = (): boolean => current.getStore()?.hasRecorded ?? false;
