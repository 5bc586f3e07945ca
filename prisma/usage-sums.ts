/** Sums of usage, for answers. */
import type { Tx } from './client.ts';
import { Prisma } from './generated/client.ts';

/**
 * The cost of a team's token usage in `[fromSecond, toSecond)`, paid or owed.
 * @param fromSecond the first second of a day, like `toSecond`, because the sums are stored by day
 */
export async function tokenUsageMicros(tx: Tx, teamId: string, fromSecond: number, toSecond: number): Promise<bigint> {
  const { _sum } = await tx.tokenDay.aggregate({
    _sum: { micros: true },
    where: { teamId, daySecond: { gte: fromSecond, lt: toSecond } },
  });
  return _sum.micros ?? 0n;
}

/**
 * The cost of ended stretches of running in `[fromSecond, toSecond)`, as SQL over rows that have a part in the range: for
 * each, the cost by the later end less the cost by the earlier. Twin: `costBetweenMicros` of billing/usage.ts.
 * @param endSecond the column of the end
 */
export const sumOfCosts = (
  endSecond: Prisma.Sql,
  fromSecond: Prisma.Sql,
  toSecond: Prisma.Sql,
): Prisma.Sql => Prisma.sql`
  COALESCE(SUM(
    div(rate_micros_per_hour::numeric * (LEAST(${endSecond}, ${toSecond}) - start_second), 3600)
      - div(rate_micros_per_hour::numeric * (GREATEST(start_second, ${fromSecond}) - start_second), 3600)
  ), 0)`;
