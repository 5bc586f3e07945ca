/**
 * A team's balance: a single durable sleep until the second of the next look. The account's row stores the second
 * (prisma/look-marks.ts), and a fact that needs an earlier look wakes the watch.
 */
import { continueAsNew, setHandler, TemporalFailure, workflowInfo } from '@temporalio/workflow';
import type { Outlook } from '../ledger/team.ts';
import type { EndedPiece } from '../prisma/ended-pieces.ts';
import { BillingState, dollars, showDetails, when } from './details.ts';
import { type TeamInput, type WatchState, wakeUp, wakeUpSoon, watchState } from './messages.ts';
import { handOn, ledger, ordersAhead, wakes } from './neighbours.ts';
import { nowSecond, WakeSignal } from './waiting.ts';

/** An answer with so many notices may have left some out (`PIECE` of prisma/ended-pieces.ts). */
const FULL_PIECE = 100;

export async function balanceWatch({ teamId, lookSoon, ...earlier }: TeamInput): Promise<void> {
  const wakeSignal = new WakeSignal();
  const state = new BillingState<'watching' | 'burning' | 'charge_in_flight' | 'idle'>('watching');
  let seen: WatchState | null = null;
  let notifiedAttemptId: string | null = null;
  let reclaiming = earlier.reclaiming ?? [];
  /** Whether a piece of ended instances is being seen to. */
  let isEnding = false;
  setHandler(wakeUp, wakeSignal.arrived);
  setHandler(wakeUpSoon, wakeSignal.soon);
  if (lookSoon) wakeSignal.soon();
  setHandler(watchState, () => seen);

  while (isEnding || !workflowInfo().continueAsNewSuggested) {
    wakeSignal.take();
    const asOfSecond = nowSecond();
    const outlook = await ledger.lookAhead({ teamId, nowSecond: asOfSecond });
    seen = show(outlook, asOfSecond);

    await (outlook.ended === undefined ? announceAtOnce(outlook) : announce(outlook, outlook.ended));

    await wakeSignal.orSecond(outlook.next?.second ?? null, outlook.next?.what ?? 'idle');
  }
  await continueAsNew<typeof balanceWatch>({
    teamId,
    ...(wakeSignal.isPromised() && { lookSoon: true }),
    ...(reclaiming.length > 0 && { reclaiming }),
  });

  /** Announces the recorded and unannounced facts, from any recording. No kind of news waits for another. */
  async function announce(outlook: Outlook, ended: EndedPiece | null): Promise<void> {
    reclaiming = [];
    const { notices, reservationIds = [], attemptDepositId } = outlook;
    const isNewAttempt = attemptDepositId !== null && attemptDepositId !== notifiedAttemptId;
    if (attemptDepositId === null) notifiedAttemptId = null;
    await Promise.all([
      isNewAttempt && orLookAgain(() => wakeAutoTopUp(attemptDepositId)),
      ended && seeTo(ended),
      notices.length > 0 && orLookAgain(() => startNotices(notices, reservationIds)),
    ]);
  }

  /**
   * Runs a step of local activities. A look within a second repeats a failed step, so the watch never waits for the
   * step. The failure of a local activity may come without an ActivityFailure around it.
   */
  async function orLookAgain(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof TemporalFailure)) throw error;
      wakeSignal.soon();
    }
  }

  async function wakeAutoTopUp(attemptDepositId: string): Promise<void> {
    await handOn.tellAutoTopUp({ teamId });
    notifiedAttemptId = attemptDepositId;
  }

  /**
   * The watch looks on while machines are ordered to stop, since the platform may take long. A look that finds the same piece
   * meanwhile leaves it alone. Runs that hold answers of an earlier release wait for the piece.
   */
  async function seeTo(ended: EndedPiece): Promise<void> {
    if (ended.machineIds === undefined) return orLookAgain(() => signalEnded(ended));
    if (isEnding) return;
    isEnding = true;
    void orLookAgain(() => signalEnded(ended)).finally(() => {
      isEnding = false;
    });
  }

  async function signalEnded({ of, number, from, instanceIds, machineIds = [] }: EndedPiece): Promise<void> {
    if (machineIds.length > 0) await stopMachines(machineIds);
    const done = instanceIds.length > 0 ? await handOn.signalEnded({ instanceIds }) : 0;
    await ledger.markTold({ teamId, exhaustions: [], noticeIds: [], ended: { of, number, signalled: from + done } });
    // Further pieces may wait.
    wakeSignal.arrived();
  }

  /**
   * Orders machines to stop: the workflows of their instances may wait behind other work. They are signalled afterwards, end
   * at once where the platform has confirmed, and order the machine themselves where it has not.
   */
  async function stopMachines(instanceIds: string[]): Promise<void> {
    const summary = `have the platform stop ${instanceIds.length} machines`;
    try {
      await ordersAhead.terminateMachines.executeWithOptions({ summary }, [{ instanceIds, nowSecond: nowSecond() }]);
    } catch (error) {
      if (!(error instanceof TemporalFailure)) throw error;
    }
  }

  async function startNotices(notices: Outlook['notices'], reservationIds: string[]): Promise<void> {
    if (reservationIds.length > 0) await handOn.tellReservations({ reservationIds });
    const started = notices.slice(0, await handOn.startNotices({ notices }));
    await ledger.markTold({ teamId, exhaustions: [], noticeIds: started.map(({ noticeId }) => noticeId) });
    if (started.length < notices.length || notices.length >= FULL_PIECE) wakeSignal.arrived();
  }

  /** Runs with answers of an earlier release announce each part of an answer in a single step. */
  async function announceAtOnce(outlook: Outlook): Promise<void> {
    await announceAll(outlook);
    await tellReclaimed(outlook);
    if (outlook.attemptDepositId && outlook.attemptDepositId !== notifiedAttemptId)
      await wakes.tellAutoTopUp({ teamId });
    notifiedAttemptId = outlook.attemptDepositId;
  }

  async function announceAll({ exhaustions = [], stop, notices, reservationIds = [] }: Outlook): Promise<void> {
    if (exhaustions.length === 0 && notices.length === 0 && !stop) return;
    const instanceIds = [...exhaustions, ...(stop ? [stop] : [])].flatMap((ended) => ended.instanceIds);
    if (instanceIds.length > 0) await wakes.tellInstances({ instanceIds });
    if (reservationIds.length > 0) await wakes.tellReservations({ reservationIds });
    if (notices.length > 0) await wakes.handOnNotices({ notices });
    const numbers = exhaustions.map((exhaustion) => exhaustion.number);
    const noticeIds = notices.map((notice) => notice.noticeId);
    await ledger.markTold({ teamId, exhaustions: numbers, noticeIds, ...(stop && { stops: [stop.id] }) });
    // Further batches may wait.
    if (stop) wakeSignal.arrived();
  }

  /** An instance with an announced reclaim that is gone by now ended without a signal to its workflow. */
  async function tellReclaimed({ exhaustions = [], stop, reclaiming: still = [] }: Outlook): Promise<void> {
    const signalled = exhaustions.flatMap((exhaustion) => exhaustion.instanceIds);
    const known = new Set([...still, ...signalled, ...(stop?.instanceIds ?? [])]);
    const instanceIds = reclaiming.filter((instanceId) => !known.has(instanceId));
    reclaiming = still;
    if (instanceIds.length > 0) await wakes.tellInstances({ instanceIds });
  }

  function show(outlook: Outlook, asOfSecond: number): WatchState {
    const { availableMicros, burnMicrosPerHour, topUp, next } = outlook;
    state.set(next?.what === 'grace_over' ? 'charge_in_flight' : burnMicrosPerHour > 0 ? 'burning' : 'idle');
    showDetails({
      'as of': when(asOfSecond),
      balance: dollars(availableMicros),
      'burn per hour': dollars(burnMicrosPerHour),
      'next crossing': next ? `${next.what} at ${when(next.second)}` : 'none',
      'auto top-up': topUp,
    });
    return {
      teamId,
      asOfSecond,
      availableMicros,
      burnMicrosPerHour,
      topUp,
      nextSecond: next?.second ?? null,
      nextWhat: next?.what ?? null,
    };
  }
}
