/**
 * Crypto deposits. The received amount is credited, once per output of a transaction. Source: docs/rules.md#deposits.
 */
import { BillingError } from './errors.ts';
import { add, type Micros, micros, mulDivFloor, ZERO } from './money.ts';

/** An output of a transaction on a chain, as the provider reports the output. */
export interface CryptoOutput {
  transactionHash: string;
  /** The index of the output in the transaction, or the index of the output's log entry. */
  output: number;
  chain: string;
  currency: string;
  amountMicros: Micros;
}

/** CopperX counts every coin in units of 10⁻⁸, however many places the coin itself has. */
const COIN_UNITS_PER_MICRO = 100;

const COIN_UNITS = /^(0|[1-9]\d{0,23})$/;

/**
 * Converts units of a dollar coin to micro-dollars, rounded down: an amount below a millionth of a dollar is dropped.
 * @throws BillingError `invalid_amount` unless the value is a whole, positive number within range
 */
export function coinUnitsToMicrosFloor(units: unknown): Micros {
  const value = typeof units === 'string' && COIN_UNITS.test(units) ? mulDivFloor(BigInt(units), 1, 100) : null;
  if (value === null || value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new BillingError('invalid_amount', 'expected a whole number of coin units, as a string');
  return micros(value);
}

/** The units to request. Exact, since a micro is a hundred units. */
export const microsToCoinUnits = (amountMicros: Micros): string =>
  String(BigInt(amountMicros) * BigInt(COIN_UNITS_PER_MICRO));

/** A credited output with its present value. */
export type CryptoChange = Pick<CryptoOutput, 'transactionHash' | 'output' | 'amountMicros'>;

/** Coins that count as dollars. Any other coin would need an exchange rate, and no rate has been agreed on. */
const DOLLAR_COINS: ReadonlySet<string> = new Set(['usdc', 'usdt']);
export const isDollarCoin = (currency: string): boolean => DOLLAR_COINS.has(currency.toLowerCase());

/** The identity of an output across reports. A hash is hex, and chains and explorers write hex in either case. */
export const outputKey = ({ transactionHash, output }: Pick<CryptoOutput, 'transactionHash' | 'output'>): string =>
  `${transactionHash.toLowerCase()}/${output}`;

/** The outputs to credit. Each output is credited once; outputs below a micro are dropped. */
export function newOutputs<O extends CryptoOutput>(reported: readonly O[], credited: ReadonlySet<string>): O[] {
  const creditedKeys = new Set(credited);
  return reported.filter((output) => {
    const key = outputKey(output);
    if (creditedKeys.has(key) || output.amountMicros <= ZERO) return false;
    creditedKeys.add(key);
    return true;
  });
}

export const sumOf = (outputs: readonly CryptoOutput[]): Micros =>
  outputs.reduce((sum, { amountMicros }) => add(sum, amountMicros), ZERO);

/**
 * The status of a crypto deposit. An incomplete payment keeps the deposit open until its page expires, and then the
 * received amount is the deposit. An overpayment is credited whole. A payment after the expiry counts like any other.
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
