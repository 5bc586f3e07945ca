import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDollars } from '../../billing/money.ts';
import { chargeWithRemainder, tokensCost } from '../../billing/tokens.ts';

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

  it('carries what is less than a micro to the next event', () => {
    expect(chargeWithRemainder(999_999n, 0)).toEqual({ chargeMicros: 0, remainderMillionths: 999_999 });
    expect(chargeWithRemainder(1n, 999_999)).toEqual({ chargeMicros: 1, remainderMillionths: 0 });
    expect(chargeWithRemainder(2_500_000n, 500_000)).toEqual({ chargeMicros: 3, remainderMillionths: 0 });
    expect(chargeWithRemainder(0n, 999_999)).toEqual({ chargeMicros: 0, remainderMillionths: 999_999 });
  });

  it('comes to floor(total exact / 10⁶) whatever the order and the batches', () => {
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

  it('cannot be charged for part of a token', () => {
    expect(() => tokensCost(price('1', '1'), 0.5, 0)).toThrow(RangeError);
  });
});
