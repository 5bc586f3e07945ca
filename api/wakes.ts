/**
 * Wakes workflows after a fact was recorded. The fact is recorded whether or not Temporal accepts the wake, so no call is
 * refused for a wake that fails: this process repeats the wake in the background for an hour. The sweeper of the worker
 * delivers looks of watches and of instances that are still due, also if this process ends (prisma/due-work.ts).
 */
import type { Tell } from '../activities/world.ts';
import { notedWake } from '../prisma/recorded.ts';
import type { Metrics } from './metrics.ts';
import type { ApiWorld } from './world.ts';

type Woken = Exclude<keyof Tell, 'notice' | 'deposit' | 'refund' | 'dispute'>;
export interface Wake {
  what: Woken;
  id: string;
}

/** Wakes each, at once and together. Resolves when all were accepted, or two seconds later. */
export type Wakes = (...wakes: Wake[]) => Promise<void>;

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
const GIVE_UP_AFTER_MS = 60 * 60_000;

export function createWakes({ engine, log, nowMs }: ApiWorld, metrics: Metrics): Wakes {
  /** The wakes that are repeated. One repetition for each workflow is enough. */
  const waiting = new Set<string>();

  const accepted = async ({ what, id }: Wake): Promise<boolean> => {
    const noted = what === 'watch' || what === 'watchSoon' ? notedWake(id) : undefined;
    // Another call wakes the watch of this team. If that call ends before, the sweeper delivers the look.
    if (noted === 'undertaken') return true;
    try {
      await engine.tell[what === 'watch' && noted === 'watchSoon' ? noted : what](id);
      metrics.told(what, true);
      return true;
    } catch (error) {
      metrics.told(what, false);
      metrics.engineFailed('tell');
      log.warn({ what, id, err: error }, 'a wake was not accepted; it is tried again');
      return false;
    }
  };

  const tryAgain = (wake: Wake): void => {
    const name = `${wake.what}/${wake.id}`;
    if (waiting.has(name)) return;
    waiting.add(name);
    const giveUpMs = nowMs() + GIVE_UP_AFTER_MS;
    const after = (waitMs: number): void => {
      setTimeout(async () => {
        if (await accepted(wake)) waiting.delete(name);
        else if (nowMs() < giveUpMs) after(Math.min(waitMs * 2, LONGEST_WAIT_MS));
        else waiting.delete(name);
      }, waitMs).unref();
    };
    after(FIRST_WAIT_MS);
  };

  return async (...wakes) => {
    await Promise.all(
      wakes.map(async (wake) => {
        if (!(await accepted(wake))) tryAgain(wake);
      }),
    );
  };
}
