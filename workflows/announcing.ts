/**
 * How a team's watch announces what its looks find: ended instances, charges and notices, each kind for itself. The
 * facts are recorded before, by whatever transaction, so a step that fails is repeated by a later look.
 */
import { TemporalFailure } from '@temporalio/workflow';
import type { Outlook } from '../ledger/team.ts';
import type { EndedPiece } from '../prisma/ended-pieces.ts';
import { handOn, ledger, ordersAhead, wakes } from './neighbours.ts';
import { nowSecond, type WakeSignal } from './waiting.ts';

/** An answer with so many notices may have left some out (`PIECE` of prisma/ended-pieces.ts). */
const FULL_PIECE = 100;

export class Announcing {
  private readonly teamId: string;
  private readonly wakeSignal: WakeSignal;
  private notifiedAttemptId: string | null = null;
  private isEndingInstances = false;
  private reclaimingIds: string[];

  constructor(teamId: string, wakeSignal: WakeSignal, reclaimingIds: string[] = []) {
    this.teamId = teamId;
    this.wakeSignal = wakeSignal;
    this.reclaimingIds = reclaimingIds;
  }

  /** Whether a piece of ended instances is being seen to. */
  get isEnding(): boolean {
    return this.isEndingInstances;
  }

  /** The instances with an announced reclaim, as answers of an earlier release name them. */
  get reclaiming(): string[] {
    return this.reclaimingIds;
  }

  /** Announces the recorded and unannounced facts, from any recording. */
  announce(outlook: Outlook): Promise<void> {
    return outlook.ended === undefined ? this.announceAtOnce(outlook) : this.announceApart(outlook, outlook.ended);
  }

  /** Each kind of announcement runs on its own, so that none delays another. */
  private async announceApart(outlook: Outlook, ended: EndedPiece | null): Promise<void> {
    this.reclaimingIds = [];
    const { notices, reservationIds = [], attemptDepositId } = outlook;
    const isNewAttempt = attemptDepositId !== null && attemptDepositId !== this.notifiedAttemptId;
    if (attemptDepositId === null) this.notifiedAttemptId = null;
    await Promise.all([
      isNewAttempt && this.orLookAgain(() => this.wakeAutoTopUp(attemptDepositId)),
      ended && this.seeTo(ended),
      notices.length > 0 && this.orLookAgain(() => this.startNotices(notices, reservationIds)),
    ]);
  }

  /**
   * Runs a step of local activities. After a failure, requests a look within a second, which repeats the step. The
   * watch itself does not wait for a retry. The failure of a local activity may come without an ActivityFailure around
   * it.
   */
  private async orLookAgain(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof TemporalFailure)) throw error;
      this.wakeSignal.soon();
    }
  }

  private async wakeAutoTopUp(attemptDepositId: string): Promise<void> {
    await handOn.tellAutoTopUp({ teamId: this.teamId });
    this.notifiedAttemptId = attemptDepositId;
  }

  /**
   * The watch looks on while machines are ordered to stop, since the platform may take long. A look that finds the same
   * piece meanwhile leaves it alone. Runs that hold answers of an earlier release wait for the piece.
   */
  private async seeTo(ended: EndedPiece): Promise<void> {
    if (ended.machineIds === undefined) return this.orLookAgain(() => this.signalEnded(ended));
    if (this.isEndingInstances) return;
    this.isEndingInstances = true;
    void this.orLookAgain(() => this.signalEnded(ended)).finally(() => {
      this.isEndingInstances = false;
    });
  }

  private async signalEnded({ of, number, from, instanceIds, machineIds = [] }: EndedPiece): Promise<void> {
    const { teamId } = this;
    if (machineIds.length > 0) await stopMachines(machineIds);
    const signalledCount = instanceIds.length > 0 ? await handOn.signalEnded({ instanceIds }) : 0;
    await ledger.markTold({
      teamId,
      exhaustions: [],
      noticeIds: [],
      ended: { of, number, signalled: from + signalledCount },
    });
    // Further pieces may wait.
    this.wakeSignal.arrived();
  }

  private async startNotices(notices: Outlook['notices'], reservationIds: string[]): Promise<void> {
    const { teamId } = this;
    if (reservationIds.length > 0) await handOn.tellReservations({ reservationIds });
    const started = notices.slice(0, await handOn.startNotices({ notices }));
    await ledger.markTold({ teamId, exhaustions: [], noticeIds: started.map(({ noticeId }) => noticeId) });
    if (started.length < notices.length || notices.length >= FULL_PIECE) this.wakeSignal.arrived();
  }

  /** Runs with answers of an earlier release announce each part of an answer in a single step. */
  private async announceAtOnce(outlook: Outlook): Promise<void> {
    const { teamId } = this;
    await this.announceAll(outlook);
    await this.signalReclaimed(outlook);
    if (outlook.attemptDepositId && outlook.attemptDepositId !== this.notifiedAttemptId)
      await wakes.tellAutoTopUp({ teamId });
    this.notifiedAttemptId = outlook.attemptDepositId;
  }

  private async announceAll({ exhaustions = [], stop, notices, reservationIds = [] }: Outlook): Promise<void> {
    if (exhaustions.length === 0 && notices.length === 0 && !stop) return;
    const { teamId } = this;
    const instanceIds = [...exhaustions, ...(stop ? [stop] : [])].flatMap((ended) => ended.instanceIds);
    if (instanceIds.length > 0) await wakes.tellInstances({ instanceIds });
    if (reservationIds.length > 0) await wakes.tellReservations({ reservationIds });
    if (notices.length > 0) await wakes.handOnNotices({ notices });
    const numbers = exhaustions.map((exhaustion) => exhaustion.number);
    const noticeIds = notices.map((notice) => notice.noticeId);
    await ledger.markTold({ teamId, exhaustions: numbers, noticeIds, ...(stop && { stops: [stop.id] }) });
    // Further batches may wait.
    if (stop) this.wakeSignal.arrived();
  }

  /** An instance with an announced reclaim that is gone by now ended without a signal to its workflow. */
  private async signalReclaimed({ exhaustions = [], stop, reclaiming: still = [] }: Outlook): Promise<void> {
    const signalled = exhaustions.flatMap((exhaustion) => exhaustion.instanceIds);
    const signalledOrRunning = new Set([...still, ...signalled, ...(stop?.instanceIds ?? [])]);
    const instanceIds = this.reclaimingIds.filter((instanceId) => !signalledOrRunning.has(instanceId));
    this.reclaimingIds = still;
    if (instanceIds.length > 0) await wakes.tellInstances({ instanceIds });
  }
}

/**
 * Orders machines to stop: the workflows of their instances may wait behind other work. They are signalled afterwards,
 * end at once where the platform has confirmed, and order the machine themselves where it has not.
 */
async function stopMachines(instanceIds: string[]): Promise<void> {
  const summary = `have the platform stop ${instanceIds.length} machines`;
  try {
    await ordersAhead.terminateMachines.executeWithOptions({ summary }, [{ instanceIds, nowSecond: nowSecond() }]);
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
  }
}
