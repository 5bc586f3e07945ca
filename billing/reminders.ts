/** Reminders before something ends: so many days ahead, each once. Pure; which were sent is for the keeper to know. */
import { daysBefore } from './time.ts';

/**
 * The reminder that is due at a second, by its days: the latest, so that whoever looks late does not tell twice at once.
 * Null before the first, and from the end on: there is nothing to be ahead of then.
 * @param days in how many days before the end it is told of, the most first
 */
export function dueReminder(endSecond: number, days: readonly number[], second: number): number | null {
  if (second >= endSecond) return null;
  return days.findLast((each) => daysBefore(endSecond, each) <= second) ?? null;
}

/** The second of the next reminder after a second. Null when none is to come. */
export function nextReminderSecond(endSecond: number, days: readonly number[], second: number): number | null {
  return days.map((each) => daysBefore(endSecond, each)).find((due) => due > second) ?? null;
}
