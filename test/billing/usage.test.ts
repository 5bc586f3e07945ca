/** Tests the cost of an instance by the formula. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Micros, micros, parseDollars } from '../../billing/money.ts';
import {
  chargeDueMicros,
  costBetweenMicros,
  costMicros,
  costOfSegmentsMicros,
  type Metered,
  meterCostMicros,
} from '../../billing/usage.ts';

const START = 1_767_225_600;
const meter = (hourly: string | Micros, startSecond = START): Metered => ({
  rateMicrosPerHour: typeof hourly === 'string' ? parseDollars(hourly) : hourly,
  startSecond,
  postedMicros: micros(0),
});

/** From a millionth an hour to ten thousand dollars. */
const anyRate = fc.oneof(
  fc.integer({ min: 1, max: 10 }),
  fc.integer({ min: 1, max: 5_000_000 }),
  fc.integer({ min: 1, max: 10_000_000_000 }),
);

describe('the cost of an instance', () => {
  it.each([
    ['2.49', 0, 0],
    ['2.49', 1, 691],
    ['2.49', 2, 1_383],
    ['2.49', 3_599, 2_489_308],
    ['2.49', 3_600, 2_490_000],
    ['2.49', 86_400, 59_760_000],
    ['0.000001', 3_599, 0],
    ['0.000001', 3_600, 1],
    ['10000', 1, 2_777_777],
    ['10000', 36_000_000, 100_000_000_000_000],
    ['0', 1_000_000, 0],
  ])('at %s an hour after %d seconds is %d micros', (hourly, seconds, expected) => {
    expect(costMicros(parseDollars(hourly), seconds)).toBe(expected);
  });

  it('does not exist before its start', () => {
    expect(costMicros(parseDollars('2.49'), -1)).toBe(0);
    expect(meterCostMicros(meter('2.49'), START - 10_000)).toBe(0);
  });

  it('is a total: for any seconds of settlement, the charges add up to the formula', () => {
    fc.assert(
      fc.property(anyRate, fc.array(fc.nat(100_000), { maxLength: 30 }), (rate, seconds) => {
        const running = meter(micros(rate));
        let charged = 0;
        for (const second of [...seconds].sort((a, b) => a - b)) {
          const due = chargeDueMicros(running, START + second);
          expect(due).toBeGreaterThanOrEqual(0);
          running.postedMicros = micros(running.postedMicros + due);
          charged += due;
        }
        expect(charged).toBe(Number((BigInt(rate) * BigInt(Math.max(0, ...seconds))) / 3600n));
      }),
      { numRuns: 1000 },
    );
  });

  it('is zero again after a settlement at the same second', () => {
    const running = meter('2.49');
    running.postedMicros = chargeDueMicros(running, START + 100);
    expect(chargeDueMicros(running, START + 100)).toBe(0);
    expect(chargeDueMicros(running, START + 99)).toBe(-691);
  });

  it('is the same when it is divided into months', () => {
    const cuts = fc.array(fc.nat(3_000_000), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(anyRate, cuts, (rate, some) => {
        const seconds = some.sort((a, b) => a - b).map((second) => START - 1000 + second);
        const running = meter(micros(rate));
        const parts = seconds.slice(1).map((to, i) => costBetweenMicros(running, seconds[i]!, to));
        const whole = costBetweenMicros(running, seconds[0]!, seconds.at(-1)!);
        expect(parts.reduce((sum, part) => sum + part, 0)).toBe(whole);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the cost of an instance with several segments', () => {
  const segment = (hourly: string, from: number, to: number | null) => ({
    rateMicrosPerHour: parseDollars(hourly),
    startSecond: START + from,
    endSecond: to === null ? null : START + to,
  });

  it.each([
    ['each segment is rounded down on its own', [segment('2.49', 0, 1), segment('2.49', 1, 2)], 2, 1_382],
    ['an ended segment costs nothing more', [segment('3600', 0, 10), segment('0', 10, null)], 1_000, 10_000_000],
    ['a running segment costs up to the second', [segment('3600', 0, 10), segment('1800', 10, null)], 12, 11_000_000],
    ['segments after the second cost nothing', [segment('3600', 0, 10), segment('3600', 10, 20)], 4, 4_000_000],
    ['no segment costs nothing', [], 10, 0],
  ])('%s', (_, segments, through, expected) => {
    expect(costOfSegmentsMicros(segments, START + through)).toBe(expected);
  });
});
