/** The meter of a reservation: one term at one rate. Source: docs/rules.md#reservations. */
import { type Micros, micros } from './money.ts';
import type { ReservationTerm } from './prices.ts';
import { type Metered, type Segment, segmentCostMicros } from './usage.ts';

/** A running term of a reservation. The rate is the sum for all reserved instances. */
export interface ReservationMeter extends Metered {
  reservationId: string;
  /** The number of the term: 1 for the first term, and one more after each renewal. */
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

/** The cost of a term by a second. From the end of the term on, its whole cost. */
export const termCostMicros = (
  { rateMicrosPerHour, startSecond, closedSecond }: Omit<Segment, 'endSecond'> & { closedSecond: number | null },
  throughSecond: number,
): Micros => segmentCostMicros({ rateMicrosPerHour, startSecond, endSecond: closedSecond }, throughSecond);

/** The rate of a number of instances at a unit price. */
export const rateFor = (count: number, unitMicrosPerHour: Micros): Micros =>
  micros(BigInt(count) * BigInt(unitMicrosPerHour));
