/**
 * Wakes of a team's watch where the call is answered only once the wake is accepted. Usage and holds come by the thousand:
 * their wakes share signals (activities/coalesced-wakes.ts).
 */
import type { Metrics } from './metrics.ts';
import { outcomeUnknown } from './outcome.ts';
import type { Wakes } from './wakes.ts';
import type { ApiWorld } from './world.ts';

export interface Looks {
  /**
   * Resolves once the watch is bound to look, within a second, at what is recorded of the team by now.
   * @throws BillingError `outcome_unknown`: the fact stands, and a repeat of the call wakes again
   */
  soon(teamId: string): Promise<void>;
  /** The same, for what is to be announced or charged: the watch looks at once, unless another wake was just sent. */
  atOnce(teamId: string): Promise<void>;
}

const NOT_TOLD = 'the call was recorded, but the engine cannot be notified just now: send the same again';

export function createLooks({ engine, log }: ApiWorld, metrics: Metrics, wake: Wakes): Looks {
  /** Sends a wake. A wake that fails is also sent again in the background, until Temporal accepts it. */
  const send = async (what: 'watch' | 'watchSoon', teamId: string): Promise<void> => {
    try {
      await engine.tell[what](teamId);
      metrics.told(what, true);
    } catch (error) {
      metrics.told(what, false);
      metrics.engineFailed('tell');
      log.warn({ what, id: teamId, err: error }, 'a wake was not accepted, and the call is answered so');
      void wake({ what: 'watch', id: teamId });
      throw outcomeUnknown(NOT_TOLD, error);
    }
  };

  return {
    soon: (teamId) => send('watchSoon', teamId),
    atOnce: (teamId) => send('watch', teamId),
  };
}
