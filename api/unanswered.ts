/**
 * What is done when the engine did not answer a start: with no worker up, Temporal may run it later, after the caller was
 * told that it had failed. So before that is said, it is made impossible. Source: design.md, "Ghost admission".
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BillingError } from '../billing/errors.ts';
import { secondOf } from '../billing/time.ts';
import { abandonCall } from '../prisma/abandoned-calls.ts';
import { AS_RECORDED, lockAccount } from '../prisma/accounts.ts';
import { inTransaction, type Tx, waitForLocks } from '../prisma/client.ts';
import { commitsWithin, withinLimits } from '../prisma/limits.ts';
import { isDatabaseAway } from '../prisma/sqlstate.ts';
import type { Call } from './calls.ts';
import { CALL_TIMES, type CallTimes } from './deadlines.ts';
import type { ApiWorld } from './world.ts';

/** An admission in the last moment is still heard. */
const HEARD_AFTER_MS = 200;
const LOOK_AGAIN_AFTER_MS = 300;

const timesOf = ({ callTimes = CALL_TIMES }: ApiWorld): CallTimes => callTimes;

/** Unix milliseconds after which no worker may admit what a call asks for. */
export const notAfterMs = (world: ApiWorld, call: Call): number => call.receivedMs + timesOf(world).admitMs;

/** Unix milliseconds until which the engine's answer to an admission is heard. */
export const heardUntilMs = (world: ApiWorld, call: Call): number => notAfterMs(world, call) + HEARD_AFTER_MS;

/**
 * The engine's answer to a start, or null when it gave none that concerns this call.
 * @param ask starts the workflow or joins the one that runs, and hears its answer until `deadlineMs`
 */
export async function admissionOf<A extends { status: 'admitted' } | { status: 'refused'; code: string }>(
  world: ApiWorld,
  call: Call,
  callId: string,
  ask: (deadlineMs: number) => Promise<A>,
): Promise<A | null> {
  const deadlineMs = heardUntilMs(world, call);
  try {
    const first = await ask(deadlineMs);
    // A run of an earlier call that came too late was joined; it ends now, and another takes this call.
    return first.status === 'refused' && first.code === 'start_expired' ? await ask(deadlineMs) : first;
  } catch (error) {
    call.log.warn({ callId, err: error }, 'the engine did not answer a start');
    return null;
  }
}

/**
 * Under the team's row lock: finds what the call has brought about after all, or marks the call so that it brings about
 * nothing any more. Answers null when there is, and will be, nothing.
 * @throws BillingError `engine_unavailable` when the database does not answer in time: its message says that the outcome is
 *   not known
 */
export async function foundOrAbandoned<T>(
  world: ApiWorld,
  call: Call,
  { teamId, callId }: { teamId: string; callId: string },
  find: (tx: Tx) => Promise<T | null>,
): Promise<T | null> {
  const untilMs = call.receivedMs + timesOf(world).lastAdmissionMs;
  const leftMs = () => untilMs - world.nowMs();
  const look = async (tx: Tx): Promise<T | null> => {
    await waitForLocks(tx, leftMs());
    await lockAccount(tx, teamId, AS_RECORDED);
    const found = await find(tx);
    if (found === null) await abandonCall(tx, callId, secondOf(world.nowMs()));
    return found;
  };

  for (;;) {
    try {
      return await withinLimits(commitsWithin(leftMs()), () => inTransaction(world.db, look));
    } catch (error) {
      if (error instanceof BillingError) throw error;
      call.log.warn({ callId, err: error }, 'whether the call was received could not be seen');
      if (leftMs() <= 0) throw outcomeUnknown();
      await sleep(Math.min(LOOK_AGAIN_AFTER_MS, leftMs()));
    }
  }
}

/** The engine was asked, and the database does not show in time what became of it: the caller must not be told "nothing". */
const outcomeUnknown = (): BillingError =>
  new BillingError('engine_unavailable', 'whether the call was recorded cannot be seen just now: send the same again');

/**
 * Reads what a call has brought about. A database that has gone meanwhile is waited for, since the caller must not be told
 * that nothing was recorded.
 * @throws BillingError `engine_unavailable` when the database does not come back in time: a repeat of the call finds what
 *   was recorded
 */
export async function readRecorded<T>(world: ApiWorld, call: Call, read: () => Promise<T>): Promise<T> {
  const leftMs = () => call.receivedMs + timesOf(world).lastStatementMs - world.nowMs();
  for (;;) {
    try {
      return await withinLimits(commitsWithin(leftMs()), read);
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      call.log.warn({ err: error }, 'what was recorded could not be read');
      if (leftMs() <= 0)
        throw new BillingError(
          'engine_unavailable',
          'the call was recorded, but its outcome cannot be read just now: send the same again',
        );
      await sleep(Math.min(LOOK_AGAIN_AFTER_MS, leftMs()));
    }
  }
}
