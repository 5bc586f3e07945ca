/** Tests assigned discounts and the next tier of a volume discount. */
import { describe, expect, it } from 'vitest';
import { emptyAccount } from '../../billing/account.ts';
import { nextTierOf } from '../../billing/discounts.ts';
import { assignDiscount } from '../../billing/facts.ts';
import { dollars, SETTINGS } from './book.ts';

const TIERS = [
  { spendMicros: dollars('1000'), basisPoints: 1_000 },
  { spendMicros: dollars('100'), basisPoints: 500 },
  { spendMicros: dollars('500'), basisPoints: 500 },
];

describe('the next tier of a volume discount', () => {
  it.each([
    ['the first, for who has spent nothing', '0', '100'],
    ['the first, a micro below it', '99.999999', '100'],
    ['the next that earns more, at a tier', '100', '1000'],
    ['the next that earns more, past one that does not', '500', '1000'],
    ['none, at the highest', '1000', null],
    ['none, beyond the highest', '5000', null],
  ])('is %s', (_, spent, spend) => {
    expect(nextTierOf(TIERS, dollars(spent))?.spendMicros ?? null).toBe(spend === null ? null : dollars(spend));
  });

  it('is none without tiers', () => expect(nextTierOf([], dollars('5'))).toBeNull());
});

describe('an assigned discount', () => {
  const account = { ...emptyAccount('t', 0), asOfSecond: 100, datedThroughSecond: 100 };

  it('applies before its end second, and not in that second', () => {
    const discount = { basisPoints: 1_000, untilSecond: 102 };
    const assigned = assignDiscount(account, SETTINGS, discount, 101).account;
    expect(assigned.discount).toEqual(discount);
    expect(assignDiscount(assigned, SETTINGS, null, 101).account.discount).toBeNull();
  });

  it.each([99, 100])('is refused with an end in the past: until %d, while the team is at 100', (untilSecond) => {
    expect(() => assignDiscount(account, SETTINGS, { basisPoints: 1_000, untilSecond }, 50)).toThrow(
      expect.objectContaining({ code: 'at_out_of_range', param: 'until' }),
    );
  });
});
