/** Sums of what was used, for answers. */
import { type Micros, micros } from '../billing/money.ts';
import type { Tx } from './client.ts';

/** What a team's token usage in `[fromSecond, toSecond)` cost, whether credit paid for it or it is owed. */
export async function tokenUsageMicros(tx: Tx, teamId: string, fromSecond: number, toSecond: number): Promise<Micros> {
  const { _sum } = await tx.transfer.aggregate({
    _sum: { amountMicros: true },
    where: { teamId, code: { in: ['token_usage', 'owed_usage'] }, second: { gte: fromSecond, lt: toSecond } },
  });
  return micros(_sum.amountMicros ?? 0n);
}
