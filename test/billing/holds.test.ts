/** Tests holds: amounts, ends, released credit, and their effect on the end of credit. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holdMicrosFor } from '../../billing/holds.ts';
import { tokensCost } from '../../billing/tokens.ts';
import { asMicros, dollars, policyOf } from './book.ts';
import { HoldBook, type HoldOfBook } from './hold-book.ts';

const refusal = (code: string) => expect.objectContaining({ name: 'BillingError', code });
const state = ({ account, spendable }: HoldBook) => [spendable, account.heldMicros, account.owedMicros];
const holdOf = (book: HoldBook, index = 0): HoldOfBook => book.placed[index] as HoldOfBook;
/** A dollar a second. */
const FAST = '3600';

describe('the amount of a hold', () => {
  it.each([
    ['nothing', 0, 0, 0],
    ['a token of a millionth of a micro, rounded up', 1, 0, 1],
    ['what comes to whole micros, as it is', 1_000_000, 0, 1],
    ['one token more than that', 1_000_001, 0, 2],
    ['both sides together, rounded once', 1, 1, 1],
  ])('is that of %s', (_, input, output, amount) => {
    const price = { inputMicrosPerMillion: asMicros(1), outputMicrosPerMillion: asMicros(3) };
    expect(holdMicrosFor(tokensCost(price, input, output))).toBe(amount);
  });

  it('covers usage of that cost with any carried fraction of the team', () => {
    const cost = fc.bigInt({ min: 0n, max: 10n ** 12n });
    fc.assert(
      fc.property(cost, fc.bigInt({ min: 0n, max: 999_999n }), (exact, carried) => {
        const book = new HoldBook().deposit('10', 0).use(carried, 0).hold(holdMicrosFor(exact), 60, 0);
        const before = book.spendable;
        book.use(exact, 1, [holdOf(book)]);
        expect(book.account.owedMicros).toBe(0);
        expect(book.spendable).toBeGreaterThanOrEqual(before);
      }),
    );
  });

  it('is exact at 10¹² tokens of the most expensive model', () => {
    const price = { inputMicrosPerMillion: dollars('1000'), outputMicrosPerMillion: dollars('1000') };
    expect(holdMicrosFor(tokensCost(price, 1e12, 1e12))).toBe(2_000_000_000_000_000);
  });
});

describe('a hold', () => {
  it('belongs to the team, and cannot be spent', () => {
    const book = new HoldBook().deposit('10', 0).hold('4', 60, 0);
    expect(state(book)).toEqual([6_000_000, 4_000_000, 0]);
    expect(book.account.postedMicros).toBe(10_000_000);
  });

  it('can take the last micro, and not one more', () => {
    const book = new HoldBook().deposit('10', 0).hold('10', 60, 0);
    expect(() => book.hold(asMicros(1), 60, 0)).toThrow(refusal('insufficient_credit'));
    expect(book.spendable).toBe(0);
  });

  it('is refused for credit that running instances have used, even if the use is not posted', () => {
    const book = new HoldBook().deposit('10', 0).start('i', FAST, 0);
    expect(() => book.hold('5.000001', 60, 5)).toThrow(refusal('insufficient_credit'));
    expect(state(book.hold('5', 60, 5))).toEqual([0, 5_000_000, 0]);
  });

  it('of a free model needs no credit, and holds nothing', () => {
    expect(state(new HoldBook().use('1', 0).hold('0', 60, 0))).toEqual([0, 0, 1_000_000]);
  });

  it('is refused while a charge in flight delays an exhaustion', () => {
    const book = new HoldBook().deposit('20', 0).policy(policyOf('5', '15'), 0).start('i', FAST, 0).look(21);
    expect(book.account.standsAtSecond).toBe(20);
    for (const amount of [0, 1])
      expect(() => book.hold(asMicros(amount), 60, 21)).toThrow(refusal('insufficient_credit'));
  });

  it('can cause a charge', () => {
    const book = new HoldBook().deposit('20', 0).policy(policyOf('5', '15'), 0).hold('15.000001', 60, 10);
    expect(book.attempts).toMatchObject([{ at: 10, outcome: 'in_flight' }]);
    expect(new HoldBook().deposit('20', 0).policy(policyOf('5', '15'), 0).hold('15', 60, 10).attempts).toEqual([]);
  });

  it('can cause the low-balance warning', () => {
    expect(new HoldBook().deposit('20', 0).hold('10.000001', 60, 10).lows).toEqual([10]);
  });
});

describe('a hold ends once', () => {
  const held = () => new HoldBook().deposit('10', 0).hold('4', 60, 0);

  it('settled by the usage that names it: the usage is charged, and the rest is available again', () => {
    const book = held();
    expect(state(book.use('1.5', 10, [holdOf(book)]))).toEqual([8_500_000, 0, 0]);
    expect(book.void(holdOf(book), 11)).toBe(false);
    expect(state(book.look(60))).toEqual([8_500_000, 0, 0]);
    expect(holdOf(book).status).toBe('settled');
  });

  it('settled by usage that costs more: available credit pays the rest', () => {
    const book = held();
    expect(state(book.use('9', 10, [holdOf(book)]))).toEqual([1_000_000, 0, 0]);
  });

  it('voided', () => {
    const book = held();
    expect([book.void(holdOf(book), 59), book.void(holdOf(book), 59)]).toEqual([true, false]);
    expect(state(book)).toEqual([10_000_000, 0, 0]);
    expect(state(book.look(60))).toEqual([10_000_000, 0, 0]);
  });

  it('expired at its second, in which it holds nothing', () => {
    const book = held();
    expect(state(book.look(59))).toEqual([6_000_000, 4_000_000, 0]);
    expect(state(book.look(60))).toEqual([10_000_000, 0, 0]);
    expect(book.void(holdOf(book), 60)).toBe(false);
  });

  it('expired, whichever fact comes first after its second', () => {
    const book = held();
    expect(book.void(holdOf(book), 60)).toBe(false);
    // Usage that names it is charged plainly.
    expect(state(book.use('1', 60, [holdOf(book)]))).toEqual([9_000_000, 0, 0]);
    expect(holdOf(book).status).toBe('expired');
  });

  it('beside other holds of the same second', () => {
    const book = held().hold('1', 60, 0).hold('2', 60, 0);
    book.void(holdOf(book, 1), 5);
    book.use('0.5', 6, [holdOf(book, 2)]);
    expect(state(book)).toEqual([5_500_000, 4_000_000, 0]);
    expect(state(book.look(60))).toEqual([9_500_000, 0, 0]);
    expect(book.placed.map(({ status }) => status)).toEqual(['expired', 'voided', 'settled']);
  });

  it('and does not expire while the team waits at X, where it can be settled or voided', () => {
    const standing = () =>
      new HoldBook().deposit('30', 0).hold('10', 30, 0).policy(policyOf('5', '15'), 0).start('i', FAST, 0).look(35);
    expect(standing().account).toMatchObject({ standsAtSecond: 20, heldMicros: 10_000_000 });
    const settled = standing();
    expect(state(settled.use('2', 36, [holdOf(settled)]))).toEqual([8_000_000, 0, 0]);
    const voided = standing();
    expect([voided.void(holdOf(voided), 36), holdOf(voided).status]).toEqual([true, 'voided']);
    // The charge failed: the instance ends at X, then the hold is over and pays what is owed.
    const expired = standing();
    expect(state(expired.use('2', 36))).toEqual([0, 10_000_000, 2_000_000]);
    expect(state(expired.fail(40))).toEqual([8_000_000, 0, 0]);
    expect(expired.instances.get('i')).toMatchObject({ endSecond: 20, reason: 'out_of_credits' });
    expect(holdOf(expired).status).toBe('expired');
  });

  it('expired by the fact that names it, when the fact also ends the grace', () => {
    const book = new HoldBook().deposit('30', 0).hold('10', 30, 0).policy(policyOf('5', '15'), 0).start('i', FAST, 0);
    expect(state(book.look(35).use('2', 90, [holdOf(book)]))).toEqual([8_000_000, 0, 0]);
    expect(holdOf(book).status).toBe('expired');
  });
});

describe('credit that a hold releases', () => {
  const owing = () => new HoldBook().deposit('10', 0).hold('6', 60, 0).use('7', 1);

  it.each<[string, (book: HoldBook) => unknown, string]>([
    ['by a void', (book) => book.void(holdOf(book), 10), 'hold/hold_2/voided/collects'],
    ['by its expiry', (book) => book.look(60), 'holds/t/expired/60/collects'],
    ['by usage that costs less', (book) => book.use('1', 10, [holdOf(book)]), 'usage/t/ev_4/collects'],
  ])('%s pays the owed amount first', (_, end, reference) => {
    const book = owing();
    expect(state(book)).toEqual([0, 6_000_000, 3_000_000]);
    end(book);
    expect(book.account).toMatchObject({ owedMicros: 0, heldMicros: 0 });
    expect(book.transfers.at(-1)).toMatchObject({ code: 'owed_collected', amountMicros: 3_000_000, reference });
  });

  it('fills the missing part of an open dispute', () => {
    const book = new HoldBook().deposit('10', 0).hold('6', 60, 0);
    book.dispute(book.deposits[0]!, '10', 1);
    expect(book.account.contests[0]?.heldMicros).toBe(4_000_000);
    expect(book.look(60).account.contests[0]?.heldMicros).toBe(10_000_000);
  });

  it('re-arms the low-balance warning', () => {
    const book = new HoldBook().deposit('20', 0).hold('15', 60, 10).look(60).hold('15', 60, 70);
    expect(book.lows).toEqual([10, 70]);
  });
});

describe('the end of credit', () => {
  /** $100 at a dollar a second, $40 of it held for so long. */
  const burning = (ttl: number) => new HoldBook().deposit('100', 0).hold('40', ttl, 0).start('i', FAST, 0);
  const end = (book: HoldBook) => book.instances.get('i')?.endSecond;

  it.each([
    ['comes later by what is let go before it', 30, 100],
    ['is not yet there where the very next second is paid by what is let go in it', 61, 100],
    ['comes at X where what is held is let go one second too late', 62, 60],
  ])('%s', (_, ttl, expected) => {
    expect(end(burning(ttl).look(1000))).toBe(expected);
    // Whoever looked in between, and when.
    const watched = burning(ttl);
    for (let second = 1; second <= 200; second += 1) watched.look(second);
    expect(end(watched)).toBe(expected);
  });

  it('is unchanged when the hold released in a second does not pay for that second', () => {
    const book = new HoldBook().deposit('60.5', 0).hold('0.4', 61, 0).start('i', FAST, 0);
    expect(end(book.look(1000))).toBe(60);
  });

  it('comes sooner by a hold, and later again by its void', () => {
    const book = new HoldBook().deposit('100', 0).start('i', FAST, 0).hold('40', 3600, 10);
    book.void(holdOf(book), 50);
    expect(end(book.look(1000))).toBe(100);
  });

  it('comes at once when a hold leaves nothing for the next second', () => {
    const book = new HoldBook().deposit('100', 0).start('i', FAST, 0).hold('90', 3600, 10);
    expect(end(book)).toBe(10);
    expect(state(book)).toEqual([0, 90_000_000, 0]);
  });

  it('does not come for a hold that is released in the next second', () => {
    expect(end(new HoldBook().deposit('100', 0).start('i', FAST, 0).hold('90', 1, 10).look(50))).toBeUndefined();
  });
});

type Act = { after: number } & (
  | { do: 'deposit'; amount: number }
  | { do: 'hold'; amount: number; ttl: number }
  | { do: 'use'; exact: bigint; named: number[] }
  | { do: 'void'; which: number }
  | { do: 'look' }
);
const after = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 }));
const cents = (most: number) => fc.integer({ min: 1, max: most }).map((amount) => amount * 10_000);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ after, do: fc.constant('deposit' as const), amount: cents(200) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      after,
      do: fc.constant('hold' as const),
      amount: cents(60),
      ttl: fc.integer({ min: 1, max: 60 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      after,
      do: fc.constant('use' as const),
      exact: fc.bigInt({ min: 0n, max: 700_000_000_000n }),
      named: fc.array(fc.nat(9), { maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ after, do: fc.constant('void' as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ after, do: fc.constant('look' as const) }) },
);

describe('any interleaving of holds, settles, voids, expiries and usage', () => {
  it('keeps the held amount within credit, ends each hold once, and pays the owed amount from released credit', () => {
    fc.assert(
      fc.property(cents(300), fc.array(act, { minLength: 5, maxLength: 40 }), (opening, acts) => {
        const book = new HoldBook().deposit(asMicros(opening), 0);
        let paidIn = opening;
        let used = 0n;
        let second = 0;
        const ends: string[] = [];
        for (const doing of acts) {
          second += doing.after;
          const named = (indexes: number[]) => indexes.flatMap((index) => book.placed[index] ?? []);
          if (doing.do === 'deposit') {
            book.deposit(asMicros(doing.amount), second);
            paidIn += doing.amount;
          } else if (doing.do === 'use') {
            const open = new Set(named(doing.named).filter(({ status }) => status === 'pending'));
            book.use(doing.exact, second, named(doing.named));
            used += doing.exact;
            for (const { holdId, status } of open) if (status === 'settled') ends.push(holdId);
          } else if (doing.do === 'void')
            for (const hold of named([doing.which])) {
              if (book.void(hold, second)) ends.push(hold.holdId);
            }
          else if (doing.do === 'look') book.look(second);
          else {
            const spendable = book.look(second).spendable;
            const fits = doing.amount <= spendable;
            const place = () => book.hold(asMicros(doing.amount), doing.ttl, second);
            if (fits) expect(place().spendable).toBe(spendable - doing.amount);
            else expect(place).toThrow(refusal('insufficient_credit'));
          }

          const { postedMicros, heldMicros, owedMicros } = book.look(second).account;
          const pending = book.placed.filter(
            ({ expiresSecond, holdId }) => expiresSecond > second && !ends.includes(holdId),
          );
          expect(heldMicros).toBe(pending.reduce((sum, { amountMicros }) => sum + amountMicros, 0));
          expect(heldMicros).toBeLessThanOrEqual(postedMicros);
          expect(postedMicros - owedMicros).toBe(paidIn - Number(used / 1_000_000n));
          if (owedMicros > 0) expect(postedMicros).toBe(heldMicros);
        }
        expect(new Set(ends).size).toBe(ends.length);
      }),
      { numRuns: 2000 },
    );
  });
});
