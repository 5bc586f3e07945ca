/** The cost of a running meter, and the part that is not posted yet. Source: docs/rules.md#what-an-instance-costs. */
import { add, type Micros, micros, mulDivFloor, ZERO } from './money.ts';
import type { Priced } from './prices.ts';

/** Anything with a cost by the second: a rate in force since a start second. */
export interface Metered {
  rateMicrosPerHour: Micros;
  startSecond: number;
  /** The part of the cost that is in the ledger. */
  postedMicros: Micros;
}

/** A running segment of an instance. */
export interface Meter extends Metered {
  instanceId: string;
  /** The project of the instance, for its budgets. */
  project?: string | null;
  /** 1 for an instance's first segment; each re-price begins the next. */
  segment: number;
  /** The derivation of the rate. */
  priced: Priced;
  /** The start of the instance, also for later segments. */
  instanceStartSecond: number;
  /** The place in the order in which the team's instances end at the end of credit; null: with the last. */
  shedOrder: number | null;
  /** The announced second at which the platform takes a spot instance back. */
  reclaimSecond: number | null;
}

const SECONDS_PER_HOUR = 3600;

/** floor(rate × seconds / 3600): the whole cost of the given seconds, never a step. Zero before the start. */
export function costMicros(rateMicrosPerHour: Micros, seconds: number): Micros {
  if (seconds <= 0) return ZERO;
  const product = rateMicrosPerHour * seconds;
  // Most products are safe integers. Plain arithmetic is then exact and many times faster, and lines with a thousand
  // meters add up many products.
  if (product <= Number.MAX_SAFE_INTEGER) return micros((product - (product % SECONDS_PER_HOUR)) / SECONDS_PER_HOUR);
  return micros(mulDivFloor(rateMicrosPerHour, seconds, SECONDS_PER_HOUR));
}

/** The cost of a meter from its start to `second`. */
export const meterCostMicros = (meter: Metered, second: number): Micros =>
  costMicros(meter.rateMicrosPerHour, second - meter.startSecond);

/**
 * The amount to post at `second`: cost so far less posted so far, so no fraction is lost or gained at any settlement
 * interval. Negative only for an end in the past, where more was posted than the formula gives.
 */
export const chargeDueMicros = (meter: Metered, second: number): Micros =>
  micros(meterCostMicros(meter, second) - meter.postedMicros);

/** A time at one rate: a segment of an instance, or a term of a reservation. */
export interface Segment {
  rateMicrosPerHour: Micros;
  startSecond: number;
  /** Null while the segment runs. */
  endSecond: number | null;
}

/** The cost of a segment by a second. From the end of the segment on, its whole cost. */
export const segmentCostMicros = (
  { rateMicrosPerHour, startSecond, endSecond }: Segment,
  throughSecond: number,
): Micros => costMicros(rateMicrosPerHour, Math.min(endSecond ?? throughSecond, throughSecond) - startSecond);

/** The cost of an instance by a second: the sum over its segments, because each segment is rounded down on its own. */
export const costOfSegmentsMicros = (segments: readonly Segment[], throughSecond: number): Micros =>
  add(ZERO, ...segments.map((segment) => segmentCostMicros(segment, throughSecond)));

/**
 * The cost of a segment between two seconds, for statements: the cost at the later second less the cost at the earlier.
 */
export function costBetweenMicros(
  segment: Pick<Metered, 'rateMicrosPerHour' | 'startSecond'>,
  fromSecond: number,
  toSecond: number,
): Micros {
  const { rateMicrosPerHour, startSecond } = segment;
  return micros(
    costMicros(rateMicrosPerHour, toSecond - startSecond) - costMicros(rateMicrosPerHour, fromSecond - startSecond),
  );
}
