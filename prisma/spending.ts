/** A team's spending by day, for the volume discount. Read only where needed, because the read sums a month of rows. */
import { type Micros, MOST_MICROS, micros } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { type InJson, toSecond } from './columns.ts';
import { Prisma } from './generated/client.ts';

/** How a statement names the team and the seconds of its spending. */
interface OfSpending {
  teamId: Prisma.Sql;
  fromSecond: Prisma.Sql;
  throughSecond: Prisma.Sql;
}

/** Selects `day` and `spent` of each day with spending. */
export const selectSpentByDay = ({ teamId, fromSecond, throughSecond }: OfSpending): Prisma.Sql => Prisma.sql`
    WITH days AS (
      SELECT day, day + 86400 AS next_day FROM generate_series(${fromSecond}::bigint, ${throughSecond}::bigint, 86400) AS day
    ), stretches AS (
      SELECT rate_micros_per_hour AS rate, start_second AS started, end_second AS ended FROM segments
      WHERE team_id = ${teamId} AND end_second > ${fromSecond}
      UNION ALL
      SELECT rate_micros_per_hour, start_second, closed_second FROM reservation_terms
      WHERE team_id = ${teamId} AND closed_second > ${fromSecond}
    ), spent AS (
      SELECT day,
        div(rate::numeric * (LEAST(ended, next_day) - started), 3600)
          - div(rate::numeric * (GREATEST(started, day) - started), 3600) AS micros
      FROM days JOIN stretches ON started < next_day AND ended > day
      UNION ALL
      SELECT day_second, micros FROM token_days WHERE team_id = ${teamId} AND day_second >= ${fromSecond}
    )
    SELECT day::bigint AS day, LEAST(SUM(micros), ${Prisma.raw(String(MOST_MICROS))})::bigint AS spent FROM spent GROUP BY day`;

interface SpentRow {
  day: bigint;
  spent: bigint;
}

export const toSpentByDay = (rows: ReadonlyArray<InJson<SpentRow>>): Map<number, Micros> =>
  new Map(rows.map(({ day, spent }) => [toSecond(day), micros(spent)]));

/**
 * The cost of ended segments, ended terms and tokens in each UTC day of `[fromSecond, throughSecond]`. A stretch counts
 * on a day as its cost by the end of the day less its cost by the start, as in `costBetweenMicros` (billing/usage.ts);
 * test/prisma/spending.test.ts compares both. The caller adds running meters. A day with
 * more spending than fits counts as the largest amount.
 * @param fromSecond the first of a day
 */
export async function readSpentByDay(
  tx: Tx,
  teamId: string,
  fromSecond: number,
  throughSecond: number,
): Promise<Map<number, Micros>> {
  const of = {
    teamId: Prisma.sql`${teamId}`,
    fromSecond: Prisma.sql`${fromSecond}`,
    throughSecond: Prisma.sql`${throughSecond}`,
  };
  return toSpentByDay(await tx.$queryRaw<SpentRow[]>(selectSpentByDay(of)));
}
