/** A read that shows money sees all rows as of one moment: an account beside meters of another moment would not add up. */
import type { Db, Tx } from './client.ts';

/** Runs `read` against one unchanging view of the database. For answers only: it takes no locks. */
export const inSnapshot = <T>(db: Db, read: (tx: Tx) => Promise<T>): Promise<T> =>
  db.$transaction(read, { isolationLevel: 'RepeatableRead', maxWait: 5_000, timeout: 10_000 });
