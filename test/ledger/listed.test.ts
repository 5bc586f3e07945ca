/** Tests starts and re-pricing at list prices, volume discounts at midnight, and the daily spending that earns them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { readBalance } from '../../api/views/balance.ts';
import { readInstances } from '../../api/views/instance.ts';
import { micros, parseDollars } from '../../billing/money.ts';
import type { Pricing } from '../../billing/prices.ts';
import { dayStart } from '../../billing/time.ts';
import { createLedger, type Ledger } from '../../ledger/index.ts';
import { getInstance } from '../../prisma/instances.ts';
import { segmentsOf } from '../../prisma/segments.ts';
import { readSpentByDay } from '../../prisma/spending.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, billOf, booksOf, type Desk, SETTINGS } from './desk.ts';

const DAY = 86_400;
const MIDNIGHT = 1_800_057_600;
const TIERS = [
  { spendMicros: micros(100_000_000), basisPoints: 250 },
  { spendMicros: micros(1_000_000_000), basisPoints: 1_000 },
];
const TIERED = { ...SETTINGS, volumeTiers: TIERS };

let one: Desk;
let ledgers: Ledger[];
let names = 0;
let gpuType: string;
useOffice((opened) => {
  ({ one } = opened);
  ledgers = [opened.one, opened.two].map(({ db }) => createLedger({ db, settings: TIERED }));
});
beforeEach(() => {
  names += 1;
  gpuType = `listed-${names}`;
});

const ledger = () => ledgers[0]!;
const team = (credit: string, at: number) => one.team(`${gpuType}-team`, credit, at);

function list(spot: string, nowSecond: number, effectiveFromSecond: number | null = null) {
  const share = (percent: number) => micros((10_000_000 * percent) / 100);
  const reservedMicros = { '1m': share(70), '3m': share(65), '6m': share(60), '12m': share(50) };
  const price = {
    gpuType,
    region: 'eu',
    onDemandMicros: micros(10_000_000),
    spotMicros: parseDollars(spot),
    reservedMicros,
  };
  return ledger().changeGpuPrice({ price, effectiveFromSecond, actor: 'me', nowSecond });
}

const start = (
  teamId: string,
  id: string,
  at: number,
  pricing: Pricing = 'on_demand',
  by: Ledger = ledger(),
  hourly: string | null = null,
) =>
  by.admitInstance(
    {
      spec: {
        id,
        teamId,
        project: null,
        gpuType,
        region: 'eu',
        pricing,
        hourlyMicros: hourly === null ? null : parseDollars(hourly),
        shedOrder: null,
        resumedFrom: null,
        requestHash: id,
      },
      rateMicrosPerHour: micros(0),
      callId: `call-${gpuType}-${id}`,
      notAfterMs: Number.MAX_SAFE_INTEGER,
      nowMs: 0,
      receivedSecond: at,
    },
    'test',
  );

const segmentsFrom = async (id: string, from: number) =>
  (await segmentsOf(one.db, [id])).map(({ rateMicrosPerHour, startSecond, endSecond, priced }) => [
    Number(rateMicrosPerHour),
    startSecond - from,
    endSecond === null ? null : endSecond - from,
    priced.discountKind,
  ]);

describe('a start at the list price', () => {
  it('is charged the price listed at its second, and refused without a listed price', async () => {
    const teamId = await team('50', 100);
    expect(await start(teamId, `${gpuType}-none`, 100)).toMatchObject({ status: 'refused', code: 'price_not_found' });
    await list('4', 100);
    await list('5', 100, 200);
    expect(await start(teamId, `${gpuType}-a`, 199, 'spot')).toMatchObject({ rateMicrosPerHour: 4_000_000 });
    expect(await start(teamId, `${gpuType}-b`, 200, 'spot')).toMatchObject({ rateMicrosPerHour: 5_000_000 });
    expect(await start(teamId, `${gpuType}-c`, 200)).toMatchObject({ rateMicrosPerHour: 10_000_000 });
    expect(await start(teamId, `${gpuType}-d`, 200, 'reserved')).toMatchObject({
      status: 'refused',
      code: 'no_reservation',
    });
    // The one that had started earlier has moved with the list.
    expect(await segmentsFrom(`${gpuType}-a`, 199)).toEqual([
      [4_000_000, 0, 1, null],
      [5_000_000, 1, null, null],
    ]);
  });

  it('in a race with a change of the price is charged the old price before the change or the new price after it', async () => {
    await list('4', 100);
    for (let round = 0; round < 6; round += 1) {
      const teamId = await one.team(`${gpuType}-race-${round}`, '50', 100);
      const spot = `${4 + (round + 1) / 10}`;
      const before = 4_000_000 + round * 100_000;
      const [changed] = await Promise.all([
        list(spot, 1000 + round * 10),
        start(teamId, `${gpuType}-${round}`, 1000 + round * 10, 'spot', ledgers[1]),
      ]);
      await one.look(teamId, 1000 + round * 10 + 5);
      const { startSecond } = await getInstance(one.db, `${gpuType}-${round}`);
      const rates = (await segmentsOf(one.db, [`${gpuType}-${round}`])).map(
        ({ rateMicrosPerHour, startSecond: from }) => [Number(rateMicrosPerHour), from],
      );
      const after = Number(parseDollars(spot));
      // One that came first was moved at the second of the change; a rate of no second is no rate.
      const charged = rates.filter(([, from], i) => rates[i + 1]?.[1] !== from);
      if (startSecond >= changed.effectiveSecond) expect(charged).toEqual([[after, startSecond]]);
      else
        expect(charged).toEqual([
          [before, startSecond],
          [after, changed.effectiveSecond],
        ]);
    }
  });
});

describe('a change of a spot price', () => {
  it('is in the bill from its second, however late it is recorded, and reads include it before that', async () => {
    const teamId = await team('100', 0);
    await list('3.6', 0);
    await start(teamId, `${gpuType}-i`, 0, 'spot');
    await list('7.2', 10, 1_000);
    await list('1.8', 10, 3_000);
    const [view] = await readInstances(one.db, TIERED, [await getInstance(one.db, `${gpuType}-i`)], 5_000);
    const cost = (3.6 * 1_000 + 7.2 * 2_000 + 1.8 * 2_000) / 3_600;
    expect(view).toMatchObject({ hourly: '1.800000', cost: cost.toFixed(6) });
    expect(view?.segments.map(({ hourly, seconds, why }) => [hourly, seconds, why])).toEqual([
      ['3.600000', 1_000, 'spot list price $3.600000'],
      ['7.200000', 2_000, 'spot list price $7.200000'],
      ['1.800000', 2_000, 'spot list price $1.800000'],
    ]);
    expect(await readBalance(one.db, TIERED, teamId, 5_000)).toMatchObject({
      available: (100 - cost).toFixed(6),
      thisMonth: cost.toFixed(6),
      burnPerHour: '1.800000',
    });
    expect(await segmentsFrom(`${gpuType}-i`, 0)).toHaveLength(1);
    await one.look(teamId, 5_000);
    expect(await segmentsFrom(`${gpuType}-i`, 0)).toHaveLength(3);
    expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
  });

  it('that is not yet recorded for the instance applies to a stop in the past, which cuts each segment at the stop', async () => {
    const teamId = await team('100', 0);
    await list('3.6', 0);
    await start(teamId, `${gpuType}-i`, 0, 'spot');
    await list('7.2', 10, 1_000);
    await list('1.8', 10, 3_000);
    await one.settle(`${gpuType}-i`, 2_000);
    const receipt = await one.stop(`${gpuType}-i`, 5_000, { backTo: 900 });
    expect(receipt).toMatchObject({ endSecond: 900, costMicros: 900_000 });
    expect((await segmentsFrom(`${gpuType}-i`, 0)).filter(([, from, to]) => from !== to)).toEqual([
      [3_600_000, 0, 900, null],
    ]);
    expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
    const { postedMicros } = await one.db.account.findUniqueOrThrow({ where: { teamId } });
    expect(postedMicros).toBe(99_100_000n);
    const [view] = await readInstances(one.db, TIERED, [await getInstance(one.db, `${gpuType}-i`)], 6_000);
    expect(view?.segments.map(({ seconds }) => seconds)).toEqual([900]);
  });

  it('affects every team that runs a spot instance of the GPU, and no other team', async () => {
    await list('4', 0);
    const ids = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const teamId = await one.team(`${gpuType}-${i}`, '50', 0);
        await start(teamId, `${gpuType}-${i}`, 10, i % 2 === 0 ? 'spot' : 'on_demand');
        return teamId;
      }),
    );
    const { teamIds, effectiveSecond } = await list('5', 50);
    expect([...teamIds].sort()).toEqual(ids.filter((_, i) => i % 2 === 0));
    await atOnce(8, (i) => one.look(ids[i]!, 100));
    for (const [i, id] of ids.entries())
      expect((await segmentsFrom(`${id}`, 0)).map(([rate]) => rate)).toEqual(
        i % 2 === 0 ? [4_000_000, 5_000_000] : [10_000_000],
      );
    expect(effectiveSecond).toBe(50);
  });
});

describe('a pending charge over midnight', () => {
  it('that succeeds prevents the end, although a read was made in the new day and the success was seen in the old day', async () => {
    const x = MIDNIGHT - 10;
    const teamId = await team('10', x - 3_600);
    await list('4', x - 3_600);
    await start(teamId, `${gpuType}-i`, x - 3_600);
    await one.policy(teamId, { threshold: '5', amount: '50' }, x - 1_800);
    await ledger().lookAhead({ teamId, nowSecond: MIDNIGHT + 1 }, 'test');
    const { standsAtSecond, attemptDepositId } = await one.db.account.findUniqueOrThrow({ where: { teamId } });
    expect([Number(standsAtSecond), attemptDepositId !== null]).toEqual([x, true]);
    const credit = { depositId: attemptDepositId ?? '', nowSecond: MIDNIGHT - 1, receiptUrl: null };
    await ledger().creditDeposit(credit, 'test');
    expect(await getInstance(one.db, `${gpuType}-i`)).toMatchObject({ endSecond: null });
    expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
  });
});

describe('a midnight of several teams', () => {
  it('is read in the following hour, and takes effect at 00:00 for every read', async () => {
    const from = MIDNIGHT - DAY;
    await list('4', from);
    const teamIds = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `${gpuType}-team-${name}`);
    const looks = new Map<string, number>();
    for (const teamId of teamIds) {
      await one.team(teamId, '5000', from);
      await start(teamId, `${teamId}-i`, from);
      await one.use(teamId, `${teamId}-tokens`, 1_100_000_000, from + 60);
      const { next } = await ledger().lookAhead({ teamId, nowSecond: MIDNIGHT - 600 }, 'test');
      expect(next?.what).toBe('volume_review');
      looks.set(teamId, next?.second ?? 0);
    }
    expect(new Set(looks.values()).size).toBe(teamIds.length);
    expect(Math.min(...looks.values())).toBeGreaterThan(MIDNIGHT);
    expect(Math.max(...looks.values())).toBeLessThanOrEqual(MIDNIGHT + 3_600);
    for (const [teamId, lookSecond] of looks) {
      expect(await readBalance(one.db, TIERED, teamId, MIDNIGHT)).toMatchObject({ burnPerHour: '9.000000' });
      await ledger().lookAhead({ teamId, nowSecond: lookSecond }, 'test');
      expect(await segmentsFrom(`${teamId}-i`, MIDNIGHT)).toEqual([
        [10_000_000, -DAY, 0, null],
        [9_000_000, 0, null, 'volume'],
      ]);
      expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
    }
  });
});

describe('the daily spending of a team', () => {
  it('is the cost of its segments in each day and of its tokens at their second, and earns the discount of the next midnight', async () => {
    const teamId = await team('5000', MIDNIGHT - 3 * DAY);
    await list('4', MIDNIGHT - 3 * DAY);
    // $1 a second, from a minute before a midnight to a minute after it; 90 seconds of another; tokens for $5.
    await start(teamId, `${gpuType}-a`, MIDNIGHT - 2 * DAY - 60, 'on_demand', ledger(), '3600');
    await one.stop(`${gpuType}-a`, MIDNIGHT - 2 * DAY + 60);
    await start(teamId, `${gpuType}-b`, MIDNIGHT - 40_000, 'on_demand', ledger(), '3600');
    await one.stop(`${gpuType}-b`, MIDNIGHT - 40_000 + 90);
    await one.use(teamId, 'tokens', 5_000_000, MIDNIGHT - 30_000);
    const spent = await readSpentByDay(one.db, teamId, MIDNIGHT - 30 * DAY, MIDNIGHT);
    expect(Object.fromEntries([...spent].map(([day, sum]) => [(day - MIDNIGHT) / DAY, Number(sum)]))).toEqual({
      '-3': 60_000_000,
      '-2': 60_000_000,
      '-1': 95_000_000,
    });

    // $215 spent: 2.5 % at once. $10 an hour less 2.5 % for a day, and a $900 run besides: the next tier at midnight.
    await start(teamId, `${gpuType}-i`, MIDNIGHT);
    await start(teamId, `${gpuType}-c`, MIDNIGHT + 100, 'on_demand', ledger(), '3600');
    await one.stop(`${gpuType}-c`, MIDNIGHT + 1_000);
    await ledger().lookAhead({ teamId, nowSecond: MIDNIGHT + 35 * DAY }, 'test');
    expect(await segmentsFrom(`${gpuType}-i`, MIDNIGHT)).toEqual([
      [9_750_000, 0, DAY, 'volume'],
      // Then it lives on its own: some $220 a day keep it there.
      [9_000_000, DAY, expect.any(Number), 'volume'],
    ]);
    expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
    expect(dayStart(MIDNIGHT)).toBe(MIDNIGHT);
  });
});
