/** Tests the marks of the account row that decide whether a fact needs a read of the watch, and which call wakes the watch. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSpared, type LookMarks, marksAfterFact, marksAfterLook } from '../../prisma/look-marks.ts';

const SEEN: LookMarks = { dueSecond: null, wokenSecond: null, lastSecond: 90, plannedSecond: null };

/** A fact of a call with something to announce. */
const factAt = (second: number, mayWake = true) => ({ second, mayWake, lookBy: () => 'now' as const });
/** A fact of a call after which the next crossing is known. */
const moved = (second: number, bySecond: number | null) => ({ second, mayWake: true, lookBy: () => bySecond });

describe('the wake after a fact', () => {
  it('is sent at once by the first fact after a read of an earlier second', () => {
    const { marks, wake } = marksAfterFact(SEEN, factAt(100));
    expect(wake).toBe('watch');
    expect(marks).toEqual({ dueSecond: 100, wokenSecond: 100, lastSecond: 90, plannedSecond: null });
  });

  it('asks for a read a second later when the watch has read in this second', () => {
    expect(marksAfterFact(marksAfterLook(100, null), factAt(100)).wake).toBe('watchSoon');
    expect(marksAfterFact(marksAfterLook(100, null), factAt(101)).wake).toBe('watch');
  });

  it('is left to the call that woke the watch until the watch reads, for two seconds at most', () => {
    const { marks } = marksAfterFact(SEEN, factAt(100));
    expect(marksAfterFact(marks, factAt(101))).toEqual({ marks, wake: 'undertaken' });
    expect(marksAfterFact(marks, factAt(102))).toMatchObject({
      wake: 'watch',
      marks: { dueSecond: 100, wokenSecond: 102 },
    });
  });

  it('is not left to a fact of an activity, because an activity sends no wake', () => {
    const { marks } = marksAfterFact(SEEN, factAt(100, false));
    expect(marks).toEqual({ dueSecond: 100, wokenSecond: null, lastSecond: 90, plannedSecond: null });
    expect(marksAfterFact(marks, factAt(100)).wake).toBe('watch');
  });

  it('is due again after a read, however soon after an earlier wake', () => {
    const { marks } = marksAfterFact(SEEN, factAt(100));
    expect(marks.wokenSecond).toBe(100);
    expect(marksAfterFact(marksAfterLook(100, null), factAt(100)).wake).not.toBe('undertaken');
  });
});

describe('no wake follows a fact', () => {
  const planned = marksAfterLook(90, 500);

  it('whose next crossing is not before the second until which the watch sleeps, and the marks stay', () => {
    for (const bySecond of [500, 501, null])
      expect(marksAfterFact(planned, moved(100, bySecond))).toEqual({ marks: planned, wake: 'needless' });
    expect(marksAfterFact(planned, moved(100, 499)).wake).toBe('watch');
    expect(marksAfterFact(planned, factAt(100)).wake).toBe('watch');
  });

  it('that comes while the watch sleeps without a timer, unless a crossing will come', () => {
    const idle = marksAfterLook(90, null);
    expect(marksAfterFact(idle, moved(100, null)).wake).toBe('needless');
    expect(marksAfterFact(idle, moved(100, 500)).wake).toBe('watch');
  });

  it('only once the watch has read for the first time', () => {
    const first: LookMarks = { ...SEEN, lastSecond: null };
    expect(marksAfterFact(first, moved(100, null)).wake).toBe('watch');
  });

  it('only until the second of the timer: a timer that has not led to a read by then is not relied upon', () => {
    expect(marksAfterFact(planned, moved(499, 600)).wake).toBe('needless');
    expect(marksAfterFact(planned, moved(500, 600)).wake).toBe('watch');
    expect(marksAfterFact(planned, moved(501, 600)).wake).toBe('watch');
  });

  it('only while no read is due: a call then wakes the watch for an earlier fact as well', () => {
    const { marks } = marksAfterFact(planned, factAt(100, false));
    expect(marksAfterFact(marks, moved(101, null)).wake).toBe('watch');
  });
});

/** What happens to a team: facts of calls and of activities, reads of the watch, and its crossings. */
const act = fc.record({
  passes: fc.integer({ min: 0, max: 3 }),
  kind: fc.constantFrom('call', 'activity', 'look'),
  tells: fc.constantFrom(true, false, false),
  nextIn: fc.option(fc.integer({ min: 1, max: 12 })),
});

it('every fact of a call sends a wake, or comes while an earlier wake awaits its read, or needs none, in any order of facts and reads', () => {
  let needless = 0;
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60, size: 'max' }), (acts) => {
      let marks: LookMarks = { dueSecond: null, wokenSecond: null, lastSecond: null, plannedSecond: null };
      let second = 0;
      /** Seconds of wakes that no look has followed yet. */
      let waking: number[] = [];
      const looks: number[] = [];
      /** The timer of the watch, and what it would be late for. */
      let timerSecond: number | null = null;
      let crossingSecond: number | null = null;
      let isUntold = false;
      const look = () => {
        if (crossingSecond !== null && crossingSecond <= second) crossingSecond = null;
        isUntold = false;
        timerSecond = crossingSecond;
        marks = marksAfterLook(second, timerSecond);
        waking = [];
        looks.push(second);
      };
      for (const { passes, kind, tells, nextIn } of acts) {
        for (let left = passes; left > 0; left -= 1) {
          second += 1;
          if (timerSecond === second) look();
        }
        if (kind === 'look') {
          look();
          continue;
        }
        crossingSecond = nextIn === null ? null : second + nextIn;
        isUntold ||= tells;
        const lookBy = () => (tells ? ('now' as const) : crossingSecond);
        const owed = marksAfterFact(marks, { second, mayWake: kind === 'call', lookBy });
        marks = owed.marks;
        if (marks.dueSecond === null) {
          expect(isUntold).toBe(false);
          if (crossingSecond !== null)
            expect(timerSecond ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(crossingSecond);
        }
        expect(isSpared(owed.wake)).toBe(owed.wake === 'needless' || owed.wake === 'undertaken');
        if (owed.wake === 'needless') needless += 1;
        if (kind !== 'call' || owed.wake === 'needless') continue;
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
  expect(needless).toBeGreaterThan(2_000);
});
