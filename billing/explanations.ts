/** The formula of a posted amount with the numbers put in, in micros. Source: docs/rules.md#what-an-instance-costs. */
import type { Micros } from './money.ts';
import { total } from './money.ts';
import { costMicros } from './usage.ts';

export interface Explained {
  /** `floor(2490000 × 11 ÷ 3600) − 691 = 6917` */
  formula: string;
  amountMicros: bigint;
}

/** A time at one rate, through a second. */
export interface Ran {
  rateMicrosPerHour: Micros;
  startSecond: number;
  throughSecond: number;
}

const secondsOf = ({ startSecond, throughSecond }: Ran): number => Math.max(0, throughSecond - startSecond);
const costOf = (ran: Ran): Micros => costMicros(ran.rateMicrosPerHour, secondsOf(ran));
const written = (ran: Ran): string => `floor(${ran.rateMicrosPerHour} × ${secondsOf(ran)} ÷ 3600)`;

/** The posting of a meter: the cost so far less the amount that was posted before. */
export function explainedPosting(ran: Ran, postedBeforeMicros: bigint): Explained {
  const amountMicros = BigInt(costOf(ran)) - postedBeforeMicros;
  return { formula: `${written(ran)} − ${postedBeforeMicros} = ${amountMicros}`, amountMicros };
}

/** The cost of an instance or a reservation: the sum over its segments or terms. */
export function explainedCost(parts: readonly Ran[]): Explained {
  const amountMicros = total(...parts.map(costOf));
  return { formula: `${parts.map(written).join(' + ') || '0'} = ${amountMicros}`, amountMicros };
}

/** A correction for an earlier end: the posted amount less the cost by that end. */
export function explainedCorrection(parts: readonly Ran[], postedMicros: bigint): Explained {
  const amountMicros = postedMicros - total(...parts.map(costOf));
  return {
    formula: `${postedMicros} − (${parts.map(written).join(' + ') || '0'}) = ${amountMicros}`,
    amountMicros,
  };
}

/** The posting of token events: the floors of the team's running total, one for each event, added up. */
export function explainedTokens(chargesMicros: readonly Micros[]): Explained {
  const amountMicros = total(...chargesMicros);
  return { formula: `${chargesMicros.join(' + ') || '0'} = ${amountMicros}`, amountMicros };
}
