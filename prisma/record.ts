/**
 * Records a fact: locks the team's row, brings the account up to date, applies a pure function of billing/, and writes
 * all effects in the same transaction. No other code moves a team's money.
 */
import type { Account } from '../billing/account.ts';
import type { Effect, EndReason, FactOutcome } from '../billing/change.ts';
import { lookAfter } from '../billing/looks.ts';
import type { Meter } from '../billing/usage.ts';
import type { Reach } from './account-parts.ts';
import { type AccountWithMarks, accountWrite } from './account-row.ts';
import { bySums, lockForFact, type Read } from './accounts.ts';
import { type Db, inTransaction, type Tx } from './client.ts';
import { openAttemptDeposit } from './deposits.ts';
import { saveDisputeTurn, saveHeld } from './disputes.ts';
import { insertExhaustion } from './exhaustions.ts';
import { expireHolds } from './holds.ts';
import { type InstanceMark, instanceWrites, saveReclaim, saveShedOrder } from './instances.ts';
import { type LookMarks, marksAfterFact, marksAfterLook, type Wake } from './look-marks.ts';
import { type NewNotice, noticesFor, noticeWrites } from './notices.ts';
import { type GpuPair, lockGpuPrice } from './prices.ts';
import type { Also } from './reading.ts';
import { isCallUnderWay, noteWake } from './recorded.ts';
import { updateRefund } from './refunds.ts';
import { endReservation, openTerm, saveRenewal, saveTerm } from './reservations.ts';
import { segmentWrites } from './segments.ts';
import { type Write, writeTogether } from './statements.ts';
import { insertTeamStops } from './team-stops.ts';
import { transferWrites } from './transfers.ts';

/** The result of a change beside its outcome: notices of its own cause, and the caller's answer. */
export interface FactRecord<T> {
  outcome: FactOutcome;
  notices?: NewNotice[];
  /** True if a mail of this fact states the credit. No low-balance mail then follows from the fact itself. */
  statesBalance?: boolean;
  /**
   * The look of the team's watch at this fact: by default, a look is due if the watch would look too late otherwise.
   * `due`: always. `unchanged`: the fact has no influence on the next look. `taken`: this is the watch's own look, after
   * which the watch sleeps until `untilSecond`, or sets no timer (null).
   */
  look?: 'due' | 'unchanged' | { taken: { untilSecond: number | null } };
  /** Rows of the fact itself, inserted with its effects. */
  inserts?: Write[];
  /** A mark on one instance, written beside the effects. */
  mark?: InstanceMark | null;
  /** Called after the effects are written. */
  answer: (tx: Tx) => Promise<T>;
}

/** The team, the instances that the fact names, and the cause for the rows: a workflow id, a request id. */
export interface FactAbout<A = null> extends Reach {
  /** Absent: the team of the instance that the fact names. */
  teamId?: string;
  causedBy: string;
  /**
   * A listed price that the fact reads. Its lock is taken before the row lock, in the same order as by a price change.
   */
  pricedPair?: GpuPair;
  /** A value that the fact reads beside the account and the instances. */
  also?: Also<A>;
}

/** The change of an account by a fact. `read`: the instances that the fact names, and the value that the fact reads beside them. */
export type FactRecordOf<T, A = null> = (account: Account, tx: Tx, read: Read<A>) => Promise<FactRecord<T>>;

/**
 * Records one fact about a team's money. The change runs with the meters of the named instances and the sums of the others,
 * and again with all meters where sums do not decide.
 * @param change may run twice
 * @throws BillingError `not_found` for an unknown team or instance, and whatever `change` throws; nothing is kept then
 */
export const recordFact = <T, A = null>(
  db: Db,
  { instanceIds = [], ...about }: FactAbout<A>,
  change: FactRecordOf<T, A>,
): Promise<T> =>
  bySums(instanceIds, (reach) => recordBy(db, { ...about, instanceIds }, { ...about, ...reach }, change));

const recordBy = <T, A>(
  db: Db,
  { teamId: ofTeam, instanceIds = [], causedBy, pricedPair, also }: FactAbout<A>,
  reach: Reach,
  change: FactRecordOf<T, A>,
): Promise<T> =>
  notingItsWake((owes) =>
    inTransaction(db, async (tx) => {
      if (pricedPair) await lockGpuPrice(tx, pricedPair, 'shared');
      const query = { instanceIds, ...(ofTeam !== undefined && { ofTeam }), ...(also && { also }) };
      const { account, marks, read } = await lockForFact<A>(tx, query, reach, db.clock);
      const { teamId } = account;
      const changed = await change(account, tx, read);
      const { outcome, statesBalance = false } = changed;
      const following = noticesFor(teamId, outcome.effects, statesBalance ? outcome.account.asOfSecond : null);
      // Notices of the fact itself come first: a charge fails, and then credit ends.
      const record = { ...changed, notices: [...(changed.notices ?? []), ...following] };
      const after = { account: outcome.account, marks: marksAfter(record, marks, owes) };
      await writeChange(tx, after, causedBy, record);
      return changed.answer(tx);
    }),
  );

/** Notes the wake that a fact owes, once the fact is committed. */
async function notingItsWake<T>(record: (owes: (teamId: string, wake: Wake) => void) => Promise<T>): Promise<T> {
  let owed: Parameters<typeof noteWake> | undefined;
  const answer = await record((...wake) => {
    owed = wake;
  });
  if (owed) noteWake(...owed);
  return answer;
}

function marksAfter<T>(
  { outcome, notices = [], look }: FactRecord<T>,
  marks: LookMarks,
  owes: (teamId: string, wake: Wake) => void,
): LookMarks {
  const { teamId, asOfSecond: second } = outcome.account;
  if (look === 'unchanged') return marks;
  if (typeof look === 'object') return marksAfterLook(second, look.taken.untilSecond);
  const lookBy = () => (look === 'due' || notices.length > 0 ? 'now' : lookAfter(outcome));
  const after = marksAfterFact(marks, { second, mayWake: isCallUnderWay(), lookBy });
  owes(teamId, after.wake);
  return after.marks;
}

const only = <K extends Effect['kind']>(effects: Effect[], kind: K) =>
  effects.filter((effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind);

type SegmentAfter = Meter & { endSecond?: number; recordedSecond?: number };

/**
 * The final state of each segment after a change: opened segments, which may have closed again (a late look finds
 * several prices), and earlier segments.
 */
function segmentsAfter(effects: Effect[]): { opened: SegmentAfter[]; changed: SegmentAfter[] } {
  const opened = new Map<string, SegmentAfter>();
  const changed = new Map<string, SegmentAfter>();
  for (const effect of effects) {
    if (effect.kind !== 'meter_opened' && effect.kind !== 'meter_posted' && effect.kind !== 'meter_closed') continue;
    const key = `${effect.meter.instanceId}/${effect.meter.segment}`;
    const into = effect.kind === 'meter_opened' || opened.has(key) ? opened : changed;
    const { kind, meter } = effect;
    const end = kind === 'meter_closed' && { endSecond: effect.endSecond, recordedSecond: effect.recordedSecond };
    into.set(key, { ...meter, ...end });
  }
  return { opened: [...opened.values()], changed: [...changed.values()] };
}

/** Writes a change: one statement for the rows that most facts write, and a statement a table for other rows. */
async function writeChange<T>(
  tx: Tx,
  { account, marks }: AccountWithMarks,
  causedBy: string,
  { outcome: { effects }, notices = [], inserts = [], mark = null }: FactRecord<T>,
): Promise<void> {
  const { teamId } = account;
  const ends = only(effects, 'instance_ended');
  const transfers = only(effects, 'transfer').map((effect) => effect.transfer);
  // A statement does not see its own inserts: an instance that starts and ends by one change is inserted by an earlier one.
  const isInsertedBefore = ends.length > 0;
  if (isInsertedBefore) await writeTogether(tx, inserts);
  await writeTogether(tx, [
    ...(isInsertedBefore ? [] : inserts),
    ...segmentWrites(teamId, segmentsAfter(effects)),
    ...instanceWrites(ends, mark),
    ...transferWrites(teamId, causedBy, transfers),
    ...noticeWrites(notices),
    accountWrite({ account, marks }),
  ]);
  const kinds = new Set(effects.map(({ kind }) => kind));
  const writers = ALL_KINDS.filter((kind) => kinds.has(kind)).map((kind) => WRITERS[kind]);
  for (const write of new Set(writers)) await write?.(tx, teamId, effects);
}

/** Writes the effects of its kinds, and leaves out all others. */
type Writer = (tx: Tx, teamId: string, effects: Effect[]) => Promise<void>;

/** Ends that the calendar or a budget brings, and that have no other row for the watch. */
const ENDED_BY_CROSSING: ReadonlySet<EndReason> = new Set<EndReason>(['spot_reclaimed', 'budget']);

/** The watch signals the workflows of these instances, as after a stop of a whole team. */
const writeEndedByCrossing: Writer = async (tx, teamId, effects) => {
  const ended = only(effects, 'instance_ended').filter(({ reason }) => ENDED_BY_CROSSING.has(reason));
  for (const second of new Set(ended.map(({ endSecond }) => endSecond))) {
    const ids = ended.filter(({ endSecond }) => endSecond === second).map(({ instanceId }) => instanceId);
    await insertTeamStops(tx, teamId, second, ids);
  }
};

/** In order: a renewed term closes before the next one opens. */
const writeReservations: Writer = async (tx, teamId, effects) => {
  for (const effect of effects) {
    if (effect.kind === 'reservation_opened') await openTerm(tx, teamId, effect.reservation);
    if (effect.kind === 'reservation_posted') await saveTerm(tx, effect.reservation);
    if (effect.kind === 'renewal_set') await saveRenewal(tx, effect.reservationId, effect.renew);
    if (effect.kind !== 'reservation_closed') continue;
    const { reservation, endSecond, how } = effect;
    await saveTerm(tx, reservation, endSecond);
    if (how !== 'renewed') await endReservation(tx, reservation.reservationId, endSecond, how);
  }
};

/** The first statement of `writeChange` has the rows. */
const IN_FIRST_STATEMENT = null;
/** The effect causes a notice (notices.ts) and has no row of its own. */
const BY_NOTICE = null;
/** The act of the fact writes the consent row (ledger/deposits.ts). */
const BY_ITS_ACT = null;

/** The writer of each kind of effect, in the order of writing. A new kind does not compile without an entry. */
const WRITERS: Record<Effect['kind'], Writer | null> = {
  transfer: IN_FIRST_STATEMENT,
  meter_opened: IN_FIRST_STATEMENT,
  meter_posted: IN_FIRST_STATEMENT,
  meter_closed: IN_FIRST_STATEMENT,
  /** The first statement has the end itself. */
  instance_ended: writeEndedByCrossing,
  reclaim_announced: async (tx, _, effects) => {
    for (const { instanceId, reclaimSecond } of only(effects, 'reclaim_announced'))
      await saveReclaim(tx, instanceId, reclaimSecond);
  },
  shed_order: (tx, _, effects) => saveShedOrder(tx, only(effects, 'shed_order')),
  reservation_opened: writeReservations,
  reservation_posted: writeReservations,
  renewal_set: writeReservations,
  reservation_closed: writeReservations,
  holds_expired: async (tx, teamId, effects) => {
    for (const { throughSecond } of only(effects, 'holds_expired').slice(-1))
      await expireHolds(tx, teamId, throughSecond);
  },
  exhausted: async (tx, teamId, effects) => {
    for (const exhausted of only(effects, 'exhausted')) await insertExhaustion(tx, teamId, exhausted);
  },
  attempt_opened: async (tx, teamId, effects) => {
    for (const { attempt, paymentMethodId } of only(effects, 'attempt_opened'))
      await openAttemptDeposit(tx, teamId, attempt, paymentMethodId);
  },
  held: async (tx, teamId, effects) => {
    for (const { contest, second } of only(effects, 'held')) await saveHeld(tx, contest, { teamId, second });
  },
  dispute_turned: async (tx, _, effects) => {
    // Only the last turn of each dispute is its present state.
    const turns = new Map(only(effects, 'dispute_turned').map(({ kind: _, ...turned }) => [turned.disputeId, turned]));
    for (const turned of turns.values()) await saveDisputeTurn(tx, turned);
  },
  refund_turned: async (tx, _, effects) => {
    for (const { refundId, takenMicros, turn } of only(effects, 'refund_turned'))
      await updateRefund(tx, refundId, { takenMicros, turn });
  },
  policy_off: BY_ITS_ACT,
  low: BY_NOTICE,
  budget_met: BY_NOTICE,
  burn_above: BY_NOTICE,
  owes: BY_NOTICE,
  capped: BY_NOTICE,
};
const ALL_KINDS = Object.keys(WRITERS) as Effect['kind'][];
