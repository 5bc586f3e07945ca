/** One pool a process. Everything that reads or writes a row is handed this client, or a transaction of it. */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from './generated/client.ts';

/** The client, and its pool for the few statements that are so hot that they go there directly, prepared. */
export type Db = PrismaClient & { readonly pool: pg.Pool };
export type Tx = Omit<PrismaClient, '$connect' | '$disconnect' | '$on' | '$transaction' | '$extends'>;

export interface DbOptions {
  poolSize?: number;
  /** A statement that takes longer is cancelled by the database, so that no late commit surprises a caller who was answered. */
  statementTimeoutMs?: number;
}

const DEFAULT_POOL_SIZE = 10;
const DEFAULT_STATEMENT_TIMEOUT_MS = 10_000;

export function connectDb(databaseUrl: string, options: DbOptions = {}): Db {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: options.poolSize ?? DEFAULT_POOL_SIZE,
    connectionTimeoutMillis: 5_000,
    statement_timeout: options.statementTimeoutMs ?? DEFAULT_STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: DEFAULT_STATEMENT_TIMEOUT_MS,
  });
  // A connection that breaks while it is idle is replaced by the next that is needed.
  pool.on('error', () => {});
  const adapter = new PrismaPg(pool, { disposeExternalPool: true });
  return Object.assign(new PrismaClient({ adapter }), { pool });
}

/** Runs `work` in one transaction: all of it is kept, or none. */
export const inTransaction = <T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> =>
  db.$transaction(work, { maxWait: 5_000, timeout: DEFAULT_STATEMENT_TIMEOUT_MS });

/** The unique-violation answers of raw SQL (23505) and of the client (P2002): in a race they mean "already there". */
export function isUniqueViolation(error: unknown): boolean {
  const { code, meta, cause } = error as { code?: string; meta?: { code?: string }; cause?: { originalCode?: string } };
  return code === 'P2002' || code === '23505' || meta?.code === '23505' || cause?.originalCode === '23505';
}

/** Whether the database refused what it was given (a value, a key, a check), and so has kept nothing of the transaction. */
export function isRefusedByDatabase(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^2[23]\w{3}$/.test(code);
}
