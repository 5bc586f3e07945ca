/**
 * A note of whether the running call has recorded facts. A call that fails before its first commit has recorded
 * nothing; a later failure leaves facts. The note follows the call through every function call.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Wake } from './look-marks.ts';

interface Note {
  hasRecorded: boolean;
  /** The wake of each team whose money the call has recorded a fact about. */
  wakes: Map<string, Wake>;
}

const current = new AsyncLocalStorage<Note>();

/** Runs `work` with a new note, in which nothing is recorded yet. */
export const notingRecords = <T>(work: () => T): T => current.run({ hasRecorded: false, wakes: new Map() }, work);

/** True if a call is running that wakes watches after its commits. Activities and sweepers have no note. */
export const isCallUnderWay = (): boolean => current.getStore() !== undefined;

const URGENCY: readonly Wake[] = ['needless', 'undertaken', 'watchSoon', 'watch'];

/** Notes how the call under way wakes the watch of a team. Of several facts, the most urgent wake stays. */
export function noteWake(teamId: string, wake: Wake): void {
  const wakes = current.getStore()?.wakes;
  const noted = wakes?.get(teamId);
  if (wakes && (noted === undefined || URGENCY.indexOf(noted) < URGENCY.indexOf(wake))) wakes.set(teamId, wake);
}

/**
 * The way in which the running call wakes the watch of a team; undefined without a recorded fact about the team's
 * money.
 */
export const notedWake = (teamId: string): Wake | undefined => current.getStore()?.wakes.get(teamId);

/** Notes that the running call has recorded a fact. */
export const noteRecorded = (): void => {
  const noted = current.getStore();
  if (noted) noted.hasRecorded = true;
};

export const hasRecorded = (): boolean => current.getStore()?.hasRecorded ?? false;
