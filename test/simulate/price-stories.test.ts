/**
 * Tests prices, discounts and the order to end in, in skipped time through the real workflows. Each bill is computed
 * here a second time.
 */
import { describe, expect, it } from 'vitest';
import { micros, parseDollars } from '../../billing/money.ts';
import { trialBalance } from '../../prisma/transfers.ts';
import type { Engine } from '../../simulate/engine.ts';
import { useEngineEach } from '../support/use-engine.ts';
import { aTeam, changePrice, costOf, HOUR, priceOf, sawOf, start, untilQuiet } from './renting.ts';

let engine: Engine;
useEngineEach((started) => {
  engine = started;
});

const postedFor = async (where: object): Promise<number> => {
  const { _sum } = await engine.db.transfer.aggregate({ _sum: { amountMicros: true }, where });
  return Number(_sum.amountMicros ?? 0n);
};

describe('a day of spot prices', () => {
  it('re-prices only spot instances, with each price from its own second', async () => {
    const { clock, db } = engine;
    await clock.goTo(0);
    await changePrice(engine, priceOf('4', '1.5', 0), null);
    await aTeam(engine, 'spots', '200');
    // From the list at 00:00 of the story, and then as the operator has dated or made them.
    const dated: Array<[number, string]> = [
      [2 * HOUR, '1.1'],
      [5 * HOUR + 1, '2.25'],
      [5 * HOUR + 2, '2.250001'],
      [11 * HOUR, '0.9'],
      [23 * HOUR + 59 * 60, '3.999999'],
    ];
    for (const [at, spot] of dated) await changePrice(engine, priceOf('4', spot, clock.second(at)), clock.second(at));
    await clock.goTo(60);
    expect(await start(engine, { teamId: 'spots', id: 'spot', pricing: 'spot' })).toMatchObject({
      id: 'spot',
      endSecond: null,
    });
    await start(engine, { teamId: 'spots', id: 'steady' });
    await start(engine, { teamId: 'spots', id: 'agreed', pricing: 'spot', hourly: '1.5' });
    await clock.goTo(8 * HOUR + 17);
    // At once, in the middle of an hour, and the on-demand price with it: what runs on demand keeps its own.
    await changePrice(engine, priceOf('5', '1.75', clock.now), null);
    await clock.goTo(24 * HOUR);
    await untilQuiet(engine, 'spots');

    const prices: Array<[number, string]> = [
      [60, '1.5'],
      ...dated.slice(0, 3),
      [8 * HOUR + 17, '1.75'],
      ...dated.slice(3),
    ];
    const expected = prices.map(([from, spot], i) => ({
      rate: Number(parseDollars(spot)),
      from,
      to: prices[i + 1]?.[0] ?? null,
    }));
    const { segments } = await sawOf(engine, 'spot');
    expect(segments.map(({ rate, from, to }) => ({ rate, from, to }))).toEqual(expected);
    const cost = expected.reduce((sum, { rate, from, to }) => sum + costOf(rate, (to ?? 24 * HOUR) - from), 0);

    const receipts = [];
    for (const instanceId of ['spot', 'steady', 'agreed']) {
      const stop = { instanceId, reason: 'stopped' as const, nowSecond: clock.now, platformAsked: true };
      receipts.push(Number((await engine.ledger.stopInstance(stop, 'test')).costMicros));
    }
    expect(receipts).toEqual([cost, costOf(4_000_000, 24 * HOUR - 60), costOf(1_500_000, 24 * HOUR - 60)]);
    expect(await postedFor({ teamId: 'spots', code: 'instance_usage' })).toBe(receipts.reduce((a, b) => a + b, 0));
    expect((await sawOf(engine, 'steady')).segments).toHaveLength(1);
    expect((await sawOf(engine, 'agreed')).segments).toHaveLength(1);
    expect((await trialBalance(db)).balanced).toBe(true);
  });
});

describe('a discount that ends during a run', () => {
  it('ends one segment and begins the next at its second, and credit ends at the second that follows from both segments', async () => {
    const { clock, ledger, wake } = engine;
    await clock.goTo(0);
    await changePrice(engine, priceOf('3.33', '1', 0), null);
    await aTeam(engine, 'team', '30');
    const until = 2 * HOUR + 1234;
    const discount = {
      teamId: 'team',
      basisPoints: 1250,
      untilSecond: clock.second(until),
      note: 'launch',
      actor: 'platform',
    };
    await ledger.assignDiscount({ ...discount, nowSecond: clock.now }, 'test');
    await wake.watch('team');
    await start(engine, { teamId: 'team', id: 'run' });
    await start(engine, { teamId: 'team', id: 'agreed', hourly: '2' });
    await clock.goTo(12 * HOUR);
    await untilQuiet(engine, 'team');

    // 3.33 less 12.5 % is 2.91375: exact to a micro. Then the list price. The given one is charged as given.
    const costAt = (second: number): number =>
      costOf(2_913_750, Math.min(second, until)) +
      (second > until ? costOf(3_330_000, second - until) : 0) +
      costOf(2_000_000, second);
    let x = 0;
    while (costAt(x + 1) <= 30_000_000) x += 1;
    const run = await sawOf(engine, 'run');
    expect(run).toMatchObject({ endedAt: x, reason: 'out_of_credits' });
    expect(run.segments.map(({ rate, from, to, posted }) => ({ rate, from, to, posted }))).toEqual([
      { rate: 2_913_750, from: 0, to: until, posted: costOf(2_913_750, until) },
      { rate: 3_330_000, from: until, to: x, posted: costOf(3_330_000, x - until) },
    ]);
    expect(
      run.segments.map(({ priced }) => [priced.listMicrosPerHour, priced.discountBasisPoints, priced.discountKind]),
    ).toEqual([
      [3_330_000, 1250, 'assigned'],
      [3_330_000, 0, null],
    ]);
    expect(await sawOf(engine, 'agreed')).toMatchObject({ endedAt: x, reason: 'out_of_credits' });
    expect(await postedFor({ teamId: 'team', code: 'instance_usage' })).toBe(costAt(x));
  });
});

describe('five instances in an order to end in', () => {
  it('end one after another, each at the last second for which credit pays all instances that still run', async () => {
    const { clock, db } = engine;
    await clock.goTo(0);
    await aTeam(engine, 'team', '200');
    const CREDIT = 200_000_000;
    const rates: Record<string, number> = {
      batch: 9000,
      second: 700.25,
      third: 40.000007,
      fourth: 40.000007,
      last: 1.5,
    };
    const places: Record<string, number> = { batch: 1, second: 2, third: 3, fourth: 3 };
    for (const [id, rate] of Object.entries(rates)) {
      const shedOrder = places[id];
      await start(engine, { teamId: 'team', id, hourly: String(rate), ...(shedOrder !== undefined && { shedOrder }) });
    }
    await clock.goTo(2 * HOUR);
    await untilQuiet(engine, 'team');

    // Second by second: whoever is first in the order goes when the next second cannot be paid for all.
    const perHour = new Map(Object.entries(rates).map(([id, rate]) => [id, Math.round(rate * 1_000_000)]));
    const ends = new Map<string, number>();
    const cost = (second: number) =>
      [...perHour].reduce((sum, [id, rate]) => sum + costOf(rate, Math.min(ends.get(id) ?? second, second)), 0);
    for (let second = 0; ends.size < 5; second += 1)
      while (ends.size < 5 && cost(second + 1) > CREDIT) {
        const running = Object.keys(rates).filter((id) => !ends.has(id));
        const place = Math.min(...running.map((id) => places[id] ?? Number.POSITIVE_INFINITY));
        for (const id of running) if ((places[id] ?? Number.POSITIVE_INFINITY) === place) ends.set(id, second);
      }
    expect(new Set(ends.values()).size).toBe(4);
    for (const [id, second] of ends)
      expect(await sawOf(engine, id), id).toMatchObject({ endedAt: second, reason: 'out_of_credits' });

    const left = CREDIT - cost(Math.max(...ends.values()));
    expect(await postedFor({ teamId: 'team', code: 'instance_usage' })).toBe(CREDIT - left);
    // One announcement an end, and each machine was told to stop once.
    const exhaustions = await db.exhaustion.findMany({ where: { teamId: 'team' }, orderBy: { number: 'asc' } });
    expect(exhaustions.map(({ instanceIds }) => [...instanceIds].sort())).toEqual([
      ['batch'],
      ['second'],
      ['fourth', 'third'],
      ['last'],
    ]);
    expect(exhaustions.every(({ announced }) => announced)).toBe(true);
    const mails = await db.notice.findMany({
      where: { teamId: 'team', kind: 'credits_exhausted' },
      orderBy: { second: 'asc' },
    });
    expect(mails.map(({ second }) => clock.offset(Number(second)))).toEqual([...new Set(ends.values())]);
    expect((await trialBalance(db)).balanced).toBe(true);
    expect(micros(left)).toBeGreaterThanOrEqual(0);
  });
});
