/**
 * Ended instances whose workflows are still to be signalled, in pieces of limited size. Rows of `exhaustions` and
 * `team_stops` name all the instances that ended together, and count the signalled ones.
 */
import type { Tx } from './client.ts';
import type { InJson } from './columns.ts';
import { Prisma as PrismaSql } from './generated/client.ts';

/** The largest number of instances in a piece. */
export const PIECE = 100;

export interface EndedPiece {
  /** The table of the row. */
  of: 'exhaustion' | 'stop';
  /** The number of the exhaustion, or the id of the stop. */
  number: number;
  /** The number of instances of the row before this piece. */
  from: number;
  instanceIds: string[];
  /**
   * The instances of the piece whose machines the platform must stop. Absent in answers recorded by an earlier release.
   */
  machineIds?: string[];
}

const ROWS = {
  exhaustion: { table: PrismaSql.sql`exhaustions`, key: PrismaSql.sql`number` },
  stop: { table: PrismaSql.sql`team_stops`, key: PrismaSql.sql`id` },
};

interface PieceRow {
  of: string;
  number: bigint;
  signalled: number;
  ids: string[];
  machine_ids: string[];
}

const nextOf = (teamId: PrismaSql.Sql): PrismaSql.Sql => PrismaSql.sql`
  SELECT piece."of", piece.number, piece.signalled, piece.ids, ARRAY(
      SELECT id FROM unnest(piece.ids) WITH ORDINALITY AS named (id, place) JOIN instances USING (id)
      WHERE terminated_confirmed_second IS NULL ORDER BY place
    ) AS machine_ids
  FROM (
    (SELECT 'exhaustion' AS "of", number, signalled, instance_ids[signalled + 1 : signalled + ${PIECE}::int] AS ids
      FROM exhaustions WHERE team_id = ${teamId} AND NOT announced ORDER BY number LIMIT 1)
    UNION ALL
    (SELECT 'stop', id, signalled, instance_ids[signalled + 1 : signalled + ${PIECE}::int]
      FROM team_stops WHERE team_id = ${teamId} AND NOT announced ORDER BY id LIMIT 1)
    ORDER BY 1 LIMIT 1
  ) AS piece`;

/**
 * The next piece of the oldest row that is not announced, exhaustions first; null if no instance is to be signalled.
 */
export async function nextEndedPiece(tx: Tx, teamId: string): Promise<EndedPiece | null> {
  const [row] = await tx.$queryRaw<PieceRow[]>(nextOf(PrismaSql.sql`${teamId}`));
  return row ? toPiece(row) : null;
}

/** The same as a JSON value. @param teamId the id of the team */
export const nextEndedPieceInJson = (teamId: PrismaSql.Sql): PrismaSql.Sql =>
  PrismaSql.sql`SELECT row_to_json(next) FROM (${nextOf(teamId)}) AS next`;

export const endedPieceFromJson = (row: unknown): EndedPiece | null => (row ? toPiece(row as InJson<PieceRow>) : null);

const toPiece = (row: InJson<PieceRow>): EndedPiece => ({
  of: row.of === 'exhaustion' ? 'exhaustion' : 'stop',
  number: Number(row.number),
  from: row.signalled,
  instanceIds: row.ids,
  machineIds: row.machine_ids,
});

/** Counts the first `signalled` instances of a row as signalled. Once all are, the row is announced. */
export async function markSignalled(
  tx: Tx,
  teamId: string,
  { of, number, signalled }: { of: EndedPiece['of']; number: number; signalled: number },
): Promise<void> {
  const { table, key } = ROWS[of];
  await tx.$executeRaw`
    UPDATE ${table} SET signalled = GREATEST(signalled, ${signalled}::int),
      announced = announced OR ${signalled}::int >= cardinality(instance_ids)
    WHERE team_id = ${teamId} AND ${key} = ${number}::bigint`;
}
