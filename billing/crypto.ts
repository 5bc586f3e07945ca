/**
 * Crypto deposits: what arrived on a chain, in our money. Credited is what was received, once per output of a transaction.
 * Source: docs/rules.md#deposits.
 */
import { BillingError } from './errors.ts';
import { add, type Micros, micros, mulDivFloor, ZERO } from './money.ts';

/** One output of a transaction on a chain, as the provider reports it. */
export interface CryptoOutput {
  transactionHash: string;
  /** Which of the transaction's outputs: its index, or that of its log entry. */
  output: number;
  chain: string;
  currency: string;
  amountMicros: Micros;
}

/** CopperX counts every coin in 10⁻⁸ of it, however many places the coin itself has. */
const COIN_UNITS_PER_MICRO = 100;

const COIN_UNITS = /^(0|[1-9]\d{0,23})$/;

/**
 * Units of a dollar coin as micro-dollars, rounded down: what is less than a millionth of a dollar is no money here.
 * @throws BillingError `invalid_amount` for what is no whole, positive number, or more than fits
 */
export function coinUnitsToMicrosFloor(units: unknown): Micros {
  const value = typeof units === 'string' && COIN_UNITS.test(units) ? mulDivFloor(BigInt(units), 1, 100) : null;
  if (value === null || value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new BillingError('invalid_amount', 'expected a whole number of coin units, as a string');
  return micros(value);
}

/** What to ask for: exact, since a micro is a hundred units. */
export const microsToCoinUnits = (amountMicros: Micros): string =>
  String(BigInt(amountMicros) * BigInt(COIN_UNITS_PER_MICRO));

/** Coins that are dollars. Any other would need a rate, which nobody has agreed on. */
const DOLLAR_COINS: ReadonlySet<string> = new Set(['usdc', 'usdt']);
export const isDollarCoin = (currency: string): boolean => DOLLAR_COINS.has(currency.toLowerCase());

/** What makes an output the same output, in however many reports. A hash is hex: chains and explorers differ in its case. */
export const outputKey = ({ transactionHash, output }: Pick<CryptoOutput, 'transactionHash' | 'output'>): string =>
  `${transactionHash.toLowerCase()}/${output}`;

/** The outputs that are to be credited: each once, none that was credited before, none too small to be money. */
export function newOutputs<O extends CryptoOutput>(reported: readonly O[], credited: ReadonlySet<string>): O[] {
  const seen = new Set(credited);
  return reported.filter((output) => {
    const key = outputKey(output);
    if (seen.has(key) || output.amountMicros <= ZERO) return false;
    seen.add(key);
    return true;
  });
}

export const sumOf = (outputs: readonly CryptoOutput[]): Micros =>
  outputs.reduce((sum, { amountMicros }) => add(sum, amountMicros), ZERO);

/**
 * What a crypto deposit has come to. Less than was asked for keeps it open for the rest until its page expires; then it is
 * what came that counts. More than was asked for is all credited. What comes after the expiry counts like any other.
 */
export function cryptoStatus(payment: {
  expectedMicros: Micros;
  receivedMicros: Micros;
  expired: boolean;
}): 'pending' | 'succeeded' | 'expired' {
  if (payment.receivedMicros >= payment.expectedMicros) return 'succeeded';
  if (!payment.expired) return 'pending';
  return payment.receivedMicros > ZERO ? 'succeeded' : 'expired';
}
