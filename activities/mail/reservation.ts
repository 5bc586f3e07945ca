import type { Micros } from '../../billing/money.ts';
import { MONTHS_OF_TERM, type ReservationTerm } from '../../billing/prices.ts';
import type { ReservationEnd } from '../../billing/reservation-meter.ts';
import { button, facts, words } from './blocks.ts';
import { type About, perHour, utc } from './facts.ts';
import { compose, type Mail } from './layout.ts';

export interface ReservationFacts {
  reservationId: string;
  gpuType: string;
  region: string;
  count: number;
  term: ReservationTerm;
  renew: boolean;
  /** For all reserved instances, in the term of the mail. */
  rateMicrosPerHour: Micros;
}

const inWords = ({ count, gpuType, region }: ReservationFacts): string => `${count} × ${gpuType} in ${region}`;

const months = ({ term }: ReservationFacts): string =>
  MONTHS_OF_TERM[term] === 1 ? '1 month' : `${MONTHS_OF_TERM[term]} months`;

const table = (reservation: ReservationFacts, ...dated: Array<[label: string, second: number]>) =>
  facts(
    ['Reservation', reservation.reservationId],
    ['Capacity', inWords(reservation)],
    ['Term', months(reservation)],
    ['Rate', perHour(reservation.rateMicrosPerHour)],
    ...dated.map(([label, second]): [string, string] => [label, utc(second)]),
  );

/** A term ends soon: the consequences and the options. */
export function reservationEnding(
  about: About,
  reservation: ReservationFacts,
  { endSecond, days }: { endSecond: number; days: number },
): Mail {
  const what = inWords(reservation);
  const when = days === 1 ? 'in one day' : `in ${days} days`;
  const { renew } = reservation;
  return compose(`Your reservation of ${what} ${renew ? 'is renewed' : 'ends'} ${when}`, about, [
    words(
      renew
        ? `The term of your reservation of ${what} is over at ${utc(endSecond)}. It is then renewed for another ${months(reservation)}, at the reserved price in force at that time.`
        : `Your reservation of ${what} ends at ${utc(endSecond)}. Instances that it covers run on, and are charged their own price from that second.`,
    ),
    table(reservation, ['Term ends', endSecond]),
    words(
      renew
        ? 'If you do not need the reservation any more, switch its renewal off before then.'
        : 'If you still need the reservation, switch its renewal on before then.',
    ),
    button('Reservations', about.billingUrl),
  ]);
}

/** The term after a renewed one. */
export interface NextTerm {
  rateMicrosPerHour: Micros;
  endSecond: number;
}

/** A term is over, or was cut short: renewed, ended, or lapsed with the credit. */
export function reservationEnded(
  about: About,
  reservation: ReservationFacts,
  { endSecond, how, next }: { endSecond: number; how: ReservationEnd; next?: NextTerm | undefined },
): Mail {
  const what = inWords(reservation);
  const at = utc(endSecond);
  const endings: Record<ReservationEnd, { subject: string; story: string }> = {
    ended: {
      subject: 'has ended',
      story: `The term of your reservation of ${what} was over at ${at}. Instances that it covered run on, and are charged their own price from that second.`,
    },
    renewed: {
      subject: 'was renewed',
      story: next
        ? `As you asked, your reservation of ${what} was renewed at ${at}: for another ${months(reservation)}, until ${utc(next.endSecond)}, at ${perHour(next.rateMicrosPerHour)}, the reserved price in force then.`
        : `As you asked, your reservation of ${what} was renewed at ${at} for another ${months(reservation)}, at the reserved price in force then.`,
    },
    not_offered: {
      subject: 'has ended and could not be renewed',
      story: `The term of your reservation of ${what} was over at ${at}. Its renewal was on, but this reservation is no longer offered. Instances that it covered run on, and are charged their own price from that second.`,
    },
    lapsed: {
      subject: 'has lapsed',
      story: `Your reservation of ${what} lapsed at ${at}: your credit was used up, and credit pays a reservation by the second. You owe nothing for the rest of the term.`,
    },
  };
  const { subject, story } = endings[how];
  const ended = how === 'lapsed' ? 'Lapsed' : how === 'renewed' ? 'Renewed' : 'Ended';
  return compose(`Your reservation of ${what} ${subject}`, about, [
    words(story),
    table(next ? { ...reservation, ...next } : reservation, [ended, endSecond], ...termEnd(next)),
    ...(how === 'lapsed' ? [words('To reserve again, add credit and make a new reservation.')] : []),
    button('Reservations', about.billingUrl),
  ]);
}

const termEnd = (next: NextTerm | undefined): Array<[string, number]> => (next ? [['Term ends', next.endSecond]] : []);
