/** Tests usage without credit: the owed amount, its rows and its collection. */
import { describe, expect, it } from 'vitest';
import { Book, policyOf } from './book.ts';

const state = ({ account, spendable }: Book) => [spendable, account.owedMicros];

describe('usage beyond the credit', () => {
  it('is owed, in rows of one cause: the part that credit paid, and the rest', () => {
    const book = new Book().deposit('3', 0).use('5', 10);
    expect(state(book)).toEqual([0, 2_000_000]);
    expect(book.transfers.slice(1)).toMatchObject([
      { code: 'token_usage', amountMicros: 3_000_000, reference: 'usage/t/ev_2', debitAccount: 'team/t/credit' },
      { code: 'owed_usage', amountMicros: 2_000_000, reference: 'usage/t/ev_2/owed', debitAccount: 'team/t/owed' },
    ]);
  });

  it('is posted after the unposted cost of the meters, which is paid first', () => {
    // $5, of which 100 s at a cent a second have used $1 that nobody has posted.
    const book = new Book().deposit('5', 0).start('i', '36', 0).use('10', 100);
    expect(state(book)).toEqual([0, 6_000_000]);
    expect(book.instances.get('i')).toMatchObject({ endSecond: 100, reason: 'out_of_credits' });
    expect(book.postedFor('i')).toBe(1_000_000);
  });

  it('is accepted from a team without credit, and does not take the last credit twice', () => {
    const book = new Book().use('1', 0).use('1', 0);
    expect(state(book)).toEqual([0, 2_000_000]);
  });

  it('of less than a micro is carried, not owed', () => {
    const book = new Book().use(999_999n, 0);
    expect(state(book)).toEqual([0, 0]);
    expect(book.use(1n, 0).account.owedMicros).toBe(1);
  });
});

describe('the owed amount', () => {
  it.each([
    ['less', '4', [0, 6_000_000], 4_000_000],
    ['as much', '10', [0, 0], 10_000_000],
    ['more', '15', [5_000_000, 0], 10_000_000],
  ] as const)('is collected first from a deposit of %s', (_, amount, expected, collected) => {
    const book = new Book().use('10', 0).deposit(amount, 5);
    expect(state(book)).toEqual(expected);
    expect(book.transfers.at(-1)).toMatchObject({
      code: 'owed_collected',
      amountMicros: collected,
      debitAccount: 'team/t/credit',
      creditAccount: 'team/t/owed',
      reference: `${book.transfers.at(-2)?.reference}/collects`,
    });
  });

  it('is collected from a grant, a top-up and a correction as well', () => {
    expect(state(new Book().use('10', 0).grant('12', 5))).toEqual([2_000_000, 0]);

    const charged = new Book().use('10', 0).policy(policyOf('5', '15'), 1).succeed(2);
    expect(state(charged)).toEqual([5_000_000, 0]);

    // A charge in flight keeps i open where usage took the last credit; then it turns out to have ended earlier.
    const corrected = new Book().deposit('15', 0).start('i', '36', 0).policy(policyOf('500', '15'), 5).settle('i', 100);
    expect(state(corrected.use('20', 100))).toEqual([0, 6_000_000]);
    expect(state(corrected.stop('i', 101, { backTo: 50 }))).toEqual([0, 5_500_000]);
    expect(corrected.codes().slice(-2)).toEqual(['instance_correction', 'owed_collected']);
  });

  it('does not make the balance negative while an instance runs', () => {
    const book = new Book().use('10', 0).deposit('13', 5).start('i', '36', 5).use('3', 105).deposit('1', 205);
    // $3 at 5; $1 of usage by the meter and $2 of tokens: $1 is owed, and the meter ended at 105.
    expect(state(book)).toEqual([0, 0]);
    expect(book.instances.get('i')).toMatchObject({ endSecond: 105 });
  });

  it('prevents a start until the team has the minimum beyond it', () => {
    const book = new Book().use('10', 0).deposit('12.999999', 5);
    expect(() => book.start('i', '1', 6)).toThrow(expect.objectContaining({ code: 'insufficient_credit' }));
    expect(book.deposit('0.000001', 7).start('i', '1', 8).instances.has('i')).toBe(true);
  });
});
