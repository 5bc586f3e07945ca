/** Records reservations: begin, cost so far, and renewal. */

import { type Account, moneySecond } from '../billing/account.ts';
import { BillingError, refusalAmong } from '../billing/errors.ts';
import { reservationEndingCause } from '../billing/ids.ts';
import { add, type Micros, ZERO } from '../billing/money.ts';
import { dueReminder, nextReminderSecond } from '../billing/reminders.ts';
import { type ReservationMeter, TERM_REMINDER_DAYS, termCostMicros } from '../billing/reservation-meter.ts';
import { openReservation, type ReservationOrder, setRenewal, settleReservation } from '../billing/reservations.ts';
import { isAbandoned } from '../prisma/abandoned-calls.ts';
import { isUniqueViolation, type Tx } from '../prisma/client.ts';
import { markSeenByWorkflow, reservationIsDue } from '../prisma/due-work.ts';
import { type NewNotice, noticesNotHandedOn } from '../prisma/notices.ts';
import { gpuPriceAt } from '../prisma/prices.ts';
import { recordFact } from '../prisma/record.ts';
import {
  findReservation,
  getReservation,
  insertReservation,
  type Reservation,
  type ReservationSpec,
  type TermOfReservation,
  termsOf,
} from '../prisma/reservations.ts';
import { isForTheWatch, lookFor } from './looks.ts';
import { priceNotFound } from './prices.ts';
import type { LedgerWorld } from './world.ts';

const REFUSALS = [
  'insufficient_credit',
  'team_suspended',
  'team_archived',
  'id_taken',
  'start_expired',
  'price_not_found',
] as const;
export type ReservationRefusal = (typeof REFUSALS)[number];

/** The rate is the sum for all reserved instances. */
export type ReservationAdmission =
  | { status: 'admitted'; startSecond: number; endSecond: number; rateMicrosPerHour: Micros }
  /** `message`: why, in words for the caller. */
  | { status: 'refused'; code: ReservationRefusal; message?: string };

export interface ReservationReceipt {
  reservationId: string;
  teamId: string;
  startSecond: number;
  endSecond: number;
  terms: number;
  costMicros: Micros;
  how: NonNullable<Reservation['endedHow']>;
}

/**
 * The state of a reservation after a settlement: in a term, or ended by any cause. `watchMustKnow`: the watch has to
 * announce something.
 */
export type ReservationStanding = { watchMustKnow?: true } & (
  | {
      status: 'running';
      termNumber: number;
      rateMicrosPerHour: Micros;
      /** Over all terms so far. */
      costMicros: Micros;
      endSecond: number;
      renew: boolean;
      /** The number of covered instances, and the number of places. */
      covered: number;
      count: number;
      next: { second: number; what: 'reminder' | 'end of term' };
    }
  | { status: 'ended'; receipt: ReservationReceipt }
);

const idTaken = (): BillingError => new BillingError('id_taken', 'another reservation has this id', 'id');

const costOf = (terms: readonly TermOfReservation[], throughSecond: number): Micros =>
  add(ZERO, ...terms.map((term) => termCostMicros(term, throughSecond)));

const admissionOf = (term: ReservationMeter): ReservationAdmission => ({
  status: 'admitted',
  startSecond: term.startSecond,
  endSecond: term.endSecond,
  rateMicrosPerHour: term.rateMicrosPerHour,
});

/** A reservation that has begun, and its first term. */
export interface BegunReservation {
  reservation: Reservation;
  firstTerm: ReservationMeter;
}

/** @throws BillingError `price_not_found` where no price is offered at the second */
async function orderOf(tx: Tx, spec: ReservationSpec, second: number): Promise<ReservationOrder> {
  const { id: reservationId, gpuType, region, count, term, renew } = spec;
  const price = await gpuPriceAt(tx, spec, second);
  if (!price) throw priceNotFound();
  return { reservationId, gpuType, region, count, term, renew, unitMicrosPerHour: price.reservedMicros[term] };
}

async function standingOf(tx: Tx, reservationId: string, account: Account): Promise<ReservationStanding> {
  const { teamId, startSecond, endedSecond, endedHow, count, renew } = await getReservation(tx, reservationId);
  const terms = await termsOf(tx, [reservationId]);
  const last = terms.at(-1);
  if (!last) throw new Error(`reservation ${reservationId} has no term`);
  if (endedSecond !== null && endedHow !== null) {
    const cost = { terms: terms.length, costMicros: costOf(terms, endedSecond) };
    const receipt = { reservationId, teamId, startSecond, endSecond: endedSecond, ...cost, how: endedHow };
    return { status: 'ended', receipt };
  }
  const { termNumber, rateMicrosPerHour, endSecond } = last;
  const reminderSecond = nextReminderSecond(endSecond, TERM_REMINDER_DAYS, account.asOfSecond);
  return {
    status: 'running',
    termNumber,
    rateMicrosPerHour,
    costMicros: costOf(terms, moneySecond(account, account.asOfSecond)),
    endSecond,
    renew,
    covered: account.meters.filter(({ priced }) => priced.coveredBy === reservationId).length,
    count,
    next:
      reminderSecond === null
        ? { second: endSecond, what: 'end of term' }
        : { second: reminderSecond, what: 'reminder' },
  };
}

/** The due reminder of a term's end, if any. The same term and reminder is the same notice. */
function reminders({ teamId, asOfSecond, reservations }: Account, reservationId: string): NewNotice[] {
  const running = reservations.find((reservation) => reservation.reservationId === reservationId);
  const days = running ? dueReminder(running.endSecond, TERM_REMINDER_DAYS, asOfSecond) : null;
  if (!running || days === null) return [];
  const { endSecond } = running;
  const cause = reservationEndingCause(reservationId, endSecond, days);
  const data = { reservationId, endSecond, days };
  return [{ teamId, second: asOfSecond, cause, data, channel: 'mail', kind: 'reservation_ending' }];
}

/** @param mayBegin throws where a reservation that was not recorded before must not be recorded any more */
function begin(
  { db, settings }: LedgerWorld,
  { spec, receivedSecond }: { spec: ReservationSpec; receivedSecond: number },
  causedBy: string,
  mayBegin: (tx: Tx) => Promise<void> = async () => {},
): Promise<BegunReservation> {
  const { teamId, gpuType, region } = spec;
  const about = { teamId, causedBy, throughSecond: receivedSecond, pricedPair: { gpuType, region } };
  return recordFact<BegunReservation>(db, about, async (account, tx) => {
    const existing = await findReservation(tx, spec.id);
    if (existing) {
      if (existing.requestHash !== spec.requestHash || existing.teamId !== teamId) throw idTaken();
      const [firstTerm] = await termsOf(tx, [spec.id]);
      if (!firstTerm) throw new Error(`reservation ${spec.id} has no term`);
      const begun = { reservation: existing, firstTerm };
      return { outcome: { account, effects: [] }, look: 'unchanged', answer: async () => begun };
    }
    await mayBegin(tx);
    const order = await orderOf(tx, spec, Math.max(account.asOfSecond, receivedSecond));
    const outcome = openReservation(account, settings, order, receivedSecond);
    const firstTerm = outcome.account.reservations.find(({ reservationId }) => reservationId === spec.id);
    if (!firstTerm) throw new Error(`reservation ${spec.id} did not begin`);
    const reservation = await insertReservation(tx, spec, firstTerm.startSecond).catch((error) => {
      // Another team has inserted the id since the look. The row lock of the other team is not held here.
      throw isUniqueViolation(error) ? idTaken() : error;
    });
    return { outcome, answer: async () => ({ reservation, firstTerm }) };
  });
}

export const reservationActs = ({ db, settings }: LedgerWorld) => ({
  /**
   * Begins a reservation: under the team's row lock the minimum is checked, the price of the list is fixed as of that
   * second and the first term is opened. The same id with the same request again is the same reservation. The
   * reservation's workflow is started after the commit: see prisma/due-work.ts.
   * @throws BillingError `insufficient_credit`, `team_suspended`, `team_archived`, `id_taken`, `price_not_found`
   */
  beginReservation: (
    input: { spec: ReservationSpec; receivedSecond: number },
    causedBy: string,
  ): Promise<BegunReservation> => begin({ db, settings }, input, causedBy),

  /**
   * Begins a reservation for a workflow that an api of an earlier release has started. A refusal is returned and not
   * thrown. The reservation is refused if the api has already answered 503 to its caller.
   */
  openReservation: async (
    input: { spec: ReservationSpec; callId?: string; notAfterMs?: number; nowMs: number; receivedSecond: number },
    causedBy: string,
  ): Promise<ReservationAdmission> => {
    const { callId, notAfterMs = Number.POSITIVE_INFINITY, nowMs } = input;
    // Checked after the look: a late try may follow a timely one whose answer was lost.
    const mustBeInTime = async (tx: Tx) => {
      if (nowMs > notAfterMs || (callId !== undefined && (await isAbandoned(tx, callId))))
        throw new BillingError('start_expired', 'the caller was answered already');
    };
    try {
      return admissionOf((await begin({ db, settings }, input, causedBy, mustBeInTime)).firstTerm);
    } catch (error) {
      const code = refusalAmong(REFUSALS, error);
      if (code !== null) return { status: 'refused', code, message: (error as BillingError).message };
      throw error;
    }
  },

  /**
   * Posts the cost of the reservation through `nowSecond`, writes the due reminder of its end, and returns its state.
   * The workflow learns of a renewal, an end or a lapse from the state.
   */
  settleReservation: async (
    input: { reservationId: string; nowSecond: number },
    causedBy: string,
  ): Promise<ReservationStanding> => {
    const { reservationId, nowSecond } = input;
    const { teamId } = await getReservation(db, reservationId);
    return recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, async (account) => {
      const outcome = settleReservation(account, settings, reservationId, nowSecond);
      const answer = async (tx: Tx): Promise<ReservationStanding> => {
        await markSeenByWorkflow(tx, 'reservations', reservationId);
        // Includes the rows of an earlier try whose answer was lost.
        const waits = (await noticesNotHandedOn(tx, teamId)).length > 0;
        const isNews = waits || outcome.effects.some(({ kind }) => isForTheWatch(kind));
        return { ...(await standingOf(tx, reservationId, outcome.account)), ...(isNews && { watchMustKnow: true }) };
      };
      const notices = reminders(outcome.account, reservationId);
      return { outcome, notices, look: notices.length > 0 ? 'due' : lookFor(outcome.effects), answer };
    });
  },

  /**
   * Sets the renewal. Takes the lock of the renewal price, so this and a concurrent price change are strictly ordered.
   * The reservation's workflow becomes due.
   * @throws BillingError `not_found`, `reservation_ended`
   */
  setRenewal: async (
    input: { reservationId: string; renew: boolean; nowSecond: number },
    causedBy: string,
  ): Promise<void> => {
    const { reservationId, renew, nowSecond } = input;
    const { teamId, gpuType, region } = await getReservation(db, reservationId);
    const about = { teamId, causedBy, throughSecond: nowSecond, pricedPair: { gpuType, region } };
    await recordFact(db, about, async (account) => {
      const outcome = setRenewal(account, settings, { reservationId, renew }, nowSecond);
      return { outcome, answer: (tx) => reservationIsDue(tx, reservationId, outcome.account.asOfSecond) };
    });
  },
});
