/**
 * A dispute, from the cardholder's claim to the bank's decision: the contested amount is held, then released or taken.
 * Banks decide again and change amounts, so a decided dispute is looked at for another two months.
 */

import { allHandlersFinished, condition, patched, setHandler } from '@temporalio/workflow';
import type { DisputeSeen } from '../activities/providers.ts';
import { ZERO } from '../billing/money.ts';
import { SECONDS_PER_DAY } from '../billing/time.ts';
import type { DisputeOrder } from '../ledger/disputes.ts';
import { BillingState, dollars, showDetails } from './details.ts';
import { type DisputeInput, type DisputeState, disputeState, lookAtDispute, wakeUp } from './messages.ts';
import { ledger, payments, wakes } from './neighbours.ts';
import { isOpenAgain, nowSecond, ProviderReads, pollUntil, WakeSignal } from './waiting.ts';

/**
 * Webhooks wake the workflow at once. Banks take weeks, so the intervals of the poll that replaces a lost webhook grow
 * long.
 */
const UNTIL_DECIDED = { firstMs: 60_000, slowestMs: SECONDS_PER_DAY * 1000, summary: 'ask how the bank decides' };
const UNTIL_SURE = { days: 64, summary: 'look whether the bank has decided again' };
const OPERATOR_WAITS_MS = 15_000;
/** Runs from before this patch end at the first decision, and ignore a changed amount. */
const CHANGES = 'dispute-changes';

export async function dispute(input: DisputeInput): Promise<DisputeOrder | null> {
  const run = new DisputeRun(input);
  run.order = await ledger.findDisputeOrder({ disputeId: input.disputeId });
  do await run.untilDecided();
  while (patched(CHANGES) && (await run.isDecidedAnew()));
  run.reads.close();
  await condition(allHandlersFinished);
  return run.order;
}

class DisputeRun {
  readonly reads: ProviderReads;
  /** The dispute in the ledger; null until a deposit is credited that the dispute can be about. */
  order: DisputeOrder | null = null;
  private readonly input: DisputeInput;
  private readonly wakeSignal = new WakeSignal();
  private readonly shown = new BillingState<DisputeState['state']>('looking');
  private readonly state: DisputeState;

  constructor(input: DisputeInput) {
    this.input = input;
    this.reads = new ProviderReads(this.wakeSignal);
    this.state = { disputeId: input.disputeId, state: 'looking', heldMicros: ZERO };
    setHandler(wakeUp, this.wakeSignal.arrived);
    setHandler(disputeState, () => this.state);
    setHandler(lookAtDispute, async () => {
      await this.reads.next(OPERATOR_WAITS_MS);
      return this.state;
    });
  }

  untilDecided(): Promise<true> {
    return pollUntil(this.wakeSignal, UNTIL_DECIDED, async () => {
      const isDecided = await this.follow(await this.fetch());
      this.endLook();
      return isDecided || undefined;
    });
  }

  isDecidedAnew(): Promise<boolean> {
    return isOpenAgain(this.wakeSignal, UNTIL_SURE, async () => {
      const answer = await this.fetch();
      const isSame = this.isRecorded(answer);
      const isDecided = isSame || (await this.follow(answer));
      this.endLook();
      if (!isDecided) return 'open';
      return isSame ? 'same' : 'changed';
    });
  }

  private fetch(): Promise<DisputeSeen> {
    this.reads.begin();
    return payments.fetchDispute({ stripeDisputeId: this.input.stripeDisputeId });
  }

  private endLook(): void {
    this.reads.count();
    this.reads.end();
  }

  private isRecorded({ status, amountMicros }: DisputeSeen): boolean {
    const { order } = this;
    if (order === null) return status === 'withdrawn';
    return order.status === (status === 'withdrawn' ? 'won' : status) && order.amountMicros === amountMicros;
  }

  /** Records the bank's state of the dispute. Returns whether the dispute is decided. */
  private async follow(disputeNow: DisputeSeen): Promise<boolean> {
    if (disputeNow.status === 'inquiry') {
      // A dispute that has become an inquiry again holds nothing.
      if (this.order !== null && this.order.status !== 'won' && patched(CHANGES)) await this.close('won', disputeNow);
      return this.show('inquiry');
    }
    if (disputeNow.status === 'withdrawn')
      return this.order === null ? this.show('withdrawn') : this.show(await this.close('won', disputeNow));
    const order = this.order ?? (await this.open(disputeNow));
    // The deposit is still to be credited, by its own workflow.
    if (order === null) return this.show('looking');
    if (disputeNow.status !== 'open') return this.show(await this.close(disputeNow.status, disputeNow));
    const isOtherwise = order.status !== 'open' || order.amountMicros !== disputeNow.amountMicros;
    return this.show(isOtherwise && patched(CHANGES) ? await this.change(disputeNow) : order.status);
  }

  private async open({ amountMicros, reason }: DisputeSeen): Promise<DisputeOrder | null> {
    const { disputeId, depositId, stripeDisputeId, teamId } = this.input;
    this.order = await ledger.openDispute({
      ...{ disputeId, depositId, stripeDisputeId, amountMicros, reason },
      nowSecond: nowSecond(),
    });
    // A hold may have ended instances. The watch announces the ends.
    if (this.order !== null) await wakes.tellWatch({ teamId });
    return this.order;
  }

  private async close(outcome: 'won' | 'lost', { amountMicros }: DisputeSeen): Promise<DisputeOrder['status']> {
    const { disputeId, teamId } = this.input;
    const closed = await ledger.closeDispute({ disputeId, outcome, amountMicros, nowSecond: nowSecond() });
    this.order = closed;
    if (closed.status !== 'open') await wakes.tellWatch({ teamId });
    return closed.status;
  }

  private async change({ amountMicros }: DisputeSeen): Promise<DisputeOrder['status']> {
    const { disputeId, teamId } = this.input;
    const changed = await ledger.changeDispute({ disputeId, amountMicros, nowSecond: nowSecond() });
    this.order = changed;
    await wakes.tellWatch({ teamId });
    return changed.status;
  }

  private show(next: DisputeState['state']): boolean {
    const { disputeId, depositId } = this.input;
    this.state.state = next;
    this.state.heldMicros = this.order?.heldMicros ?? ZERO;
    this.shown.set(next);
    showDetails({
      dispute: disputeId,
      over: depositId,
      contested: this.order === null ? 'nothing yet' : dollars(this.order.amountMicros),
      held: dollars(this.state.heldMicros),
      state: next,
    });
    return next === 'won' || next === 'lost' || next === 'withdrawn';
  }
}
