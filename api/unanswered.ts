/**
 * What is done when the engine did not answer a start: with no worker up, Temporal may run it later, after the caller was
 * told that it had failed. So before that is said, it is made impossible. Source: design.md, "Ghost admission".
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BillingError } from '../billing/errors.ts';
import { secondOf } from '../billing/time.ts';
import { abandonCall } from '../prisma/abandoned-calls.ts';
import { AS_RECORDED, lockAccount } from '../prisma/accounts.ts';
import { inTransaction, type Tx } from '../prisma/client.ts';
import type { Call } from './calls.ts';
import { isDatabaseAway } from './errors.ts';
import type { ApiWorld } from './world.ts';

/** How long after receipt a start may still be admitted. */
export const ADMIT_WITHIN_MS = 8_000;
/** An admission in the last moment is still heard. */
const HEARD_WITHIN_MS = ADMIT_WITHIN_MS + 500;
/** An admission that was looked at in time may wait 5 s for a connection, and its transaction take 10 s (prisma/client.ts). */
const LAST_COMMIT_AFTER_MS = 16_000;
const LOOK_AGAIN_AFTER_MS = 500;

/**
 * The engine's answer to a start, or null when it gave none that concerns this call.
 * @param ask starts the workflow or joins the one that runs, and hears its answer until `deadlineMs`
 */
export async function admissionOf<A extends { status: 'admitted' } | { status: 'refused'; code: string }>(
  call: Call,
  callId: string,
  ask: (deadlineMs: number) => Promise<A>,
): Promise<A | null> {
  const deadlineMs = call.receivedMs + HEARD_WITHIN_MS;
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
 * nothing any more. With the database away too, it waits until no admission can come. Answers null when there is, and
 * will be, nothing.
 */
export async function foundOrAbandoned<T>(
  world: ApiWorld,
  call: Call,
  { teamId, callId }: { teamId: string; callId: string },
  find: (tx: Tx) => Promise<T | null>,
): Promise<T | null> {
  const look = (tx: Tx): Promise<T | null> =>
    lockAccount(tx, teamId, AS_RECORDED).then(async () => {
      const found = await find(tx);
      if (found === null) await abandonCall(tx, callId, secondOf(world.nowMs()));
      return found;
    });

  const untilMs = call.receivedMs + ADMIT_WITHIN_MS + LAST_COMMIT_AFTER_MS;
  for (;;) {
    try {
      return await inTransaction(world.db, look);
    } catch (error) {
      if (error instanceof BillingError) throw error;
      call.log.warn({ callId, err: error }, 'whether the call was received could not be seen');
      if (world.nowMs() >= untilMs) return null;
      await sleep(LOOK_AGAIN_AFTER_MS);
    }
  }
}

/** As long as a caller waits at the most: a deposit that could not be looked at before, and then is. */
const READ_WITHIN_MS = 25_000;

/**
 * Reads what a call has brought about. Once it has, "unavailable" would tell the caller that nothing was received, so a
 * database that has gone meanwhile is waited for.
 * @throws BillingError `internal` when it does not come back in time: what became of the call is not said then
 */
export async function readRecorded<T>(world: ApiWorld, call: Call, read: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      call.log.warn({ err: error }, 'what was recorded could not be read');
      if (world.nowMs() >= call.receivedMs + READ_WITHIN_MS)
        throw new BillingError('internal', 'the call was received, but its outcome cannot be read: ask again');
      await sleep(LOOK_AGAIN_AFTER_MS);
    }
  }
}
