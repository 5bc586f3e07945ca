/**
 * The JSON form of a reservation: live while running, ended with its term or with credit, whether or not the end is
 * recorded yet.
 */
import type { BillingSettings } from '../../billing/account.ts';
import { add, micros, subtract, ZERO } from '../../billing/money.ts';
import { RESERVATION_TERMS, uncoveredRateOf } from '../../billing/prices.ts';
import { pricedAt } from '../../billing/rerating.ts';
import { termCostMicros } from '../../billing/reservation-meter.ts';
import { formatSecond } from '../../billing/time.ts';
import { readAccounts } from '../../prisma/accounts.ts';
import type { Tx } from '../../prisma/client.ts';
import { type Reservation as ReservationRow, type TermOfReservation, termsOf } from '../../prisma/reservations.ts';
import { Amount, amount, Time, timeOrNull, z } from '../http/schemas.ts';
import { type Standing, standingOf, termsAsStanding } from './standing.ts';

export const STATUSES = ['active', 'ended'] as const;
export const ENDS = ['ended', 'not_offered', 'lapsed'] as const;

const Term = z
  .object({
    startedAt: Time,
    endsAt: Time.openapi({ description: 'the first second after the term' }),
    endedAt: Time.nullable(),
    hourly: Amount.openapi({ description: 'the rate of the whole reservation' }),
    cost: Amount,
  })
  .openapi('ReservationTerm');

export const Reservation = z
  .object({
    id: z.string(),
    team: z.string(),
    gpuType: z.string(),
    region: z.string(),
    count: z.int(),
    term: z.enum(RESERVATION_TERMS),
    status: z.enum(STATUSES),
    startedAt: Time,
    endsAt: Time.openapi({ description: 'the first second after the last term' }),
    endedAt: Time.nullable(),
    how: z.enum(ENDS).nullable().openapi({
      description:
        'not_offered: could not be renewed, because no price was listed; lapsed: credit ran out before the end',
    }),
    renew: z.boolean().openapi({ description: 'true if another term follows, at the reserved price in force then' }),
    hourly: Amount.openapi({ description: 'the rate of the whole reservation, used or not' }),
    hourlyEach: Amount,
    cost: Amount.openapi({ description: 'the cost of all terms so far' }),
    terms: z.array(Term).openapi({ description: 'the terms: each begins at the end of the previous one' }),
    covers: z.array(z.string()).openapi({ description: 'the instances that the reservation covers now' }),
    savesPerHour: Amount.openapi({
      description:
        'the present hourly cost of the covered instances without the reservation, less the reservation’s rate; negative if too little is used',
    }),
  })
  .openapi('Reservation');
export type ReservationView = z.input<typeof Reservation>;

/** The end of the reservation, by a row or by a crossing since. */
function endOf(row: ReservationRow, { effects }: Standing): { endSecond: number; how: (typeof ENDS)[number] } | null {
  if (row.endedSecond !== null && row.endedHow !== null) return { endSecond: row.endedSecond, how: row.endedHow };
  for (const effect of effects) {
    if (effect.kind !== 'reservation_closed' || effect.reservation.reservationId !== row.id) continue;
    const { endSecond, how } = effect;
    if (how !== 'renewed') return { endSecond, how };
  }
  return null;
}

function viewReservation(row: ReservationRow, rows: TermOfReservation[], standing: Standing): ReservationView {
  const terms = termsAsStanding(rows, standing);
  const last = terms.at(-1);
  if (!last) throw new Error(`reservation ${row.id} has no term`);
  const end = endOf(row, standing);
  const { account, moneySecond, nowSecond } = standing;
  const parts = terms.map((term) => ({ term, cost: termCostMicros(term, moneySecond) }));
  const covered = account.meters.filter(({ priced }) => priced.coveredBy === row.id);
  const uncovered = covered.map((meter) => uncoveredRateOf(pricedAt(account, meter, nowSecond)));
  return {
    id: row.id,
    team: row.teamId,
    gpuType: row.gpuType,
    region: row.region,
    count: row.count,
    term: row.term,
    status: end === null ? 'active' : 'ended',
    startedAt: formatSecond(row.startSecond),
    endsAt: formatSecond(last.endSecond),
    endedAt: timeOrNull(end?.endSecond ?? null),
    how: end?.how ?? null,
    renew: row.renew,
    hourly: amount(last.rateMicrosPerHour),
    hourlyEach: amount(micros(last.rateMicrosPerHour / row.count)),
    cost: amount(add(ZERO, ...parts.map(({ cost }) => cost))),
    terms: parts.map(({ term, cost }) => ({
      startedAt: formatSecond(term.startSecond),
      endsAt: formatSecond(term.endSecond),
      endedAt: timeOrNull(term.closedSecond),
      hourly: amount(term.rateMicrosPerHour),
      cost: amount(cost),
    })),
    covers: covered.map(({ instanceId }) => instanceId),
    savesPerHour: amount(end === null ? subtract(add(ZERO, ...uncovered), last.rateMicrosPerHour) : ZERO),
  };
}

/** The JSON forms of some rows, in three reads for any number of teams. */
export async function readReservations(
  tx: Tx,
  settings: BillingSettings,
  rows: ReservationRow[],
  second: number,
): Promise<ReservationView[]> {
  const accounts = await readAccounts(tx, [...new Set(rows.map((row) => row.teamId))], { throughSecond: second });
  const standings = new Map([...accounts].map(([teamId, account]) => [teamId, standingOf(account, settings, second)]));
  const termsById = new Map<string, TermOfReservation[]>(rows.map((row) => [row.id, []]));
  for (const term of await termsOf(tx, [...termsById.keys()])) termsById.get(term.reservationId)?.push(term);
  return rows.flatMap((row) => {
    const standing = standings.get(row.teamId);
    return standing ? [viewReservation(row, termsById.get(row.id) ?? [], standing)] : [];
  });
}
