/** A payment, from opened to credited or failed: the only way in which outside money becomes credit. */
import { allHandlersFinished, condition } from '@temporalio/workflow';
import type { DepositOrder } from '../ledger/deposits.ts';
import { payByCard } from './card-payment.ts';
import { payInCrypto } from './crypto-payment.ts';
import type { DepositInput } from './messages.ts';
import { ledger, wakes } from './neighbours.ts';
import { Payment } from './payment.ts';

export async function deposit(input: DepositInput): Promise<DepositOrder | null> {
  const { depositId, teamId } = input;
  const payment = new Payment(depositId);
  const order = input.order ? await ledger.openDeposit(input.order) : await ledger.getDepositOrder({ depositId });
  if (order === null) {
    payment.answer.status = 'refused';
    payment.reads.close();
    await condition(allHandlersFinished);
    return null;
  }

  const isRepeat = input.order !== undefined;
  const closedOrder = await (order.kind === 'crypto'
    ? payInCrypto(payment, order)
    : payByCard(payment, order, { isRepeat }));
  payment.answer.status = closedOrder.status;
  payment.reads.close();
  payment.show(closedOrder.status, closedOrder);

  await wakes.tellWatch({ teamId });
  if (order.kind === 'auto_top_up') await wakes.tellAutoTopUp({ teamId });
  await condition(allHandlersFinished);
  return closedOrder;
}
