/**
 * A reservation: metered term by term, with a reminder before each end, until the reservation is not renewed. The
 * beginning was recorded before; see prisma/due-work.ts.
 */

import { allHandlersFinished, condition, continueAsNew, setHandler } from '@temporalio/workflow';
import { ZERO } from '../billing/money.ts';
import { SECONDS_PER_DAY } from '../billing/time.ts';
import type { ReservationAdmission, ReservationReceipt, ReservationStanding } from '../ledger/reservations.ts';
import { AdmissionAnswer, settleUntilEnded } from './admission.ts';
import { BillingState, dollars, showDetails, when } from './details.ts';
import {
  admitReservation,
  type ReservationInput,
  type ReservationState,
  reservationState,
  settleReservationNow,
  wakeUp,
} from './messages.ts';
import { ledger, wakes } from './neighbours.ts';
import { nowSecond, WakeSignal } from './waiting.ts';

/**
 * The rate is known for months, and no bill waits for a settlement. One a day keeps the posted balance and the details
 * current.
 */
const SHORTEST_SETTLE_MS = SECONDS_PER_DAY * 1000;

export async function reservation(input: ReservationInput): Promise<ReservationReceipt | null> {
  const run = new ReservationRun(input);
  const admission = run.admission.admitted ?? (await run.admission.decide(() => ledger.openReservation(input)));
  if (admission.status === 'refused') {
    run.show('refused');
    await condition(allHandlersFinished);
    return null;
  }
  run.show('running');
  // The api that has recorded a beginning wakes the watch.
  if (!input.admission) await wakes.tellWatch({ teamId: input.spec.teamId });

  const ended = await settleUntilEnded<RunningReservation, EndedReservation>({
    wakeSignal: run.wakeSignal,
    settle: () => run.settle(),
    untilNext: ({ next }) => untilNext(run.wakeSignal, input.settleEveryMs, next),
    continueInNewRun: () => continueInNewRun(input, admission),
  });
  run.show('ended');
  await condition(allHandlersFinished);
  return ended.receipt;
}

type RunningReservation = Extract<ReservationStanding, { status: 'running' }>;
type EndedReservation = Extract<ReservationStanding, { status: 'ended' }>;

/** Waits until the next reminder or the term's end, or until the next settlement if sooner. */
async function untilNext(
  wakeSignal: WakeSignal,
  settleEveryMs: number,
  { second, what }: RunningReservation['next'],
): Promise<void> {
  const settleAgain = nowSecond() + Math.max(settleEveryMs, SHORTEST_SETTLE_MS) / 1000;
  const settlesFirst = settleEveryMs > 0 && settleAgain < second;
  await (settlesFirst ? wakeSignal.orSecond(settleAgain, 'next settlement') : wakeSignal.orSecond(second, what));
}

async function continueInNewRun(input: ReservationInput, admission: ReservationAdmission): Promise<never> {
  await condition(allHandlersFinished);
  return continueAsNew<typeof reservation>({ ...input, admission });
}

class ReservationRun {
  readonly wakeSignal = new WakeSignal();
  readonly admission: AdmissionAnswer<ReservationAdmission>;
  private readonly shown = new BillingState<ReservationState['state']>('admitting');
  private readonly state: ReservationState;

  constructor({ spec, admission }: ReservationInput) {
    const { id: reservationId, teamId, requestHash } = spec;
    this.admission = new AdmissionAnswer<ReservationAdmission>({ what: 'reservation', requestHash }, admission);
    this.state = { reservationId, teamId, state: 'admitting', costMicros: ZERO };
    setHandler(wakeUp, this.wakeSignal.arrived);
    setHandler(reservationState, () => this.state);
    setHandler(admitReservation, (request) => this.admission.answerTo(request));
    setHandler(settleReservationNow, () => this.settleForOperator());
  }

  /** Posts the amount owed by now, and learns of a renewal or an end by any cause. The ledger's answer is the state. */
  async settle(): Promise<ReservationStanding> {
    const second = nowSecond();
    const { reservationId, teamId } = this.state;
    const standing = await ledger.settleReservation({ reservationId, nowSecond: second });
    if (standing.watchMustKnow) await wakes.tellWatch({ teamId });
    this.state.costMicros = standing.status === 'running' ? standing.costMicros : standing.receipt.costMicros;
    showDetails(standing.status === 'running' ? tableOfRunning(standing, second) : tableOfEnded(standing.receipt));
    return standing;
  }

  show(state: ReservationState['state']): void {
    this.state.state = state;
    this.shown.set(state);
  }

  private async settleForOperator(): Promise<ReservationState> {
    await this.admission.untilAdmitted();
    if ((await this.settle()).status === 'ended') this.wakeSignal.arrived();
    return this.state;
  }
}

const tableOfRunning = (term: RunningReservation, asOfSecond: number) => ({
  'as of': when(asOfSecond),
  'rate per hour': dollars(term.rateMicrosPerHour),
  'cost so far': dollars(term.costMicros),
  covered: `${term.covered} of ${term.count}`,
  term: `number ${term.termNumber}, ends ${when(term.endSecond)}`,
  renews: term.renew ? 'yes' : 'no',
});

const tableOfEnded = (receipt: ReservationReceipt) => ({
  ended: when(receipt.endSecond),
  how: receipt.how,
  terms: String(receipt.terms),
  cost: dollars(receipt.costMicros),
});
