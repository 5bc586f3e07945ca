/** One refund, from credit taken to money sent back, or credit again: no credit is spendable while it is on its way out. */
import { allHandlersFinished, condition, setHandler } from '@temporalio/workflow';
import type { RefundOrder } from '../activities/ledger/refunds.ts';
import type { RefundOutcome } from '../activities/refunds.ts';
import { dollars, Stated, showDetails } from './details.ts';
import { lookAtRefund, type RefundAnswer, type RefundInput, refundAnswer, told } from './messages.ts';
import { ledger, payments, tell } from './neighbours.ts';
import { News, nowSecond } from './waiting.ts';

/** Webhooks wake the refund at once; a poll that grows slower finds what a lost webhook did not tell. */
const FIRST_POLL_MS = 15_000;
const SLOWEST_POLL_MS = 6 * 3600_000;
/** A bank may send money back weeks later: a success is looked at again after 1, 2, 4, 8, 16 and 32 days. */
const DAY_MS = 24 * 3600_000;
const SURE_AFTER_DAYS = 32;

export async function refund(input: RefundInput): Promise<RefundOrder | null> {
  const { refundId, teamId, depositId } = input;
  const news = new News();
  const state = new Stated('opening');
  let answer: RefundAnswer = { status: 'pending' };
  let looks = 0;
  setHandler(told, news.arrived);
  setHandler(refundAnswer, async ({ withinMs }) => {
    await condition(() => answer.status !== 'pending', withinMs);
    return answer;
  });
  setHandler(lookAtRefund, async () => {
    const before = looks;
    news.arrived();
    await condition(() => looks > before, FIRST_POLL_MS);
    return answer;
  });

  const order = await take();
  if (order === null) {
    await condition(allHandlersFinished);
    return null;
  }
  let current = order;
  answer = { status: current.status };
  // The credit is taken, and perhaps instances ended with it: the watch announces that whatever the provider says.
  await tell.tellWatch({ teamId });
  if (current.status === 'pending') await record(await outcomeOf(current));
  show(current.status);
  if (current.status === 'succeeded') await untilSure();
  await condition(allHandlersFinished);
  return current;

  /** Takes the credit in the ledger before the provider is asked; of what was made at the provider, what there is. */
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

  async function book(stripeRefundId: string): Promise<RefundOrder | null> {
    for (let pollMs = FIRST_POLL_MS; ; pollMs = slower(pollMs)) {
      news.take();
      const seen = await payments.fetchRefund({ stripeRefundId });
      looks += 1;
      // One that failed before it was heard of has moved no money.
      if (seen.status === 'failed') {
        answer = { status: 'failed' };
        return null;
      }
      const { amountMicros, namedRefundId } = seen;
      const found = { refundId, depositId, stripeRefundId, namedRefundId, amountMicros };
      const booked = await ledger.bookRefund({ ...found, nowSecond: nowSecond() });
      // A refund of ours under another name has a workflow of its own.
      if (booked !== null) return booked.refundId === refundId ? booked : null;
      await news.orMs(pollMs, 'look whether it can be booked');
    }
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
    for (let pollMs = FIRST_POLL_MS; ; pollMs = slower(pollMs)) {
      news.take();
      const seen = await payments.fetchRefund({ stripeRefundId });
      looks += 1;
      if (seen.status !== 'pending') return seen;
      await news.orMs(pollMs, 'ask the provider again');
    }
  }

  /** A success is only until the bank says otherwise. */
  async function untilSure(): Promise<void> {
    const { stripeRefundId } = current;
    if (stripeRefundId === null) return;
    const sinceMs = Date.now();
    for (let days = 1; days <= SURE_AFTER_DAYS; ) {
      const dueMs = sinceMs + days * DAY_MS;
      await news.orMs(Math.max(0, dueMs - Date.now()), 'look whether the bank has sent it back');
      news.take();
      const seen = await payments.fetchRefund({ stripeRefundId });
      looks += 1;
      if (seen.status === 'failed') return record(seen);
      // What it was told of in between makes no look later.
      if (Date.now() >= dueMs) days *= 2;
    }
  }

  async function record(known: RefundOutcome): Promise<void> {
    const outcome = known.status === 'failed' ? 'failed' : 'succeeded';
    const failureCode = known.status === 'failed' ? known.failureCode : null;
    current = await ledger.closeRefund({ refundId, outcome, failureCode, nowSecond: nowSecond() });
    answer = { status: current.status };
    await tell.tellWatch({ teamId });
    show(current.status);
  }

  function show(next: string): void {
    state.say(next);
    showDetails({ refund: refundId, of: depositId, amount: dollars(current.amountMicros), state: next });
  }
}

const slower = (pollMs: number): number => Math.min(pollMs * 2, SLOWEST_POLL_MS);
