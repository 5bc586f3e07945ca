/** The expiry of a card. A card is valid through the last second of its expiry month. Pure; times are UTC. */
import { dueReminder, nextReminderSecond } from './reminders.ts';
import { daysBefore } from './time.ts';

export interface Expiry {
  expYear: number;
  /** 1 to 12. */
  expMonth: number;
}

/**
 * Days before the last second of a default card at which the team is notified. The first notice leaves time to get
 * another card.
 */
export const EXPIRY_NOTICE_DAYS = [30, 7] as const;

/** The last second at which a card can be charged. */
export const lastValidSecond = ({ expYear, expMonth }: Expiry): number => Date.UTC(expYear, expMonth, 1) / 1000 - 1;

const noticeSecond = (expiry: Expiry, days: number): number => daysBefore(lastValidSecond(expiry), days);

export const isExpired = (expiry: Expiry, second: number): boolean => second > lastValidSecond(expiry);

/** Whether a card is good still, and within the first notice of its end. */
export const expiresSoon = (expiry: Expiry, second: number): boolean =>
  !isExpired(expiry, second) && second >= noticeSecond(expiry, EXPIRY_NOTICE_DAYS[0]);

/**
 * The expiry notice that is due at a second, as its number of days: the latest due notice, so a card saved late causes
 * one mail. Null before the first notice, and null after the expiry.
 */
export function dueExpiryNotice(expiry: Expiry, second: number): { days: number; second: number } | null {
  const lastSecond = lastValidSecond(expiry);
  const days = dueReminder(lastSecond, EXPIRY_NOTICE_DAYS, second, lastSecond);
  return days === null ? null : { days, second: noticeSecond(expiry, days) };
}

/** The second of the next notice after a second. Null when none is to come. */
export const nextExpiryNoticeSecond = (expiry: Expiry, second: number): number | null =>
  nextReminderSecond(lastValidSecond(expiry), EXPIRY_NOTICE_DAYS, second);
