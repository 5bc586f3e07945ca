/** Tests random histories of a team with prices, discounts and reservations against a walk second by second. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { BillingSettings } from '../../billing/account.ts';
import type { Effect, FactOutcome } from '../../billing/change.ts';
import { nextCrossing } from '../../billing/crossings.ts';
import { advance } from '../../billing/facts.ts';
import { halfwaySecond, lookAfter, nextLook } from '../../billing/looks.ts';
import type { GpuPrice } from '../../billing/prices.ts';
import { type LookMarks, marksAfterFact, marksAfterLook } from '../../prisma/look-marks.ts';
import { ofBudget } from '../support/budget.ts';
import { withBigInt } from './acts.ts';
import { asMicros, SETTINGS } from './book.ts';
import { actOf, before, DAWN, type History, history, MIDNIGHT, type PriceAct } from './price-acts.ts';
import { keepPriced, ofPricedBook, ofPricedWalk, walkPriced } from './price-keeping.ts';
import { PricedBook } from './priced-book.ts';
import { Walk } from './walk.ts';

// A month is as long here as a history has drawn it, so that the terms of reservations begin and end among the rest.
const month = vi.hoisted(() => ({ seconds: 0 }));
vi.mock(import('../../billing/time.ts'), async (original) => ({
  ...(await original()),
  addMonths: (second, months) => second + months * month.seconds,
}));

const PRICED = {
  ...SETTINGS,
  volumeTiers: [
    { spendMicros: asMicros(20_000_000), basisPoints: 500 },
    { spendMicros: asMicros(45_000_000), basisPoints: 1_000 },
    { spendMicros: asMicros(90_000_000), basisPoints: 1_750 },
  ],
};

/** A walk that has come to where a history becomes lively, and what was done until then. */
function begun(given: History): { walk: Walk; acts: PriceAct[] } {
  const walk = new Walk(PRICED, DAWN);
  const at = MIDNIGHT - given.startsBefore;
  const acts = [
    ...before(given),
    { at, do: 'plain', act: { after: 0, do: 'deposit', amount: given.deposit } } as const,
  ];
  for (const doing of acts) walkPriced(walk, doing);
  month.seconds = 0;
  return { walk, acts };
}

/** As `toEqual`, which takes its time, only to say where they differ. */
function expectSame(actual: unknown, expected: unknown, doing?: PriceAct): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, JSON.stringify(doing, withBigInt)).toEqual(expected);
}

describe('any history of a team with prices', () => {
  it('gives the result of a walk second by second, after every fact', () => {
    fc.assert(
      fc.property(history, (given) => {
        const { walk, acts } = begun(given);
        const book = new PricedBook(PRICED, DAWN);
        for (const doing of acts) keepPriced(book, doing);
        for (const drawn of given.acts) {
          const doing = actOf(drawn, walk, month);
          expectSame(keepPriced(book, doing), walkPriced(walk, doing), doing);
          // A refused fact keeps nothing; what the clock brought by then is there at the next look.
          book.look(doing.at);
          expectSame(ofPricedBook(book), ofPricedWalk(walk), doing);
        }
        book.lookBack();
      }),
      { numRuns: ofBudget({ test: 200, long: 2000 }) },
    );
  });

  it('gives the same bill for any reads and settlements in between', () => {
    const busy = fc.tuple(history, fc.array(fc.tuple(fc.nat(400), fc.nat(8)), { maxLength: 40 }));
    fc.assert(
      fc.property(busy, ([given, meddling]) => {
        const { walk, acts } = begun(given);
        for (const drawn of given.acts) {
          const doing = actOf(drawn, walk, month);
          acts.push(doing);
          walkPriced(walk, doing);
        }
        const [quiet, watched] = [new PricedBook(PRICED, DAWN), new PricedBook(PRICED, DAWN)];
        for (const [i, doing] of acts.entries()) {
          for (const [gap, index] of meddling.filter((_, k) => k % given.acts.length === acts.length - 1 - i)) {
            const since = watched.account.asOfSecond;
            meddle(watched, since + (gap % (doing.at - since + 1)), index);
          }
          expectSame(keepPriced(watched, doing), keepPriced(quiet, doing), doing);
        }
        for (const book of [quiet, watched]) book.look(walk.second + 1_000);
        expectSame(ofPricedBook(watched), ofPricedBook(quiet));
        expect(watched.account.lowArmed).toBe(quiet.account.lowArmed);
        // What is posted may differ only for what still runs.
        for (const [id, { endSecond }] of quiet.instances)
          if (endSecond !== undefined) expect(watched.postedFor(id)).toBe(quiet.postedFor(id));
      }),
      { numRuns: ofBudget({ test: 200, long: 2000 }) },
    );
  });

  it('has nothing to announce before the second to which its watch sleeps', () => {
    let putOff = 0;
    fc.assert(
      fc.property(history, fc.string(), (given, teamId) => {
        const { walk, acts } = begun(given);
        const book = new WatchedBook(PRICED, DAWN);
        for (const doing of acts) keepPriced(book, doing);
        for (const drawn of given.acts) {
          const doing = actOf(drawn, walk, month);
          walkPriced(walk, doing);
          keepPriced(book, doing);
          book.look(doing.at);
          const next = nextCrossing(book.account, PRICED);
          const look = nextLook({ ...book.account, teamId }, PRICED);
          expect(look?.what).toBe(next?.what);
          if (next === null || look === null || look.second === next.second) continue;
          putOff += 1;
          expect(look.second).toBeGreaterThan(next.second);
          expect(look.second).toBeLessThanOrEqual(next.second + 3_600);
          const heard = book.effectsThrough(look.second - 1).filter(({ kind }) => TOLD.has(kind));
          expectSame(heard, [], doing);
        }
      }),
      { numRuns: 500 },
    );
    expect(putOff).toBeGreaterThan(500);
  });

  it('is announced by the timer of the watch or by a read that is due, however many facts send no wake', () => {
    const counts = { needless: 0, woken: 0, halfway: 0 };
    const late = fc.array(fc.nat(30), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(history, late, fc.string(), (given, lateness, teamId) => {
        const { walk, acts } = begun(given);
        const book = new WatchedBook(PRICED, DAWN, teamId);
        for (const doing of acts) keepPriced(book, doing);
        for (const [i, drawn] of given.acts.entries()) {
          const doing = actOf(drawn, walk, month);
          walkPriced(walk, doing);
          book.watchThrough(doing.at, lateness[i % lateness.length] ?? 0);
          keepPriced(book, doing);
          if (book.marks.dueSecond !== null) continue;
          const { plannedSecond } = book.marks;
          const heard = book.effectsThrough(plannedSecond === null ? doing.at + 100 * 86_400 : plannedSecond - 1);
          expectSame(
            heard.filter(({ kind }) => TOLD.has(kind)),
            [],
            doing,
          );
        }
        counts.needless += book.wakes.needless;
        counts.woken += book.wakes.woken;
        counts.halfway += book.wakes.halfway;
      }),
      { numRuns: ofBudget({ test: 500, long: 3000 }) },
    );
    expect(counts.needless).toBeGreaterThan(1_000);
    expect(counts.woken).toBeGreaterThan(1_000);
    expect(counts.halfway).toBeGreaterThan(20);
  });
});

/** What people, cards or machines are told of. */
const TOLD: ReadonlySet<Effect['kind']> = new Set<Effect['kind']>([
  'exhausted',
  'instance_ended',
  'attempt_opened',
  'low',
  'capped',
  'reservation_closed',
]);

/** A book with the marks of the team's watch, and a watch that looks at due facts late, and at its timer in time. */
class WatchedBook extends PricedBook {
  marks: LookMarks = { dueSecond: null, wokenSecond: null, lastSecond: null, plannedSecond: null };
  readonly wakes = { needless: 0, woken: 0, halfway: 0 };
  readonly #teamId: string;

  constructor(settings: BillingSettings, second: number, teamId = 't') {
    super(settings, second);
    this.#teamId = teamId;
  }

  /** What the clock brings through a second. Nothing is kept. */
  effectsThrough(second: number): Effect[] {
    return advance(this.read(second), this.settings, second).effects;
  }

  /** The looks of the watch until a second. A look that is due comes so many seconds after its fact. */
  watchThrough(second: number, late: number): void {
    for (;;) {
      const { dueSecond, plannedSecond } = this.marks;
      const seconds = [dueSecond === null ? null : dueSecond + late, plannedSecond].filter((at) => at !== null);
      const next = Math.max(this.account.asOfSecond, Math.min(...seconds));
      if (seconds.length === 0 || next > second) return;
      const outcome = advance(this.read(next), this.settings, next);
      super.keep(outcome);
      const look = nextLook({ ...outcome.account, teamId: this.#teamId }, this.settings);
      const halfway = look && halfwaySecond(look, outcome.account.asOfSecond);
      if (halfway !== null) this.wakes.halfway += 1;
      this.marks = marksAfterLook(next, halfway ?? look?.second ?? null);
    }
  }

  override changePrice(price: GpuPrice): this {
    const second = this.account.asOfSecond;
    this.marks = { ...this.marks, dueSecond: this.marks.dueSecond ?? second };
    return super.changePrice(price);
  }

  protected override keep(outcome: FactOutcome): this {
    const { account, effects } = outcome;
    const lookBy = () => lookAfter({ ...outcome, account: { ...account, teamId: this.#teamId } });
    const { marks, wake } = marksAfterFact(this.marks, { second: account.asOfSecond, mayWake: true, lookBy });
    const isTold = effects.some(
      ({ kind, ...effect }) => TOLD.has(kind) && !('reason' in effect && effect.reason === 'stopped'),
    );
    assert(!isTold || marks.dueSecond !== null, 'the watch is to announce something, and no look is due');
    this.marks = marks;
    this.wakes[wake === 'needless' ? 'needless' : 'woken'] += 1;
    return super.keep(outcome);
  }
}

function meddle(book: PricedBook, second: number, index: number): void {
  book.look(second);
  book.settle([...book.instances.keys()][index] ?? 'none', second);
  book.settleReservation(`r${index % 3}`, second);
}
