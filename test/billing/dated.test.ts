import { describe, expect, it } from 'vitest';
import { inForceAt, offeredFrom } from '../../billing/dated.ts';

const row = (name: string, effectiveSecond: number, withdrawn = false) => ({ name, effectiveSecond, withdrawn });
const namesOf = (rows: Array<{ name: string }>) => rows.map(({ name }) => name);

describe('a dated row', () => {
  it('is in force from its second to the next one’s, withdrawals too', () => {
    const rows = [row('a', 10), row('b', 20, true), row('c', 30)];
    const at = (second: number) => inForceAt(rows, second)?.name ?? null;
    expect([9, 10, 19, 20, 29, 30].map(at)).toEqual([null, 'a', 'a', 'b', 'b', 'c']);
    expect(inForceAt([], 5)).toBeNull();
  });

  it('gives way to one that was recorded later for the same second', () => {
    expect(inForceAt([row('a', 10), row('b', 10)], 10)?.name).toBe('b');
  });
});

describe('what is offered from a second on', () => {
  it('is what is in force and what is to come, each that holds at its second', () => {
    const rows = [row('a', 10), row('b', 20), row('b again', 20), row('c', 30, true), row('d', 40)];
    expect(namesOf(offeredFrom(rows, 10))).toEqual(['a', 'b again', 'd']);
    expect(namesOf(offeredFrom(rows, 25))).toEqual(['b again', 'd']);
    expect(namesOf(offeredFrom(rows, 35))).toEqual(['d']);
    expect(namesOf(offeredFrom(rows, 5))).toEqual(['a', 'b again', 'd']);
  });

  it('cannot be what was taken back, at the same second or by nothing to come', () => {
    expect(offeredFrom([row('a', 10), row('a taken back', 10, true)], 10)).toEqual([]);
    expect(offeredFrom([row('a', 10), row('none', 20, true)], 30)).toEqual([]);
    expect(offeredFrom([], 0)).toEqual([]);
  });
});
