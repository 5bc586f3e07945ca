/**
 * A dispute, from the cardholder's claim to the bank's decision: the contested amount is held, then released or taken.
 * Banks decide again and change amounts, so a decided dispute is looked at for another two months.
 */
import { allHandlersFinished, condition, patched, setHandler } from '@temporalio/workflow';
import type { DisputeSeen } from '../activities/disputes.ts';
import type { DisputeOrder } from '../activities/ledger/disputes.ts';
import { ZERO } from '../billing/money.ts';
import { dollars, Stated, showDetails } from './details.ts';
import { type DisputeInput, type DisputeState, disputeState, lookAtDispute, told } from './messages.ts';
import { ledger, payments, tell } from './neighbours.ts';
import { isOpenAgain, Looks, News, nowSecond, pollUntil } from './waiting.ts';

/**
 * Webhooks wake the workflow at once. Banks take weeks, so the intervals of the poll that replaces a lost webhook grow
 * long.
 */
const UNTIL_DECIDED = { firstMs: 60_000, slowestMs: 24 * 3600_000, summary: 'ask how the bank decides' };
const UNTIL_SURE = { days: 64, summary: 'look whether the bank has decided again' };
const OPERATOR_WAITS_MS = 15_000;
/** Runs from before this patch end at the first decision, and ignore a changed amount. */
const CHANGES = 'dispute-changes';

export async function dispute(input: DisputeInput): Promise<DisputeOrder | null> {
  const { disputeId, teamId, depositId, stripeDisputeId } = input;
  const news = new News();
  const said = new Stated('looking');
  const state: DisputeState = { disputeId, state: 'looking', heldMicros: ZERO };
  const looks = new Looks(news);
  setHandler(told, news.arrived);
  setHandler(disputeState, () => state);
  setHandler(lookAtDispute, async () => {
    await looks.next(OPERATOR_WAITS_MS);
    return state;
  });

  let order = await ledger.findDisputeOrder({ disputeId });
  do await untilDecided();
  while (patched(CHANGES) && (await isDecidedAnew()));
  looks.close();
  await condition(allHandlersFinished);
  return order;

  function fetch(): Promise<DisputeSeen> {
    looks.begin();
    return payments.fetchDispute({ stripeDisputeId });
  }

  function ended(): void {
    looks.count();
    looks.end();
  }

  function untilDecided(): Promise<true> {
    return pollUntil(news, UNTIL_DECIDED, async () => {
      const isDecided = await follow(await fetch());
      ended();
      return isDecided || undefined;
    });
  }

  function isDecidedAnew(): Promise<boolean> {
    return isOpenAgain(news, UNTIL_SURE, async () => {
      const seen = await fetch();
      const isSame = isRecorded(seen);
      const isDecided = isSame || (await follow(seen));
      ended();
      if (!isDecided) return 'open';
      return isSame ? 'same' : 'changed';
    });
  }

  function isRecorded({ status, amountMicros }: DisputeSeen): boolean {
    if (order === null) return status === 'withdrawn';
    return order.status === (status === 'withdrawn' ? 'won' : status) && order.amountMicros === amountMicros;
  }

  /** Records the bank's state of the dispute. Returns whether the dispute is decided. */
  async function follow(seen: DisputeSeen): Promise<boolean> {
    if (seen.status === 'inquiry') {
      // A dispute that has become an inquiry again holds nothing.
      if (order !== null && order.status !== 'won' && patched(CHANGES)) await close('won', seen);
      return show('inquiry');
    }
    if (seen.status === 'withdrawn') return order === null ? show('withdrawn') : show(await close('won', seen));
    order ??= await open(seen);
    // The deposit is still to be credited, by its own workflow.
    if (order === null) return show('looking');
    if (seen.status !== 'open') return show(await close(seen.status, seen));
    const isOtherwise = order.status !== 'open' || order.amountMicros !== seen.amountMicros;
    return show(isOtherwise && patched(CHANGES) ? await change(seen) : order.status);
  }

  async function open({ amountMicros, reason }: DisputeSeen): Promise<DisputeOrder | null> {
    const opened = await ledger.openDispute({
      ...{ disputeId, depositId, stripeDisputeId, amountMicros, reason },
      nowSecond: nowSecond(),
    });
    // A hold may have ended instances. The watch announces the ends.
    if (opened !== null) await tell.tellWatch({ teamId });
    return opened;
  }

  async function close(outcome: 'won' | 'lost', { amountMicros }: DisputeSeen): Promise<DisputeOrder['status']> {
    const closed = await ledger.closeDispute({ disputeId, outcome, amountMicros, nowSecond: nowSecond() });
    order = closed;
    if (closed.status !== 'open') await tell.tellWatch({ teamId });
    return closed.status;
  }

  async function change({ amountMicros }: DisputeSeen): Promise<DisputeOrder['status']> {
    const changed = await ledger.changeDispute({ disputeId, amountMicros, nowSecond: nowSecond() });
    order = changed;
    await tell.tellWatch({ teamId });
    return changed.status;
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
