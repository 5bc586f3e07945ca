/** Receipts: a number for each credited payment, without a gap in each team. */
import { receiptNumber } from '../billing/ids.ts';
import type { Tx } from './client.ts';
import { openPaper } from './papers.ts';

/**
 * Takes the team's next receipt number and opens its paper. Called in the transaction that credits the payment, under
 * the team's row lock: a payment without a credit takes no number, and a rolled-back transaction leaves no gap.
 */
export async function nextReceipt(tx: Tx, teamId: string, second: number): Promise<string> {
  // Counted in SQL, because the account of the rules has no receipts.
  const { receipts } = await tx.account.update({
    where: { teamId },
    data: { receipts: { increment: 1 } },
    select: { receipts: true },
  });
  const number = receiptNumber(teamId, Number(receipts));
  await openPaper(tx, { kind: 'receipt', number, teamId, second });
  return number;
}

/** Numbers the receipt of a deposit. A numbered deposit keeps its number. */
export async function numberReceipt(tx: Tx, teamId: string, depositId: string, second: number): Promise<void> {
  const unnumbered = await tx.deposit.count({ where: { id: depositId, teamId, receiptNumber: null } });
  if (unnumbered === 0) return;
  await nameReceipt(tx, depositId, await nextReceipt(tx, teamId, second));
}

/**
 * Gives a deposit the number of its receipt, or of the first payment's receipt. A numbered deposit keeps the number.
 */
export const nameReceipt = async (tx: Tx, depositId: string, number: string): Promise<void> => {
  await tx.deposit.updateMany({ where: { id: depositId, receiptNumber: null }, data: { receiptNumber: number } });
};
