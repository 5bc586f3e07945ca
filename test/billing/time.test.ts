/** Tests seconds and months. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSecond, LAST_SECOND, monthStart, nextMonthStart, secondOf } from '../../billing/time.ts';

const at = (text: string) => Date.parse(text) / 1000;

describe('a second', () => {
  it('is the second that contains an instant', () => {
    expect(secondOf(1_999)).toBe(1);
    expect(secondOf(2_000)).toBe(2);
    expect(secondOf(Date.parse('2026-03-01T00:00:00.999Z'))).toBe(at('2026-03-01T00:00:00Z'));
  });

  it('is written as RFC 3339 in UTC, up to the last possible second', () => {
    expect(formatSecond(at('2026-03-01T00:00:00Z'))).toBe('2026-03-01T00:00:00Z');
    expect(formatSecond(LAST_SECOND)).toBe('9999-12-31T23:59:59Z');
  });
});

describe('a month', () => {
  it.each([
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['2026-01-31T23:59:59Z', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['2026-02-28T23:59:59Z', '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z'],
    ['2028-02-29T12:00:00Z', '2028-02-01T00:00:00Z', '2028-03-01T00:00:00Z'],
    ['2100-02-28T23:59:59Z', '2100-02-01T00:00:00Z', '2100-03-01T00:00:00Z'],
    ['2026-12-31T23:59:59Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    // Where European and American clocks jump, UTC does not.
    ['2026-03-29T01:30:00Z', '2026-03-01T00:00:00Z', '2026-04-01T00:00:00Z'],
    ['2026-11-01T06:30:00Z', '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z'],
  ])('of %s runs from %s to before %s', (second, start, next) => {
    expect(formatSecond(monthStart(at(second)))).toBe(start);
    expect(formatSecond(nextMonthStart(at(second)))).toBe(next);
  });

  it('contains each second of it, and no other month does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: at('9998-12-31T00:00:00Z') }), (second) => {
        const [start, next] = [monthStart(second), nextMonthStart(second)];
        expect(start <= second && second < next).toBe(true);
        expect(monthStart(next)).toBe(next);
        expect(monthStart(next - 1)).toBe(start);
      }),
      { numRuns: 1000 },
    );
  });
});
