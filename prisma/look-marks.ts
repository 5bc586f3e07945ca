/**
 * What a team's account row says of the looks of its watch, and so which call wakes the watch. A look clears the marks in its
 * own transaction, so a mark that is set says that no look has happened since: a wake that was undertaken after it is still
 * to be followed by a look, which sees every fact that is recorded until then. So one call of all processes wakes the watch,
 * and the others need not.
 */

/** All are unix seconds. */
export interface LookMarks {
  /** The first fact that the watch has not looked at; null when it has looked at all. */
  dueSecond: number | null;
  /** When a call undertook to wake the watch for these facts; null when none has. */
  wokenSecond: number | null;
  /** The last look; null before the first. */
  lastSecond: number | null;
}

/** How a fact's call wakes the watch: at once, for a look a second from now, or by the wake that another call undertook. */
export type Wake = 'watch' | 'watchSoon' | 'undertaken';

/** A call that ended between its commit and its wake is waited for no longer. The sweeper delivers its look as well. */
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
