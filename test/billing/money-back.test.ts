/** Tests refunds, disputes and owed amounts: what is taken, held, owed and released. */
import { describe, expect, it } from 'vitest';
import { creditedStatus, refundableMicros } from '../../billing/money-back.ts';
import { Book, dollars, policyOf } from './book.ts';

/** A team that has paid in so much, at second 0. */
const paidIn = (amount: string) => {
  const book = new Book().deposit(amount, 0);
  return { book, deposit: book.deposits[0]! };
};
const state = ({ account, spendable }: Book) => [spendable, account.heldMicros, account.owedMicros];
const refused = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('a refund', () => {
  it.each([
    ['nothing used', '100', '0', 100_000_000],
    ['a part used', '100', '30', 70_000_000],
    ['a fraction of a cent used: a card is paid whole cents', '100', '30.000001', 69_990_000],
    ['all used', '100', '100', 0],
    ['more than all used', '100', '120', 0],
    ['less than a cent left', '100', '99.990001', 0],
  ])('is limited by the deposit and by available credit: %s', (_, paid, used, expected) => {
    const { book, deposit } = paidIn(paid);
    if (used !== '0') book.use(used, 1);
    expect(refundableMicros(book.account, deposit)).toBe(expected);
  });

  it('cannot be more than the deposit, whatever credit there is', () => {
    const { book, deposit } = paidIn('20');
    book.grant('500', 1).refund(deposit, null, 2);
    expect(state(book)).toEqual([500_000_000, 0, 0]);
    expect(deposit.refundedMicros).toBe(20_000_000);
    expect(() => book.refund(deposit, null, 3)).toThrow(refused('not_refundable', 'has been refunded'));
  });

  it('is taken from credit as one row, before it can be spent', () => {
    const { book, deposit } = paidIn('50');
    book.refund(deposit, '20', 5);
    expect(book.transfers.at(-1)).toMatchObject({
      code: 'refund',
      amountMicros: 20_000_000,
      debitAccount: 'team/t/credit',
      creditAccount: 'platform/stripe',
      reference: `refund/${book.refunds[0]!.refundId}`,
      depositId: deposit.depositId,
      second: 5,
    });
    expect(() => book.refund(deposit, '30.01', 6)).toThrow(refused('amount_out_of_range', '$30.00'));
  });

  it.each([
    ['nothing', '0', 'above $0'],
    ['more than there is', '50.01', '$50.00'],
    ['a fraction of a cent', '1.001', 'whole cents'],
  ])('of %s is refused, naming amount, and takes nothing', (_, amount, message) => {
    const { book, deposit } = paidIn('50');
    const before = book.account;
    expect(() => book.refund(deposit, amount, 5)).toThrow(refused('amount_out_of_range', message));
    expect(() => book.refund(deposit, amount, 5)).toThrow(expect.objectContaining({ param: 'amount' }));
    expect(book.account).toBe(before);
  });

  it('that the provider refuses is credited again by a row that names the first row', () => {
    const { book, deposit } = paidIn('50');
    book.refund(deposit, null, 5).sendBack(book.refunds[0]!, 9);
    expect(state(book)).toEqual([50_000_000, 0, 0]);
    const { refundId } = book.refunds[0]!;
    expect(book.transfers.at(-1)).toMatchObject({
      code: 'refund_returned',
      debitAccount: 'platform/stripe',
      reference: `refund/${refundId}/returned`,
      correctsReference: `refund/${refundId}`,
    });
    expect(deposit.refundedMicros).toBe(0);
  });

  it('that is returned pays the amount owed since first', () => {
    const { book, deposit } = paidIn('50');
    book.refund(deposit, null, 5).use('8', 6).sendBack(book.refunds[0]!, 9);
    expect(state(book)).toEqual([42_000_000, 0, 0]);
    expect(book.codes().slice(-2)).toEqual(['refund_returned', 'owed_collected']);
  });

  it('brings the end of credit forward, to the second that the rest can pay', () => {
    // A cent a second: $50 would last 5,000 s. $10 are used at 1,000, $30 go back, and $10 last 1,000 s more.
    const { book, deposit } = paidIn('50');
    book.start('i', '36', 0).refund(deposit, '30', 1000).look(9000);
    expect(book.instances.get('i')).toMatchObject({ endSecond: 2000, reason: 'out_of_credits' });
    expect(state(book)).toEqual([0, 0, 0]);
  });

  it('of all remaining credit ends the running instances at its own second', () => {
    const { book, deposit } = paidIn('50');
    book.start('i', '36', 0).refund(deposit, null, 1000);
    expect(book.refunds[0]!.amountMicros).toBe(40_000_000);
    expect(book.instances.get('i')).toMatchObject({ endSecond: 1000, reason: 'out_of_credits' });
  });

  it('that brings the balance below the threshold causes a charge', () => {
    const { book, deposit } = paidIn('50');
    book.policy(policyOf('10', '15'), 1).refund(deposit, '45', 2);
    expect(book.attempts).toMatchObject([{ at: 2 }]);
  });

  it('made at the provider takes the available credit, and the rest is owed', () => {
    const { book, deposit } = paidIn('50');
    book.use('30', 1).found(deposit, '50', 2);
    expect(state(book)).toEqual([0, 0, 30_000_000]);
    expect(book.transfers.slice(-2)).toMatchObject([
      { code: 'refund', amountMicros: 20_000_000 },
      { code: 'owed_refund', amountMicros: 30_000_000, reference: `refund/${book.refunds[0]!.refundId}/owed` },
    ]);
    expect(state(book.grant('35', 3))).toEqual([5_000_000, 0, 0]);
  });
});

describe('a dispute', () => {
  it.each([
    ['of an unused deposit holds all of it', '0', [0, 50_000_000, 0]],
    ['of a half used one holds the rest', '30', [0, 20_000_000, 0]],
    ['of a used one holds nothing yet', '50', [0, 0, 0]],
  ])('%s', (_, used, expected) => {
    const { book, deposit } = paidIn('50');
    if (used !== '0') book.use(used, 1);
    expect(state(book.dispute(deposit, '50', 2))).toEqual(expected);
    // Held is still the team's: no row was written.
    expect(book.codes().filter((code) => code.startsWith('dispute'))).toEqual([]);
  });

  it('holds no more than the part that was not refunded, nor more than the disputed amount', () => {
    const { book, deposit } = paidIn('50');
    book.grant('100', 0).refund(deposit, '20', 1).dispute(deposit, '50', 2);
    expect(book.account.heldMicros).toBe(30_000_000);
    const other = paidIn('50');
    expect(state(other.book.dispute(other.deposit, '10', 2))).toEqual([40_000_000, 10_000_000, 0]);
  });

  it('holds the rest from later credit, after the owed amount and before the credit can be spent', () => {
    const { book, deposit } = paidIn('50');
    book.use('50', 1).dispute(deposit, '50', 2).use('5', 3);
    expect(state(book.grant('20', 4))).toEqual([0, 15_000_000, 0]);
    expect(state(book.deposit('40', 5))).toEqual([5_000_000, 50_000_000, 0]);
  });

  it('prevents a refund of its deposit while it is open, and after a loss', () => {
    const { book, deposit } = paidIn('50');
    book.grant('50', 0).dispute(deposit, '50', 1);
    expect(() => book.refund(deposit, null, 2)).toThrow(refused('deposit_disputed'));
    book.decide(book.account.contests[0]!.disputeId, 'lost', 3);
    expect(() => book.refund(deposit, null, 4)).toThrow(refused('deposit_disputed'));
  });

  it('that is won releases the held credit, which pays the owed amount first', () => {
    const { book, deposit } = paidIn('50');
    book.dispute(deposit, '50', 1).use('8', 2);
    expect(state(book)).toEqual([0, 50_000_000, 8_000_000]);
    book.decide(book.account.contests[0]!.disputeId, 'won', 3);
    expect(state(book)).toEqual([42_000_000, 0, 0]);
    expect(book.account.contests).toEqual([]);
    expect(book.refund(deposit, null, 4).refunds).toMatchObject([{ amountMicros: 42_000_000 }]);
  });

  it('that is lost takes the held credit, and the rest is owed and collected from the next credit', () => {
    const { book, deposit } = paidIn('50');
    book.use('30', 1).dispute(deposit, '50', 2);
    const { disputeId } = book.account.contests[0]!;
    book.decide(disputeId, 'lost', 3);
    expect(state(book)).toEqual([0, 0, 30_000_000]);
    expect(book.transfers.slice(-2)).toMatchObject([
      {
        code: 'dispute_lost',
        amountMicros: 20_000_000,
        reference: `dispute/${disputeId}`,
        debitAccount: 'team/t/credit',
      },
      { code: 'owed_dispute', amountMicros: 30_000_000, debitAccount: 'team/t/owed', creditAccount: 'platform/stripe' },
    ]);
    expect(book.owes).toEqual([`dispute/${disputeId}/owed`]);
    expect(state(book.deposit('100', 4))).toEqual([70_000_000, 0, 0]);
  });

  it('ends the running instances at the second of its hold', () => {
    const { book, deposit } = paidIn('50');
    book.start('i', '36', 0).dispute(deposit, '50', 1000).look(5000);
    expect(book.instances.get('i')).toMatchObject({ endSecond: 1000, reason: 'out_of_credits' });
    expect(state(book)).toEqual([0, 40_000_000, 0]);
  });

  it('during a charge delays the end of credit, as any end of credit', () => {
    const { book, deposit } = paidIn('50');
    book.start('i', '36', 0).policy(policyOf('45', '15'), 600).dispute(deposit, '50', 700);
    expect(book.account.standsAtSecond).toBe(700);
    book.succeed(720);
    // $43.00 were held at 700. Of the $15 that count from 600, 20 more seconds cost $0.20, and $7.00 fill the hold.
    expect(book.instances.get('i')?.endSecond).toBeUndefined();
    expect(state(book)).toEqual([7_800_000, 50_000_000, 0]);
  });

  it('of one deposit does not affect other deposits, and two disputes hold one after another', () => {
    const book = new Book().deposit('50', 0).deposit('30', 0).use('40', 1);
    const [first, second] = book.deposits;
    book.dispute(second!, '30', 2).dispute(first!, '50', 3);
    expect(book.account.contests.map(({ heldMicros }) => heldMicros)).toEqual([30_000_000, 10_000_000]);
    book.decide(book.account.contests[0]!.disputeId, 'won', 4);
    // What the first one lets go the second one takes: it was waiting.
    expect(state(book)).toEqual([0, 40_000_000, 0]);
  });

  it('releases the part that was already refunded at the provider', () => {
    const { book, deposit } = paidIn('50');
    book.dispute(deposit, '50', 1).found(deposit, '20', 2);
    expect(state(book)).toEqual([0, 30_000_000, 0]);
    book.sendBack(book.refunds[0]!, 3);
    expect(state(book)).toEqual([0, 50_000_000, 0]);
  });
});

describe('an owed amount', () => {
  it('is announced once an episode, by the row that began it', () => {
    const { book, deposit } = paidIn('50');
    book.use('50', 1).use('1', 2).use('1', 3).found(deposit, '10', 4);
    expect(book.owes).toHaveLength(1);
    book.grant('100', 5).use('200', 6);
    expect(book.owes).toHaveLength(2);
  });
});

describe('a deposit', () => {
  it.each([
    ['is refunded once all of it was sent back', '50', false, 'refunded'],
    ['is not yet while a cent is left', '49.99', false, 'succeeded'],
    ['is disputed whatever was refunded', '50', true, 'disputed'],
    ['is as it was without either', '0', false, 'succeeded'],
  ])('%s', (_, sentBack, disputed, expected) => {
    const dispute = {
      disputeId: 'd',
      claimedMicros: dollars('50'),
      takenMicros: dollars('0'),
      turn: 0,
      lostReference: null,
    };
    const disputes = [{ ...dispute, status: disputed ? ('lost' as const) : ('won' as const) }];
    expect(creditedStatus({ creditedMicros: dollars('50'), disputes }, dollars(sentBack))).toBe(expected);
  });
});
