/** Tests the end of credit during a charge: the team waits at X until the charge succeeds, fails or the grace ends. */
import { describe, expect, it } from 'vitest';
import { nextCrossing } from '../../billing/crossings.ts';
import { Book, policyOf, SETTINGS } from './book.ts';

/** A dollar a second, so that X is easily seen. */
const DOLLAR_A_SECOND = '3600';
const A = 5;
const X = 15;
const GRACE = SETTINGS.graceSeconds;

/** $15 and $1 a second from 0: below $10 after 6 s… here the charge is opened by hand of the policy at A, and credit ends at X. */
function charging(amount = '100'): Book {
  const book = new Book().deposit('15', 0).start('i', DOLLAR_A_SECOND, 0).policy(policyOf('500', amount), A);
  expect(book.account.attempt?.openedSecond).toBe(A);
  expect(book.look(X).account.standsAtSecond).toBe(X);
  return book;
}
const endOf = (book: Book, id = 'i') => [book.instances.get(id)?.endSecond, book.instances.get(id)?.reason];

describe('during a charge at X', () => {
  it('the team waits at X: nothing is available, no start is admitted, settlements post through X, and the grace is the next crossing', () => {
    const book = charging().settle('i', X + 30);
    expect(book.spendable).toBe(0);
    expect(book.postedFor('i')).toBe(15_000_000);
    expect(nextCrossing(book.account, SETTINGS)).toEqual({ second: X + GRACE + 1, what: 'grace_over' });
    expect(() => book.start('j', '1', X + 31)).toThrow(expect.objectContaining({ code: 'insufficient_credit' }));
    expect(endOf(book)).toEqual([undefined, undefined]);
  });

  it('a success within the grace prevents the end, and the seconds in between are charged', () => {
    for (const at of [X, X + 1, X + GRACE]) {
      const book = charging().succeed(at);
      expect(endOf(book)).toEqual([undefined, undefined]);
      expect(book.spendable).toBe((15 + 100 - at) * 1_000_000);
      expect(book.exhaustions).toEqual([]);
    }
  });

  it('a success after the grace does not prevent the end at X, and its credit is available later', () => {
    const book = charging().succeed(X + GRACE + 1);
    expect(endOf(book)).toEqual([X, 'out_of_credits']);
    expect(book.spendable).toBe(100_000_000);
    expect(book.exhaustions).toEqual([{ number: 1, second: X, instanceIds: ['i'] }]);
    expect(book.codes()).toContain('auto_top_up');
  });

  it('the grace ends without a fact, at the same X however late the account is read', () => {
    for (const lateness of [0, 1, 100_000]) {
      const book = charging().look(X + GRACE);
      expect(endOf(book)).toEqual([undefined, undefined]);
      book.look(X + GRACE + 1 + lateness);
      expect(endOf(book)).toEqual([X, 'out_of_credits']);
      expect(book.account.attempt).not.toBeNull();
      expect(book.account.standsAtSecond).toBeNull();
    }
  });

  it('a failure ends all instances at X, even before the end of the grace', () => {
    const book = charging().fail(X + 20);
    expect(endOf(book)).toEqual([X, 'out_of_credits']);
    expect(book.account.policy?.enabled).toBe(false);
    expect(book.postedFor('i')).toBe(15_000_000);
  });

  it('another deposit is credited, and X stays', () => {
    const failed = charging().deposit('50', X + 10);
    expect(failed.spendable).toBe(50_000_000);
    expect(() => failed.start('j', '1', X + 10)).toThrow(expect.objectContaining({ code: 'insufficient_credit' }));
    failed.fail(X + 20);
    expect(endOf(failed)).toEqual([X, 'out_of_credits']);
    expect(failed.spendable).toBe(50_000_000);
    const over = charging()
      .deposit('50', X + 10)
      .look(X + GRACE + 1);
    expect(endOf(over)).toEqual([X, 'out_of_credits']);
    const succeeded = charging()
      .deposit('50', X + 10)
      .succeed(X + 20);
    expect(endOf(succeeded)).toEqual([undefined, undefined]);
    expect(succeeded.spendable).toBe((15 + 50 + 100 - (X + 20)) * 1_000_000);
  });

  it('a stop ends its instance at X, even if the charge then succeeds', () => {
    const book = charging().stop('i', X + 10);
    expect(endOf(book)).toEqual([X, 'stopped']);
    book.succeed(X + 20);
    expect(book.spendable).toBe(100_000_000);
    expect(book.exhaustions).toEqual([]);
  });

  it('a stop of the only instance leaves nothing to end or announce', () => {
    const book = charging()
      .stop('i', X + 10)
      .look(X + GRACE + 1);
    expect(book.exhaustions).toEqual([]);
    expect(book.account.standsAtSecond).toBeNull();
  });

  it('a stop before the start is refused, and a stop before X gives credit back', () => {
    const book = charging();
    expect(() => book.stop('i', X + 10, { backTo: -1 })).toThrow(expect.objectContaining({ code: 'at_out_of_range' }));
    book.settle('i', X + 10).stop('i', X + 11, { backTo: 10 });
    expect(endOf(book)).toEqual([10, 'stopped']);
    expect(book.spendable).toBe(5_000_000);
  });

  it('usage is owed, and collected from the charge that succeeds', () => {
    const book = charging().use('2', X + 10);
    expect(book.account.owedMicros).toBe(2_000_000);
    expect(book.spendable).toBe(0);
    book.succeed(X + 20);
    expect(book.account.owedMicros).toBe(0);
    expect(book.spendable).toBe((15 + 100 - (X + 20) - 2) * 1_000_000);
  });

  it('a re-price takes effect at X', () => {
    const book = charging()
      .reprice('i', '36', X + 10)
      .fail(X + 20);
    expect(book.postedFor('i')).toBe(15_000_000);
    expect(book.segmentsOf('i').map(({ startSecond, endSecond }) => [startSecond, endSecond])).toEqual([
      [0, X],
      [X, X],
    ]);
  });
});

describe('a charge that is too small for the elapsed seconds', () => {
  it('moves X later, and its rest pays the owed amount', () => {
    // $15 more last until 30; the answer comes at 40, when 40 s would have cost $40.
    const book = charging('15')
      .use('3', X + 10)
      .succeed(40);
    expect(endOf(book)).toEqual([30, 'out_of_credits']);
    expect(book.exhaustions).toMatchObject([{ second: 30 }]);
    expect(book.account.owedMicros).toBe(3_000_000);
    expect(book.spendable).toBe(0);
  });

  it('leaves no debt beside credit', () => {
    // $2.50 a second: the last $15 pay for 6 s, and $0 or more is left, which the debt takes.
    const book = new Book().deposit('16', 0).start('i', '9000', 0).policy(policyOf('500', '15'), 1).look(6);
    expect(book.account.standsAtSecond).toBe(6);
    book.use('5', 8).succeed(20);
    expect(book.instances.get('i')).toMatchObject({ endSecond: 12 });
    expect(book.spendable).toBe(0);
    expect(book.account.owedMicros).toBe((5 - 1) * 1_000_000);
  });
});

describe('without a charge in flight', () => {
  it('all instances end at X', () => {
    const book = new Book().deposit('15', 0).start('i', DOLLAR_A_SECOND, 0).start('j', DOLLAR_A_SECOND, 3).look(1000);
    expect(book.exhaustions).toEqual([{ number: 1, second: 9, instanceIds: ['i', 'j'] }]);
    expect(endOf(book)).toEqual([9, 'out_of_credits']);
    expect(endOf(book, 'j')).toEqual([9, 'out_of_credits']);
  });

  it('a stop or a deposit after X does not move X', () => {
    const book = new Book().deposit('15', 0).start('i', DOLLAR_A_SECOND, 0).stop('i', 16, { backTo: 3 });
    expect(endOf(book)).toEqual([15, 'out_of_credits']);
    const late = new Book().deposit('15', 0).start('i', DOLLAR_A_SECOND, 0).deposit('100', 15);
    expect(endOf(late)).toEqual([15, 'out_of_credits']);
    const just = new Book().deposit('15', 0).start('i', DOLLAR_A_SECOND, 0).deposit('100', 14);
    expect(endOf(just.look(15))).toEqual([undefined, undefined]);
  });

  it('the rows of an end of credit have the second of X', () => {
    const book = new Book().deposit('15', 0).start('i', DOLLAR_A_SECOND, 0).look(5000);
    expect(book.transfers.at(-1)).toMatchObject({
      code: 'instance_usage',
      reference: 'instance/i/through/15',
      second: 15,
      amountMicros: 15_000_000,
    });
    expect(book.account.asOfSecond).toBe(5000);
  });
});
