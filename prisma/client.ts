/** One pool a process. Everything that reads or writes a row is handed this client, or a transaction of it. */
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from './generated/client.ts';

export type Db = PrismaClient;
export type Tx = Omit<PrismaClient, '$connect' | '$disconnect' | '$on' | '$transaction' | '$extends'>;

export interface DbOptions {
  poolSize?: number;
  /** A statement that takes longer is cancelled by the database, so that no late commit surprises a caller who was answered. */
  statementTimeoutMs?: number;
}

const DEFAULT_POOL_SIZE = 10;
const DEFAULT_STATEMENT_TIMEOUT_MS = 10_000;

export function connectDb(databaseUrl: string, options: DbOptions = {}): Db {
  const adapter = new PrismaPg({
    connectionString: databaseUrl,
    max: options.poolSize ?? DEFAULT_POOL_SIZE,
    connectionTimeoutMillis: 5_000,
    statement_timeout: options.statementTimeoutMs ?? DEFAULT_STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: DEFAULT_STATEMENT_TIMEOUT_MS,
  });
  return new PrismaClient({ adapter });
}

/** Runs `work` in one transaction: all of it is kept, or none. */
export const inTransaction = <T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> =>
  db.$transaction(work, { maxWait: 5_000, timeout: DEFAULT_STATEMENT_TIMEOUT_MS });

/** The unique-violation answers of raw SQL (23505) and of the client (P2002): in a race they mean "already there". */
export function isUniqueViolation(error: unknown): boolean {
  const { code, meta, cause } = error as { code?: string; meta?: { code?: string }; cause?: { originalCode?: string } };
  return code === 'P2002' || code === '23505' || meta?.code === '23505' || cause?.originalCode === '23505';
}
