/**
 * Tests the sums of running meters with random histories: a fact by sums of some meters has the same result as by all
 * meters, or the sums report that they are not sufficient.
 */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type Account, type BillingSettings, spendableMicros } from '../../billing/account.ts';
import type { FactOutcome } from '../../billing/change.ts';
import { nextCrossing, topUpOutlook } from '../../billing/crossings.ts';
import { firstBelowSecond, nextTopUpSecond, runsOutSecond } from '../../billing/forecast.ts';
import { nextLook } from '../../billing/looks.ts';
import {
  classCostBetweenMicros,
  classOf,
  type MeterClass,
  type MeterGroup,
  type MeterSums,
  MetersNeeded,
  mergedClasses,
  meterSums,
  remaindersOf,
  summedCostBetweenMicros,
  withoutMeters,
} from '../../billing/meter-sums.ts';
import { volumeDiscountAt } from '../../billing/rerating.ts';
import { availableMicros, burnMicrosPerHour, lastSecondAtOrAbove } from '../../billing/runway.ts';
import { trailingFrom } from '../../billing/spending.ts';
import { chargeDueMicros, costBetweenMicros, type Meter } from '../../billing/usage.ts';
import { ofBudget } from '../support/budget.ts';
import { act, keep, withBigInt } from './acts.ts';
import { asMicros, Book, SETTINGS } from './book.ts';
import { actOf, before, DAWN, history, MIDNIGHT, type PriceAct } from './price-acts.ts';
import { keepPriced, walkPriced } from './price-keeping.ts';
import { PricedBook } from './priced-book.ts';
import { Walk } from './walk.ts';

const month = vi.hoisted(() => ({ seconds: 0 }));
vi.mock(import('../../billing/time.ts'), async (original) => ({
  ...(await original()),
  addMonths: (second, months) => second + months * month.seconds,
}));

/** What each fact is compared by, while a test asks for it. */
const beside = vi.hoisted(() => ({
  compare: null as
    | ((account: Account, settings: BillingSettings, run: (account: Account) => FactOutcome) => FactOutcome)
    | null,
}));
vi.mock(import('../../billing/clock.ts'), async (original) => {
  const clock = await original();
  return {
    ...clock,
    applyFact: (account, settings, nowSecond, fact) => {
      const run = (from: Account) => clock.applyFact(from, settings, nowSecond, fact);
      return beside.compare ? beside.compare(account, settings, run) : run(account);
    },
  };
});

const canBeSummed = ({ priced, reclaimSecond }: Meter): boolean =>
  reclaimSecond === null &&
  priced.coveredBy === null &&
  (priced.pricing === 'on_demand' || (priced.pricing === 'spot' && priced.given));

/** The classes of meters, as the database keeps them. */
const classesOf = (meters: readonly Meter[]): MeterClass[] => mergedClasses(meters.map(classOf));

/** The account with the sums of its meters, but for some. */
function summedBut(account: Account, isRead: (meter: Meter) => boolean): { account: Account; unread: Meter[] } {
  const summable = account.meters.filter(canBeSummed);
  const unread = summable.filter((meter) => !isRead(meter));
  const classes = withoutMeters(classesOf(summable), summable.filter(isRead));
  return {
    account: {
      ...account,
      meters: account.meters.filter((meter) => !unread.includes(meter)),
      summed: meterSums(classes, account.asOfSecond),
    },
    unread,
  };
}

/** The sums with their classes put together by day, as a balance reads them. */
function grouped(sums: MeterSums, fromSecond: number, isCounted: boolean, second: number): MeterSums {
  const groups = sums.classes.map((each): MeterGroup => {
    if ('hourRemainders' in each) throw new Error('put together already');
    const { rateRemainder: _, startRemainder: __, ...rest } = each;
    return {
      ...rest,
      daySecond: each.daySecond < fromSecond ? 0 : each.daySecond,
      hourRemainders: remaindersOf(each, 0),
    };
  });
  const counts = sums.classes as readonly MeterClass[];
  const remainders = counts.reduce((sum, each) => sum + remaindersOf(each, second), 0);
  const known = isCounted ? counts : { second, remainders };
  return meterSums(mergedClasses(groups), sums.startedBySecond, known)!;
}

/** The account with groups for all of its meters. */
function groupedAccount(account: Account, isCounted: boolean): { account: Account; unread: Meter[] } {
  const { account: partly, unread } = summedBut(account, () => false);
  const { summed, asOfSecond } = partly;
  return {
    account: { ...partly, summed: summed && grouped(summed, trailingFrom(asOfSecond), isCounted, asOfSecond) },
    unread,
  };
}

/** What a function answers or throws; null where it needs the meters. */
function answerOf<T>(ask: () => T): { answer: T } | { error: string } | null {
  try {
    return { answer: ask() };
  } catch (error) {
    return error instanceof MetersNeeded ? null : { error: (error as Error).message };
  }
}

const byKey = (a: Meter, b: Meter) => (`${a.instanceId}/${a.segment}` < `${b.instanceId}/${b.segment}` ? -1 : 1);
const allOf = ({ summed: _, ...account }: Account, unread: readonly Meter[] = []) => ({
  ...account,
  meters: [...account.meters, ...unread].sort(byKey),
});

/** What is read of an account, each by itself. */
const readings = (settings: BillingSettings): Array<(account: Account) => unknown> => [
  (account) => spendableMicros(account, account.asOfSecond),
  (account) => availableMicros(account, account.asOfSecond + 7_777),
  (account) => burnMicrosPerHour(account),
  (account) => lastSecondAtOrAbove(account, settings.lowLevelMicros),
  (account) => nextCrossing(account, settings),
  (account) => nextLook(account, settings),
  (account) => topUpOutlook(account, settings),
  (account) => runsOutSecond(account, settings),
  (account) => firstBelowSecond(account, settings, settings.lowLevelMicros),
  (account) => nextTopUpSecond(account, settings),
  (account) => account.spentByDay && volumeDiscountAt(account, settings, account.asOfSecond),
];

function expectSame(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

/** Has each fact within `work` recorded in several ways, and answers how often sums decided and how often they did not. */
function compared(work: () => void): { decided: number; undecided: number } {
  const counts = { decided: 0, undecided: 0 };
  let turn = 0;
  beside.compare = (account, settings, run) => {
    turn += 1;
    if (account.standsAtSecond !== null || !account.meters.some(canBeSummed)) return run(account);
    const ways = [() => false, ({ instanceId }: Meter) => (Number(/\d+$/.exec(instanceId)) + turn) % 2 === 0];
    const tried = [...ways.map((isRead) => summedBut(account, isRead)), groupedAccount(account, turn % 2 === 0)].map(
      ({ account: partly, unread }) => ({ unread, outcome: answerOf(() => run(partly)) }),
    );
    const exact = answerOf(() => run(account));
    for (const { outcome, unread } of tried) {
      counts[outcome ? 'decided' : 'undecided'] += 1;
      if (!outcome) continue;
      if (!exact || 'error' in exact || 'error' in outcome) {
        expectSame(outcome, exact);
        continue;
      }
      expectSame(outcome.answer.effects, exact.answer.effects);
      expectSame(allOf(outcome.answer.account, unread), allOf(exact.answer.account));
      for (const read of readings(settings)) {
        const bySums = answerOf(() => read(outcome.answer.account));
        if (bySums)
          expectSame(
            bySums,
            answerOf(() => read(exact.answer.account)),
          );
      }
    }
    return run(account);
  };
  try {
    work();
  } finally {
    beside.compare = null;
  }
  return counts;
}

const PRICED = {
  ...SETTINGS,
  volumeTiers: [
    { spendMicros: asMicros(20_000_000), basisPoints: 500 },
    { spendMicros: asMicros(45_000_000), basisPoints: 1_000 },
    { spendMicros: asMicros(90_000_000), basisPoints: 1_750 },
  ],
};

describe('sums of running meters', () => {
  it('give the result of the meters in any history of a team, wherever they are sufficient', () => {
    const histories = fc.tuple(fc.integer({ min: 3, max: 60 }), fc.array(act, { minLength: 10, maxLength: 40 }));
    const { decided, undecided } = compared(() =>
      fc.assert(
        fc.property(histories, ([dollars, acts]) => {
          const book = new Book();
          book.deposit(asMicros(dollars * 1_000_000), 0);
          let second = 0;
          for (const doing of acts) {
            second += doing.after;
            keep(book, doing, second, [...book.instances.keys()]);
            book.look(second);
          }
        }),
        { numRuns: ofBudget({ test: 400, long: 1_000 }) },
      ),
    );
    // Ends of credit ask for the meters themselves, and so do acts of an instance whose meter was not read.
    expect(decided).toBeGreaterThan(1_000);
    expect(undecided).toBeGreaterThan(0);
  });

  it('give the same result with list prices, volume discounts, spot prices and reservations', () => {
    const { decided, undecided } = compared(() =>
      fc.assert(
        fc.property(history, (given) => {
          const walk = new Walk(PRICED, DAWN);
          const at = MIDNIGHT - given.startsBefore;
          const deposit = { at, do: 'plain', act: { after: 0, do: 'deposit', amount: given.deposit } } as const;
          const acts: PriceAct[] = [...before(given), deposit];
          for (const doing of acts) walkPriced(walk, doing);
          month.seconds = 0;
          const book = new PricedBook(PRICED, DAWN);
          for (const doing of acts) keepPriced(book, doing);
          for (const drawn of given.acts) {
            const doing = actOf(drawn, walk, month);
            const [kept, walked] = [keepPriced(book, doing), walkPriced(walk, doing)];
            expect(kept, JSON.stringify(doing, withBigInt)).toBe(walked);
            book.look(doing.at);
          }
        }),
        { numRuns: ofBudget({ test: 150, long: 400 }) },
      ),
    );
    expect(decided).toBeGreaterThan(1_000);
    expect(undecided).toBeGreaterThan(0);
  });

  it('cost the same as the floors of the meters, at every second from the last start on', () => {
    const day = 86_400;
    const start = fc.integer({ min: 0, max: 3 * day });
    const later = fc.oneof(fc.nat(10_000), fc.nat(40 * day), fc.integer({ min: 0, max: 2_500_000_000 }));
    const rate = fc.oneof(
      fc.nat(7_200),
      fc.nat(50_000_000),
      fc.nat(900).map((cents) => cents * 10_000),
    );
    const meters = fc.array(fc.record({ rate, start, posted: fc.nat(1_000_000) }), { minLength: 1, maxLength: 60 });
    const counts = { decided: 0, undecided: 0 };
    fc.assert(
      fc.property(meters, later, fc.nat(5), (drawn, after, fromDay) => {
        const all = drawn.map(({ rate, start, posted }, index): Meter => {
          const price = { pricing: 'on_demand' as const, gpuType: 'g', region: 'r', given: true, coveredBy: null };
          const rateMicrosPerHour = asMicros(rate);
          return {
            instanceId: `i${index}`,
            segment: 1,
            rateMicrosPerHour,
            priced: { ...price, listMicrosPerHour: rateMicrosPerHour, discountBasisPoints: 0, discountKind: null },
            startSecond: start,
            instanceStartSecond: start,
            postedMicros: asMicros(posted),
            shedOrder: null,
            reclaimSecond: null,
          };
        });
        const last = Math.max(...drawn.map(({ start }) => start));
        const second = last + after;
        const accrued = all.reduce((sum, meter) => sum + chargeDueMicros(meter, second), 0);
        const line = { postedMicros: asMicros(Math.max(0, accrued) + 9_000_000_000), heldMicros: asMicros(0) };
        const summed = meterSums(classesOf(all), last)!;
        expect(availableMicros({ ...line, meters: [], summed }, second)).toBe(
          availableMicros({ ...line, meters: all }, second),
        );
        expect(lastSecondAtOrAbove({ ...line, meters: [], summed }, asMicros(0))).toBe(
          lastSecondAtOrAbove({ ...line, meters: all }, asMicros(0)),
        );
        const floor = asMicros(0);
        const counted = { ...line, meters: [], summed: grouped(summed, 0, true, second) };
        expect(availableMicros(counted, second + 1)).toBe(availableMicros({ ...line, meters: all }, second + 1));
        expect(lastSecondAtOrAbove(counted, floor)).toBe(lastSecondAtOrAbove({ ...line, meters: all }, floor));
        const atOne = { ...line, meters: [], summed: grouped(summed, 0, false, second) };
        expect(availableMicros(atOne, second)).toBe(availableMicros({ ...line, meters: all }, second));
        const byBounds = answerOf(() => lastSecondAtOrAbove(atOne, floor));
        counts[byBounds ? 'decided' : 'undecided'] += 1;
        if (byBounds) expect(byBounds).toEqual({ answer: lastSecondAtOrAbove({ ...line, meters: all }, floor) });
        const from = fromDay * day;
        if (from > second) return;
        for (const sums of [summed, counted.summed, atOne.summed])
          expect(summedCostBetweenMicros(sums, from, second)).toBe(
            all.reduce((sum, meter) => sum + BigInt(costBetweenMicros(meter, from, second)), 0n),
          );
        const between = summed.classes.reduce(
          (sum, each) => sum + classCostBetweenMicros(summed, each, from, second),
          0n,
        );
        expect(between).toBe(all.reduce((sum, meter) => sum + BigInt(costBetweenMicros(meter, from, second)), 0n));
      }),
      { numRuns: 2_000 },
    );
    expect(counts.decided).toBeGreaterThan(0);
    expect(counts.undecided).toBeGreaterThan(0);
  });

  it('have no result for a second before the last start', () => {
    const book = new Book();
    book.deposit('100', 0).start('a', '1', 0).start('b', '1', 500);
    const { account } = summedBut(book.account, () => false);
    expect(availableMicros(account, 500)).toBe(availableMicros(book.account, 500));
    expect(() => availableMicros(account, 499)).toThrow(MetersNeeded);
  });
});
