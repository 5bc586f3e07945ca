/** Receipts: a number for each deposit that was credited, without a gap in each team. */
import { receiptNumber } from '../billing/ids.ts';
import type { Tx } from './client.ts';

/**
 * Gives a deposit its receipt's number, in the transaction that credits it and under the team's row lock: what is not
 * credited takes none, and what is rolled back leaves no gap. A deposit that has one keeps it.
 */
export async function numberReceipt(tx: Tx, teamId: string, depositId: string): Promise<void> {
  const unnumbered = await tx.deposit.count({ where: { id: depositId, teamId, receiptNumber: null } });
  if (unnumbered === 0) return;
  // Counted in SQL: the account that a fact computes with knows nothing of receipts.
  const { receipts } = await tx.account.update({
    where: { teamId },
    data: { receipts: { increment: 1 } },
    select: { receipts: true },
  });
  await tx.deposit.update({
    where: { id: depositId },
    data: { receiptNumber: receiptNumber(teamId, Number(receipts)) },
  });
}
