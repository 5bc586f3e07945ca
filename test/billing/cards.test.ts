/** Tests the expiry of cards and the notices before it. */
import { describe, expect, it } from 'vitest';
import {
  dueExpiryNotice,
  expiresSoon,
  isExpired,
  lastValidSecond,
  nextExpiryNoticeSecond,
} from '../../billing/cards.ts';

const at = (time: string) => Date.parse(time) / 1000;
/** Valid through March 2026. */
const CARD = { expYear: 2026, expMonth: 3 };
const FIRST = at('2026-03-01T23:59:59Z');
const SECOND = at('2026-03-24T23:59:59Z');
const LAST = at('2026-03-31T23:59:59Z');

describe('a card', () => {
  it('is valid through the last second of its month', () => {
    expect(lastValidSecond(CARD)).toBe(LAST);
    expect([isExpired(CARD, LAST), isExpired(CARD, LAST + 1)]).toEqual([false, true]);
    expect(lastValidSecond({ expYear: 2027, expMonth: 12 })).toBe(at('2027-12-31T23:59:59Z'));
    expect(lastValidSecond({ expYear: 2028, expMonth: 2 })).toBe(at('2028-02-29T23:59:59Z'));
  });

  it('is about to expire from its first notice until its end', () => {
    expect([FIRST - 1, FIRST, LAST, LAST + 1].map((second) => expiresSoon(CARD, second))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

describe('the notices of a card', () => {
  it.each([
    ['none before the first', FIRST - 1, null, FIRST],
    ['the first thirty days before the end', FIRST, 30, SECOND],
    ['the first until the second', SECOND - 1, 30, SECOND],
    ['the second seven days before the end, and then none to come', SECOND, 7, null],
    ['the second, alone, for a card that is saved late', LAST, 7, null],
    ['none for a card that has expired', LAST + 1, null, null],
  ])('%s', (_, second, due, next) => {
    expect(dueExpiryNotice(CARD, second)?.days ?? null).toBe(due);
    expect(nextExpiryNoticeSecond(CARD, second)).toBe(next);
  });
});
