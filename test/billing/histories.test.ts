/** Tests random histories of a team against a walk second by second. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { availableMicros } from '../../billing/runway.ts';
import { ofBudget } from '../support/budget.ts';
import { type Act, act, dollars, keep, ofBook, ofWalk, walkOn, withBigInt } from './acts.ts';
import { asMicros, Book, SETTINGS } from './book.ts';
import { costOf, Walk } from './walk.ts';

const fast = fc.integer({ min: 200_000_000, max: 2_000_000_000 });
/** As it may go on: most begin with a policy and something that runs, so that charges and ends of credit meet. */
const opening = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Act[]>([]) },
  {
    weight: 3,
    arbitrary: fc.tuple(dollars(5, 40), dollars(15, 60), fast, fast).map(([threshold, amount, one, another]): Act[] => [
      { after: 0, do: 'policy', enabled: true, threshold, amount, cap: null },
      { after: 0, do: 'start', rate: one },
      { after: 3, do: 'start', rate: another },
    ]),
  },
);
const history = fc
  .tuple(dollars(3, 60), opening, fc.array(act, { minLength: 5, maxLength: 40 }))
  .map(([deposit, first, then]): [number, Act[]] => [deposit, [...first, ...then]]);

describe('any history of a team', () => {
  it('gives the result of a walk second by second, after every fact', () => {
    fc.assert(
      fc.property(history, ([opening, acts]) => {
        const book = new Book();
        const walk = new Walk(SETTINGS);
        book.deposit(asMicros(opening), 0);
        walk.payIn(opening);
        let second = 0;
        for (const doing of acts) {
          second += doing.after;
          const ids = [...book.instances.keys()];
          const answers = [keep(book, doing, second, ids), walkOn(walk, doing, second, ids)];
          expect(answers[0], JSON.stringify(doing, withBigInt)).toBe(answers[1]);
          // A refused fact keeps nothing; what the clock brought by then is there at the next look.
          book.look(second);
          expect(ofBook(book)).toEqual(ofWalk(walk));
        }
        for (const instance of walk.instances)
          if (instance.endedAt !== undefined)
            expect(book.postedFor(instance.id)).toBe(costOf(instance, instance.endedAt));
      }),
      { numRuns: ofBudget({ test: 500, long: 4000 }) },
    );
  });

  it('gives the same bill for any reads and settlements in between', () => {
    const busy = fc.tuple(history, fc.array(fc.tuple(fc.nat(400), fc.nat(5)), { maxLength: 40 }));
    fc.assert(
      fc.property(busy, ([[opening, acts], meddling]) => {
        const facts = acts.filter(({ do: what }) => what !== 'settle' && what !== 'look' && what !== 'repeat');
        const [quiet, watched] = [new Book(), new Book()];
        let second = 0;
        for (const book of [quiet, watched]) book.deposit(asMicros(opening), 0);
        for (const [i, doing] of facts.entries()) {
          for (const [gap, index] of meddling.filter(([gap], k) => gap < doing.after && k % facts.length === i)) {
            watched.look(Math.max(second + gap, watched.account.asOfSecond));
            watched.settle([...watched.instances.keys()][index] ?? 'none', watched.account.asOfSecond);
          }
          second += doing.after;
          const ids = [...quiet.instances.keys()];
          expect(keep(watched, doing, second, ids)).toBe(keep(quiet, doing, second, ids));
        }
        for (const book of [quiet, watched]) book.look(second + 1000);
        expect(ofBook(watched)).toEqual(ofBook(quiet));
        expect(watched.account.lowArmed).toBe(quiet.account.lowArmed);
        // What is posted may differ only for what still runs.
        for (const [id, { endSecond }] of quiet.instances)
          if (endSecond !== undefined) expect(watched.postedFor(id)).toBe(quiet.postedFor(id));
        expect(availableMicros(watched.account, second + 1000)).toBe(availableMicros(quiet.account, second + 1000));
      }),
      { numRuns: ofBudget({ test: 400, long: 3000 }) },
    );
  });
});
