/**
 * A reservation: metered term by term, with a reminder before each end, until the reservation is not renewed. The
 * beginning was recorded before; see prisma/due-work.ts.
 */
import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  ReservationAdmission,
  ReservationReceipt,
  ReservationStanding,
} from '../activities/ledger/reservations.ts';
import { ZERO } from '../billing/money.ts';
import { dollars, Stated, showDetails, when } from './details.ts';
import {
  admitReservation,
  type ReservationInput,
  type ReservationState,
  reservationState,
  settleReservationNow,
  told,
} from './messages.ts';
import { ledger, tell } from './neighbours.ts';
import { News, nowSecond } from './waiting.ts';

/**
 * The rate is known for months, and no bill waits for a settlement. One a day keeps the posted balance and the details
 * current.
 */
const SHORTEST_SETTLE_MS = 24 * 3600 * 1000;

export async function reservation(input: ReservationInput): Promise<ReservationReceipt | null> {
  const { spec } = input;
  const { id: reservationId, teamId } = spec;
  const news = new News();
  const state = new Stated('admitting');
  const seen: ReservationState = { reservationId, teamId, state: 'admitting', costMicros: ZERO };
  let admission = input.admission;

  setHandler(told, news.arrived);
  setHandler(reservationState, () => seen);
  setHandler(admitReservation, ({ requestHash }) => admissionFor(requestHash));
  setHandler(settleReservationNow, settleForOperator);

  admission ??= await ledger.openReservation(input);
  if (admission.status === 'refused') {
    show('refused');
    await condition(allHandlersFinished);
    return null;
  }
  show('running');
  // The api that has recorded a beginning wakes the watch.
  if (!input.admission) await tell.tellWatch({ teamId });

  let standing = await settle();
  while (standing.status === 'running') {
    await untilNext(standing.next);
    if (workflowInfo().continueAsNewSuggested) await inANewRun(admission);
    news.take();
    standing = await settle();
  }
  show('ended');
  await condition(allHandlersFinished);
  return standing.receipt;

  async function admissionFor(requestHash: string): Promise<ReservationAdmission> {
    if (requestHash !== spec.requestHash) return { status: 'refused', code: 'id_taken' };
    await condition(() => admission !== undefined);
    return admission as ReservationAdmission;
  }

  /** Posts the amount owed by now, and learns of a renewal or an end by any cause. The ledger's answer is the state. */
  async function settle(): Promise<ReservationStanding> {
    const second = nowSecond();
    const answer = await ledger.settleReservation({ reservationId, nowSecond: second });
    if (answer.watchMustKnow) await tell.tellWatch({ teamId });
    seen.costMicros = answer.status === 'running' ? answer.costMicros : answer.receipt.costMicros;
    showDetails(answer.status === 'running' ? tableOfRunning(answer, second) : tableOfEnded(answer.receipt));
    return answer;
  }

  /** Waits until the next reminder or the term's end, or until the next settlement if sooner. */
  async function untilNext({ second, what }: { second: number; what: string }): Promise<void> {
    const settleAgain = nowSecond() + Math.max(input.settleEveryMs, SHORTEST_SETTLE_MS) / 1000;
    const settlesFirst = input.settleEveryMs > 0 && settleAgain < second;
    await (settlesFirst ? news.orSecond(settleAgain, 'next settlement') : news.orSecond(second, what));
  }

  async function settleForOperator(): Promise<ReservationState> {
    // The ledger knows no reservation before its admission, nor ever a refused one, and a query would not end.
    await condition(() => admission !== undefined);
    if (admission?.status === 'refused')
      throw ApplicationFailure.nonRetryable('the reservation was refused', admission.code);
    if ((await settle()).status === 'ended') news.arrived();
    return seen;
  }

  function show(next: ReservationState['state']): void {
    seen.state = next;
    state.say(next);
  }

  async function inANewRun(admitted: ReservationAdmission): Promise<never> {
    await condition(allHandlersFinished);
    return continueAsNew<typeof reservation>({ ...input, admission: admitted });
  }
}

const tableOfRunning = (term: Extract<ReservationStanding, { status: 'running' }>, asOfSecond: number) => ({
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
