/**
 * How a fact is recorded: the team's row is locked, the account is brought up to date and changed by a pure function of
 * billing/, and everything that follows from it is written in the same transaction. Nothing else moves a team's money.
 */
import type { Account } from '../billing/account.ts';
import type { Effect, Outcome } from '../billing/change.ts';
import type { Meter } from '../billing/usage.ts';
import { bySums, lockForFact, type Reach, saveAccount } from './accounts.ts';
import { type Db, inTransaction, type Tx } from './client.ts';
import { openAttemptDeposit } from './deposits.ts';
import { saveDisputeTurn, saveHeld } from './disputes.ts';
import { insertExhaustion } from './exhaustions.ts';
import { expireHolds } from './holds.ts';
import { endInstances, saveReclaim, saveShedOrder } from './instances.ts';
import { type LookMarks, marksAfterFact, marksAfterLook, type Wake } from './look-marks.ts';
import { insertNotices, type NewNotice, noticesFor } from './notices.ts';
import { type GpuPair, lockGpuPrice } from './prices.ts';
import { isCallUnderWay, noteWake } from './recorded.ts';
import { updateRefund } from './refunds.ts';
import { endReservation, openTerm, saveRenewal, saveTerm } from './reservations.ts';
import { openSegments, saveSegments } from './segments.ts';
import { insertTeamStops } from './team-stops.ts';
import { insertTransfers } from './transfers.ts';

/** What a change answers beside its outcome: notices of its own cause, and whatever the caller asked to know. */
export interface Change<T> {
  outcome: Outcome;
  notices?: NewNotice[];
  /** One of the mails of this fact says what the credit is now: no low-balance mail follows from the fact itself. */
  tellsBalance?: boolean;
  /**
   * Whether the team's watch has to look at this fact: `due` unless given, `taken` for the watch's own look, and
   * `unchanged` for a fact that changes nothing of what the watch waits for.
   */
  look?: 'due' | 'taken' | 'unchanged';
  /** Rows that belong to the fact itself, written once the outcome is known and before its effects. */
  answer: (tx: Tx) => Promise<T>;
}

/** Whose money, the instances that the fact names, and what the rows name as their cause: a workflow id, a request id. */
export interface FactAbout extends Reach {
  teamId: string;
  causedBy: string;
  /** A listed price that the fact asks for: taken before the row lock, as whoever changes it does. */
  listed?: GpuPair;
}

/**
 * Records one fact about a team's money. It is tried with the meters of the instances that it names, and the sums of the
 * others; where sums do not decide, it is done again with all meters.
 * @param change may run twice
 * @throws BillingError `not_found` for an unknown team, and whatever `change` throws; nothing is kept then
 */
export const recordFact = <T>(
  db: Db,
  { instanceIds = [], ...about }: FactAbout,
  change: (account: Account, tx: Tx) => Promise<Change<T>>,
): Promise<T> => bySums(instanceIds, (named) => recordBy(db, { ...about, ...named }, change));

const recordBy = <T>(
  db: Db,
  { teamId, causedBy, listed, ...reach }: FactAbout,
  change: (account: Account, tx: Tx) => Promise<Change<T>>,
): Promise<T> =>
  notingItsWake(teamId, (owes) =>
    inTransaction(db, async (tx) => {
      if (listed) await lockGpuPrice(tx, listed, 'shared');
      const { account, marks } = await lockForFact(tx, teamId, reach, db.clock);
      const { outcome, notices = [], tellsBalance = false, look = 'due', answer } = await change(account, tx);
      const following = noticesFor(teamId, outcome.effects, tellsBalance ? outcome.account.asOfSecond : null);
      // Notices of the fact itself come first: a charge fails, and then credit ends.
      await saveAccount(tx, { account: outcome.account, marks: marksAfter(look, marks, outcome, owes) });
      await writeEffects(tx, teamId, causedBy, outcome.effects, [...notices, ...following]);
      return answer(tx);
    }),
  );

/** Notes the wake that a fact owes once the fact is committed. */
async function notingItsWake<T>(teamId: string, record: (owes: (wake: Wake) => void) => Promise<T>): Promise<T> {
  let owed: Wake | undefined;
  const answer = await record((wake) => {
    owed = wake;
  });
  if (owed) noteWake(teamId, owed);
  return answer;
}

function marksAfter(
  look: Change<unknown>['look'],
  marks: LookMarks,
  { account: { asOfSecond } }: Outcome,
  owes: (wake: Wake) => void,
): LookMarks {
  if (look === 'taken') return marksAfterLook(asOfSecond);
  if (look === 'unchanged') return marks;
  const after = marksAfterFact(marks, asOfSecond, isCallUnderWay());
  owes(after.wake);
  return after.marks;
}

const only = <K extends Effect['kind']>(effects: Effect[], kind: K) =>
  effects.filter((effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind);

type SegmentAfter = Meter & { endSecond?: number };

/**
 * The segments as a change leaves them, the last word on each: those that it opened, which may have closed again (a look
 * that comes late finds several prices), and those that were there.
 */
function segmentsAfter(effects: Effect[]): { opened: SegmentAfter[]; changed: SegmentAfter[] } {
  const opened = new Map<string, SegmentAfter>();
  const changed = new Map<string, SegmentAfter>();
  for (const effect of effects) {
    if (effect.kind !== 'meter_opened' && effect.kind !== 'meter_posted' && effect.kind !== 'meter_closed') continue;
    const key = `${effect.meter.instanceId}/${effect.meter.segment}`;
    const into = effect.kind === 'meter_opened' || opened.has(key) ? opened : changed;
    into.set(key, { ...effect.meter, ...(effect.kind === 'meter_closed' && { endSecond: effect.endSecond }) });
  }
  return { opened: [...opened.values()], changed: [...changed.values()] };
}

/** Writes the effects of a change, a table at a time. */
async function writeEffects(
  tx: Tx,
  teamId: string,
  causedBy: string,
  effects: Effect[],
  notices: NewNotice[],
): Promise<void> {
  if (effects.length === 0 && notices.length === 0) return;

  const { opened, changed } = segmentsAfter(effects);
  // Those that were there close before others open: an instance has one running segment at the most.
  await saveSegments(tx, changed);
  await openSegments(tx, teamId, opened);
  await endInstances(tx, only(effects, 'instance_ended'));
  await writeReclaimed(tx, teamId, effects);
  for (const { instanceId, reclaimSecond } of only(effects, 'reclaim_announced'))
    await saveReclaim(tx, instanceId, reclaimSecond);
  await saveShedOrder(tx, only(effects, 'shed_order'));
  await writeReservations(tx, teamId, effects);
  for (const { throughSecond } of only(effects, 'holds_expired').slice(-1))
    await expireHolds(tx, teamId, throughSecond);
  for (const exhausted of only(effects, 'exhausted')) await insertExhaustion(tx, teamId, exhausted);
  for (const { attempt, paymentMethodId } of only(effects, 'attempt_opened'))
    await openAttemptDeposit(tx, teamId, attempt, paymentMethodId);
  for (const { contest } of only(effects, 'held')) await saveHeld(tx, contest);
  // Only the last turn of each is how it stands now.
  const turns = new Map(only(effects, 'dispute_turned').map(({ kind: _, ...turned }) => [turned.disputeId, turned]));
  for (const turned of turns.values()) await saveDisputeTurn(tx, turned);
  for (const { refundId, takenMicros, turn } of only(effects, 'refund_turned'))
    await updateRefund(tx, refundId, { takenMicros, turn });
  await insertTransfers(
    tx,
    teamId,
    causedBy,
    only(effects, 'transfer').map((effect) => effect.transfer),
  );
  await insertNotices(tx, notices);
}

/** The workflow of an instance that was reclaimed is signalled by the watch, as after a stop of a whole team. */
async function writeReclaimed(tx: Tx, teamId: string, effects: Effect[]): Promise<void> {
  const reclaimed = only(effects, 'instance_ended').filter(({ reason }) => reason === 'spot_reclaimed');
  const [first] = reclaimed;
  const ids = reclaimed.map(({ instanceId }) => instanceId);
  if (first) await insertTeamStops(tx, teamId, first.endSecond, ids);
}

/** In their order: a term that is renewed closes before the next one opens. */
async function writeReservations(tx: Tx, teamId: string, effects: Effect[]): Promise<void> {
  for (const effect of effects) {
    if (effect.kind === 'reservation_opened') await openTerm(tx, teamId, effect.reservation);
    if (effect.kind === 'reservation_posted') await saveTerm(tx, effect.reservation);
    if (effect.kind === 'renewal_set') await saveRenewal(tx, effect.reservationId, effect.renew);
    if (effect.kind !== 'reservation_closed') continue;
    const { reservation, endSecond, how } = effect;
    await saveTerm(tx, reservation, endSecond);
    if (how !== 'renewed') await endReservation(tx, reservation.reservationId, endSecond, how);
  }
}
