/** The balances of a team's accounts at seconds and rows of the past: sums of the hours before, and of the rows of one hour. */
import type { Tx } from './client.ts';
import type { RecordedTransfer } from './transfers.ts';

/**
 * The posted credit after each of some rows of one team, by the id of the row. Rows of one second count in the order of their
 * ids, as in a list.
 */
export async function creditAfterEach(
  tx: Tx,
  teamId: string,
  rows: ReadonlyArray<Pick<RecordedTransfer, 'id' | 'second'>>,
): Promise<Map<string, bigint>> {
  if (rows.length === 0) return new Map();
  const hours = [...new Set(rows.map(({ second }) => second - (second % 3600)))];
  const found = await tx.$queryRaw<Array<{ id: string; credit: string }>>`
    WITH asked AS (SELECT hour FROM unnest(${hours}::bigint[]) AS hour), before AS (
      SELECT hour_second, SUM(credit_micros) OVER (ORDER BY hour_second) - credit_micros AS micros
      FROM account_hours WHERE team_id = ${teamId} AND hour_second <= ${Math.max(...hours)}::bigint
    ), within AS (
      SELECT transfers.id, hour, SUM(moved_micros('credit', team_id, debit_account, credit_account, amount_micros))
        OVER (PARTITION BY hour ORDER BY second, transfers.id) AS micros
      FROM asked JOIN transfers ON team_id = ${teamId} AND second >= hour AND second < hour + 3600
    )
    SELECT within.id::text AS id, (before.micros + within.micros)::text AS credit
    FROM within JOIN before ON before.hour_second = within.hour
    WHERE within.id = ANY(${rows.map(({ id }) => id)}::uuid[])`;
  return new Map(found.map(({ id, credit }) => [id, BigInt(credit)]));
}

/** The posted credit and the owed amount of a team after all transfers through a second. */
export async function postedThrough(
  tx: Tx,
  teamId: string,
  second: number,
): Promise<{ postedMicros: bigint; owedMicros: bigint }> {
  const hour = second - (second % 3600);
  const [row] = await tx.$queryRaw<Array<{ credit: string; owed: string }>>`
    SELECT COALESCE(SUM(credit), 0)::text AS credit, COALESCE(-SUM(owed), 0)::text AS owed
    FROM (
      SELECT credit_micros AS credit, owed_account_micros AS owed FROM account_hours
      WHERE team_id = ${teamId} AND hour_second < ${hour}
      UNION ALL
      SELECT moved_micros('credit', team_id, debit_account, credit_account, amount_micros),
        moved_micros('owed', team_id, debit_account, credit_account, amount_micros)
      FROM transfers WHERE team_id = ${teamId} AND second >= ${hour} AND second <= ${second}
    ) AS moved`;
  return { postedMicros: BigInt(row?.credit ?? 0), owedMicros: BigInt(row?.owed ?? 0) };
}
