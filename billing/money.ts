/**
 * Money is a whole number of micro-dollars: 1 credit = $1 = 1,000,000 micros. No float is used. Source:
 * docs/rules.md#units.
 */
import { BillingError } from './errors.ts';

/** Micro-dollars, as a safe integer that fits into JSON. Products go through `mulDiv…`. */
export type Micros = number & { readonly unit: 'micros' };

export const MICROS_PER_DOLLAR = 1_000_000;
export const MICROS_PER_CENT = 10_000;

export const ZERO = 0 as Micros;

/** The largest amount of a row or a balance: $9,007,199,254.740991. */
export const MOST_MICROS = Number.MAX_SAFE_INTEGER as Micros;

/** An amount that is larger than a balance can hold. Thrown before anything is written. */
export class Uncountable extends RangeError {
  constructor() {
    super('the amount is more than a balance can hold: $9,007,199,254.740991');
  }
}

/**
 * A safe integer as micros. Throws `Uncountable` where there is more than fits, and `RangeError` for a fraction, which a
 * fault of the software must have made.
 */
export function micros(value: number | bigint): Micros {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number as Micros;
  if (typeof value === 'bigint' || Number.isInteger(value)) throw new Uncountable();
  throw new RangeError(`not a whole number of micros: ${value}`);
}

/** An amount, capped at the largest amount that fits: for comparisons, never for postings. */
export const atMost = (value: number | bigint): Micros => (value > MOST_MICROS ? MOST_MICROS : micros(value));

/** A sum for answers, exact however large it is. */
export const total = (...amounts: Array<Micros | bigint>): bigint =>
  amounts.reduce<bigint>((sum, amount) => sum + BigInt(amount), 0n);

export const add = (...amounts: Micros[]): Micros => micros(amounts.reduce((sum, amount) => sum + amount, 0));
export const subtract = (from: Micros, amount: Micros): Micros => micros(from - amount);
export const smaller = (a: Micros, b: Micros): Micros => (a < b ? a : b);
export const larger = (a: Micros, b: Micros): Micros => (a > b ? a : b);

/** floor(a × b / divisor) for non-negative arguments, exact at any size. */
export function mulDivFloor(a: number | bigint, b: number | bigint, divisor: number | bigint): bigint {
  return (BigInt(a) * BigInt(b)) / BigInt(divisor);
}

/** a × b / divisor rounded half up, for non-negative arguments, exact at any size. */
export function mulDivHalfUp(a: number | bigint, b: number | bigint, divisor: number | bigint): bigint {
  return (2n * BigInt(a) * BigInt(b) + BigInt(divisor)) / (2n * BigInt(divisor));
}

const DOLLARS = /^(0|[1-9]\d{0,9})(?:\.(\d{1,6}))?$/;

/**
 * Reads a decimal string of dollars with up to six places, `"2.49"`, as micros.
 * Refuses signs, exponents, spaces, more places, more than fits ($9,007,199,254.740991) and anything that is no string.
 * @throws BillingError `invalid_amount`
 */
export function parseDollars(text: unknown): Micros {
  const [, whole, fraction = ''] = (typeof text === 'string' && DOLLARS.exec(text)) || [];
  const value = whole === undefined ? Number.NaN : Number(whole) * MICROS_PER_DOLLAR + Number(fraction.padEnd(6, '0'));
  if (!Number.isSafeInteger(value))
    throw new BillingError(
      'invalid_amount',
      'must be a decimal string of dollars such as "2.49", with up to six places',
    );
  return micros(value);
}

/** Micros as a decimal string of dollars with six places, `"2.490000"`. */
export function formatDollars(amountMicros: Micros | bigint): string {
  const value = BigInt(amountMicros);
  const digits = (value < 0n ? -value : value).toString().padStart(7, '0');
  return `${value < 0n ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

const grouped = (whole: string): string => whole.replace(/\B(?=(\d{3})+$)/g, ',');

/**
 * Micros as an amount for people: `$1,234.56`. Cents are rounded towards zero, so nobody reads of more than there is.
 * Less than a cent is written in full (`$0.00001`): only nothing is `$0.00`.
 */
export function formatForPeople(amountMicros: Micros | bigint): string {
  const value = BigInt(amountMicros);
  const isBelowCent = value !== 0n && value < MICROS_PER_CENT && value > -MICROS_PER_CENT;
  return isBelowCent ? formatInFull(value) : inDollars(value, (fraction) => fraction.slice(0, 2));
}

/** Micros without rounding, for rates: at least two decimals and as many as needed, `$2.30325`. */
export const formatInFull = (amountMicros: Micros | bigint): string =>
  inDollars(BigInt(amountMicros), (fraction) => fraction.replace(/0{1,4}$/, ''));

function inDollars(value: bigint, decimalsOf: (fraction: string) => string): string {
  const [whole = '0', fraction = ''] = formatDollars(value < 0n ? -value : value).split('.');
  return `${value < 0n ? '-' : ''}$${grouped(whole)}.${decimalsOf(fraction)}`;
}

/** True for whole cents, the only amounts that a card can be charged. */
export const isWholeCents = (amountMicros: Micros): boolean => amountMicros % MICROS_PER_CENT === 0;

/** Micros as cents, for a card provider. Throws `RangeError` when a fraction of a cent would be lost. */
export function toCents(amountMicros: Micros): number {
  if (!isWholeCents(amountMicros)) throw new RangeError(`not whole cents: ${amountMicros}`);
  return amountMicros / MICROS_PER_CENT;
}

export const fromCents = (cents: number): Micros => micros(cents * MICROS_PER_CENT);
