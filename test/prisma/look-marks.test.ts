/** Tests the marks of the account row that decide which call wakes a team’s watch. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LookMarks, marksAfterFact, marksAfterLook } from '../../prisma/look-marks.ts';

const SEEN: LookMarks = { dueSecond: null, wokenSecond: null, lastSecond: 90 };

describe('the wake after a fact', () => {
  it('is sent at once by the first fact after a read of an earlier second', () => {
    const { marks, wake } = marksAfterFact(SEEN, 100, true);
    expect(wake).toBe('watch');
    expect(marks).toEqual({ dueSecond: 100, wokenSecond: 100, lastSecond: 90 });
  });

  it('asks for a read a second later when the watch has read in this second', () => {
    expect(marksAfterFact(marksAfterLook(100), 100, true).wake).toBe('watchSoon');
    expect(marksAfterFact(marksAfterLook(100), 101, true).wake).toBe('watch');
  });

  it('is left to the call that woke the watch until the watch reads, for two seconds at most', () => {
    const { marks } = marksAfterFact(SEEN, 100, true);
    expect(marksAfterFact(marks, 101, true)).toEqual({ marks, wake: 'undertaken' });
    expect(marksAfterFact(marks, 102, true)).toMatchObject({
      wake: 'watch',
      marks: { dueSecond: 100, wokenSecond: 102 },
    });
  });

  it('is not left to a fact of an activity, because an activity sends no wake', () => {
    const { marks } = marksAfterFact(SEEN, 100, false);
    expect(marks).toEqual({ dueSecond: 100, wokenSecond: null, lastSecond: 90 });
    expect(marksAfterFact(marks, 100, true).wake).toBe('watch');
  });

  it('is due again after a read, however soon after an earlier wake', () => {
    const { marks } = marksAfterFact(SEEN, 100, true);
    expect(marks.wokenSecond).toBe(100);
    expect(marksAfterFact(marksAfterLook(100), 100, true).wake).not.toBe('undertaken');
  });
});

it('every fact of a call sends a wake or comes while an earlier wake awaits its read, in any order of facts and reads', () => {
  const act = fc.record({ passes: fc.integer({ min: 0, max: 3 }), kind: fc.constantFrom('call', 'activity', 'look') });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      let marks: LookMarks = { dueSecond: null, wokenSecond: null, lastSecond: null };
      let second = 0;
      /** Seconds of wakes that no look has followed yet. */
      let waking: number[] = [];
      const looks: number[] = [];
      for (const { passes, kind } of acts) {
        second += passes;
        if (kind === 'look') {
          marks = marksAfterLook(second);
          waking = [];
          looks.push(second);
          continue;
        }
        const owed = marksAfterFact(marks, second, kind === 'call');
        marks = owed.marks;
        expect(marks.dueSecond).not.toBeNull();
        if (kind !== 'call') continue;
        if (owed.wake === 'undertaken') expect(waking.some((sent) => second - sent < 2)).toBe(true);
        else {
          // At most one wake at once in a second that has had a look.
          if (owed.wake === 'watch') expect(looks).not.toContain(second);
          waking.push(second);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});
