/** The database's clock, which all processes share. */
import type { Tx } from './client.ts';

/** Unix milliseconds. */
export async function readDatabaseMs(tx: Tx): Promise<number> {
  const [row] = await tx.$queryRaw<Array<{ ms: number }>>`
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`;
  if (!row) throw new Error('the database did not tell its time');
  return row.ms;
}
