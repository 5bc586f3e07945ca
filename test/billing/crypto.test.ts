/** Tests the units of coins and the status of crypto deposits. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyAccount } from '../../billing/account.ts';
import {
  type CryptoOutput,
  coinUnitsToMicrosFloor,
  cryptoStatus,
  isDollarCoin,
  microsToCoinUnits,
  newOutputs,
  outputKey,
  sumOf,
} from '../../billing/crypto.ts';
import { creditCrypto } from '../../billing/facts.ts';
import { COPPERX, creditAccount } from '../../billing/ledger.ts';
import { micros } from '../../billing/money.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../simulate/settings.ts';

const outputOf = (transactionHash: string, output: number, amount: number): CryptoOutput => ({
  transactionHash,
  output,
  chain: '8453',
  currency: 'usdc',
  amountMicros: micros(amount),
});

describe('coin units', () => {
  it.each([
    ['100000000', 1_000_000],
    ['6012345678', 60_123_456],
    ['99', 0],
    ['100', 1],
    ['0', 0],
  ])('%s are %d micros, rounded down', (units, expected) => {
    expect(coinUnitsToMicrosFloor(units)).toBe(expected);
  });

  it.each(['', '-1', '1.5', '1e8', ' 1', '01', 'x', 100, null, undefined, '9'.repeat(25), '900719925474099200'])(
    'are refused as %j',
    (units) => {
      expect(() => coinUnitsToMicrosFloor(units)).toThrow(expect.objectContaining({ code: 'invalid_amount' }));
    },
  );

  it('are converted back to the requested micros', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (amount) => {
        expect(coinUnitsToMicrosFloor(microsToCoinUnits(micros(amount)))).toBe(amount);
      }),
    );
  });

  it('are dollars only in USDC and USDT', () => {
    expect(['usdc', 'USDC', 'usdt'].every(isDollarCoin)).toBe(true);
    expect(['eth', 'dai', 'eurc', ''].some(isDollarCoin)).toBe(false);
  });
});

describe('a crypto deposit', () => {
  const asked = micros(100_000_000);
  it.each([
    [0, false, 'pending'],
    [99_999_999, false, 'pending'],
    [100_000_000, false, 'succeeded'],
    [150_000_000, false, 'succeeded'],
    [0, true, 'expired'],
    [1, true, 'succeeded'],
    [100_000_000, true, 'succeeded'],
  ] as const)('of $100 with %d micros received, page expired: %s, is %s', (received, expired, status) => {
    expect(cryptoStatus({ expectedMicros: asked, receivedMicros: micros(received), expired })).toBe(status);
  });

  it('identifies an output by its hash, in any letter case, and its index', () => {
    const known = new Set([outputKey(outputOf('0xAB', 0, 1))]);
    const again = [outputOf('0xab', 0, 5), outputOf('0xab', 1, 7), outputOf('0xAB', 1, 7)];
    expect(newOutputs(again, known)).toEqual([outputOf('0xab', 1, 7)]);
  });

  it('is not credited with less than a millionth of a dollar', () => {
    expect(newOutputs([outputOf('0xab', 0, 0)], new Set())).toEqual([]);
  });
});

/** Outputs on a chain, and reports of some of them: in any order, any number of times, cut into any batches. */
const reports = fc
  .uniqueArray(
    fc.record({
      hash: fc.constantFrom('0xa', '0xb', '0xc', '0xd'),
      output: fc.integer({ min: 0, max: 3 }),
      amount: fc.integer({ min: 1, max: 5_000_000_000 }),
    }),
    { selector: ({ hash, output }) => `${hash}/${output}`, minLength: 1, maxLength: 10 },
  )
  .chain((chain) => {
    const outputs = chain.map(({ hash, output, amount }) => outputOf(hash, output, amount));
    const inCase = (output: CryptoOutput, upper: boolean): CryptoOutput =>
      upper ? { ...output, transactionHash: output.transactionHash.toUpperCase() } : output;
    const reported = fc
      .tuple(fc.constantFrom(...outputs), fc.boolean())
      .map(([output, upper]) => inCase(output, upper));
    const batches = fc.array(fc.array(reported, { maxLength: 6 }), { maxLength: 12 });
    // In the end all of them are seen, as a poll does.
    return batches.map((some) => ({ outputs, batches: [...some, outputs] }));
  });

it('each output is credited once, with the same total, for any order, number and batches of reports', () => {
  fc.assert(
    fc.property(reports, ({ outputs, batches }) => {
      let account = emptyAccount('team', 0);
      const credited = new Set<string>();
      const references: string[] = [];
      batches.forEach((batch, second) => {
        const fresh = newOutputs(batch, credited);
        const outcome = creditCrypto(account, SETTINGS, { depositId: 'dep', outputs: fresh }, second);
        account = outcome.account;
        for (const output of fresh) credited.add(outputKey(output));
        for (const effect of outcome.effects)
          if (effect.kind === 'transfer') {
            expect(effect.transfer).toMatchObject({
              debitAccount: COPPERX,
              creditAccount: creditAccount('team'),
              code: 'deposit',
              depositId: 'dep',
              second,
            });
            references.push(effect.transfer.reference);
          }
      });
      expect(references.toSorted()).toEqual(outputs.map((output) => `deposit/dep/${outputKey(output)}`).toSorted());
      expect(account.postedMicros).toBe(sumOf(outputs));
    }),
  );
});
