/**
 * The looks of a team's watch, as marks on the account row, which decide whether a fact needs a look, and which call
 * wakes the watch. A look clears the marks in its own transaction, and stores the second until which the watch sleeps.
 * A fact needs no wake while that timer is early enough and nothing is to be announced. A set mark says that no look has
 * happened since. A wake that was undertaken after the mark is still to be followed by a look, and the look sees every
 * fact that is recorded until then. One call of all processes therefore wakes the watch, and no other call needs to.
 */

/** All are unix seconds. */
export interface LookMarks {
  /** The first fact that needs a look and was not looked at; null when no look is due. */
  dueSecond: number | null;
  /** When a call undertook to wake the watch for these facts; null when no call has. */
  wokenSecond: number | null;
  /** The last look; null before the first. */
  lastSecond: number | null;
  /** Until when the watch sleeps after its last look; null when it sets no timer. */
  plannedSecond: number | null;
}

/**
 * The way in which a fact's call wakes the watch: at once, for a look a second from now, by another call's wake, or not
 * at all, because the watch looks in time.
 */
export type Wake = 'watch' | 'watchSoon' | 'undertaken' | 'needless';

/** True if the call of a fact has nothing to send. */
export const isSpared = (wake: Wake | undefined): boolean => wake === 'undertaken' || wake === 'needless';

/** The longest wait for a call that ended between its commit and its wake. The sweeper delivers the look as well. */
export const UNDERTAKEN_SECONDS = 2;

/** A fact, for the watch. */
export interface SeenFact {
  /** The second of the account after the fact. */
  second: number;
  /** Whether the call wakes the watch right after its commit. */
  mayWake: boolean;
  /** The second at which the watch has to look after the fact: now, at a later second, or never (null). */
  lookBy: () => number | 'now' | null;
}

/**
 * True if the watch looks in time without a wake. The marks know of no look that is due, and the timer that follows the last
 * look is still to fire, at the second of the next look or before.
 */
function isInTime({ dueSecond, lastSecond, plannedSecond }: LookMarks, { second, lookBy }: SeenFact): boolean {
  if (dueSecond !== null || lastSecond === null) return false;
  const bySecond = lookBy();
  if (bySecond === null || bySecond === 'now') return bySecond === null;
  return plannedSecond !== null && second < plannedSecond && plannedSecond <= bySecond;
}

/** The marks after a fact, and the wake that its call owes. */
export function marksAfterFact(marks: LookMarks, fact: SeenFact): { marks: LookMarks; wake: Wake } {
  if (isInTime(marks, fact)) return { marks, wake: 'needless' };
  const { dueSecond, wokenSecond, lastSecond } = marks;
  const { second, mayWake } = fact;
  const isUndertaken = dueSecond !== null && wokenSecond !== null && second < wokenSecond + UNDERTAKEN_SECONDS;
  const after = {
    ...marks,
    dueSecond: dueSecond ?? second,
    wokenSecond: mayWake && !isUndertaken ? second : wokenSecond,
  };
  if (isUndertaken) return { marks: after, wake: 'undertaken' };
  return { marks: after, wake: lastSecond !== null && second <= lastSecond ? 'watchSoon' : 'watch' };
}

/**
 * The marks after a look of the watch.
 * @param plannedSecond the second until which the answer of the look has the watch sleep
 */
export const marksAfterLook = (second: number, plannedSecond: number | null): LookMarks => ({
  dueSecond: null,
  wokenSecond: null,
  lastSecond: second,
  plannedSecond,
});
