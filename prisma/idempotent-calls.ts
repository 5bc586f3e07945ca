/**
 * POSTs with an Idempotency-Key. A row is claimed before the work and stores the answer afterwards.
 *
 * While `status` is null, `claimed_second` is the second of the claim's last heartbeat: a process that died during a
 * call must not block the key for longer than a few seconds. A released row has no `claimed_second`. `created_second`
 * survives a release and a take-over, so the ids of repeated work are the same.
 */
import { SECONDS_PER_DAY } from '../billing/time.ts';
import type { Db } from './client.ts';
import { toSecond } from './columns.ts';
import { Prisma } from './generated/client.ts';

export interface CallKey {
  scope: string;
  path: string;
  key: string;
}

/** The result of a claim. */
export type Claim =
  | { kind: 'mine'; createdSecond: number }
  | { kind: 'answered'; status: number; body: string }
  | { kind: 'in_flight' }
  | { kind: 'other_request' };

const KEPT_SECONDS = SECONDS_PER_DAY;
/** A claim without a heartbeat for this time belongs to a dead process. Allows for clocks that differ by seconds. */
const GONE_AFTER_SECONDS = 10;
/** The second of a claim. Processes of releases before the column keep the second in `body`. */
const CLAIMED_SECOND = Prisma.sql`CASE WHEN kept.status IS NULL THEN coalesce(kept.claimed_second, kept.body::bigint) END`;
/** The interval of the claim's renewals during a call. */
export const HEARTBEAT_MS = 3_000;

/** Claims a key for this request, or returns why the key is taken. */
export async function claimCall(db: Db, id: CallKey, requestHash: string, nowSecond: number): Promise<Claim> {
  const claimed = await db.$queryRaw<Array<{ created_second: bigint }>>`
    INSERT INTO idempotent_calls AS kept (scope, path, key, request_hash, claimed_second, created_second)
    VALUES (${id.scope}, ${id.path}, ${id.key}, ${requestHash}, ${nowSecond}, ${nowSecond})
    ON CONFLICT (scope, path, key) DO UPDATE SET
      request_hash = EXCLUDED.request_hash,
      status = NULL,
      body = NULL,
      claimed_second = EXCLUDED.claimed_second,
      created_second = CASE
        WHEN kept.request_hash = EXCLUDED.request_hash AND kept.created_second > ${nowSecond - KEPT_SECONDS}::bigint
        THEN kept.created_second ELSE EXCLUDED.created_second END
    WHERE kept.created_second <= ${nowSecond - KEPT_SECONDS}::bigint
      OR (kept.status IS NULL AND ${CLAIMED_SECOND} IS NULL)
      OR (kept.status IS NULL AND kept.request_hash = EXCLUDED.request_hash
          AND ${CLAIMED_SECOND} <= ${nowSecond - GONE_AFTER_SECONDS}::bigint)
    RETURNING created_second`;
  if (claimed[0]) return { kind: 'mine', createdSecond: toSecond(claimed[0].created_second) };

  const row = await db.idempotentCall.findUnique({ where: { scope_path_key: id } });
  if (row && row.requestHash !== requestHash) return { kind: 'other_request' };
  if (!row || row.status === null || row.body === null) return { kind: 'in_flight' };
  return { kind: 'answered', status: row.status, body: row.body };
}

/** Renews the claim of a running call. */
export const renewClaim = async (db: Db, id: CallKey, nowSecond: number): Promise<void> => {
  await db.idempotentCall.updateMany({
    where: { ...id, status: null, claimedSecond: { not: null } },
    data: { claimedSecond: nowSecond },
  });
};

/** Stores the answer. The first answer stays. */
export const keepAnswer = async (db: Db, id: CallKey, answer: { status: number; body: string }): Promise<void> => {
  await db.idempotentCall.updateMany({ where: { ...id, status: null }, data: { ...answer, claimedSecond: null } });
};

/** Releases a key after an answer that is not stored. */
export const releaseCall = async (db: Db, id: CallKey): Promise<void> => {
  await db.idempotentCall.updateMany({ where: { ...id, status: null }, data: { claimedSecond: null, body: null } });
};

/** Deletes calls that are older than a day. */
export const forgetOldCalls = async (db: Db, nowSecond: number): Promise<void> => {
  await db.idempotentCall.deleteMany({ where: { createdSecond: { lte: nowSecond - KEPT_SECONDS } } });
};
