/** What the books count in: whole micro-dollars, as Postgres gives them. */

export const sum = (amounts: bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);

export const dollars = (micros: bigint): string =>
  `${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}`;

export const microsOf = (amount: string): bigint => {
  const [whole = '0', cents = ''] = amount.split('.');
  return BigInt(whole + cents.padEnd(6, '0'));
};
