/**
 * The most frequent statements, which go to the pool directly, each prepared once for each connection under its name.
 * Their rows are like the rows of the client's raw queries: columns by their own names, BIGINT as bigint.
 */
import pg from 'pg';
import type { Db } from './client.ts';

export interface Prepared {
  name: string;
  text: string;
}

const BIGINT_OID = 20;

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => (oid === BIGINT_OID ? BigInt : pg.types.getTypeParser(oid, format)),
};

export const runPrepared = async <T extends object>(db: Db, statement: Prepared, values: unknown[]): Promise<T[]> =>
  (await db.pool.query<T>({ ...statement, values, types })).rows;
