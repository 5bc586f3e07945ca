/** Records crypto deposits: credits each received output once, and closes the deposit when its page expires. */

import { type CryptoOutput, cryptoStatus, newOutputs, outputKey, sumOf } from '../billing/crypto.ts';
import { isOpen } from '../billing/deposits.ts';
import { advance, creditCrypto } from '../billing/facts.ts';
import type { PaymentFailure } from '../billing/failure-reasons.ts';
import { outputCause } from '../billing/ids.ts';
import { add, ZERO } from '../billing/money.ts';
import type { Tx } from '../prisma/client.ts';
import {
  type CryptoReceipt,
  creditedOutputs,
  cryptoReceiptsOf,
  insertCryptoReceipts,
} from '../prisma/crypto-receipts.ts';
import { type Deposit, getDeposit, updateDeposit } from '../prisma/deposits.ts';
import { mailAndEvent, type NewNotice } from '../prisma/notices.ts';
import { nameReceipt, nextReceipt, numberReceipt } from '../prisma/receipts.ts';
import { recordFact } from '../prisma/record.ts';
import { type DepositOrder, orderOf } from './deposits.ts';
import type { LedgerWorld } from './world.ts';

/** A mail and an event for each credit: a deposit in two parts causes two of each. */
const noticesOf = ({ id: depositId, teamId }: Deposit, outputs: readonly CryptoOutput[], second: number): NewNotice[] =>
  outputs.flatMap((receipt) => {
    const { transactionHash, output } = receipt;
    const data = { depositId, receipt: { transactionHash, output } };
    const about = { teamId, second, cause: outputCause(depositId, outputKey(receipt)), data };
    return mailAndEvent(about, 'deposit_receipt', 'deposit.succeeded');
  });

/** Gives each payment a receipt number. The deposit is named by the receipt of its first payment. */
async function numbered(
  tx: Tx,
  { id: depositId, teamId, receivedMicros }: Deposit,
  outputs: readonly CryptoOutput[],
  creditedSecond: number,
): Promise<CryptoReceipt[]> {
  const payments: CryptoReceipt[] = [];
  let totalMicros = receivedMicros ?? ZERO;
  for (const output of outputs) {
    totalMicros = add(totalMicros, output.amountMicros);
    const receiptNumber = await nextReceipt(tx, teamId, creditedSecond);
    await nameReceipt(tx, depositId, receiptNumber);
    payments.push({ ...output, depositId, teamId, creditedSecond, receiptNumber, totalMicros });
  }
  return payments;
}

export const cryptoActs = ({ db, settings }: LedgerWorld) => ({
  /** Credits the outputs that were not credited before, at any time and for any number of reports. */
  creditCrypto: async (
    input: { depositId: string; outputs: CryptoOutput[]; nowSecond: number },
    causedBy: string,
  ): Promise<DepositOrder> => {
    const { teamId, id: depositId } = await getDeposit(db, input.depositId);
    return recordFact(db, { teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
      const deposit = await getDeposit(tx, depositId);
      const outputs = newOutputs(input.outputs, await creditedOutputs(tx, input.outputs));
      if (outputs.length === 0)
        return { outcome: advance(account, settings, input.nowSecond), answer: async () => orderOf(deposit) };
      const outcome = creditCrypto(account, settings, { depositId, outputs }, input.nowSecond);
      const creditedSecond = outcome.account.asOfSecond;
      const receivedMicros = add(deposit.receivedMicros ?? ZERO, sumOf(outputs));
      const status = cryptoStatus({
        expectedMicros: deposit.amountMicros,
        receivedMicros,
        expired: !isOpen(deposit.status),
      });
      // A further payment does not move the second of the deposit's success.
      const succeedsNow = status === 'succeeded' && deposit.status !== 'succeeded';
      await updateDeposit(tx, depositId, {
        receivedMicros,
        ...(succeedsNow && { status, closedSecond: creditedSecond, failureCode: null }),
      });
      await insertCryptoReceipts(tx, await numbered(tx, deposit, outputs, creditedSecond));
      return {
        outcome,
        notices: noticesOf(deposit, outputs, creditedSecond),
        answer: async (within) => orderOf(await getDeposit(within, depositId)),
      };
    });
  },

  /** Closes a deposit whose page has expired: succeeded with the received amount, or expired without a payment. */
  expireCrypto: async (
    input: { depositId: string; nowSecond: number; failureCode?: PaymentFailure },
    causedBy: string,
  ): Promise<DepositOrder> => {
    const { teamId, id: depositId } = await getDeposit(db, input.depositId);
    return recordFact(db, { teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
      const deposit = await getDeposit(tx, depositId);
      const outcome = advance(account, settings, input.nowSecond);
      if (!isOpen(deposit.status)) return { outcome, answer: async () => orderOf(deposit) };
      const receivedMicros = deposit.receivedMicros ?? ZERO;
      const status = cryptoStatus({ expectedMicros: deposit.amountMicros, receivedMicros, expired: true });
      const last = (await cryptoReceiptsOf(tx, [depositId])).get(depositId)?.at(-1);
      await updateDeposit(tx, depositId, {
        status,
        closedSecond: last?.creditedSecond ?? outcome.account.asOfSecond,
        ...(status === 'expired' && { failureCode: input.failureCode ?? 'expired' }),
      });
      if (status === 'succeeded')
        await numberReceipt(tx, teamId, depositId, last?.creditedSecond ?? outcome.account.asOfSecond);
      return { outcome, answer: async () => ({ ...orderOf(deposit), status }) };
    });
  },
});
