/** Tests the grouping of usage: each group against the formula second by second, and the sum of the groups. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partsOfRange } from '../../billing/buckets.ts';
import { micros } from '../../billing/money.ts';
import {
  clipped,
  clippedCostMicros,
  GROUPED_BY,
  type GroupedBy,
  isTimeUnit,
  type Stretch,
  UsageGroups,
} from '../../billing/usage-groups.ts';
import { ofBudget } from '../support/budget.ts';

const FROM = Date.parse('2026-10-24T12:00:00Z') / 1000;
const DAY = 86_400;
const ZONES = ['Pacific/Pago_Pago', 'Asia/Kolkata', 'Asia/Kathmandu', 'Pacific/Kiritimati', 'Europe/Berlin'];

const value = fc.constantFrom('a', 'b', null);
const stretch = fc
  .record({
    of: fc.constantFrom<Stretch['of']>('instance', 'reservation'),
    rate: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 1, max: 1_000_000_000_000 })),
    start: fc.integer({ min: FROM - 2 * DAY, max: FROM + 3 * DAY }),
    seconds: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 3 * DAY })),
    values: fc.record({ gpuType: value, project: value, instance: value, reservation: value }),
  })
  .map(
    ({ of, rate, start, seconds, values }): Stretch => ({
      of,
      rateMicrosPerHour: micros(rate),
      startSecond: start,
      endSecond: start + seconds,
      values,
    }),
  );
const groupings = fc
  .uniqueArray(fc.constantFrom(...GROUPED_BY), { minLength: 1, maxLength: 2 })
  .map((by) => by as GroupedBy[]);

/** floor(rate × seconds / 3600), calculated apart. */
const cost = ({ rateMicrosPerHour, startSecond, endSecond }: Stretch, second: number): bigint => {
  const through = Math.max(startSecond, Math.min(endSecond, second));
  return (BigInt(rateMicrosPerHour) * BigInt(through - startSecond)) / 3600n;
};

describe('groups of usage', () => {
  it('have the formula’s cost between their ends, and add up to the range', () => {
    fc.assert(
      fc.property(
        fc.array(stretch, { maxLength: 8 }),
        groupings,
        fc.constantFrom(...ZONES),
        fc.integer({ min: 1, max: 3 * DAY }),
        (stretches, by, zone, length) => {
          const groups = new UsageGroups(by, partsOfRange(by.filter(isTimeUnit), zone, FROM, FROM + length));
          for (const each of stretches) groups.addStretch(each);
          let total = 0n;
          for (const group of groups.groups()) {
            const mine = stretches.filter((each) =>
              by.every((name, index) => isTimeUnit(name) || (each.values[name] ?? null) === group.values[index]),
            );
            const between = mine.map((each) => cost(each, group.toSecond) - cost(each, group.fromSecond));
            expect(group.costMicros).toBe(between.reduce((sum, one) => sum + one, 0n));
            total += group.costMicros;
          }
          expect(total).toBe(stretches.reduce((sum, each) => sum + cost(each, FROM + length) - cost(each, FROM), 0n));
        },
      ),
      { numRuns: ofBudget({ test: 300, long: 5_000 }) },
    );
  });

  it('are ordered by their values, with no value last, and count seconds of instances and of reservations apart', () => {
    const groups = new UsageGroups(['project', 'day'], partsOfRange(['day'], 'UTC', FROM, FROM + DAY));
    const of = (project: string | null, more: Partial<Stretch> = {}) =>
      groups.addStretch({
        ...{ of: 'instance', rateMicrosPerHour: micros(3600), startSecond: FROM + DAY / 2 - 10 },
        ...{ endSecond: FROM + DAY / 2 + 5, values: { project } },
        ...more,
      });
    of(null);
    of('b', { of: 'reservation' });
    expect(of('a')).toBe(2);
    groups.addTokens({
      ...{ part: 1, chargeMicros: 7n, inputTokens: 3n, outputTokens: 1n },
      values: { project: 'a' },
    });
    expect(
      groups
        .groups()
        .map(({ values, costMicros, instanceSeconds, reservedSeconds, tokens }) => [
          ...values,
          costMicros,
          instanceSeconds,
          reservedSeconds,
          tokens?.input ?? null,
        ]),
    ).toEqual([
      ['a', '2026-10-24', 10n, 10, null, null],
      ['a', '2026-10-25', 12n, 5, null, 3n],
      ['b', '2026-10-24', 10n, null, 10, null],
      ['b', '2026-10-25', 5n, null, 5, null],
      [null, '2026-10-24', 10n, 10, null, null],
      [null, '2026-10-25', 5n, 5, null, null],
    ]);
  });

  it('are refused above the most', () => {
    const parts = partsOfRange(['hour'], 'UTC', FROM, FROM + 4 * 3600);
    const long: Stretch = {
      ...{ of: 'instance', rateMicrosPerHour: micros(1), startSecond: FROM, endSecond: FROM + 3 * 3600, values: {} },
    };
    expect(new UsageGroups(['hour'], parts, 3).addStretch(long)).toBe(3);
    expect(() => new UsageGroups(['hour'], parts, 2).addStretch(long)).toThrow(
      expect.objectContaining({ code: 'too_many_groups', param: 'by' }),
    );
  });

  it('leave out what lies beside the range', () => {
    const running = { rateMicrosPerHour: micros(3600), startSecond: 100, endSecond: 200 };
    expect(clipped(running, 0, 100)).toBeNull();
    expect(clipped(running, 200, 300)).toBeNull();
    expect(clipped(running, 150, 300)).toEqual({ fromSecond: 150, toSecond: 200 });
    expect(clippedCostMicros(running, 150, 300)).toBe(50);
    expect(clippedCostMicros(running, 200, 300)).toBe(0);
    expect(new UsageGroups(['day'], []).addStretch({ of: 'instance', values: {}, ...running })).toBe(0);
  });
});
