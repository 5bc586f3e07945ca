/** Sums of usage, for answers. */
import type { Tx } from './client.ts';

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
