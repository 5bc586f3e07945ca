/**
 * Reminders at fixed numbers of days before an end, each sent once. Pure; the caller keeps the list of sent reminders.
 */
import { daysBefore } from './time.ts';

/**
 * The reminder that is due at a second, as its number of days: the latest, so a late check sends one reminder and not
 * two. Null before the first reminder, and after `lastSecond`.
 * @param days numbers of days before the end, the largest first
 */
export function dueReminder(
  endSecond: number,
  days: readonly number[],
  second: number,
  lastSecond = endSecond - 1,
): number | null {
  if (second > lastSecond) return null;
  return days.findLast((each) => daysBefore(endSecond, each) <= second) ?? null;
}

/** The second of the next reminder after a second. Null when none is to come. */
export function nextReminderSecond(endSecond: number, days: readonly number[], second: number): number | null {
  return days.map((each) => daysBefore(endSecond, each)).find((due) => due > second) ?? null;
}
