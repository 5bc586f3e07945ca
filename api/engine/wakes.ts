/**
 * Wakes workflows after a fact was recorded. The fact stays recorded whether or not Temporal accepts the wake, so a
 * failed wake fails no call: the fact has marked its rows, and the sweeper of the worker delivers due wakes
 * (prisma/due-work.ts). A wake of an auto top-up has no mark: the next look of the team's watch wakes the auto top-up
 * where a charge is due.
 */
import type { WorkflowWakes } from '../../activities/world.ts';
import { isSpared } from '../../prisma/look-marks.ts';
import { notedWake } from '../../prisma/recorded.ts';
import type { Metrics } from '../http/metrics.ts';
import type { ApiWorld } from '../world.ts';

type Woken = Exclude<keyof WorkflowWakes, 'notice' | 'deposit' | 'refund' | 'dispute'>;
export interface Wake {
  what: Woken;
  id: string;
}

/** Wakes each, at once and together. Resolves when each was accepted or has failed, two seconds later at the latest. */
export type Wakes = (...wakes: Wake[]) => Promise<void>;

export function createWakes({ engine, log }: ApiWorld, metrics: Metrics): Wakes {
  const sendWake = async ({ what, id }: Wake): Promise<void> => {
    const noted = what === 'watch' || what === 'watchSoon' ? notedWake(id) : undefined;
    // The watch looks in time, or another call wakes it. If that call ends early, the sweeper delivers the look.
    if (isSpared(noted)) return;
    try {
      await engine.wake[what === 'watch' && noted === 'watchSoon' ? noted : what](id);
      metrics.wakeSent(what, true);
    } catch (error) {
      metrics.wakeSent(what, false);
      metrics.engineFailed('tell');
      log.warn({ what, id, err: error }, 'a wake was not accepted; the sweeper delivers it');
    }
  };

  return async (...wakes) => {
    await Promise.all(wakes.map(sendWake));
  };
}
