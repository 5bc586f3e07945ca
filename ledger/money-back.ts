/** Money back of a deposit: the refunds and disputes against the deposit, and the totals of its row. */
import type { CreditedDeposit } from '../billing/credited-deposit.ts';
import { larger, micros } from '../billing/money.ts';
import { creditedStatus } from '../billing/money-back.ts';
import type { Tx } from '../prisma/client.ts';
import { correctionsOf, isOfCredit, netCreditMicros } from '../prisma/corrections.ts';
import { creditedMicros, type Deposit, getDeposit, updateDeposit } from '../prisma/deposits.ts';
import { disputesOfDeposit, toDepositDispute } from '../prisma/disputes.ts';
import { refundsOfDeposit, sumMicros } from '../prisma/refunds.ts';

/** A deposit with the refunds and disputes against the deposit. */
export async function creditedDeposit(tx: Tx, deposit: Deposit): Promise<CreditedDeposit> {
  const { id: depositId, teamId, refundedMicros } = deposit;
  const disputes = await disputesOfDeposit(tx, depositId);
  const isCorrected = (await correctionsOf(tx, depositId)).some(isOfCredit);
  return {
    depositId,
    // A deposit without corrections was credited with the amount of its row.
    creditedMicros: isCorrected
      ? larger(await netCreditMicros(tx, depositId, teamId), refundedMicros)
      : creditedMicros(deposit),
    refundedMicros,
    disputes: disputes.map(toDepositDispute),
  };
}

/** Updates the deposit row's totals of refunds and disputes. */
export async function updateMoneyBack(tx: Tx, depositId: string): Promise<void> {
  const deposit = await getDeposit(tx, depositId);
  const refunds = await refundsOfDeposit(tx, depositId);
  const sentMicros = sumMicros(refunds, 'succeeded');
  await updateDeposit(tx, depositId, {
    refundedMicros: micros(sentMicros + sumMicros(refunds, 'pending')),
    status: creditedStatus(await creditedDeposit(tx, deposit), sentMicros),
  });
}
