/** Reads the recorded facts of a call: after a commit with an unknown outcome, and after an outage of the database. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BillingError } from '../../billing/errors.ts';
import { AS_RECORDED, lockAccount } from '../../prisma/accounts.ts';
import { inTransaction, type Tx } from '../../prisma/client.ts';
import { commitsWithin, withinLimits } from '../../prisma/limits.ts';
import { noteRecorded, notingRecords } from '../../prisma/recorded.ts';
import { isDatabaseAway } from '../../prisma/sqlstate.ts';
import type { Call } from '../http/calls.ts';
import { CALL_TIMES } from '../http/deadlines.ts';
import { outcomeUnknown, outcomeUnread } from '../http/outcome.ts';
import type { ApiWorld } from '../world.ts';

const LOOK_AGAIN_AFTER_MS = 300;

/**
 * Looks under the team's row lock for the facts of a commit with an unknown outcome. Returns null when nothing was
 * recorded: under the lock the transaction of the call is known to be over.
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
 * Reads the recorded facts of a call, and waits for a database that is away.
 * @throws BillingError `outcome_unknown` when the database does not come back in time: a repeat of the call finds what
 *   was recorded
 */
export const readRecorded = <T>(world: ApiWorld, call: Call, read: () => Promise<T>): Promise<T> =>
  readInTime(world, call, read, outcomeUnread);

async function readInTime<T>(
  world: ApiWorld,
  call: Call,
  read: () => Promise<T>,
  inVain: (cause: unknown) => BillingError,
): Promise<T> {
  const { lastStatementMs } = world.callTimes ?? CALL_TIMES;
  const leftMs = () => call.receivedMs + lastStatementMs - world.nowMs();
  for (;;) {
    try {
      const fact = await notingRecords(() => withinLimits(commitsWithin(leftMs()), read));
      if (fact !== null) noteRecorded();
      return fact;
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      call.log.warn({ err: error }, 'the recorded fact could not be read');
      if (leftMs() <= 0) throw inVain(error);
      await sleep(Math.min(LOOK_AGAIN_AFTER_MS, leftMs()));
    }
  }
}
