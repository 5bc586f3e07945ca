/** What a running meter has cost, and what of it is still to be posted. Source: docs/rules.md#what-an-instance-costs. */
import { type Micros, micros, mulDivFloor, ZERO } from './money.ts';
import type { Priced } from './prices.ts';

/** Whatever costs by the second: a rate that has held since its start second. */
export interface Metered {
  rateMicrosPerHour: Micros;
  startSecond: number;
  /** What of its cost is in the ledger already. */
  postedMicros: Micros;
}

/** One running segment of an instance. */
export interface Meter extends Metered {
  instanceId: string;
  /** 1 for an instance's first segment; each re-price begins the next. */
  segment: number;
  /** How it came to its rate. */
  priced: Priced;
  /** The start of the instance, whichever segment this is. */
  instanceStartSecond: number;
  /** Its place in the order in which the team's instances end when credit does; null: with the last. */
  shedOrder: number | null;
  /** The second for which the platform has announced that it takes a spot instance back. */
  reclaimSecond: number | null;
}

const SECONDS_PER_HOUR = 3600;

/** floor(rate × seconds / 3600): the whole cost of so many seconds, never a step of it. Nothing before the start. */
export function costMicros(rateMicrosPerHour: Micros, seconds: number): Micros {
  if (seconds <= 0) return ZERO;
  const product = rateMicrosPerHour * seconds;
  // Most products are safe integers, for which this is exact and many times faster; lines of a thousand meters add up many.
  if (product <= Number.MAX_SAFE_INTEGER) return micros((product - (product % SECONDS_PER_HOUR)) / SECONDS_PER_HOUR);
  return micros(mulDivFloor(rateMicrosPerHour, seconds, SECONDS_PER_HOUR));
}

/** What a meter has cost at `second`, from its start. */
export const meterCostMicros = (meter: Metered, second: number): Micros =>
  costMicros(meter.rateMicrosPerHour, second - meter.startSecond);

/**
 * What is to be posted at `second`: owed so far less posted so far, so that no fraction is lost or gained whatever the
 * settlement interval. Negative when more was posted than the formula gives, which only an end in the past can bring about.
 */
export const chargeDueMicros = (meter: Metered, second: number): Micros =>
  micros(meterCostMicros(meter, second) - meter.postedMicros);

/** What a stretch of a segment cost between two seconds, as a statement shows it: cost at the later less cost at the earlier. */
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
