/**
 * The meter of a reservation: one term at one rate, posted like a segment of an instance, and renewed or closed at the
 * end of the term. Source: docs/rules.md#reservations.
 */
import { maySpend } from './account.ts';
import type { Change } from './change.ts';
import { creditAccount, REVENUE, referenceOf } from './ledger.ts';
import { add, type Micros, micros, ZERO } from './money.ts';
import { MONTHS_OF_TERM, priceAt, type ReservationTerm } from './prices.ts';
import { addMonths } from './time.ts';
import { chargeDueMicros, costMicros, type Metered } from './usage.ts';

/** A running term of a reservation. The rate is the sum for all reserved instances. */
export interface ReservationMeter extends Metered {
  reservationId: string;
  /** 1 for the first; each renewal begins the next. */
  termNumber: number;
  /** The first second of the first term. */
  reservedSecond: number;
  gpuType: string;
  region: string;
  count: number;
  term: ReservationTerm;
  /** The first second after the term. */
  endSecond: number;
  /** Whether another term follows, at the price in force then. */
  renew: boolean;
}

/**
 * Days before a term's end with a notice to the team, the largest first: the first to decide, the second as a reminder.
 */
export const TERM_REMINDER_DAYS = [7, 1] as const;

/**
 * `lapsed`: credit ended before the term did. `not_offered`: the reservation was to be renewed, and no price was
 * offered any more.
 */
export type ReservationEnd = 'ended' | 'renewed' | 'not_offered' | 'lapsed';

/** Posts the amount that a reservation owes through a second. */
export function postReservation(change: Change, reservation: ReservationMeter, throughSecond: number): void {
  const dueMicros = chargeDueMicros(reservation, throughSecond);
  if (dueMicros <= 0) return;
  reservation.postedMicros = add(reservation.postedMicros, dueMicros);
  change.effects.push({ kind: 'reservation_posted', reservation: { ...reservation } });
  change.transfer({
    debitAccount: creditAccount(change.account.teamId),
    creditAccount: REVENUE,
    amountMicros: dueMicros,
    code: 'reservation_usage',
    reference: referenceOf.reservationThrough(reservation.reservationId, throughSecond),
    second: change.account.asOfSecond,
    reservationId: reservation.reservationId,
  });
}

/** Posts the last charge of a term and removes the meter from the line. */
export function closeReservation(
  change: Change,
  reservation: ReservationMeter,
  endSecond: number,
  how: ReservationEnd,
): void {
  postReservation(change, reservation, endSecond);
  change.spentOver(reservation, endSecond);
  change.account.reservations = change.account.reservations.filter((other) => other !== reservation);
  change.effects.push({ kind: 'reservation_closed', reservation: { ...reservation }, endSecond, how });
}

/** The cost of a term by a second. From the end of the term on, its whole cost. */
export const termCostMicros = (
  {
    rateMicrosPerHour,
    startSecond,
    closedSecond,
  }: Pick<Metered, 'rateMicrosPerHour' | 'startSecond'> & {
    closedSecond: number | null;
  },
  throughSecond: number,
): Micros => costMicros(rateMicrosPerHour, Math.min(closedSecond ?? throughSecond, throughSecond) - startSecond);

export const openTerm = (change: Change, reservation: ReservationMeter): void => {
  change.account.reservations.push(reservation);
  change.effects.push({ kind: 'reservation_opened', reservation: { ...reservation } });
};

/** The rate of a number of instances at a unit price. */
export const rateFor = (count: number, unitMicrosPerHour: Micros): Micros =>
  micros(BigInt(count) * BigInt(unitMicrosPerHour));

/** Ends a term at its second, and begins the next term if renewal is on and the price is still offered. */
export function renewReservation(change: Change, reservation: ReservationMeter): void {
  const { endSecond, renew, term, count, reservedSecond } = reservation;
  // A suspended team begins no new term.
  const isRenewed = renew && maySpend(change.account);
  const price = isRenewed ? priceAt(change.account.prices, reservation, endSecond) : null;
  closeReservation(change, reservation, endSecond, price ? 'renewed' : isRenewed ? 'not_offered' : 'ended');
  if (!price) return;
  openTerm(change, {
    ...reservation,
    termNumber: reservation.termNumber + 1,
    rateMicrosPerHour: rateFor(count, price.reservedMicros[term]),
    startSecond: endSecond,
    // Counted from the first second of the reservation, so a reservation of the 31st always ends on the last day of a
    // month.
    endSecond: addMonths(reservedSecond, MONTHS_OF_TERM[term] * (reservation.termNumber + 1)),
    postedMicros: ZERO,
  });
}
