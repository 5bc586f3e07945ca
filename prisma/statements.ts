/**
 * Several writes as one statement, so that a fact costs one round trip for all rows. Each write sees the rows as of before the
 * statement, and no two writes may write the same row.
 */
import type { Tx } from './client.ts';
import { Prisma } from './generated/client.ts';

export interface Write {
  /** The name of the write within the statement. */
  as: string;
  sql: Prisma.Sql;
}

/** @param writes null for a write that is left out */
export async function writeTogether(tx: Tx, writes: ReadonlyArray<Write | null>): Promise<void> {
  const some = writes.filter((write) => write !== null);
  const last = some.at(-1);
  if (!last) return;
  const before = some.slice(0, -1).map(({ as, sql }) => Prisma.sql`${Prisma.raw(as)} AS (${sql})`);
  await tx.$executeRaw(before.length > 0 ? Prisma.sql`WITH ${Prisma.join(before)} ${last.sql}` : last.sql);
}
