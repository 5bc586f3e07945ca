/** Token usage, exact by a carried remainder. Source: rules.md, "Token usage". */
import { type Micros, micros } from './money.ts';

/** An exact cost in millionths of a micro-dollar. Stays inside one calculation: it is no safe integer. */
export type MicroMillionths = bigint;

const MILLIONTHS_PER_MICRO = 1_000_000n;

export interface ModelPrice {
  inputMicrosPerMillion: Micros;
  outputMicrosPerMillion: Micros;
}

/** input × priceIn + output × priceOut, in millionths of a micro. */
export const tokensCost = (price: ModelPrice, inputTokens: number, outputTokens: number): MicroMillionths =>
  BigInt(inputTokens) * BigInt(price.inputMicrosPerMillion) +
  BigInt(outputTokens) * BigInt(price.outputMicrosPerMillion);

/**
 * What is to be posted for a cost, given the remainder that the team carries (0 … 999,999 millionths), and the remainder
 * after it: total posted = floor(total exact / 10⁶) whatever the order or batching.
 */
export function chargeWithRemainder(
  cost: MicroMillionths,
  remainderMillionths: number,
): { chargeMicros: Micros; remainderMillionths: number } {
  const total = cost + BigInt(remainderMillionths);
  return {
    chargeMicros: micros(total / MILLIONTHS_PER_MICRO),
    remainderMillionths: Number(total % MILLIONTHS_PER_MICRO),
  };
}
