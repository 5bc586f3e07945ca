/** Tests disputes and refunds that providers change, in random order, against a second calculation. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DisputeStatus } from '../../billing/credited-deposit.ts';
import { type Act, dollars, keep, ofBook, ofWalk, walkOn } from './acts.ts';
import { asMicros, Book, SETTINGS } from './book.ts';
import { Walk } from './walk.ts';

const after = fc.constantFrom(0, 1, 30);
const which = fc.nat(3);
/** Whatever a provider can say of two deposits, in any order, beside usage and other credit. */
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      after,
      do: fc.constant('decided' as const),
      which,
      status: fc.constantFrom<DisputeStatus>('open', 'won', 'lost'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      after,
      do: fc.constantFrom('found' as const, 'disputed_again' as const, 'claimed' as const),
      which,
      amount: dollars(1, 70),
    }),
  },
  { weight: 2, arbitrary: fc.record({ after, do: fc.constant('refund' as const), which, amount: fc.constant(null) }) },
  {
    weight: 3,
    arbitrary: fc.record({ after, do: fc.constantFrom('sent_back' as const, 'sent_again' as const), which }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ after, do: fc.constantFrom('deposit' as const, 'grant' as const), amount: dollars(1, 60) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      after,
      do: fc.constant('use' as const),
      exact: fc.bigInt({ min: 0n, max: 60_000_000_000_000n }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ after, do: fc.constant('start' as const), rate: fc.constant(360_000_000) }) },
);

/** Plays acts on a team with two deposits, and compares the book with the walk after each. */
function play(acts: Act[]): Book {
  const book = new Book().deposit('50', 0).deposit('20', 0);
  const walk = new Walk(SETTINGS);
  walk.payIn(50_000_000);
  walk.payIn(20_000_000);
  let second = 0;
  for (const doing of acts) {
    second += doing.after;
    const ids = [...book.instances.keys()];
    expect(keep(book, doing, second, ids)).toBe(walkOn(walk, doing, second, ids));
    book.look(second);
    expect(ofBook(book)).toEqual(ofWalk(walk));
  }
  return book;
}

describe('disputes and refunds that providers change, in any order,', () => {
  it('hold, take and owe the amounts of the second calculation, with a unique reference for each posting', () => {
    fc.assert(
      fc.property(fc.array(act, { minLength: 4, maxLength: 25 }), (acts) => void play(acts)),
      { numRuns: 400 },
    );
  });

  it('leave the same credit and debt as the provider’s last decision alone', () => {
    const flips = fc.array(fc.tuple(fc.nat(1), fc.constantFrom<DisputeStatus>('open', 'won', 'lost'), dollars(1, 70)), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(flips, dollars(0, 70), (turns, used) => {
        const last = new Map(turns.map(([index, status, claimed]) => [index, { status, claimed }]));
        const [turning, once] = [new Book(), new Book()].map((book) => {
          book
            .deposit('50', 0)
            .deposit('20', 0)
            .use(BigInt(used) * 1_000_000n, 1);
          for (const deposit of book.deposits) book.dispute(deposit, '10', 2);
          return book;
        }) as [Book, Book];
        const turn = (book: Book, index: number, status: DisputeStatus, claimed: number, at: number) => {
          const { disputeId } = book.disputes[index]!;
          book.claim(disputeId, asMicros(claimed), at).decide(disputeId, status, at);
        };
        turns.forEach(([index, status, claimed], i) => {
          turn(turning, index, status, claimed, 3 + i);
        });
        for (const [index, { status, claimed }] of last) turn(once, index, status, claimed, 20);
        const net = ({ account }: Book) => account.postedMicros - account.owedMicros;
        expect(net(turning)).toBe(net(once));
        expect(turning.disputes.map(({ takenMicros }) => takenMicros)).toEqual(
          once.disputes.map(({ takenMicros }) => takenMicros),
        );
      }),
      { numRuns: 300 },
    );
  });
});
