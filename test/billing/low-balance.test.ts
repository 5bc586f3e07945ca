/** Tests when the low-balance warning comes. */
import { describe, expect, it } from 'vitest';
import { nextCrossing } from '../../billing/crossings.ts';
import { Book, dollars, policyOf, SETTINGS } from './book.ts';

/** The level is $10; a cent a second. */
const CENT_A_SECOND = '36';

describe('a low-balance warning', () => {
  it('comes at the first second below the level, however late the account is read', () => {
    for (const lateness of [0, 1000]) {
      const book = new Book().deposit('11', 0).start('i', CENT_A_SECOND, 0);
      expect(nextCrossing(book.account, SETTINGS)).toEqual({ second: 101, what: 'low' });
      expect(book.look(100).lows).toEqual([]);
      expect(book.look(101 + lateness).lows).toEqual([101]);
    }
  });

  it('comes once an episode, even if the balance falls further or rises a little', () => {
    const book = new Book().deposit('11', 0).use('1.5', 5).use('5', 6).look(1000);
    // $4.50 + $6.49 = $10.99: above the level, but not well above it.
    book.deposit('6.49', 1001).use('1', 1002);
    expect(book.lows).toEqual([5]);
  });

  it('comes again after credit was above the level by a tenth', () => {
    const book = new Book().deposit('11', 0).use('1.5', 5).deposit('1.5', 6).use('2', 7);
    expect(book.lows).toEqual([5, 7]);
  });

  it('does not come to a team that was never above the level', () => {
    const book = new Book().deposit('10.99', 0).use('5', 5).start('i', CENT_A_SECOND, 5).look(100_000);
    expect(book.lows).toEqual([]);
  });

  it('does not come while auto top-up can prevent it', () => {
    const watching = new Book().deposit('20', 0).policy(policyOf('5', '15'), 0).use('12', 5);
    expect(watching.lows).toEqual([]);
    const charging = watching.use('4', 6).look(50);
    expect(charging.account.attempt).not.toBeNull();
    expect(charging.lows).toEqual([]);
    const cooling = charging.succeed(60).use('17', 61).look(100);
    expect(cooling.lows).toEqual([]);
  });

  it('comes when auto top-up is switched off, fails, or has reached its cap', () => {
    const on = policyOf('5', '15');
    const off = new Book()
      .deposit('20', 0)
      .policy(on, 0)
      .use('12', 5)
      .policy({ ...on, enabled: false }, 9);
    expect(off.lows).toEqual([9]);
    const failed = new Book().deposit('20', 0).policy(on, 0).use('16', 5).fail(8);
    expect(failed.lows).toEqual([8]);
    const cap = { ...on, monthlyCapMicros: dollars('15') };
    const capped = new Book().deposit('20', 0).policy(cap, 0).use('16', 5).succeed(6).use('10', 7);
    expect(capped.lows).toEqual([7]);
  });

  it('does not come after the notice of the end of credit, when the charge that would have prevented the end fails', () => {
    const book = new Book().deposit('20', 0).policy(policyOf('5', '15'), 0).start('i', '3600', 1).look(22).fail(30);
    expect([book.lows, book.exhaustions.map(({ second }) => second)]).toEqual([[], [21]]);
  });

  it('comes before the end of credit in the same second', () => {
    const book = new Book().deposit('11', 0).start('i', '36000', 0).use('11', 0);
    expect([book.lows, book.exhaustions.map(({ second }) => second)]).toEqual([[0], [0]]);
  });
});
