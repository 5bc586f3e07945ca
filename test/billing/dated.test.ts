/** Tests which dated row is in force at a second. */
import { describe, expect, it } from 'vitest';
import { inForceAt, offeredFrom } from '../../billing/dated.ts';

const row = (name: string, effectiveSecond: number, withdrawn = false) => ({ name, effectiveSecond, withdrawn });
const namesOf = (rows: Array<{ name: string }>) => rows.map(({ name }) => name);

describe('a dated row', () => {
  it('is in force from its second until the next row’s second, and so is a withdrawal', () => {
    const rows = [row('a', 10), row('b', 20, true), row('c', 30)];
    const at = (second: number) => inForceAt(rows, second)?.name ?? null;
    expect([9, 10, 19, 20, 29, 30].map(at)).toEqual([null, 'a', 'a', 'b', 'b', 'c']);
    expect(inForceAt([], 5)).toBeNull();
  });

  it('is replaced by a row that was recorded later for the same second', () => {
    expect(inForceAt([row('a', 10), row('b', 10)], 10)?.name).toBe('b');
  });
});

describe('the offers from a second on', () => {
  it('are the row in force and the planned rows, each in force at its second', () => {
    const rows = [row('a', 10), row('b', 20), row('b again', 20), row('c', 30, true), row('d', 40)];
    expect(namesOf(offeredFrom(rows, 10))).toEqual(['a', 'b again', 'd']);
    expect(namesOf(offeredFrom(rows, 25))).toEqual(['b again', 'd']);
    expect(namesOf(offeredFrom(rows, 35))).toEqual(['d']);
    expect(namesOf(offeredFrom(rows, 5))).toEqual(['a', 'b again', 'd']);
  });

  it('exclude a row that was withdrawn in its own second or before the requested second', () => {
    expect(offeredFrom([row('a', 10), row('a taken back', 10, true)], 10)).toEqual([]);
    expect(offeredFrom([row('a', 10), row('none', 20, true)], 30)).toEqual([]);
    expect(offeredFrom([], 0)).toEqual([]);
  });
});
