/** The state of a payment's workflow, shared by the payments by card and in crypto. */
import { condition, setHandler } from '@temporalio/workflow';
import { type DepositStatus, isOpen } from '../billing/deposits.ts';
import type { DepositOrder } from '../ledger/deposits.ts';
import { BillingState, dollars, showDetails } from './details.ts';
import { type DepositAnswer, firstAnswer, lookAgain, wakeUp } from './messages.ts';
import { ProviderReads, WakeSignal } from './waiting.ts';

/** Webhooks wake the payment at once. A poll with growing intervals replaces a lost webhook. */
export const FIRST_POLL_MS = 15_000;

type PaymentState = 'opening' | 'charging' | 'on_checkout_page' | 'on_crypto_page' | 'confirming' | DepositStatus;

/** Answers the callers of a payment, and shows its state to operators. */
export class Payment {
  readonly depositId: string;
  readonly wakeSignal = new WakeSignal();
  readonly reads = new ProviderReads(this.wakeSignal);
  readonly answer: DepositAnswer = { status: 'pending', checkoutUrl: null };
  private readonly shown = new BillingState<PaymentState>('opening');

  constructor(depositId: string) {
    this.depositId = depositId;
    const { answer, reads, wakeSignal } = this;
    const isAnswered = () => answer.status !== 'pending' || answer.checkoutUrl !== null;
    setHandler(wakeUp, wakeSignal.arrived);
    setHandler(firstAnswer, async ({ withinMs }) => {
      await condition(isAnswered, withinMs);
      return answer;
    });
    setHandler(lookAgain, async () => {
      await reads.next(FIRST_POLL_MS, () => answer.status === 'refused' || !isOpen(answer.status));
      return answer;
    });
  }

  show(state: PaymentState, { amountMicros, kind, failureCode }: DepositOrder): void {
    this.shown.set(state);
    showDetails({
      deposit: this.depositId,
      amount: dollars(amountMicros),
      kind,
      state,
      ...(failureCode !== undefined && { reason: failureCode }),
    });
  }
}
