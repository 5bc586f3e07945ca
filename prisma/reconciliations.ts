/** The daily reports: a report for each UTC day. The latest comparison overwrites an earlier one. */
import type { Comparison } from '../billing/reconciliation/rows.ts';
import type { Tx } from './client.ts';
import { toSecond } from './columns.ts';
import type { Prisma } from './generated/client.ts';

export interface Reconciliation extends Comparison {
  madeSecond: number;
}

export async function saveReconciliation(tx: Tx, { madeSecond, ...comparison }: Reconciliation): Promise<void> {
  const { day, rows, differences } = comparison;
  const values = {
    madeSecond,
    compared: rows.length,
    differences: differences.length,
    report: comparison as unknown as Prisma.InputJsonObject,
  };
  await tx.reconciliation.upsert({ where: { day }, create: { day, ...values }, update: values });
}

export async function findReconciliation(tx: Tx, day: string): Promise<Reconciliation | null> {
  const row = await tx.reconciliation.findUnique({ where: { day } });
  return row && { ...(row.report as unknown as Comparison), madeSecond: toSecond(row.madeSecond) };
}
