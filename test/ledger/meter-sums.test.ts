/** Tests the stored sums of a team’s running meters against the segments, after each fact and in races. */
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { amount, timeOrNull } from '../../api/http/schemas.ts';
import { balanceBySums, balanceByTotals, readBalance } from '../../api/views/balance.ts';
import { segmentsAsStanding, shownAvailableMicros, standingOf, termsAsStanding } from '../../api/views/standing.ts';
import { firstBelowSecond, runsOutSecond } from '../../billing/forecast.ts';
import { micros, parseDollars, total } from '../../billing/money.ts';
import type { Pricing } from '../../billing/prices.ts';
import { burnMicrosPerHour } from '../../billing/runway.ts';
import { monthStart, nextMonthStart } from '../../billing/time.ts';
import { costBetweenMicros } from '../../billing/usage.ts';
import { createLedger, type Ledger } from '../../ledger/index.ts';
import { readAccount } from '../../prisma/accounts.ts';
import { termsBetween } from '../../prisma/reservations.ts';
import { segmentsBetween } from '../../prisma/segments.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { tokenUsageMicros } from '../../prisma/usage-sums.ts';
import { ofBudget } from '../support/budget.ts';
import { billOf, booksOf, type Office, openOffice, SETTINGS } from './desk.ts';
import { checkMeterSums } from './meter-sums.ts';

const START = 1_800_000_000;
const DAY = 86_400;
const TIERED = { ...SETTINGS, volumeTiers: [{ spendMicros: micros(40_000_000), basisPoints: 250 }] };
const GPU = 'summed';
const MODEL = 'llama-3.3-70b-instruct';

let office: Office;
let ledger: Ledger;
let names = 0;
beforeAll(async () => {
  office = await openOffice(TIERED);
  ledger = createLedger({ db: office.one.db, settings: TIERED });
  await list('4', START);
});
afterAll(() => office.close());

function list(spot: string, nowSecond: number) {
  const reservedMicros = {
    '1m': micros(7_000_000),
    '3m': micros(6_500_000),
    '6m': micros(6_000_000),
    '12m': micros(5_000_000),
  };
  const offer = { gpuType: GPU, region: 'eu', onDemandMicros: micros(10_000_000), reservedMicros };
  const price = { ...offer, spotMicros: parseDollars(spot) };
  return ledger.changeGpuPrice({ price, effectiveFromSecond: null, actor: 'me', nowSecond });
}

function start(teamId: string, id: string, at: number, pricing: Pricing, hourly: string | null) {
  const hourlyMicros = hourly === null ? null : parseDollars(hourly);
  const asked = { id, teamId, pricing, hourlyMicros, gpuType: GPU, region: 'eu' };
  const spec = { ...asked, project: null, shedOrder: null, resumedFrom: null, requestHash: id };
  return ledger.startInstance({ spec, receivedSecond: at }, 'test');
}

type Act = { after: number; which: number } & (
  | { do: 'start'; pricing: Pricing; hourly: string | null }
  | { do: 'stop'; back: number | null }
  | { do: 'reprice'; hourly: string }
  | { do: 'reclaim'; soon: number }
  | { do: 'discount'; basisPoints: number; lasts: number | null }
  | { do: 'price'; spot: string }
  | { do: 'hold'; seconds: number }
  | { do: 'settle' | 'look' | 'use' | 'pay' | 'reserve' }
);
const after = fc.oneof(
  { weight: 6, arbitrary: fc.nat(900) },
  { weight: 1, arbitrary: fc.integer({ min: 10_000, max: DAY }) },
);
const hourly = fc.oneof(
  fc.integer({ min: 1, max: 999 }).map((cents) => (cents / 100).toFixed(2)),
  fc.integer({ min: 1, max: 90_000_000 }).map((rate) => (rate / 1_000_000).toFixed(6)),
);
const doing = <T extends object>(weight: number, more: { [K in keyof T]: fc.Arbitrary<T[K]> }) => ({
  weight,
  arbitrary: fc.record({ after, which: fc.nat(7), ...more }) as unknown as fc.Arbitrary<Act>,
});
const act = fc.oneof(
  doing(8, {
    do: fc.constant('start'),
    pricing: fc.constantFrom('on_demand', 'on_demand', 'on_demand', 'spot', 'reserved'),
    hourly: fc.option(hourly),
  }),
  doing(3, { do: fc.constant('stop'), back: fc.option(fc.nat(1_000)) }),
  doing(1, { do: fc.constant('reprice'), hourly }),
  doing(1, { do: fc.constant('reclaim'), soon: fc.nat(500) }),
  doing(1, {
    do: fc.constant('discount'),
    basisPoints: fc.integer({ min: 0, max: 5_000 }),
    lasts: fc.option(fc.integer({ min: 1, max: 10_000 })),
  }),
  doing(1, { do: fc.constant('hold'), seconds: fc.integer({ min: 1, max: 3_600 }) }),
  doing(1, { do: fc.constant('price'), spot: fc.constantFrom('3', '4.5', '6') }),
  doing(6, { do: fc.constantFrom('settle', 'look', 'use', 'pay', 'reserve') }),
);

/** Does it as any caller would; what is refused changes nothing. */
async function play(teamId: string, doing: Act, at: number, ids: string[], step: number): Promise<void> {
  const { one } = office;
  const id = ids[doing.which % Math.max(1, ids.length)] ?? 'none';
  try {
    if (doing.do === 'start') {
      const name = `${teamId}-${step}`;
      await start(teamId, name, at, doing.pricing, doing.pricing === 'reserved' ? null : doing.hourly);
      ids.push(name);
    } else if (doing.do === 'stop') await one.stop(id, at, doing.back === null ? {} : { backTo: at - doing.back });
    else if (doing.do === 'reprice') await one.reprice(id, doing.hourly, at);
    else if (doing.do === 'reclaim')
      await ledger.announceReclaim({ instanceId: id, reclaimSecond: at + doing.soon, nowSecond: at }, 'test');
    else if (doing.do === 'discount') {
      const untilSecond = doing.lasts === null ? null : at + doing.lasts;
      const { basisPoints } = doing;
      await ledger.assignDiscount({ teamId, basisPoints, untilSecond, note: '', actor: 'me', nowSecond: at }, 'test');
    } else if (doing.do === 'hold') await one.hold(teamId, `h-${teamId}-${step}`, MODEL, 1_000_000, at, doing.seconds);
    else if (doing.do === 'price') await list(doing.spot, at);
    else if (doing.do === 'settle') await one.settle(id, at);
    else if (doing.do === 'use') await one.use(teamId, `e-${step}`, 100_000 * doing.which, at);
    else if (doing.do === 'pay') await one.grant(teamId, `g-${teamId}-${step}`, '30', at);
    else if (doing.do === 'reserve') await one.reserve({ teamId, id: `r-${teamId}-${step}`, gpuType: GPU, at });
    else await one.look(teamId, at);
  } catch (error) {
    if ((error as Error).name !== 'BillingError') throw error;
  }
}

/** What a balance says, worked out from all meters and all segments one by one. */
async function balanceByMeters(teamId: string, at: number) {
  const { db } = office.one;
  const account = await readAccount(db, teamId, { throughSecond: at, for: 'forecast' });
  expect(account.summed).toBeNull();
  const standing = standingOf(account, TIERED, at);
  const { nowSecond, moneySecond } = standing;
  const [from, to] = [monthStart(nowSecond), nextMonthStart(nowSecond)];
  const ran = segmentsAsStanding(await segmentsBetween(db, teamId, from, to), standing);
  const reserved = termsAsStanding(await termsBetween(db, teamId, from, to), standing);
  const stretches = [
    ...ran.map((segment) => ({ ...segment, until: segment.endSecond ?? moneySecond })),
    ...reserved.map((term) => ({ ...term, until: term.closedSecond ?? moneySecond })),
  ];
  // A stretch that has ended before the month costs nothing in the month.
  const spent = stretches
    .filter(({ until }) => until > from)
    .map((stretch) => costBetweenMicros(stretch, from, Math.min(stretch.until, to)));
  return {
    available: amount(shownAvailableMicros(standing)),
    burnPerHour: amount(burnMicrosPerHour(standing.account)),
    runsOutAt: timeOrNull(runsOutSecond(standing.account, TIERED)),
    lowAt: timeOrNull(firstBelowSecond(standing.account, TIERED, TIERED.lowLevelMicros)),
    thisMonth: amount(total(...spent, await tokenUsageMicros(db, teamId, from, to))),
    activeInstances: standing.account.meters.length,
  };
}

/** Acts between which days and months may pass. */
const slowly = fc.array(
  act.chain((doing) => fc.record({ doing: fc.constant(doing), days: fc.oneof(fc.constant(0), fc.nat(20)) })),
  { minLength: 8, maxLength: 20 },
);
/** Reads come after the last fact by so many seconds, with crossings in between. */
const later = fc.oneof(fc.constant(0), fc.nat(7_200), fc.nat(40 * DAY));

describe('a balance by one statement', () => {
  it('is the balance by all meters, in any history of a team, wherever totals decide', async () => {
    const counts = { decided: 0, undecided: 0 };
    await fc.assert(
      fc.asyncProperty(slowly, fc.array(later, { minLength: 20, maxLength: 20 }), async (acts, reads) => {
        names += 1;
        const { one } = office;
        const teamId = await one.team(`totals-${names}`);
        let at = START + names * 40 * DAY;
        await one.grant(teamId, `g-${teamId}`, '60', at);
        const ids: string[] = [];
        for (const [step, { doing, days }] of acts.entries()) {
          at += doing.after + days * DAY;
          await play(teamId, doing, at, ids, step);
          for (const second of [at, at + (reads[step] ?? 0)]) {
            const byTotals = await balanceByTotals(one.db, TIERED, teamId, second);
            counts[byTotals ? 'decided' : 'undecided'] += 1;
            const bySums = await inSnapshot(one.db, (tx) => balanceBySums(tx, TIERED, teamId, second));
            if (byTotals) expect(byTotals).toEqual(bySums);
            expect(bySums).toMatchObject(await balanceByMeters(teamId, second));
          }
        }
      }),
      { numRuns: ofBudget({ test: 8, long: 40 }) },
    );
    expect(counts.decided).toBeGreaterThan(counts.undecided / 4);
    expect(counts.undecided).toBeGreaterThan(0);
  });
});

describe('a balance in the first days of a month', () => {
  it('counts each of the last 30 days towards the volume discount, also those of the month before', async () => {
    const { one } = office;
    const settings = { ...SETTINGS, volumeTiers: [{ spendMicros: micros(5_000_000_000), basisPoints: 1_000 }] };
    const teamId = await one.team('month-before');
    // 2027-01-28, 08:00 UTC. At $10 an hour, 30 days cost $5,000 only after the middle of February.
    const at = START + 13 * DAY;
    await one.grant(teamId, `g-${teamId}`, '9000', at);
    await start(teamId, `${teamId}-a`, at, 'on_demand', null);
    for (const days of [1, 6, 15]) {
      const second = at + days * DAY;
      const bySums = await inSnapshot(one.db, (tx) => balanceBySums(tx, settings, teamId, second));
      expect(await balanceByTotals(one.db, settings, teamId, second), `after ${days} days`).toEqual(bySums);
    }
  });
});

describe('the sums of a team’s running meters', () => {
  it('equal the sums of its segments after every fact, and balances are the same with and without them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 15, maxLength: 30 }), async (acts) => {
        names += 1;
        const teamId = await office.one.team(`summed-${names}`);
        let at = START + names * 40 * DAY;
        await office.one.grant(teamId, `g-${teamId}`, '60', at);
        const ids: string[] = [];
        for (const [step, doing] of acts.entries()) {
          at += doing.after;
          await play(teamId, doing, at, ids, step);
          await checkMeterSums(office.one.db, teamId);
          expect(await readBalance(office.one.db, TIERED, teamId, at)).toMatchObject(await balanceByMeters(teamId, at));
        }
        expect(await booksOf(office.one.db, teamId)).toEqual(await billOf(office.one.db, teamId));
      }),
      { numRuns: ofBudget({ test: 5, long: 12 }) },
    );
  });

  it('are correct after concurrent facts from two processes', async () => {
    const { one, two } = office;
    const teamId = await one.team('summed-at-once');
    await one.grant(teamId, 'g-at-once', '900', START);
    const ids = Array.from({ length: 12 }, (_, index) => `at-once-${index}`);
    await Promise.all(ids.map((id, i) => start(teamId, id, START + (i % 3), 'on_demand', i % 2 ? '1.37' : null)));
    await Promise.all([
      ...ids.map((id) => one.settle(id, START + 1_000)),
      ...ids.slice(0, 6).map((id) => two.stop(id, START + 1_001)),
      ...ids.slice(6, 9).map((id) => two.reprice(id, '2.11', START + 1_002)),
    ]);
    await checkMeterSums(one.db, teamId);
    expect(await one.db.meterSum.aggregate({ where: { teamId }, _sum: { count: true } })).toEqual({
      _sum: { count: 6n },
    });
    expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
  });

  it('are the only rows that a fact or a balance reads for meters that it does not name', async () => {
    const read = [await rowsReadOf(3), await rowsReadOf(60)];
    expect(read[1]).toEqual(read[0]);
  });
});

/** How many rows each act of a team with so many equal instances is answered by the database. */
async function rowsReadOf(running: number): Promise<Record<string, number>> {
  const { one } = office;
  const teamId = await one.team(`summed-rows-${running}`);
  await one.grant(teamId, `g-${teamId}`, '5000', START);
  for (let index = 0; index < running; index += 1)
    await start(teamId, `${teamId}-${index}`, START, 'on_demand', index % 2 ? '1.37' : null);
  const id = `${teamId}-0`;
  const at = START + 60;
  return {
    look: await rowsOf(() => one.look(teamId, at)),
    settlement: await rowsOf(() => one.settle(id, at + 1)),
    usage: await rowsOf(() => one.use(teamId, 'e', 1_000, at + 2)),
    balance: await rowsOf(() => readBalance(one.db, TIERED, teamId, at + 3)),
    given: await rowsOf(() => start(teamId, `${teamId}-given`, at + 4, 'on_demand', '1.37')),
    listed: await rowsOf(() => start(teamId, `${teamId}-listed`, at + 5, 'on_demand', null)),
    stop: await rowsOf(() => one.stop(id, at + 6)),
  };
}

/** How many rows all statements within `work` answer. */
async function rowsOf(work: () => Promise<unknown>): Promise<number> {
  const query = pg.Client.prototype.query as (...args: unknown[]) => unknown;
  let rows = 0;
  const count = (result: unknown) => {
    rows += (result as { rows?: unknown[] } | undefined)?.rows?.length ?? 0;
  };
  pg.Client.prototype.query = function counting(this: pg.Client, ...args: unknown[]) {
    const callback = args.findIndex((arg) => typeof arg === 'function');
    if (callback >= 0) {
      const answer = args[callback] as (error: unknown, result: unknown) => void;
      args[callback] = (error: unknown, result: unknown) => {
        count(result);
        answer(error, result);
      };
      return Reflect.apply(query, this, args);
    }
    const answered = Reflect.apply(query, this, args) as Promise<unknown>;
    return answered.then((result) => {
      count(result);
      return result;
    });
  } as typeof pg.Client.prototype.query;
  try {
    await work();
  } finally {
    pg.Client.prototype.query = query as typeof pg.Client.prototype.query;
  }
  expect(rows).toBeGreaterThan(0);
  return rows;
}
