/** Tests the comparison of token prices: costs, savings, rounding and the largest amounts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compare, formatTokensCost, type Workload } from '../../billing/calculator.ts';
import { BillingError } from '../../billing/errors.ts';
import { formatDollars, micros, parseDollars } from '../../billing/money.ts';
import type { ModelPrice } from '../../billing/tokens.ts';

const price = (input: string, output: string): ModelPrice => ({
  inputMicrosPerMillion: parseDollars(input),
  outputMicrosPerMillion: parseDollars(output),
});
const requests = (inputTokens: number, outputTokens: number, perMonth: number): Workload => ({
  inputTokens,
  outputTokens,
  perMonth,
});

const LLAMA = price('0.10', '0.40');
const GPT_4O_MINI = price('0.15', '0.60');

const refusalOf = (work: () => unknown): { code: string; param: string | undefined } | null => {
  try {
    work();
    return null;
  } catch (error) {
    if (!(error instanceof BillingError)) throw error;
    return { code: error.code, param: error.param };
  }
};

describe('two prices of the same requests', () => {
  it('are compared by the request and by the month', () => {
    expect(compare(requests(1_000, 500, 100_000), LLAMA, GPT_4O_MINI)).toEqual({
      here: { perRequest: '0.000300', perMonthMicros: 30_000_000 },
      there: { perRequest: '0.000450', perMonthMicros: 45_000_000 },
      savesMicros: 15_000_000,
      savesPercent: 33.33,
      byVolume: [
        { perMonth: 1_000, hereMicros: 300_000, thereMicros: 450_000, savesMicros: 150_000 },
        { perMonth: 10_000, hereMicros: 3_000_000, thereMicros: 4_500_000, savesMicros: 1_500_000 },
        { perMonth: 100_000, hereMicros: 30_000_000, thereMicros: 45_000_000, savesMicros: 15_000_000 },
        { perMonth: 1_000_000, hereMicros: 300_000_000, thereMicros: 450_000_000, savesMicros: 150_000_000 },
        { perMonth: 10_000_000, hereMicros: 3_000_000_000, thereMicros: 4_500_000_000, savesMicros: 1_500_000_000 },
      ],
    });
  });

  it('show a negative saving when the model costs more here', () => {
    const { savesMicros, savesPercent, byVolume } = compare(requests(1_000, 500, 1_000), GPT_4O_MINI, LLAMA);
    expect({ savesMicros, savesPercent }).toEqual({ savesMicros: -150_000, savesPercent: -50 });
    expect(byVolume[0]).toMatchObject({ savesMicros: -150_000 });
  });

  it.each([
    // 1 × 0.15 millionths of a dollar: far below a micro for one request, half of one is a whole one for three.
    [1, 0, 1, '0.00000015', 0],
    [1, 0, 3, '0.00000015', 0],
    [1, 0, 4, '0.00000015', 1],
    [10, 0, 1, '0.0000015', 2],
    [0, 0, 1_000_000, '0.000000', 0],
    [1_000, 500, 0, '0.000450', 0],
    [1_000_000_000_000, 1_000_000_000_000, 1, '750000.000000', 750_000_000_000],
    [1_000_000_000_000, 1_000_000_000_000, 12_009, '750000.000000', 9_006_750_000_000_000],
  ])(
    'at %d in and %d out, %d times, cost the rounded exact sum',
    (inputTokens, outputTokens, perMonth, perRequest, perMonthMicros) => {
      const { there } = compare(requests(inputTokens, outputTokens, perMonth), LLAMA, GPT_4O_MINI);
      expect(there).toEqual({ perRequest, perMonthMicros });
    },
  );

  it.each([
    ['half of it', price('0.5', '0.5'), price('1', '1'), 50],
    ['all of it, where it is free here', price('0', '0'), price('1', '1'), 100],
    ['nothing, where it costs the same', price('1', '1'), price('1', '1'), 0],
    ['two thirds, rounded half up', price('1', '1'), price('3', '3'), 66.67],
    ['less than nothing, rounded as a gain would be', price('5', '5'), price('3', '3'), -66.67],
    ['a loss too small to show, without a sign', price('100.000001', '100'), price('100', '100'), 0],
    ['no percentage, where it is free there', price('1', '1'), price('0', '0'), null],
  ])('save %s', (_, here, there, percent) => {
    expect(compare(requests(1, 0, 1), here, there).savesPercent).toBe(percent);
  });

  it('save the same percentage at any volume, even at zero', () => {
    const percents = [0, 1, 1_000, 1_000_000].map(
      (perMonth) => compare(requests(3, 1, perMonth), LLAMA, GPT_4O_MINI).savesPercent,
    );
    expect(new Set(percents).size).toBe(1);
  });
});

describe('the volumes', () => {
  it.each([
    [0, [0, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]],
    [2_500, [1_000, 2_500, 10_000, 100_000, 1_000_000, 10_000_000]],
    [10_000, [1_000, 10_000, 100_000, 1_000_000, 10_000_000]],
    [25_000_000, [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 25_000_000]],
  ])('include the requested %d in order, once', (perMonth, expected) => {
    const { byVolume } = compare(requests(1, 1, perMonth), LLAMA, GPT_4O_MINI);
    expect(byVolume.map((row) => row.perMonth)).toEqual(expected);
  });

  it('end at the largest amount', () => {
    const { byVolume } = compare(requests(1_000_000_000_000, 0, 1), price('0.01', '0'), price('1', '0'));
    expect(byVolume.map((row) => row.perMonth)).toEqual([1, 1_000]);
  });
});

describe('a cost beyond the largest amount', () => {
  const MOST = 1_000_000_000_000;
  it.each([
    ['requests', requests(MOST, MOST, 12_010), LLAMA, GPT_4O_MINI, 'perMonth'],
    ['requests, were they only that dear here', requests(MOST, MOST, 12_010), GPT_4O_MINI, LLAMA, 'perMonth'],
    ['requests for the largest number of them', requests(100_000, 0, MOST), LLAMA, GPT_4O_MINI, 'perMonth'],
    ['input', requests(MOST, 1, 1), price('10000', '10000'), GPT_4O_MINI, 'inputTokens'],
    ['output', requests(MOST, MOST, 1), price('1', '10000'), GPT_4O_MINI, 'outputTokens'],
    ['input elsewhere', requests(MOST, 0, 2), LLAMA, price('9007199254.740991', '0'), 'inputTokens'],
  ])('is refused, naming the %s', (_, workload, here, there, param) => {
    expect(refusalOf(() => compare(workload, here, there))).toEqual({ code: 'amount_out_of_range', param });
  });

  it('is refused only above the largest possible sum', () => {
    const perRequest = price('0', '0.000001');
    const { here } = compare(requests(0, MOST, 9_007_199_254), perRequest, price('0', '0'));
    expect(here.perMonthMicros).toBe(9_007_199_254_000_000);
    expect(refusalOf(() => compare(requests(0, MOST, 9_007_199_255), perRequest, perRequest))).not.toBeNull();
  });
});

it.each([
  [0n, '0.000000'],
  [1n, '0.000000000001'],
  [150_000n, '0.00000015'],
  [1_000_000n, '0.000001'],
  [999_999_999_999n, '0.999999999999'],
  [450_000_000n, '0.000450'],
  [10n ** 12n, '1.000000'],
  [10n ** 27n + 1n, '1000000000000000.000000000001'],
])('%d millionths of a micro are written %s', (cost, expected) => {
  expect(formatTokensCost(cost)).toBe(expected);
});

describe('any comparison', () => {
  const anyPrice = fc.record({
    inputMicrosPerMillion: fc.integer({ min: 0, max: 1_000_000_000 }).map(micros),
    outputMicrosPerMillion: fc.integer({ min: 0, max: 1_000_000_000 }).map(micros),
  });
  const count = fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: 1_000_000_000_000 }));
  const workload = fc.record({ inputTokens: count, outputTokens: count, perMonth: count });

  /** In millionths of a micro, without the product. */
  const exactly = ({ inputTokens, outputTokens }: Workload, of: ModelPrice): bigint =>
    BigInt(inputTokens) * BigInt(of.inputMicrosPerMillion) + BigInt(outputTokens) * BigInt(of.outputMicrosPerMillion);
  /** A decimal string of dollars as millionths of a micro. */
  const read = (dollars: string): bigint => {
    const [whole = '', places = ''] = dollars.split('.');
    return BigInt(whole + places.padEnd(12, '0'));
  };

  it('has sums within half a micro of the exact sums, rows that add up, and exact costs of a request', () => {
    fc.assert(
      fc.property(workload, anyPrice, anyPrice, (given, here, there) => {
        const refusal = refusalOf(() => compare(given, here, there));
        const dearer = [exactly(given, here), exactly(given, there)].reduce((a, b) => (a > b ? a : b));
        const most = BigInt(Number.MAX_SAFE_INTEGER) * 1_000_000n;
        if (refusal) {
          expect(dearer * BigInt(given.perMonth)).toBeGreaterThan(most);
          return;
        }
        const compared = compare(given, here, there);
        expect(read(compared.here.perRequest)).toBe(exactly(given, here));
        expect(read(compared.there.perRequest)).toBe(exactly(given, there));
        for (const { perMonth, hereMicros, thereMicros, savesMicros } of compared.byVolume) {
          for (const [sum, of] of [
            [hereMicros, here],
            [thereMicros, there],
          ] as const) {
            const twiceOff = 2n * (BigInt(sum) * 1_000_000n - exactly(given, of) * BigInt(perMonth));
            expect(twiceOff > -1_000_000n && twiceOff <= 1_000_000n).toBe(true);
          }
          expect(savesMicros).toBe(thereMicros - hereMicros);
        }
        expect(compared.byVolume.find(({ perMonth }) => perMonth === given.perMonth)).toEqual({
          perMonth: given.perMonth,
          hereMicros: compared.here.perMonthMicros,
          thereMicros: compared.there.perMonthMicros,
          savesMicros: compared.savesMicros,
        });
        for (const { savesMicros } of compared.byVolume) expect(formatDollars(savesMicros)).toMatch(/^-?\d+\.\d{6}$/);
      }),
      { numRuns: 500 },
    );
  });

  it('in the other direction has the opposite saving', () => {
    fc.assert(
      fc.property(workload, anyPrice, anyPrice, (given, here, there) => {
        fc.pre(refusalOf(() => compare(given, here, there)) === null);
        const [one, other] = [compare(given, here, there), compare(given, there, here)];
        expect(one.byVolume.map((row) => row.savesMicros + 0)).toEqual(
          other.byVolume.map((row) => 0 - row.savesMicros),
        );
        expect([one.here, one.there]).toEqual([other.there, other.here]);
      }),
    );
  });
});
