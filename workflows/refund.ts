/**
 * A refund, from credit taken to money sent back, or credit again. The credit cannot be spent while the refund is under
 * way.
 */
import { allHandlersFinished, condition, patched, setHandler } from '@temporalio/workflow';
import type { RefundOrder } from '../activities/ledger/refunds.ts';
import type { RefundOutcome, RefundSeen } from '../activities/refunds.ts';
import type { Micros } from '../billing/money.ts';
import { dollars, Stated, showDetails } from './details.ts';
import { lookAtRefund, type RefundAnswer, type RefundInput, refundAnswer, told } from './messages.ts';
import { ledger, payments, tell } from './neighbours.ts';
import { isOpenAgain, Looks, News, nowSecond, pollUntil } from './waiting.ts';

/** Webhooks wake the refund at once. A poll with growing intervals replaces a lost webhook. */
const FIRST_POLL_MS = 15_000;
const SLOWEST_POLL_MS = 6 * 3600_000;
const pace = (summary: string) => ({ firstMs: FIRST_POLL_MS, slowestMs: SLOWEST_POLL_MS, summary });
/** A bank may send money back weeks later, and a failed refund may be sent later. */
const UNTIL_SURE = { days: 32, summary: 'look whether the bank has sent it back' };
/** Runs from before this patch end at the first failure. */
const CHANGES = 'refund-changes';

export async function refund(input: RefundInput): Promise<RefundOrder | null> {
  const { refundId, teamId, depositId } = input;
  const news = new News();
  const state = new Stated('opening');
  let answer: RefundAnswer = { status: 'pending' };
  const looks = new Looks(news);
  setHandler(told, news.arrived);
  setHandler(refundAnswer, async ({ withinMs }) => {
    await condition(() => answer.status !== 'pending', withinMs);
    return answer;
  });
  setHandler(lookAtRefund, async () => {
    await looks.next(FIRST_POLL_MS);
    return answer;
  });

  const order = await take();
  if (order === null) {
    looks.close();
    await condition(allHandlersFinished);
    return null;
  }
  let current = order;
  answer = { status: current.status };
  // The credit is taken, and instances may have ended with the credit. The watch announces the ends whatever the
  // provider answers.
  await tell.tellWatch({ teamId });
  // A run that finds its refund closed was started because of a report that the refund has changed.
  if (current.status !== 'pending' && patched(CHANGES)) await lookAtClosed();
  do {
    if (current.status === 'pending') await record(await outcomeOf(current));
    looks.end();
    show(current.status);
  } while (canChange() && (await isSentAnew()));
  looks.close();
  await condition(allHandlersFinished);
  return current;

  /** The refund as recorded before the run, or the recorded refund made at the provider. */
  async function take(): Promise<RefundOrder | null> {
    if (input.order) {
      const requested = await ledger.requestRefund(input.order);
      if (requested.status === 'taken') return requested.order;
      answer = requested.status === 'refused' ? requested : { status: 'too_late' };
      state.say(requested.status);
      return null;
    }
    const known = await ledger.findRefundOrder({ refundId });
    if (known !== null || input.stripeRefundId === undefined) return known;
    return book(input.stripeRefundId);
  }

  function book(stripeRefundId: string): Promise<RefundOrder | null> {
    return pollUntil(news, pace('look whether it can be booked'), async () => {
      const seen = await fetch(stripeRefundId);
      // A refund that failed before its first report has moved no money.
      if (seen.status === 'failed') {
        answer = { status: 'failed' };
        return null;
      }
      const { amountMicros, namedRefundId } = seen;
      const found = { refundId, depositId, stripeRefundId, namedRefundId, amountMicros };
      const booked = await ledger.bookRefund({ ...found, nowSecond: nowSecond() });
      looks.end();
      if (booked === null) return undefined;
      // A refund of ours with another id has its own workflow.
      return booked.refundId === refundId ? booked : null;
    });
  }

  async function outcomeOf(taken: RefundOrder): Promise<RefundOutcome> {
    let stripeRefundId = taken.stripeRefundId;
    if (stripeRefundId === null) {
      show('refunding');
      const summary = `refund ${dollars(taken.amountMicros)}`;
      const made = await payments.createRefund.executeWithOptions({ summary }, [{ refundId }]);
      if (made.stripeRefundId === null) return made;
      stripeRefundId = made.stripeRefundId;
      await ledger.noteRefund({ refundId, stripeRefundId });
      if (made.status !== 'pending') return made;
    }
    show('on_its_way');
    const sentId = stripeRefundId;
    return pollUntil(news, pace('ask the provider again'), async () => {
      const seen = await fetch(sentId);
      if (seen.status !== 'pending') return seen;
      looks.end();
      return undefined;
    });
  }

  /** The provider's state of a refund can change at any time. Returns whether the refund is under way again. */
  async function isSentAnew(): Promise<boolean> {
    const { stripeRefundId } = current;
    if (stripeRefundId === null) return false;
    return isOpenAgain(news, UNTIL_SURE, async () => {
      const seen = await fetch(stripeRefundId);
      const isSame = isRecorded(seen);
      if (!isSame) await record(seen);
      looks.end();
      if (isSame) return 'same';
      if (!canChange()) return 'over';
      return current.status === 'pending' ? 'open' : 'changed';
    });
  }

  async function lookAtClosed(): Promise<void> {
    const { stripeRefundId } = current;
    if (stripeRefundId === null) return;
    news.take();
    looks.begin();
    const seen = await payments.fetchRefund({ stripeRefundId });
    if (!isRecorded(seen)) await record(seen);
    looks.count();
    looks.end();
  }

  async function fetch(stripeRefundId: string): Promise<RefundSeen> {
    looks.begin();
    const seen = await payments.fetchRefund({ stripeRefundId });
    looks.count();
    return seen;
  }

  /** True if the refund at the provider can still change, including a failed refund. */
  function canChange(): boolean {
    if (current.status === 'succeeded') return true;
    return current.stripeRefundId !== null && patched(CHANGES);
  }

  function isRecorded({ status, amountMicros }: RefundSeen): boolean {
    return status === current.status && amountMicros === current.amountMicros;
  }

  async function record(known: RefundOutcome & { amountMicros?: Micros }): Promise<void> {
    const { status: outcome, amountMicros } = known;
    const failureCode = known.status === 'failed' ? known.failureCode : null;
    current = await ledger.closeRefund({
      ...{ refundId, outcome, failureCode, nowSecond: nowSecond() },
      ...(amountMicros !== undefined && { amountMicros }),
    });
    answer = { status: current.status };
    await tell.tellWatch({ teamId });
    show(current.status);
  }

  function show(next: string): void {
    state.say(next);
    showDetails({ refund: refundId, of: depositId, amount: dollars(current.amountMicros), state: next });
  }
}
