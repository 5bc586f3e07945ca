/** Sums of what was used, for answers. */
import type { Tx } from './client.ts';

/**
 * What a team's token usage in `[fromSecond, toSecond)` cost, whether credit paid for it or it is owed.
 * @param fromSecond the first of a day, as `toSecond` is: it is kept by the day
 */
export async function tokenUsageMicros(tx: Tx, teamId: string, fromSecond: number, toSecond: number): Promise<bigint> {
  const { _sum } = await tx.tokenDay.aggregate({
    _sum: { micros: true },
    where: { teamId, daySecond: { gte: fromSecond, lt: toSecond } },
  });
  return _sum.micros ?? 0n;
}
