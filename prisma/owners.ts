/** Finds the teams of objects by id: for calls whose path names an object and not its team. */
import type { Db } from './client.ts';
import { Prisma as PrismaSql } from './generated/client.ts';

const TABLES = {
  instances: PrismaSql.sql`instances`,
  deposits: PrismaSql.sql`deposits`,
  holds: PrismaSql.sql`holds`,
  reservations: PrismaSql.sql`reservations`,
  grants: PrismaSql.sql`grants`,
};
export type Owned = keyof typeof TABLES;

export const isOwned = (noun: string): noun is Owned => Object.hasOwn(TABLES, noun);

/** Reads the teams of things. An id without a row is left out. */
export async function teamsOf(db: Db, noun: Owned, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await db.$queryRaw<Array<{ id: string; teamId: string }>>`
    SELECT id, team_id AS "teamId" FROM ${TABLES[noun]} WHERE id = ANY(${ids}::text[])`;
  return new Map(rows.map(({ id, teamId }) => [id, teamId]));
}
