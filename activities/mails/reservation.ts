import { formatForPeople, type Micros } from '../../billing/money.ts';
import { MONTHS_OF_TERM, type ReservationTerm } from '../../billing/prices.ts';
import type { ReservationEnd } from '../../billing/reservation-meter.ts';
import { type About, utc } from './facts.ts';
import { compose, facts, link, type Mail, words } from './layout.ts';

export interface ReservationFacts {
  reservationId: string;
  gpuType: string;
  region: string;
  count: number;
  term: ReservationTerm;
  renew: boolean;
  /** Of all that it reserves, in the term that the mail is about. */
  rateMicrosPerHour: Micros;
}

const inWords = ({ count, gpuType, region }: ReservationFacts): string => `${count} × ${gpuType} in ${region}`;

const table = (reservation: ReservationFacts, endSecond: number) =>
  facts(
    ['Reservation', reservation.reservationId],
    ['Capacity', inWords(reservation)],
    ['Term', MONTHS_OF_TERM[reservation.term] === 1 ? '1 month' : `${MONTHS_OF_TERM[reservation.term]} months`],
    ['Rate', `${formatForPeople(reservation.rateMicrosPerHour)} an hour`],
    ['Term ends', utc(endSecond)],
  );

/** A term ends soon: what happens then, and what can be done about it. */
export function reservationEnding(
  { teamName, billingUrl }: About,
  reservation: ReservationFacts,
  { endSecond, days }: { endSecond: number; days: number },
): Mail {
  const what = inWords(reservation);
  return compose(`Your reservation of ${what} ends in ${days === 1 ? 'one day' : `${days} days`}`, teamName, [
    words(
      reservation.renew
        ? `The reservation of ${what} is renewed at ${utc(endSecond)} for another term, at the reserved price in force then.`
        : `The reservation of ${what} ends at ${utc(endSecond)}. Instances that it covers go on at their on-demand or spot price from that second.`,
    ),
    table(reservation, endSecond),
    words(
      reservation.renew
        ? 'If you do not need it any more, switch renewal off before then.'
        : 'To keep the reserved price, switch renewal on before then, or make a new reservation.',
    ),
    link('Reservations', billingUrl),
  ]);
}

const HOW_IN_WORDS: Record<ReservationEnd, { subject: string; why: string }> = {
  ended: {
    subject: 'has ended',
    why: 'Its term is over. Instances that it covered are charged their on-demand or spot price from that second.',
  },
  renewed: {
    subject: 'was renewed',
    why: 'As asked for, another term has begun, at the reserved price that is in force now.',
  },
  not_offered: {
    subject: 'has ended and could not be renewed',
    why: 'It is not offered any more, so it was not renewed. Instances that it covered are charged their own price from that second.',
  },
  lapsed: {
    subject: 'has lapsed',
    why: 'The credit of the team was used up, and a reservation is paid from credit for its whole term. You owe nothing for the rest of it.',
  },
};

/** A term is over: renewed, ended, or lapsed with the credit. */
export function reservationEnded(
  { teamName, billingUrl }: About,
  reservation: ReservationFacts,
  { endSecond, how }: { endSecond: number; how: ReservationEnd },
): Mail {
  const { subject, why } = HOW_IN_WORDS[how];
  return compose(`Your reservation of ${inWords(reservation)} ${subject}`, teamName, [
    words(`The term of your reservation of ${inWords(reservation)} came to its end at ${utc(endSecond)}. ${why}`),
    table(reservation, endSecond),
    link('Reservations', billingUrl),
  ]);
}
