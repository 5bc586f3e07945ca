/** The admission and the settlements of a meter, shared by the workflows of instances and reservations. */
import { ApplicationFailure, condition, workflowInfo } from '@temporalio/workflow';
import type { WakeSignal } from './waiting.ts';

type Admitted = { status: 'admitted' };
type Refused = { status: 'refused'; code: string };

/** Whether the meter was admitted, once known. */
export class AdmissionAnswer<A extends Admitted | Refused> {
  private readonly of: { what: 'instance' | 'reservation'; requestHash: string };
  /** Set before the run if the api has recorded the admission. */
  admitted: A | undefined;

  constructor(of: { what: 'instance' | 'reservation'; requestHash: string }, recorded: A | undefined) {
    this.of = of;
    this.admitted = recorded;
  }

  /** Takes the answer of `admit`, in a run without a recorded admission. */
  async decide(admit: () => Promise<A>): Promise<A> {
    this.admitted = await admit();
    return this.admitted;
  }

  /** Answers the caller of a start. Another request for the same id is refused. */
  async answerTo({ requestHash }: { requestHash: string }): Promise<A | { status: 'refused'; code: 'id_taken' }> {
    if (requestHash !== this.of.requestHash) return { status: 'refused', code: 'id_taken' };
    return this.whenKnown();
  }

  /**
   * Waits for the admission, before an operator's request. The ledger knows no meter before its admission and no refused
   * meter, and an activity about such a meter would be retried for ever.
   * @throws ApplicationFailure if the meter was refused
   */
  async untilAdmitted(): Promise<void> {
    const answer = await this.whenKnown();
    if (answer.status === 'refused')
      throw ApplicationFailure.nonRetryable(`the ${this.of.what} was refused`, answer.code);
  }

  private async whenKnown(): Promise<A> {
    do await condition(() => this.admitted !== undefined);
    while (this.admitted === undefined);
    return this.admitted;
  }
}

export interface SettledMeter<R, E> {
  wakeSignal: WakeSignal;
  /** Posts the amount owed by now. */
  settle(): Promise<R | E>;
  /** Waits for the next settlement, or for news. */
  untilNext(running: R): Promise<void>;
  continueInNewRun(): Promise<never>;
}

/** Settles a meter again and again, until the ledger answers that the meter has ended. */
export async function settleUntilEnded<R extends { status: 'running' }, E extends { status: 'ended' }>(
  meter: SettledMeter<R, E>,
): Promise<E> {
  const isRunning = (settled: R | E): settled is R => settled.status === 'running';
  let settled = await meter.settle();
  while (isRunning(settled)) {
    await meter.untilNext(settled);
    if (workflowInfo().continueAsNewSuggested) await meter.continueInNewRun();
    meter.wakeSignal.take();
    settled = await meter.settle();
  }
  return settled;
}
