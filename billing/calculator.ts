/**
 * Compares the cost of a workload here and at another provider: of one request, of a month, and by volume. Source:
 * docs/http.md#calculator.
 */
import { BillingError } from './errors.ts';
import { type Micros, micros, mulDivHalfUp, subtract } from './money.ts';
import { type MicroMillionths, type ModelPrice, tokensCost } from './tokens.ts';

/** The tokens of one request, and the number of requests a month. */
export interface Workload {
  inputTokens: number;
  outputTokens: number;
  perMonth: number;
}

export interface WorkloadCost {
  /** Exact, in dollars: a request may cost far less than a micro. See `formatTokensCost`. */
  perRequest: string;
  perMonthMicros: Micros;
}

/** A month at a given number of requests. `savesMicros` is negative where the cost is higher here. */
export interface Volume {
  perMonth: number;
  hereMicros: Micros;
  thereMicros: Micros;
  savesMicros: Micros;
}

export interface Comparison {
  here: WorkloadCost;
  there: WorkloadCost;
  savesMicros: Micros;
  /**
   * Percent of the other provider's cost, with two decimals, the same at any volume. Negative where the cost is higher
   * here. Null where the other provider is free.
   */
  savesPercent: number | null;
  byVolume: Volume[];
}

/** Requests a month that every comparison shows, besides the requested number. */
const VOLUMES = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];

const MILLIONTHS_PER_MICRO = 1_000_000n;
const MOST_MICROS = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Compares two prices of the same workload. Each sum is calculated exactly and rounded half up to a micro once. Volumes
 * whose cost is too large to count are left out.
 * @throws BillingError `amount_out_of_range`, naming the number that is too large
 */
export function compare(workload: Workload, here: ModelPrice, there: ModelPrice): Comparison {
  const hereExact = requestCost(here, workload);
  const thereExact = requestCost(there, workload);
  const dearer = hereExact > thereExact ? { price: here, exact: hereExact } : { price: there, exact: thereExact };
  if (!isCountable(dearer.exact, workload.perMonth)) throw tooMuch(workload, dearer.price);

  const at = (perMonth: number): Volume => volumeOf(hereExact, thereExact, perMonth);
  const volumes = at(workload.perMonth);
  return {
    here: { perRequest: formatTokensCost(hereExact), perMonthMicros: volumes.hereMicros },
    there: { perRequest: formatTokensCost(thereExact), perMonthMicros: volumes.thereMicros },
    savesMicros: volumes.savesMicros,
    savesPercent: percentSaved(hereExact, thereExact),
    byVolume: volumesWith(workload.perMonth)
      .filter((perMonth) => isCountable(dearer.exact, perMonth))
      .map(at),
  };
}

/**
 * An exact cost as a decimal string of dollars: six places as all money has, and as many more as it takes, up to twelve.
 * `"0.000450"`, `"0.00000015"`.
 */
export function formatTokensCost(cost: MicroMillionths): string {
  const digits = cost.toString().padStart(13, '0');
  const finer = digits.slice(-6).replace(/0+$/, '');
  return `${digits.slice(0, -12)}.${digits.slice(-12, -6)}${finer}`;
}

const requestCost = (price: ModelPrice, { inputTokens, outputTokens }: Workload): MicroMillionths =>
  tokensCost(price, inputTokens, outputTokens);

const monthMicros = (exact: MicroMillionths, perMonth: number): bigint =>
  mulDivHalfUp(exact, perMonth, MILLIONTHS_PER_MICRO);

const isCountable = (exact: MicroMillionths, perMonth: number): boolean => monthMicros(exact, perMonth) <= MOST_MICROS;

function volumeOf(hereExact: MicroMillionths, thereExact: MicroMillionths, perMonth: number): Volume {
  const hereMicros = micros(monthMicros(hereExact, perMonth));
  const thereMicros = micros(monthMicros(thereExact, perMonth));
  // Computed from the rounded sums, so the row adds up as shown.
  return { perMonth, hereMicros, thereMicros, savesMicros: subtract(thereMicros, hereMicros) };
}

const volumesWith = (tokensPerMonth: number): number[] =>
  [...new Set([...VOLUMES, tokensPerMonth])].sort((a, b) => a - b);

/**
 * Hundredths of a percent, rounded half up for a loss and a gain alike. Computed from one request, so the rounding of a
 * month has no influence.
 */
function percentSaved(hereExact: MicroMillionths, thereExact: MicroMillionths): number | null {
  if (thereExact === 0n) return null;
  const saved = thereExact - hereExact;
  const hundredths = mulDivHalfUp(saved < 0n ? -saved : saved, 10_000n, thereExact);
  return Number(saved < 0n ? -hundredths : hundredths) / 100;
}

/** A single request may already be too expensive. The error then names the token count with the higher cost. */
function tooMuch({ inputTokens, outputTokens, perMonth }: Workload, price: ModelPrice): BillingError {
  const inputExact = tokensCost(price, inputTokens, 0);
  const outputExact = tokensCost(price, 0, outputTokens);
  const tokens = inputExact > outputExact ? 'inputTokens' : 'outputTokens';
  const param = isCountable(inputExact + outputExact, 1) ? 'perMonth' : tokens;
  const what = param === 'perMonth' ? `${perMonth} requests a month` : 'one request';
  return new BillingError('amount_out_of_range', `${what} would cost more than can be counted`, param);
}
