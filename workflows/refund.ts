/**
 * A refund, from credit taken to money sent back, or credit again. The credit cannot be spent while the refund is under
 * way.
 */
import { allHandlersFinished, condition, patched, setHandler } from '@temporalio/workflow';
import type { RefundOutcome, RefundSeen } from '../activities/providers.ts';
import type { Micros } from '../billing/money.ts';
import type { RefundOrder } from '../ledger/refunds.ts';
import { BillingState, dollars, showDetails } from './details.ts';
import { lookAtRefund, type RefundAnswer, type RefundInput, refundAnswer, wakeUp } from './messages.ts';
import { ledger, payments, wakes } from './neighbours.ts';
import { isOpenAgain, nowSecond, ProviderReads, pollUntil, WakeSignal } from './waiting.ts';

/** Webhooks wake the refund at once. A poll with growing intervals replaces a lost webhook. */
const FIRST_POLL_MS = 15_000;
const SLOWEST_POLL_MS = 6 * 3600_000;
const pace = (summary: string) => ({ firstMs: FIRST_POLL_MS, slowestMs: SLOWEST_POLL_MS, summary });
/** A bank may send money back weeks later, and a failed refund may be sent later. */
const UNTIL_SURE = { days: 32, summary: 'look whether the bank has sent it back' };
/** Runs from before this patch end at the first failure. */
const CHANGES = 'refund-changes';

export async function refund(input: RefundInput): Promise<RefundOrder | null> {
  const answers = new RefundAnswers();
  const order = await takeCredit(input, answers);
  if (order !== null) return new RefundRun(answers, order).follow();
  answers.reads.close();
  await condition(allHandlersFinished);
  return null;
}

type ShownState = 'opening' | 'refused' | 'too_late' | 'refunding' | 'on_its_way' | RefundOrder['status'];

/** Answers the callers of a refund. */
class RefundAnswers {
  readonly wakeSignal = new WakeSignal();
  readonly reads = new ProviderReads(this.wakeSignal);
  readonly shown = new BillingState<ShownState>('opening');
  answer: RefundAnswer = { status: 'pending' };

  constructor() {
    setHandler(wakeUp, this.wakeSignal.arrived);
    setHandler(refundAnswer, async ({ withinMs }) => {
      await condition(() => this.answer.status !== 'pending', withinMs);
      return this.answer;
    });
    setHandler(lookAtRefund, async () => {
      await this.reads.next(FIRST_POLL_MS);
      return this.answer;
    });
  }

  async fetch(stripeRefundId: string): Promise<RefundSeen> {
    this.reads.begin();
    const answer = await payments.fetchRefund({ stripeRefundId });
    this.reads.count();
    return answer;
  }
}

/** The refund as recorded before the run, or the recorded refund made at the provider. */
async function takeCredit(input: RefundInput, answers: RefundAnswers): Promise<RefundOrder | null> {
  const { refundId, stripeRefundId } = input;
  if (input.order) {
    const requested = await ledger.requestRefund(input.order);
    if (requested.status === 'taken') return requested.order;
    answers.answer = requested.status === 'refused' ? requested : { status: 'too_late' };
    answers.shown.set(requested.status);
    return null;
  }
  const order = await ledger.findRefundOrder({ refundId });
  if (order !== null || stripeRefundId === undefined) return order;
  return book({ ...input, stripeRefundId }, answers);
}

/** Records a refund that was made at the provider. */
function book(
  { refundId, depositId, stripeRefundId }: RefundInput & { stripeRefundId: string },
  answers: RefundAnswers,
): Promise<RefundOrder | null> {
  return pollUntil(answers.wakeSignal, pace('look whether it can be booked'), async () => {
    const answer = await answers.fetch(stripeRefundId);
    // A refund that failed before its first report has moved no money.
    if (answer.status === 'failed') {
      answers.answer = { status: 'failed' };
      return null;
    }
    const { amountMicros, namedRefundId } = answer;
    const foundRefund = { refundId, depositId, stripeRefundId, namedRefundId, amountMicros };
    const booked = await ledger.bookRefund({ ...foundRefund, nowSecond: nowSecond() });
    answers.reads.end();
    if (booked === null) return undefined;
    // A refund with another id of Burnrate has its own workflow.
    return booked.refundId === refundId ? booked : null;
  });
}

class RefundRun {
  private readonly answers: RefundAnswers;
  private order: RefundOrder;

  constructor(answers: RefundAnswers, order: RefundOrder) {
    this.answers = answers;
    this.order = order;
    answers.answer = { status: order.status };
  }

  async follow(): Promise<RefundOrder> {
    const { reads } = this.answers;
    // The credit is taken, and instances may have ended with the credit. The watch announces the ends whatever the
    // provider answers.
    await wakes.tellWatch({ teamId: this.order.teamId });
    // A run that finds its refund closed was started because of a report that the refund has changed.
    if (this.order.status !== 'pending' && patched(CHANGES)) await this.lookAtClosed();
    do {
      if (this.order.status === 'pending') await this.record(await this.outcome());
      reads.end();
      this.show(this.order.status);
    } while (this.canChange() && (await this.isSentAnew()));
    reads.close();
    await condition(allHandlersFinished);
    return this.order;
  }

  private async outcome(): Promise<RefundOutcome> {
    const { answers, order } = this;
    let { stripeRefundId } = order;
    if (stripeRefundId === null) {
      const sentRefund = await this.request();
      if (sentRefund.stripeRefundId === null || sentRefund.status !== 'pending') return sentRefund;
      stripeRefundId = sentRefund.stripeRefundId;
    }
    this.show('on_its_way');
    const sentId = stripeRefundId;
    return pollUntil(answers.wakeSignal, pace('ask the provider again'), async () => {
      const answer = await answers.fetch(sentId);
      if (answer.status !== 'pending') return answer;
      answers.reads.end();
      return undefined;
    });
  }

  /** Has the provider make the refund, and stores the provider's id. */
  private async request(): Promise<RefundOutcome> {
    const { refundId, amountMicros } = this.order;
    this.show('refunding');
    const summary = `refund ${dollars(amountMicros)}`;
    const refundAtStripe = await payments.createRefund.executeWithOptions({ summary }, [{ refundId }]);
    if (refundAtStripe.stripeRefundId !== null)
      await ledger.noteRefund({ refundId, stripeRefundId: refundAtStripe.stripeRefundId });
    return refundAtStripe;
  }

  /** The provider's state of a refund can change at any time. Returns whether the refund is under way again. */
  private async isSentAnew(): Promise<boolean> {
    const { answers } = this;
    const { stripeRefundId } = this.order;
    if (stripeRefundId === null) return false;
    return isOpenAgain(answers.wakeSignal, UNTIL_SURE, async () => {
      const refundNow = await answers.fetch(stripeRefundId);
      const isSame = this.isRecorded(refundNow);
      if (!isSame) await this.record(refundNow);
      answers.reads.end();
      if (isSame) return 'same';
      if (!this.canChange()) return 'over';
      return this.order.status === 'pending' ? 'open' : 'changed';
    });
  }

  private async lookAtClosed(): Promise<void> {
    const { reads, wakeSignal } = this.answers;
    const { stripeRefundId } = this.order;
    if (stripeRefundId === null) return;
    wakeSignal.take();
    reads.begin();
    const current = await payments.fetchRefund({ stripeRefundId });
    if (!this.isRecorded(current)) await this.record(current);
    reads.count();
    reads.end();
  }

  /** True if the refund at the provider can still change, including a failed refund. */
  private canChange(): boolean {
    if (this.order.status === 'succeeded') return true;
    return this.order.stripeRefundId !== null && patched(CHANGES);
  }

  private isRecorded({ status, amountMicros }: RefundSeen): boolean {
    return status === this.order.status && amountMicros === this.order.amountMicros;
  }

  private async record(current: RefundOutcome & { amountMicros?: Micros }): Promise<void> {
    const { status: outcome, amountMicros } = current;
    const { refundId, teamId } = this.order;
    const failureCode = current.status === 'failed' ? current.failureCode : null;
    this.order = await ledger.closeRefund({
      ...{ refundId, outcome, failureCode, nowSecond: nowSecond() },
      ...(amountMicros !== undefined && { amountMicros }),
    });
    this.answers.answer = { status: this.order.status };
    await wakes.tellWatch({ teamId });
    this.show(this.order.status);
  }

  private show(state: ShownState): void {
    const { refundId, depositId, amountMicros } = this.order;
    this.answers.shown.set(state);
    showDetails({ refund: refundId, of: depositId, amount: dollars(amountMicros), state });
  }
}
