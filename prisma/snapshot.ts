/**
 * A read of money sees all rows as of one moment, because an account and meters of different moments would not add up.
 */
import type { Db, Tx } from './client.ts';

/** Runs `read` against one unchanging view of the database. For answers only, because the read takes no locks. */
export const inSnapshot = <T>(db: Db, read: (tx: Tx) => Promise<T>): Promise<T> =>
  db.$transaction(read, { isolationLevel: 'RepeatableRead', maxWait: 5_000, timeout: 10_000 });
