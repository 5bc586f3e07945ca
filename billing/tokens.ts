/** Token usage, exact by a carried remainder. Source: docs/rules.md#token-usage. */
import { type Dated, inForceAt } from './dated.ts';
import { BillingError } from './errors.ts';
import { type Micros, micros } from './money.ts';

/**
 * An exact cost in millionths of a micro-dollar. Used inside one calculation only, because the values exceed safe
 * integers.
 */
export type MicroMillionths = bigint;

export const MILLIONTHS_PER_MICRO = 1_000_000n;

export interface ModelPrice {
  inputMicrosPerMillion: Micros;
  outputMicrosPerMillion: Micros;
}

/** The token prices of a model from a second on. */
export interface DatedModelPrice extends ModelPrice, Dated {
  model: string;
}

const MAX_MICROS_PER_MILLION = micros(1_000_000_000);

/**
 * Refuses a price above $1,000 per million tokens. Such a price is a typing error, and 10¹² tokens at such a price
 * would exceed the range of exact money.
 * @throws BillingError `amount_out_of_range`, naming `input` or `output`
 */
export function checkModelPrice({ inputMicrosPerMillion, outputMicrosPerMillion }: ModelPrice): void {
  const refuse = (param: string) => {
    throw new BillingError('amount_out_of_range', `${param} must not be above $1,000 per million tokens`, param);
  };
  if (inputMicrosPerMillion > MAX_MICROS_PER_MILLION) refuse('input');
  if (outputMicrosPerMillion > MAX_MICROS_PER_MILLION) refuse('output');
}

/**
 * A model's price in force at a second, or null where it was not offered then. Of two from the same second, the later in
 * the list has been recorded later, and holds.
 */
export function modelPriceIn(
  prices: readonly DatedModelPrice[],
  model: string,
  second: number,
): DatedModelPrice | null {
  const inForce = inForceAt(
    prices.filter((price) => price.model === model),
    second,
  );
  return inForce?.withdrawn ? null : inForce;
}

/**
 * The price at which a hold of this second was placed. The model of a hold was listed at the placing. If the model was
 * withdrawn later in the same second, the price is the withdrawn price, repeated in the withdrawal's row.
 */
export const heldPriceIn = (
  prices: readonly DatedModelPrice[],
  model: string,
  placedSecond: number,
): DatedModelPrice | null =>
  inForceAt(
    prices.filter((price) => price.model === model),
    placedSecond,
  );

/** input × priceIn + output × priceOut, in millionths of a micro. */
export const tokensCost = (price: ModelPrice, inputTokens: number, outputTokens: number): MicroMillionths =>
  BigInt(inputTokens) * BigInt(price.inputMicrosPerMillion) +
  BigInt(outputTokens) * BigInt(price.outputMicrosPerMillion);

/**
 * The amount to post for a cost, given the remainder that the team carries (0 … 999,999 millionths), and the remainder
 * afterwards: total posted = floor(total exact / 10⁶) for any order and any batching.
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

/**
 * The share of each of several costs in their common charge, in order: the floors of the running total. The shares add
 * up to `chargeWithRemainder` of the sum, also for any split into batches.
 */
export function chargesOf(costs: readonly MicroMillionths[], remainderMillionths: number): Micros[] {
  let total = BigInt(remainderMillionths);
  let chargedSoFar = 0n;
  return costs.map((cost) => {
    total += cost;
    const chargedBefore = chargedSoFar;
    chargedSoFar = total / MILLIONTHS_PER_MICRO;
    return micros(chargedSoFar - chargedBefore);
  });
}
