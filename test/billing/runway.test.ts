/** Tests the second of exhaustion and the crossing of a level. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Micros, micros, parseDollars } from '../../billing/money.ts';
import {
  availableMicros,
  type BalanceLine,
  burnMicrosPerHour,
  exhaustionSecond,
  firstSecondBelow,
  lastSecondAtOrAbove,
} from '../../billing/runway.ts';
import { LAST_SECOND } from '../../billing/time.ts';

const START = 1_767_225_600;

interface Run {
  rate: number;
  start: number;
  posted?: number;
}

const lineOf = (posted: string | Micros, runs: Run[], held = 0): BalanceLine => ({
  postedMicros: typeof posted === 'string' ? parseDollars(posted) : posted,
  heldMicros: micros(held),
  meters: runs.map(({ rate, start, posted: already = 0 }, i) => ({
    instanceId: `i${i}`,
    segment: 1,
    rateMicrosPerHour: micros(rate),
    startSecond: start,
    postedMicros: micros(already),
  })),
});

/** Available by BigInt and nothing of the product. */
const availableBy = (line: BalanceLine, second: number): bigint =>
  line.meters.reduce((left, { rateMicrosPerHour, startSecond, postedMicros }) => {
    const seconds = BigInt(Math.max(0, second - startSecond));
    return left - (BigInt(rateMicrosPerHour) * seconds) / 3600n + BigInt(postedMicros);
  }, BigInt(line.postedMicros) - BigInt(line.heldMicros));

/** The last second at or above a level by doubling and halving over the exact sums: monotone, so that this is enough. */
function lastBy(line: BalanceLine, level: number, from: number): number | null {
  const at = (second: number) => availableBy(line, second) >= BigInt(level);
  if (at(LAST_SECOND + 1)) return null;
  let [low, high] = [from, LAST_SECOND + 1];
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2);
    if (at(middle)) low = middle;
    else high = middle;
  }
  return low;
}

describe('the exhaustion second', () => {
  it.each([
    // One dollar an hour: a dollar lasts 3,600 s, in which the last micro is paid.
    ['1', [{ rate: 1_000_000, start: START }], START + 3600],
    ['0.999999', [{ rate: 1_000_000, start: START }], START + 3599],
    ['0', [{ rate: 1_000_000, start: START }], START],
    // With a micro an hour, nothing is due for an hour.
    ['0', [{ rate: 1, start: START }], START + 3599],
    ['0.000001', [{ rate: 1, start: START }], START + 7199],
    // Two floors, each losing a fraction: together they last longer than their sum.
    [
      '0',
      [
        { rate: 1, start: START },
        { rate: 1, start: START + 1800 },
      ],
      START + 3599,
    ],
    ['0.000277', [{ rate: 1_000_000, start: START }], START + 1],
    ['3', [{ rate: 10_000_000_000, start: START }], START + 1],
  ] as Array<[string, Run[], number]>)('of %s with %j is %d', (posted, runs, expected) => {
    expect(exhaustionSecond(lineOf(posted, runs))).toBe(expected);
  });

  it('comes earlier by the held amount', () => {
    const run = { rate: 1_000_000, start: START };
    expect(exhaustionSecond(lineOf('2', [run], 1_000_000))).toBe(START + 3600);
  });

  it('does not exist without running instances, without costs, or before the year 10000', () => {
    expect(exhaustionSecond(lineOf('1', []))).toBeNull();
    expect(exhaustionSecond(lineOf('1', [{ rate: 0, start: START }]))).toBeNull();
    expect(exhaustionSecond(lineOf('5000', [{ rate: 1, start: START }]))).toBeNull();
    const years = Math.floor((LAST_SECOND - START) / 3600);
    expect(exhaustionSecond(lineOf(micros(years + 1), [{ rate: 1, start: START }]))).toBeNull();
    expect(exhaustionSecond(lineOf(micros(years - 1), [{ rate: 1, start: START }]))).toBe(START + years * 3600 - 1);
  });

  it('does not depend on settlements', () => {
    const unsettled = lineOf('10', [{ rate: 2_490_000, start: START }]);
    const settled = lineOf(micros(10_000_000 - 691), [{ rate: 2_490_000, start: START, posted: 691 }]);
    expect(exhaustionSecond(settled)).toBe(exhaustionSecond(unsettled));
  });

  it('is the last second that can be paid in full, by a walk through the seconds', () => {
    const run = fc.record({
      rate: fc.oneof(fc.integer({ min: 1, max: 20_000_000 }), fc.integer({ min: 1_000_000, max: 10_000_000_000 })),
      start: fc.integer({ min: START - 50, max: START }),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 50_000 }),
        fc.array(run, { minLength: 1, maxLength: 12 }),
        (spare, runs) => {
          const owed = -availableBy(lineOf(micros(0), runs), START);
          const line = lineOf(micros(owed + BigInt(spare)), runs);
          let second = START;
          while (availableBy(line, second + 1) >= 0n && second < START + 5000) second += 1;
          if (second < START + 5000) expect(exhaustionSecond(line)).toBe(second);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('the crossing of a level', () => {
  /** Tiny and huge rates, many meters, settled or not. */
  const anyRun = fc.record({
    rate: fc.oneof(
      fc.integer({ min: 0, max: 10 }),
      fc.integer({ min: 1, max: 5_000_000 }),
      fc.integer({ min: 1, max: 10_000_000_000 }),
    ),
    start: fc.integer({ min: START - 40_000_000, max: START }),
    settledShare: fc.nat(100),
  });
  const anyLevel = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 500_000_000 }));
  const anySpare = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 5_000_000_000 }));

  const settledTo = ({ rate, start, settledShare }: { rate: number; start: number; settledShare: number }): Run => {
    const through = Math.floor(((START - start) * settledShare) / 100);
    return { rate, start, posted: Number((BigInt(rate) * BigInt(through)) / 3600n) };
  };

  it('is exact to the second for few or many meters at any rates', () => {
    fc.assert(
      fc.property(fc.array(anyRun, { maxLength: 40 }), anyLevel, anySpare, (some, level, spare) => {
        const runs = some.map(settledTo);
        const dueNow = -availableBy(lineOf(micros(0), runs), START);
        const line = lineOf(micros(dueNow + BigInt(level + spare)), runs);
        const expected = burnMicrosPerHour(line) === 0 ? null : lastBy(line, level, START);
        expect(lastSecondAtOrAbove(line, micros(level))).toBe(expected);
        expect(firstSecondBelow(line, micros(level), START)).toBe(expected === null ? null : expected + 1);
        if (expected === null) return;
        expect(availableMicros(line, expected)).toBeGreaterThanOrEqual(level);
        expect(availableMicros(line, expected + 1)).toBeLessThan(level);
      }),
      { numRuns: 3000 },
    );
  });

  it('is now for a balance below the level, and not for a balance at the level', () => {
    const line = lineOf('5', [{ rate: 1, start: START }]);
    expect(firstSecondBelow(line, parseDollars('5.000001'), START)).toBe(START);
    expect(firstSecondBelow(line, parseDollars('5'), START)).toBe(START + 3600);
    expect(firstSecondBelow(lineOf('5', []), parseDollars('5'), START)).toBeNull();
    expect(firstSecondBelow(lineOf('4', []), parseDollars('5'), START)).toBe(START);
  });
});
