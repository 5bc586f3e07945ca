/** Tests the cost of token usage and the prices of models at a second. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDollars } from '../../billing/money.ts';
import {
  chargeWithRemainder,
  checkModelPrice,
  type DatedModelPrice,
  modelPriceIn,
  tokensCost,
} from '../../billing/tokens.ts';

const price = (input: string, output: string) => ({
  inputMicrosPerMillion: parseDollars(input),
  outputMicrosPerMillion: parseDollars(output),
});

describe('token usage', () => {
  it.each([
    ['0.15', '0.60', 1, 0, 150_000n],
    ['0.15', '0.60', 0, 1, 600_000n],
    ['0.15', '0.60', 1000, 500, 450_000_000n],
    ['1', '1', 1, 1, 2_000_000n],
    ['0', '0', 1_000_000_000_000, 1_000_000_000_000, 0n],
    ['10000', '0.000001', 1_000_000_000_000, 1_000_000_000_000, 10n ** 22n + 10n ** 12n],
  ])('at %s and %s for %d in and %d out costs %d millionths', (input, output, tokensIn, tokensOut, expected) => {
    expect(tokensCost(price(input, output), tokensIn, tokensOut)).toBe(expected);
  });

  it('carries less than a micro to the next event', () => {
    expect(chargeWithRemainder(999_999n, 0)).toEqual({ chargeMicros: 0, remainderMillionths: 999_999 });
    expect(chargeWithRemainder(1n, 999_999)).toEqual({ chargeMicros: 1, remainderMillionths: 0 });
    expect(chargeWithRemainder(2_500_000n, 500_000)).toEqual({ chargeMicros: 3, remainderMillionths: 0 });
    expect(chargeWithRemainder(0n, 999_999)).toEqual({ chargeMicros: 0, remainderMillionths: 999_999 });
  });

  it('costs floor(total exact / 10⁶) for any order and batches', () => {
    const cost = fc.oneof(fc.bigInt({ min: 0n, max: 3_000_000n }), fc.bigInt({ min: 0n, max: 10n ** 18n }));
    fc.assert(
      fc.property(fc.array(cost, { maxLength: 40 }), (costs) => {
        let remainder = 0;
        let charged = 0n;
        for (const exact of costs) {
          const { chargeMicros, remainderMillionths } = chargeWithRemainder(exact, remainder);
          remainder = remainderMillionths;
          charged += BigInt(chargeMicros);
        }
        const total = costs.reduce((sum, exact) => sum + exact, 0n);
        expect(charged).toBe(total / 1_000_000n);
        expect(BigInt(remainder)).toBe(total % 1_000_000n);
      }),
      { numRuns: 1000 },
    );
  });

  it('is refused with a fraction of a token', () => {
    expect(() => tokensCost(price('1', '1'), 0.5, 0)).toThrow(RangeError);
  });
});

describe('a model’s price', () => {
  const dated = (model: string, effectiveSecond: number, input: string, withdrawn = false): DatedModelPrice => ({
    ...price(input, input),
    model,
    effectiveSecond,
    withdrawn,
  });
  const LIST = [
    dated('a', 0, '1'),
    dated('a', 100, '2'),
    dated('b', 50, '9'),
    dated('a', 200, '3', true),
    dated('a', 300, '4'),
    dated('a', 300, '5'),
  ];

  it.each([
    ['a', -1, null],
    ['a', 0, '1'],
    ['a', 99, '1'],
    ['a', 100, '2'],
    ['a', 199, '2'],
    ['a', 200, null],
    ['a', 299, null],
    ['a', 300, '5'],
    ['a', 10 ** 9, '5'],
    ['b', 49, null],
    ['b', 50, '9'],
    ['c', 50, null],
  ])('of %s at %d is %s', (model, second, input) => {
    const expected = input === null ? null : parseDollars(input);
    expect(modelPriceIn(LIST, model, second)?.inputMicrosPerMillion ?? null).toBe(expected);
  });

  it('at a second does not depend on the order of rows of different seconds', () => {
    const rows = fc.uniqueArray(fc.record({ second: fc.nat(50), cents: fc.nat(500), withdrawn: fc.boolean() }), {
      selector: ({ second }) => second,
    });
    fc.assert(
      fc.property(rows, fc.nat(60), fc.nat(), (list, second, turn) => {
        const prices = list.map((row) => dated('m', row.second, (row.cents / 100).toFixed(2), row.withdrawn));
        const at = prices.length === 0 ? 0 : turn % prices.length;
        const turned = [...prices.slice(at), ...prices.slice(0, at)];
        expect(modelPriceIn(turned, 'm', second)).toEqual(modelPriceIn(prices, 'm', second));
        const [last] = prices
          .filter(({ effectiveSecond }) => effectiveSecond <= second)
          .sort((a, b) => b.effectiveSecond - a.effectiveSecond);
        expect(modelPriceIn(prices, 'm', second)).toEqual(last === undefined || last.withdrawn ? null : last);
      }),
    );
  });

  it('can be from zero to $1,000 per million, and not more', () => {
    expect(() => checkModelPrice(price('0', '0'))).not.toThrow();
    expect(() => checkModelPrice(price('1000', '1000'))).not.toThrow();
    const refusal = (param: string) => expect.objectContaining({ code: 'amount_out_of_range', param });
    expect(() => checkModelPrice(price('1000.000001', '0'))).toThrow(refusal('input'));
    expect(() => checkModelPrice(price('0', '1000.000001'))).toThrow(refusal('output'));
    const most = chargeWithRemainder(tokensCost(price('1000', '1000'), 10 ** 12, 10 ** 12), 999_999);
    expect(most.chargeMicros).toBe(2 * 10 ** 15);
  });
});
