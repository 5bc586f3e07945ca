/** What a running meter has cost, and what of it is still to be posted. Source: rules.md, "What an instance costs". */
import { type Micros, micros, mulDivFloor } from './money.ts';

/** One running segment of an instance: a rate that has held since its start second. */
export interface Meter {
  instanceId: string;
  /** 1 for an instance's first segment; each re-price begins the next. */
  segment: number;
  rateMicrosPerHour: Micros;
  startSecond: number;
  /** What of its cost is in the ledger already. */
  postedMicros: Micros;
}

const SECONDS_PER_HOUR = 3600;

/** floor(rate × seconds / 3600): the whole cost of so many seconds, never a step of it. Nothing before the start. */
export function costMicros(rateMicrosPerHour: Micros, seconds: number): Micros {
  return seconds <= 0 ? micros(0) : micros(mulDivFloor(rateMicrosPerHour, seconds, SECONDS_PER_HOUR));
}

/** What a meter has cost at `second`, from its start. */
export const meterCostMicros = (meter: Meter, second: number): Micros =>
  costMicros(meter.rateMicrosPerHour, second - meter.startSecond);

/**
 * What is to be posted at `second`: owed so far less posted so far, so that no fraction is lost or gained whatever the
 * settlement interval. Negative when more was posted than the formula gives, which only an end in the past can bring about.
 */
export const chargeDueMicros = (meter: Meter, second: number): Micros =>
  micros(meterCostMicros(meter, second) - meter.postedMicros);

/** What a stretch of a segment cost between two seconds, as a statement shows it: cost at the later less cost at the earlier. */
export function costBetweenMicros(
  segment: { rateMicrosPerHour: Micros; startSecond: number },
  fromSecond: number,
  toSecond: number,
): Micros {
  const costAt = (second: number) => costMicros(segment.rateMicrosPerHour, second - segment.startSecond);
  return micros(costAt(Math.max(toSecond, segment.startSecond)) - costAt(Math.max(fromSecond, segment.startSecond)));
}
