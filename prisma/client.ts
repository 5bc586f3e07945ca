/** The pool of the process. All code that reads or writes a row gets this client or a transaction of the client. */
import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { PrismaClient } from './generated/client.ts';
import { LimitedPool, limitsNow, mustBeInTimeToCommit } from './limits.ts';
import { withDirectRawQueries } from './raw-queries.ts';
import { noteRecorded } from './recorded.ts';
import { commitFailure, statementFailure } from './sqlstate.ts';
import { statementNames } from './statement-names.ts';

export { isRefusedByDatabase, isUniqueViolation } from './sqlstate.ts';

/** The client, and its pool for the few most frequent statements, which go to the pool directly, prepared. */
export type Db = PrismaClient & {
  readonly pool: pg.Pool;
  /** Compares the clock of the process with the database time in each fact's first statement; null: no comparison. */
  clock: ClockProbe | null;
  /** Work without limits of its own that waits longer for a connection fails. */
  readonly connectionTimeoutMs: number;
};
export type Tx = Omit<PrismaClient, '$connect' | '$disconnect' | '$on' | '$transaction' | '$extends'>;

export interface ClockProbe {
  /**
   * Called at the sending of a statement. The result is called with the database's time of the statement, in unix
   * milliseconds, and throws where the clock of the process is wrong.
   */
  reading(): (databaseMs: number) => void;
}

export interface DbOptions {
  poolSize?: number;
  /** The database cancels a statement that takes longer, so no commit follows the answer to the caller. */
  statementTimeoutMs?: number;
  /** A statement that waits longer for a lock fails. */
  lockTimeoutMs?: number;
  /** Work without limits of its own that waits longer for a connection fails. */
  connectionTimeoutMs?: number;
}

const DEFAULT_POOL_SIZE = 10;
const DEFAULT_STATEMENT_TIMEOUT_MS = 10_000;
const DEFAULT_CONNECTION_TIMEOUT_MS = 5_000;
/** A timer of more than 24 days fires at once. */
const LONGEST_WAIT_MS = 60_000;

export function connectDb(databaseUrl: string, options: DbOptions = {}): Db {
  const { connectionTimeoutMs = DEFAULT_CONNECTION_TIMEOUT_MS } = options;
  const pool = new LimitedPool({
    connectionString: databaseUrl,
    max: options.poolSize ?? DEFAULT_POOL_SIZE,
    connectionTimeoutMillis: connectionTimeoutMs,
    statement_timeout: options.statementTimeoutMs ?? DEFAULT_STATEMENT_TIMEOUT_MS,
    ...(options.lockTimeoutMs !== undefined && { lock_timeout: options.lockTimeoutMs }),
    // Each statement takes milliseconds, and a compilation would take longer than the statement.
    options: '-c jit=off',
    // A connection whose other end has gone without a word is found out.
    keepAlive: true,
    idle_in_transaction_session_timeout: DEFAULT_STATEMENT_TIMEOUT_MS,
  });
  // A broken idle connection is replaced on the next need.
  pool.on('error', () => {});
  // The client and the raw queries share the names: a connection that has prepared a statement knows it from both.
  const nameOf = statementNames();
  const adapter = new PrismaPg(pool, { disposeExternalPool: true, statementNameGenerator: nameOf });
  const client = withDirectRawQueries(new PrismaClient({ adapter }), pool, nameOf);
  return Object.assign(client, { pool, clock: null, connectionTimeoutMs });
}

/**
 * Runs `work` in a single transaction: all or nothing is stored. Nothing is stored once the limits of the work are
 * over.
 * @throws OutOfTime; CommitUnknown when the connection breaks during the commit; any other error means that nothing was
 *   kept
 */
export async function inTransaction<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> {
  mustBeInTimeToCommit();
  const leftMs = Math.ceil(limitsNow().commitLeftMs());
  let isCommitting = false;
  try {
    const answer = await db.$transaction(
      async (tx) => {
        const answer = await work(tx);
        mustBeInTimeToCommit();
        isCommitting = true;
        return answer;
      },
      {
        // Work with limits waits for its team's turn at a connection as long as the limits allow.
        maxWait: Number.isFinite(leftMs) ? Math.min(LONGEST_WAIT_MS, leftMs) : db.connectionTimeoutMs,
        timeout: Math.min(DEFAULT_STATEMENT_TIMEOUT_MS, leftMs),
      },
    );
    noteRecorded();
    return answer;
  } catch (error) {
    throw isCommitting ? commitFailure(error) : error;
  }
}

/**
 * Runs a single statement that writes and commits by itself.
 * @throws CommitUnknown when the connection breaks before the answer; any other error means that nothing was kept
 */
export async function inOneStatement<T>(statement: () => Promise<T>): Promise<T> {
  try {
    const answer = await statement();
    noteRecorded();
    return answer;
  } catch (error) {
    throw statementFailure(error);
  }
}

/** Makes statements of a transaction fail when they wait longer for a lock. */
export const waitForLocks = async (tx: Tx, withinMs: number): Promise<void> => {
  await tx.$queryRaw`SELECT set_config('lock_timeout', ${String(Math.max(1, Math.ceil(withinMs)))}, true)`;
};
