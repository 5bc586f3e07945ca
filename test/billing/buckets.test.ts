/**
 * Tests the hours, days and months of time zones, also over both changes of daylight saving time. The expected local time is
 * read from another interface of the time zone database than the product uses.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bucket, bucketsOf, partsOfRange, TIME_UNITS, type TimeUnit } from '../../billing/buckets.ts';
import { isTimeZone, offsetSecondsAt } from '../../billing/time-zones.ts';
import { ofBudget } from '../support/budget.ts';

const at = (time: string) => Date.parse(time) / 1000;
const DAY = 86_400;

/** Without daylight saving: UTC−11, +05:30, +05:45, +14. With: Berlin, New York, Lord Howe (half an hour), Beirut (at midnight). */
const ZONES = [
  ...['UTC', 'Pacific/Pago_Pago', 'Asia/Kolkata', 'Asia/Kathmandu', 'Pacific/Kiritimati'],
  ...['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Beirut', 'America/Havana'],
];
/** A second near each change of 2026, and a year’s end. */
const NEAR = ['2026-03-08', '2026-03-29', '2026-04-05', '2026-10-04', '2026-10-25', '2026-11-01', '2027-01-01'].map(
  (day) => at(`${day}T00:00:00Z`),
);

/** `2026-03-29 01:59:59`, the local time. */
const localText = (zone: string, second: number) => new Date(second * 1000).toLocaleString('sv-SE', { timeZone: zone });

function expectName(unit: TimeUnit, zone: string, bucket: Bucket, second: number): void {
  const local = localText(zone, second);
  if (unit === 'day') expect(bucket.name).toBe(local.slice(0, 10));
  if (unit === 'month') expect(bucket.name).toBe(local.slice(0, 7));
  if (unit !== 'hour') return;
  const began = at(bucket.name);
  expect(began).toBeLessThanOrEqual(second);
  expect(second - began).toBeLessThan(3600);
  expect(bucket.name.slice(0, 13).replace('T', ' ')).toBe(local.slice(0, 13));
  expect(bucket.name.slice(14, 19)).toBe(localText(zone, began).slice(14));
}

const range = fc.record({
  zone: fc.constantFrom(...ZONES),
  unit: fc.constantFrom(...TIME_UNITS),
  from: fc.tuple(fc.constantFrom(...NEAR), fc.integer({ min: -3 * DAY, max: DAY })).map(([near, away]) => near + away),
  seconds: fc.oneof(fc.integer({ min: 1, max: 3 * DAY }), fc.integer({ min: 1, max: 70 * DAY })),
});

describe('the buckets of a range', () => {
  it('are disjoint, cover the range, and have the local hour, day and month of their seconds', () => {
    fc.assert(
      fc.property(range, fc.array(fc.nat(), { maxLength: 20 }), ({ zone, unit, from, seconds }, some) => {
        const buckets = bucketsOf(unit, zone, from, from + seconds);
        expect(buckets[0]?.fromSecond).toBe(from);
        expect(buckets.at(-1)?.toSecond).toBe(from + seconds);
        buckets.forEach((bucket, index) => {
          expect(bucket.toSecond).toBeGreaterThan(bucket.fromSecond);
          if (index > 0) expect(bucket.fromSecond).toBe(buckets[index - 1]?.toSecond);
        });
        expect(new Set(buckets.map(({ name }) => name)).size).toBe(buckets.length);
        const checked = [...some.map((each) => from + (each % seconds))];
        for (const { fromSecond, toSecond } of buckets.slice(0, 100)) checked.push(fromSecond, toSecond - 1);
        for (const second of checked) {
          const bucket = buckets.find((each) => each.fromSecond <= second && second < each.toSecond);
          expectName(unit, zone, bucket as Bucket, second);
        }
      }),
      { numRuns: ofBudget({ test: 300, long: 5_000 }) },
    );
  });

  it('by two units are the parts of both', () => {
    fc.assert(
      fc.property(range, fc.constantFrom(...TIME_UNITS), ({ zone, unit, from, seconds }, other) => {
        const parts = partsOfRange([unit, other], zone, from, from + Math.min(seconds, 5 * DAY));
        expect(parts[0]?.fromSecond).toBe(from);
        parts.forEach((part, index) => {
          if (index > 0) expect(part.fromSecond).toBe(parts[index - 1]?.toSecond);
        });
        for (const [index, each] of [unit, other].entries())
          for (const bucket of bucketsOf(each, zone, from, from + Math.min(seconds, 5 * DAY)))
            expect(
              parts
                .filter(({ names }) => names[index] === bucket.name)
                .reduce((sum, part) => sum + part.toSecond - part.fromSecond, 0),
            ).toBe(bucket.toSecond - bucket.fromSecond);
      }),
      { numRuns: ofBudget({ test: 100, long: 1_000 }) },
    );
  });

  it.each([
    ['Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00Z', 23],
    ['Europe/Berlin', '2026-10-25', '2026-10-24T22:00:00Z', 25],
    ['America/New_York', '2026-03-08', '2026-03-08T05:00:00Z', 23],
    ['America/New_York', '2026-11-01', '2026-11-01T04:00:00Z', 25],
    ['Australia/Lord_Howe', '2026-04-05', '2026-04-04T13:00:00Z', 24.5],
    ['Australia/Lord_Howe', '2026-10-04', '2026-10-03T13:30:00Z', 23.5],
    ['Pacific/Pago_Pago', '2026-03-01', '2026-03-01T11:00:00Z', 24],
    ['Asia/Kolkata', '2026-03-01', '2026-02-28T18:30:00Z', 24],
    ['Asia/Kathmandu', '2026-03-01', '2026-02-28T18:15:00Z', 24],
    ['Pacific/Kiritimati', '2026-03-01', '2026-02-28T10:00:00Z', 24],
  ])('in %s the day %s begins at %s and has %s hours', (zone, name, begins, hours) => {
    const from = at(begins);
    const day = bucketsOf('day', zone, from - 2 * DAY, from + 3 * DAY).find((bucket) => bucket.name === name);
    expect(day).toEqual({ name, fromSecond: from, toSecond: from + hours * 3600 });
  });

  it('name an hour that comes twice by its offset', () => {
    const from = at('2026-10-25T00:00:00Z');
    expect(bucketsOf('hour', 'Europe/Berlin', from, from + 2 * 3600).map(({ name }) => name)).toEqual([
      '2026-10-25T02:00:00+02:00',
      '2026-10-25T02:00:00+01:00',
    ]);
    const half = at('2026-04-04T14:00:00Z');
    expect(bucketsOf('hour', 'Australia/Lord_Howe', half, half + 5400)).toEqual([
      { name: '2026-04-05T01:00:00+11:00', fromSecond: half, toSecond: half + 3600 },
      { name: '2026-04-05T01:30:00+10:30', fromSecond: half + 3600, toSecond: half + 5400 },
    ]);
  });

  it('of an empty range are none', () => {
    for (const unit of TIME_UNITS) expect(bucketsOf(unit, 'UTC', 1000, 1000)).toEqual([]);
    expect(partsOfRange([], 'UTC', 1000, 999)).toEqual([]);
    expect(partsOfRange([], 'UTC', 1000, 1001)).toEqual([{ fromSecond: 1000, toSecond: 1001, names: [] }]);
  });
});

describe('time zones', () => {
  it('are known by their names only', () => {
    for (const name of [...ZONES, 'Etc/GMT+5']) expect(isTimeZone(name)).toBe(true);
    for (const name of ['', '+05:30', '-11:00', 'Mars/Olympus', 'Europe', 'Europe/Berlin ', '2'])
      expect(isTimeZone(name)).toBe(false);
    expect(() => offsetSecondsAt('Mars/Olympus', 0)).toThrow(RangeError);
  });
});
