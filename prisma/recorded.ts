/**
 * What the call under way has recorded. A call that fails before its first commit has recorded nothing; one that fails later
 * has. The note follows the call through every function that it calls.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Wake } from './look-marks.ts';

interface Note {
  hasRecorded: boolean;
  /** How the call wakes the watch of each team about whose money it has recorded a fact. */
  wakes: Map<string, Wake>;
}

const current = new AsyncLocalStorage<Note>();

/** Runs `work` with a note of its own, in which nothing is recorded yet. */
export const notingRecords = <T>(work: () => T): T => current.run({ hasRecorded: false, wakes: new Map() }, work);

/** Whether a call is under way, which wakes watches after its commits. Activities and sweepers have no note. */
export const isCallUnderWay = (): boolean => current.getStore() !== undefined;

const URGENCY: readonly Wake[] = ['undertaken', 'watchSoon', 'watch'];

/** Notes how the call under way wakes the watch of a team. Of several facts, the most urgent wake stays. */
export function noteWake(teamId: string, wake: Wake): void {
  const wakes = current.getStore()?.wakes;
  const noted = wakes?.get(teamId);
  if (wakes && (noted === undefined || URGENCY.indexOf(noted) < URGENCY.indexOf(wake))) wakes.set(teamId, wake);
}

/** How the call under way wakes the watch of a team; undefined when it has recorded no fact about the team's money. */
export const notedWake = (teamId: string): Wake | undefined => current.getStore()?.wakes.get(teamId);

/** Notes that the call under way has recorded something. */
export const noteRecorded = (): void => {
  const noted = current.getStore();
  if (noted) noted.hasRecorded = true;
};

export const hasRecorded = (): boolean => current.getStore()?.hasRecorded ?? false;
