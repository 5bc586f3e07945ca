/** Reservations and their terms. The running term is a meter of the team. */
import { BillingError } from '../billing/errors.ts';
import type { ReservationTerm } from '../billing/prices.ts';
import type { ReservationEnd, ReservationMeter } from '../billing/reservation-meter.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond, toSecondOrNull } from './columns.ts';
import { Prisma, type Reservation as ReservationRow } from './generated/client.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';

/** The request of a reservation, apart from time and money. */
export interface ReservationSpec {
  id: string;
  teamId: string;
  gpuType: string;
  region: string;
  count: number;
  term: ReservationTerm;
  renew: boolean;
  requestHash: string;
}

export interface Reservation extends ReservationSpec {
  startSecond: number;
  endedSecond: number | null;
  endedHow: Exclude<ReservationEnd, 'renewed'> | null;
}

/** A stored term: `endSecond` is the agreed end, `closedSecond` the actual end. */
export type TermOfReservation = ReservationMeter & { closedSecond: number | null };

interface TermRow {
  team_id: string;
  reservation_id: string;
  term_number: number;
  reserved_second: bigint;
  gpu_type: string;
  region: string;
  count: number;
  term: string;
  renew: boolean;
  rate_micros_per_hour: bigint;
  start_second: bigint;
  end_second: bigint;
  closed_second: bigint | null;
  posted_micros: bigint;
}

const TERMS = Prisma.sql`
  SELECT terms.*, reservations.gpu_type, reservations.region, reservations.count, reservations.term, reservations.renew,
    reservations.start_second AS reserved_second
  FROM reservation_terms AS terms JOIN reservations ON reservations.id = terms.reservation_id`;

const toTerm = (row: TermRow): TermOfReservation => ({
  reservationId: row.reservation_id,
  termNumber: row.term_number,
  reservedSecond: toSecond(row.reserved_second),
  gpuType: row.gpu_type,
  region: row.region,
  count: row.count,
  term: row.term as ReservationTerm,
  renew: row.renew,
  rateMicrosPerHour: toMicros(row.rate_micros_per_hour),
  startSecond: toSecond(row.start_second),
  endSecond: toSecond(row.end_second),
  closedSecond: toSecondOrNull(row.closed_second),
  postedMicros: toMicros(row.posted_micros),
});

const toReservation = ({ workflowDueSecond: _, ...row }: ReservationRow): Reservation => ({
  ...row,
  term: row.term as ReservationTerm,
  startSecond: toSecond(row.startSecond),
  endedSecond: toSecondOrNull(row.endedSecond),
  endedHow: row.endedHow as Reservation['endedHow'],
});

/** The running terms of several teams, oldest first. */
export async function runningTermsOf(tx: Tx, teamIds: string[]): Promise<Map<string, ReservationMeter[]>> {
  const rows = await tx.$queryRaw<TermRow[]>`
    ${TERMS} WHERE terms.team_id = ANY(${teamIds}) AND terms.closed_second IS NULL
    ORDER BY terms.start_second, terms.reservation_id`;
  const running = new Map<string, ReservationMeter[]>(teamIds.map((teamId) => [teamId, []]));
  for (const row of rows) {
    const { closedSecond: _, ...meter } = toTerm(row);
    running.get(row.team_id)?.push(meter);
  }
  return running;
}

export async function termsOf(tx: Tx, reservationIds: string[]): Promise<TermOfReservation[]> {
  const rows = await tx.$queryRaw<TermRow[]>`
    ${TERMS} WHERE terms.reservation_id = ANY(${reservationIds}) ORDER BY terms.reservation_id, terms.term_number`;
  return rows.map(toTerm);
}

/** All terms of a team that ran at any time in `[fromSecond, toSecond)`. */
export async function termsBetween(
  tx: Tx,
  teamId: string,
  fromSecond: number,
  toSecond: number,
): Promise<TermOfReservation[]> {
  const rows = await tx.$queryRaw<TermRow[]>`
    ${TERMS} WHERE terms.team_id = ${teamId} AND terms.start_second < ${toSecond}
      AND (terms.closed_second IS NULL OR terms.closed_second > ${fromSecond})`;
  return rows.map(toTerm);
}

/** @returns the existing ones, in no order */
export async function findReservations(tx: Tx, ids: string[]): Promise<Reservation[]> {
  if (ids.length === 0) return [];
  const rows = await tx.reservation.findMany({ where: { id: { in: ids } } });
  return rows.map(toReservation);
}

export async function findReservation(tx: Tx, id: string): Promise<Reservation | null> {
  const row = await tx.reservation.findUnique({ where: { id } });
  return row && toReservation(row);
}

/** @throws BillingError `not_found` */
export async function getReservation(tx: Tx, id: string): Promise<Reservation> {
  const reservation = await findReservation(tx, id);
  if (!reservation) throw new BillingError('not_found', 'no such reservation', 'id');
  return reservation;
}

export interface ReservationFilter {
  teamId?: string;
  status?: 'active' | 'ended';
}

export async function listReservations(
  tx: Tx,
  { teamId, status }: ReservationFilter,
  page: PageRequest,
): Promise<Page<Reservation>> {
  const { data, nextCursor } = await pageOf(page, 'startSecond', (where, take) =>
    tx.reservation.findMany({
      where: {
        ...(teamId !== undefined && { teamId }),
        ...(status && { endedSecond: status === 'active' ? null : { not: null } }),
        AND: where,
      },
      orderBy: [{ startSecond: 'desc' }, { id: 'desc' }],
      take,
    }),
  );
  return { data: data.map(toReservation), nextCursor };
}

/** Inserts a reservation whose workflow has still to be started: see due-work.ts. */
export async function insertReservation(tx: Tx, spec: ReservationSpec, startSecond: number): Promise<Reservation> {
  return toReservation(await tx.reservation.create({ data: { ...spec, startSecond, workflowDueSecond: startSecond } }));
}

/** Stores a new term. */
export async function openTerm(tx: Tx, teamId: string, meter: ReservationMeter): Promise<void> {
  const { reservationId, termNumber, rateMicrosPerHour, startSecond, endSecond, postedMicros } = meter;
  await tx.reservationTerm.create({
    data: { reservationId, termNumber, teamId, rateMicrosPerHour, startSecond, endSecond, postedMicros },
  });
}

/** Stores the posted amount of a term and, for a closed term, its end. */
export async function saveTerm(tx: Tx, meter: ReservationMeter, closedSecond?: number): Promise<void> {
  const { reservationId, termNumber, postedMicros } = meter;
  await tx.reservationTerm.updateMany({
    where: { reservationId, termNumber },
    data: { postedMicros, ...(closedSecond !== undefined && { closedSecond }) },
  });
}

export const endReservation = async (
  tx: Tx,
  id: string,
  endedSecond: number,
  endedHow: Exclude<ReservationEnd, 'renewed'>,
): Promise<void> => {
  await tx.reservation.updateMany({ where: { id, endedSecond: null }, data: { endedSecond, endedHow } });
};

export const saveRenewal = async (tx: Tx, id: string, renew: boolean): Promise<void> => {
  await tx.reservation.updateMany({ where: { id }, data: { renew } });
};
