/**
 * Deposits and refunds that the engine did not answer. With no worker up, Temporal may run such a call later.
 * So before the api answers that nothing was recorded, it makes a later run impossible (docs/decisions/0006).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BillingError } from '../billing/errors.ts';
import { secondOf } from '../billing/time.ts';
import { abandonCall } from '../prisma/abandoned-calls.ts';
import { AS_RECORDED, lockAccount } from '../prisma/accounts.ts';
import { inTransaction, type Tx, waitForLocks } from '../prisma/client.ts';
import { commitsWithin, withinLimits } from '../prisma/limits.ts';
import { noteRecorded, notingRecords } from '../prisma/recorded.ts';
import { isDatabaseAway } from '../prisma/sqlstate.ts';
import type { Call } from './calls.ts';
import { CALL_TIMES, type CallTimes } from './deadlines.ts';
import { outcomeUnknown, outcomeUnread } from './outcome.ts';
import type { ApiWorld } from './world.ts';

const LOOK_AGAIN_AFTER_MS = 300;

const timesOf = ({ callTimes = CALL_TIMES }: ApiWorld): CallTimes => callTimes;

/** Unix milliseconds after which no worker may admit what a call asks for. */
export const notAfterMs = (world: ApiWorld, call: Call): number => call.receivedMs + timesOf(world).admitMs;

/**
 * Under the team's row lock: finds what the call has recorded after all, or marks the call so that it records nothing any
 * more. When the mark cannot be written, a look after the last moment of an admission decides. Answers null when there is,
 * and will be, nothing.
 * @throws BillingError `outcome_unknown` when the database does not answer in time
 */
export async function foundOrAbandoned<T>(
  world: ApiWorld,
  call: Call,
  { teamId, callId }: { teamId: string; callId: string },
  find: (tx: Tx) => Promise<T | null>,
): Promise<T | null> {
  const { lastAdmissionMs, lastStatementMs } = timesOf(world);
  const leftMs = (untilMs = lastAdmissionMs) => call.receivedMs + untilMs - world.nowMs();
  /** An admission that is committing holds the lock. */
  const underLock = async (tx: Tx, withinMs: number): Promise<T | null> => {
    await waitForLocks(tx, withinMs);
    await lockAccount(tx, teamId, AS_RECORDED);
    return find(tx);
  };
  const look = async (tx: Tx): Promise<T | null> => {
    const found = await underLock(tx, leftMs());
    if (found === null) await abandonCall(tx, callId, secondOf(world.nowMs()));
    return found;
  };
  const lookOnly = () => inTransaction(world.db, (tx) => underLock(tx, leftMs(lastStatementMs)));

  while (leftMs() > 0) {
    try {
      // The mark of an abandoned call is no record of the call.
      const found = await notingRecords(() =>
        withinLimits(commitsWithin(leftMs()), () => inTransaction(world.db, look)),
      );
      if (found !== null) noteRecorded();
      return found;
    } catch (error) {
      if (error instanceof BillingError) throw error;
      call.log.warn({ callId, err: error }, 'whether the call was recorded could not be read');
      await sleep(Math.max(0, Math.min(LOOK_AGAIN_AFTER_MS, leftMs())));
    }
  }
  return readInTime(world, call, lookOnly, (cause) => outcomeUnknown(undefined, cause));
}

/**
 * Looks under the team's row lock for what a commit with an unknown outcome may have recorded. Answers null when nothing was
 * recorded: who has the lock knows that the transaction of the call is over.
 * @throws BillingError `outcome_unknown` when the database does not answer in time
 */
export function recordedAfterAll<T>(
  world: ApiWorld,
  call: Call,
  teamId: string,
  find: (tx: Tx) => Promise<T | null>,
): Promise<T | null> {
  const look = () =>
    inTransaction(world.db, async (tx) => {
      await lockAccount(tx, teamId, AS_RECORDED);
      return find(tx);
    });
  return readInTime(world, call, look, (cause) => outcomeUnknown(undefined, cause));
}

/**
 * Reads what a call has recorded, and waits for a database that is away.
 * @throws BillingError `outcome_unknown` when the database does not come back in time: a repeat of the call finds what was
 *   recorded
 */
export const readRecorded = <T>(world: ApiWorld, call: Call, read: () => Promise<T>): Promise<T> =>
  readInTime(world, call, read, outcomeUnread);

async function readInTime<T>(
  world: ApiWorld,
  call: Call,
  read: () => Promise<T>,
  inVain: (cause: unknown) => BillingError,
): Promise<T> {
  const leftMs = () => call.receivedMs + timesOf(world).lastStatementMs - world.nowMs();
  for (;;) {
    try {
      const found = await notingRecords(() => withinLimits(commitsWithin(leftMs()), read));
      if (found !== null) noteRecorded();
      return found;
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      call.log.warn({ err: error }, 'what was recorded could not be read');
      if (leftMs() <= 0) throw inVain(error);
      await sleep(Math.min(LOOK_AGAIN_AFTER_MS, leftMs()));
    }
  }
}
