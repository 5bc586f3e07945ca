/** One dispute, from the cardholder's word to the bank's decision: what is contested is held, then free again or gone. */
import { allHandlersFinished, condition, setHandler } from '@temporalio/workflow';
import type { DisputeSeen } from '../activities/disputes.ts';
import type { DisputeOrder } from '../activities/ledger/disputes.ts';
import { ZERO } from '../billing/money.ts';
import { dollars, Stated, showDetails } from './details.ts';
import { type DisputeInput, type DisputeState, disputeState, lookAtDispute, told } from './messages.ts';
import { ledger, payments, tell } from './neighbours.ts';
import { News, nowSecond } from './waiting.ts';

/** Webhooks wake it at once. Banks take weeks, so the poll that finds what a lost webhook did not tell grows slow. */
const FIRST_POLL_MS = 60_000;
const SLOWEST_POLL_MS = 24 * 3600_000;
const OPERATOR_WAITS_MS = 15_000;

export async function dispute(input: DisputeInput): Promise<DisputeOrder | null> {
  const { disputeId, teamId, depositId, stripeDisputeId } = input;
  const news = new News();
  const said = new Stated('looking');
  const state: DisputeState = { disputeId, state: 'looking', heldMicros: ZERO };
  let looks = 0;
  setHandler(told, news.arrived);
  setHandler(disputeState, () => state);
  setHandler(lookAtDispute, async () => {
    const before = looks;
    news.arrived();
    await condition(() => looks > before, OPERATOR_WAITS_MS);
    return state;
  });

  let order = await ledger.findDisputeOrder({ disputeId });
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 2, SLOWEST_POLL_MS)) {
    news.take();
    const seen = await payments.fetchDispute({ stripeDisputeId });
    const isOver = await follow(seen);
    looks += 1;
    if (isOver) break;
    await news.orMs(pollMs, 'ask how the bank decides');
  }
  await condition(allHandlersFinished);
  return order;

  /** Answers whether there is no more to come. */
  async function follow(seen: DisputeSeen): Promise<boolean> {
    if (seen.status === 'inquiry') return show('inquiry');
    if (seen.status === 'withdrawn') return order === null ? show('withdrawn') : close('won');
    order ??= await open(seen);
    // The deposit is still to be credited: its own workflow sees to that.
    if (order === null) return show('looking');
    return seen.status === 'open' ? show(order.status) : close(seen.status);
  }

  async function open({ amountMicros, reason }: DisputeSeen): Promise<DisputeOrder | null> {
    const opened = await ledger.openDispute({
      ...{ disputeId, depositId, stripeDisputeId, amountMicros, reason },
      nowSecond: nowSecond(),
    });
    // A hold may have ended instances: the watch announces that.
    if (opened !== null) await tell.tellWatch({ teamId });
    return opened;
  }

  async function close(outcome: 'won' | 'lost'): Promise<boolean> {
    order = await ledger.closeDispute({ disputeId, outcome, nowSecond: nowSecond() });
    if (order.status !== 'open') await tell.tellWatch({ teamId });
    return show(order.status);
  }

  function show(next: DisputeState['state']): boolean {
    state.state = next;
    state.heldMicros = order?.heldMicros ?? ZERO;
    said.say(next);
    showDetails({
      dispute: disputeId,
      over: depositId,
      contested: order === null ? 'nothing yet' : dollars(order.amountMicros),
      held: dollars(state.heldMicros),
      state: next,
    });
    return next === 'won' || next === 'lost' || next === 'withdrawn';
  }
}
