/**
 * The terms of a reservation under a change: opened, posted, closed, and renewed at the end of the term. Source:
 * docs/rules.md#reservations.
 */
import { maySpend } from './account.ts';
import type { AccountChange } from './change.ts';
import { creditAccount, REVENUE, referenceOf } from './ledger.ts';
import { add, ZERO } from './money.ts';
import { MONTHS_OF_TERM, priceAt } from './prices.ts';
import { type ReservationEnd, type ReservationMeter, rateFor } from './reservation-meter.ts';
import { addMonths } from './time.ts';
import { chargeDueMicros } from './usage.ts';

export const openTerm = (change: AccountChange, reservation: ReservationMeter): void => {
  change.account.reservations.push(reservation);
  change.effects.push({ kind: 'reservation_opened', reservation: { ...reservation } });
};

/** Posts the amount that a reservation owes through a second. */
export function postReservation(change: AccountChange, reservation: ReservationMeter, throughSecond: number): void {
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
  change: AccountChange,
  reservation: ReservationMeter,
  endSecond: number,
  how: ReservationEnd,
): void {
  postReservation(change, reservation, endSecond);
  change.spentOver(reservation, endSecond);
  change.account.reservations = change.account.reservations.filter((other) => other !== reservation);
  change.effects.push({ kind: 'reservation_closed', reservation: { ...reservation }, endSecond, how });
}

/** Ends a term at its second, and begins the next term if renewal is on and the price is still offered. */
export function renewReservation(change: AccountChange, reservation: ReservationMeter): void {
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
