/**
 * The looks of a team's watch, as marks on the account row, which decide which call wakes the watch. A look clears the
 * marks in its own transaction. A set mark therefore says that no look has happened since. A wake that was undertaken
 * after the mark is still to be followed by a look, and the look sees every fact that is recorded until then. One call
 * of all processes therefore wakes the watch, and no other call needs to.
 */

/** All are unix seconds. */
export interface LookMarks {
  /** The first fact that the watch has not looked at; null when all facts were looked at. */
  dueSecond: number | null;
  /** When a call undertook to wake the watch for these facts; null when no call has. */
  wokenSecond: number | null;
  /** The last look; null before the first. */
  lastSecond: number | null;
}

/** The way in which a fact's call wakes the watch: at once, for a look a second from now, or by another call's wake. */
export type Wake = 'watch' | 'watchSoon' | 'undertaken';

/** The longest wait for a call that ended between its commit and its wake. The sweeper delivers the look as well. */
export const UNDERTAKEN_SECONDS = 2;

/**
 * The marks after a fact, and the wake that its call owes.
 * @param second the second of the account after the fact
 * @param mayWake whether the call wakes the watch right after its commit
 */
export function marksAfterFact(marks: LookMarks, second: number, mayWake: boolean): { marks: LookMarks; wake: Wake } {
  const { dueSecond, wokenSecond, lastSecond } = marks;
  const isUndertaken = dueSecond !== null && wokenSecond !== null && second < wokenSecond + UNDERTAKEN_SECONDS;
  const after = {
    dueSecond: dueSecond ?? second,
    wokenSecond: mayWake && !isUndertaken ? second : wokenSecond,
    lastSecond,
  };
  if (isUndertaken) return { marks: after, wake: 'undertaken' };
  return { marks: after, wake: lastSecond !== null && second <= lastSecond ? 'watchSoon' : 'watch' };
}

/** The marks after a look of the watch. */
export const marksAfterLook = (second: number): LookMarks => ({
  dueSecond: null,
  wokenSecond: null,
  lastSecond: second,
});
