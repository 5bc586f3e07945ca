/**
 * The most frequent statements, which go to the pool directly, each prepared once for each connection under its name.
 * Their rows are like the rows of raw queries (raw-queries.ts).
 */
import type { Db } from './client.ts';
import { RAW_TYPES } from './raw-queries.ts';

export interface Prepared {
  name: string;
  text: string;
}

export const runPrepared = async <T extends object>(db: Db, statement: Prepared, values: unknown[]): Promise<T[]> =>
  (await db.pool.query<T>({ ...statement, values, types: RAW_TYPES })).rows;
