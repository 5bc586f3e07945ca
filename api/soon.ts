/**
 * Having a team's watch look at what was recorded, where the caller is not answered before that is certain to happen:
 * usage and holds come by the thousand, and a wake each would be too many. A wake that Temporal has accepted is followed by
 * a look no less than a second after it was sent (workflows/waiting.ts), and so covers all that is recorded within that
 * second: one wake a second and team is enough, whatever comes.
 */
import { performance } from 'node:perf_hooks';
import { BillingError } from '../billing/errors.ts';
import type { Metrics } from './metrics.ts';
import type { Wakes } from './wakes.ts';
import type { ApiWorld } from './world.ts';

export interface Looks {
  /**
   * Resolves once the watch is bound to look, within a second, at what is recorded of the team by now.
   * @throws BillingError `engine_unavailable`: the fact stands, and a repeat of the call wakes again
   */
  soon(teamId: string): Promise<void>;
  /** The same, and it looks at once: something is to be announced, or charged. */
  atOnce(teamId: string): Promise<void>;
}

/** Somewhat less than the second that the watch promises. */
const COVERED_MS = 900;

const notTold = (cause: unknown): BillingError =>
  Object.assign(
    new BillingError(
      'engine_unavailable',
      'it was recorded, but the engine cannot be told just now: send the same again',
    ),
    { cause },
  );

/** The last wake that was sent for a team, and all who are recorded by then, or a little later, wait for. */
interface Sent {
  /** By the clock of this process, which never goes back. */
  sentMs: number;
  accepted: Promise<void>;
}

export function createLooks({ engine, log }: ApiWorld, metrics: Metrics, wake: Wakes): Looks {
  const lastSent = new Map<string, Sent>();

  /** Sends a wake. One that fails is tried again in the background, though whoever waits is told of the failure. */
  const send = async (what: 'watch' | 'watchSoon', teamId: string): Promise<void> => {
    try {
      await engine.tell[what](teamId);
      metrics.told(what, true);
    } catch (error) {
      metrics.told(what, false);
      metrics.engineFailed('tell');
      log.warn({ what, id: teamId, err: error }, 'a wake was not accepted, and the call is answered so');
      void wake({ what: 'watch', id: teamId });
      throw notTold(error);
    }
  };

  return {
    soon(teamId) {
      const nowMs = performance.now();
      const last = lastSent.get(teamId);
      if (last && nowMs < last.sentMs + COVERED_MS) return last.accepted;
      const sent: Sent = { sentMs: nowMs, accepted: send('watchSoon', teamId) };
      lastSent.set(teamId, sent);
      const forget = () => {
        if (lastSent.get(teamId) === sent) lastSent.delete(teamId);
      };
      setTimeout(forget, COVERED_MS).unref();
      // A wake that failed covers nobody who comes after its failure.
      sent.accepted.catch(forget);
      return sent.accepted;
    },
    atOnce: (teamId) => send('watch', teamId),
  };
}
