/** Tests stops, stops in the past, re-prices and starts. */
import { describe, expect, it } from 'vitest';
import { Book, policyOf } from './book.ts';

/** $36 an hour is a cent a second, 10,000 micros. */
const CENT_A_SECOND = '36';

describe('a stop', () => {
  it('ends an instance at its second, with the cost of the formula', () => {
    const book = new Book().deposit('100', 0).start('i', '2.49', 10).stop('i', 110);
    expect(book.instances.get('i')).toEqual({ startSecond: 10, endSecond: 110, reason: 'stopped' });
    expect(book.postedFor('i')).toBe(69_166);
    expect(book.spendable).toBe(100_000_000 - 69_166);
  });

  it('can come in the second of the start: no seconds, no cost, no transfer', () => {
    const book = new Book().deposit('100', 0).start('i', CENT_A_SECOND, 10).stop('i', 10);
    expect(book.instances.get('i')).toMatchObject({ startSecond: 10, endSecond: 10 });
    expect(book.codes()).toEqual(['deposit']);
  });

  it('repeated, or of an unknown instance, changes nothing', () => {
    const book = new Book().deposit('100', 0).start('i', CENT_A_SECOND, 0).stop('i', 100, { reason: 'spot_reclaimed' });
    const { transfers } = book;
    const before = { ...book.account, asOfSecond: 0, datedThroughSecond: 0 };
    book.stop('i', 200).stop('i', 300, { backTo: 50 }).stop('unknown', 400);
    expect({ ...book.account, asOfSecond: 0, datedThroughSecond: 0 }).toEqual(before);
    expect(book.transfers).toEqual(transfers);
    expect(book.instances.get('i')).toMatchObject({ endSecond: 100, reason: 'spot_reclaimed' });
  });

  it('from a slow clock is recorded at the second of the last fact', () => {
    const book = new Book().deposit('100', 0).start('i', CENT_A_SECOND, 0).deposit('1', 500).stop('i', 400);
    expect(book.instances.get('i')).toMatchObject({ endSecond: 500 });
  });
});

describe('a stop in the past', () => {
  const settledTo = (second: number) =>
    new Book().deposit('100', 0).start('i', CENT_A_SECOND, 0).settle('i', 50).settle('i', second);

  it('returns the cost posted after its second, in a row that names the last corrected row', () => {
    const book = settledTo(100).stop('i', 120, { backTo: 60 });
    expect(book.postedFor('i')).toBe(600_000);
    expect(book.transfers.at(-1)).toEqual({
      debitAccount: 'platform/revenue',
      creditAccount: 'team/t/credit',
      amountMicros: 400_000,
      code: 'instance_correction',
      reference: 'instance/i/end/60',
      second: 120,
      instanceId: 'i',
      correctsReference: 'instance/i/through/100',
    });
  });

  it('needs no correction without a cost posted after its second, and posts the rest', () => {
    const book = settledTo(100).stop('i', 120, { backTo: 110 });
    expect(book.codes()).toEqual(['deposit', 'instance_usage', 'instance_usage', 'instance_usage']);
    expect(book.transfers.at(-1)).toMatchObject({ reference: 'instance/i/through/110', amountMicros: 100_000 });
    expect(book.postedFor('i')).toBe(1_100_000);
  });

  it.each([
    ['the start', 0, 0],
    ['now', 120, 1_200_000],
    ['a posted second', 100, 1_000_000],
  ])('can name %s', (_, backTo, cost) => {
    const book = settledTo(100).stop('i', 120, { backTo });
    expect(book.postedFor('i')).toBe(cost);
    expect(book.spendable).toBe(100_000_000 - cost);
  });

  it.each([
    ['before the start', -1],
    ['in the future', 121],
  ])('cannot lie %s, and then changes nothing', (_, backTo) => {
    const book = settledTo(100);
    const before = book.account;
    expect(() => book.stop('i', 120, { backTo })).toThrow(expect.objectContaining({ code: 'at_out_of_range' }));
    expect(book.account).toBe(before);
  });

  it('removes later segments, and shortens the segment of its second', () => {
    const story = () =>
      new Book()
        .deposit('100', 0)
        .start('i', CENT_A_SECOND, 0)
        .reprice('i', '72', 100)
        .reprice('i', '108', 200)
        .settle('i', 250);
    const costs = [
      [0, 0],
      [50, 500_000],
      [100, 1_000_000],
      [150, 2_000_000],
      [200, 3_000_000],
      [225, 3_750_000],
      [300, 6_000_000],
    ] as const;
    for (const [backTo, cost] of costs) {
      const book = story().stop('i', 300, { backTo });
      expect(book.postedFor('i'), `back to ${backTo}`).toBe(cost);
      expect(book.spendable).toBe(100_000_000 - cost);
      const lived = book.segmentsOf('i').filter(({ startSecond, endSecond }) => endSecond! > startSecond);
      expect(lived.at(-1)?.endSecond ?? 0).toBe(backTo);
      expect(book.codes().includes('instance_correction')).toBe(backTo < 250);
    }
  });

  it('does not change a top-up that was recorded since', () => {
    const book = new Book().deposit('4', 0).start('i', CENT_A_SECOND, 0);
    book.policy(policyOf('5', '15'), 10);
    expect(book.attempts).toHaveLength(1);
    book.stop('i', 20, { backTo: 0 });
    expect(book.account.attempt).not.toBeNull();
  });

  it('pays the owed amount from the returned cost, posted or not', () => {
    const story = (settled: boolean) => {
      // A charge in flight keeps j open at 100, where usage has taken all that j had not.
      const book = new Book().deposit('15', 0).start('j', CENT_A_SECOND, 0).policy(policyOf('500', '15'), 5);
      if (settled) book.settle('j', 100);
      return book.use('20', 100).stop('j', 101, { backTo: 0 });
    };
    for (const settled of [true, false]) {
      const { account, spendable } = story(settled);
      expect([account.owedMicros, spendable], `settled: ${settled}`).toEqual([5_000_000, 0]);
    }
  });
});

describe('a re-price', () => {
  it('ends one segment and begins the next in the same second', () => {
    const book = new Book().deposit('100', 0).start('i', '1', 0).reprice('i', '2', 1800).stop('i', 3600);
    expect(book.segmentsOf('i')).toMatchObject([
      { segment: 1, rateMicrosPerHour: 1_000_000, startSecond: 0, endSecond: 1800, postedMicros: 500_000 },
      { segment: 2, rateMicrosPerHour: 2_000_000, startSecond: 1800, endSecond: 3600, postedMicros: 1_000_000 },
    ]);
  });

  it('to the current rate changes nothing, so that a repeat does not lose a fraction', () => {
    const book = new Book().deposit('100', 0).start('i', '0.000001', 0).reprice('i', '0.000001', 1800).stop('i', 3600);
    expect(book.segmentsOf('i')).toHaveLength(1);
    expect(book.postedFor('i')).toBe(1);
  });

  it('is refused for an ended instance', () => {
    const book = new Book().deposit('100', 0).start('i', '1', 0).stop('i', 10);
    expect(() => book.reprice('i', '2', 20)).toThrow(expect.objectContaining({ code: 'instance_ended' }));
  });
});

describe('a start', () => {
  it.each([
    ['3', true],
    ['2.999999', false],
    ['0', false],
  ])('with %s available is admitted: %s', (balance, admitted) => {
    const book = new Book();
    if (balance !== '0') book.deposit(balance, 0);
    const start = () => book.start('i', '1', 5);
    if (admitted) expect(start().instances.get('i')).toEqual({ startSecond: 5 });
    else expect(start).toThrow(expect.objectContaining({ code: 'insufficient_credit' }));
  });

  it('is compared with the credit left by the running instances, posted or not', () => {
    const book = new Book().deposit('4', 0).start('i', CENT_A_SECOND, 0);
    expect(() => book.start('j', '1', 101)).toThrow(expect.objectContaining({ code: 'insufficient_credit' }));
    expect(book.start('j', '1', 100).instances.get('j')).toEqual({ startSecond: 100 });
  });

  it('whose first second costs more than the credit ends at once', () => {
    const book = new Book().deposit('3', 0).start('i', '10801', 7);
    expect(book.instances.get('i')).toEqual({ startSecond: 7, endSecond: 7, reason: 'out_of_credits' });
    expect(book.spendable).toBe(3_000_000);
  });
});
