/**
 * Sends one wake a second for each team. Facts may come by the hundred, and a signal for each fact would queue as many
 * looks of the team's watch.
 *
 * A `watchSoon` that Temporal has accepted is followed by a look at least a second after the sending
 * (workflows/waiting.ts). The look sees all facts of the second, so their wakes share the signal.
 */
import { performance } from 'node:perf_hooks';
import type { WorkflowWakes } from './world.ts';

/** Slightly less than the second that the watch promises. */
const COVERED_MS = 900;
/** After so long without a signal, the next `watch` is sent at once. */
const QUIET_MS = 1_000;

/** The last signals that this process sent for a team, by a monotonic clock. */
interface Sent {
  /** When the last signal of either kind was sent. */
  lastMs: number;
  /** The last `watchSoon`, which covers every fact recorded until `untilMs`. */
  covering?: { untilMs: number; accepted: Promise<void> };
}

/**
 * Makes `watch` and `watchSoon` share signals. The first `watch` after a quiet second is sent at once. Further wakes of
 * the team within the second share one `watchSoon`. Each call resolves once Temporal has accepted a covering signal,
 * and rejects if the signal failed; the next call then sends another signal.
 */
export function coalesced<T extends Pick<WorkflowWakes, 'watch' | 'watchSoon'>>(
  wake: T,
  nowMs: () => number = () => performance.now(),
): T {
  const sentOf = new Map<string, Sent>();

  const forget = (teamId: string, sent: Sent): void => {
    if (sentOf.get(teamId) === sent) sentOf.delete(teamId);
  };
  /** Keeps the map small. `nowMs` decides; an early timer is set again. */
  const forgetWhenQuiet = (teamId: string, sent: Sent): void => {
    const look = () => {
      if (sentOf.get(teamId) !== sent) return;
      if (nowMs() < sent.lastMs + QUIET_MS) forgetWhenQuiet(teamId, sent);
      else forget(teamId, sent);
    };
    setTimeout(look, QUIET_MS).unref();
  };
  const remember = (teamId: string, sent: Sent, signal: Promise<void>): void => {
    sentOf.set(teamId, sent);
    forgetWhenQuiet(teamId, sent);
    // A failed signal covers no call after its failure.
    signal.catch(() => forget(teamId, sent));
  };

  const watchSoon = (teamId: string): Promise<void> => {
    const now = nowMs();
    const covering = sentOf.get(teamId)?.covering;
    if (covering && now < covering.untilMs) return covering.accepted;
    const accepted = wake.watchSoon(teamId);
    remember(teamId, { lastMs: now, covering: { untilMs: now + COVERED_MS, accepted } }, accepted);
    return accepted;
  };

  const watch = (teamId: string): Promise<void> => {
    const now = nowMs();
    const last = sentOf.get(teamId);
    if (last && now < last.lastMs + QUIET_MS) return watchSoon(teamId);
    const accepted = wake.watch(teamId);
    remember(teamId, { lastMs: now }, accepted);
    return accepted;
  };

  return { ...wake, watch, watchSoon };
}
