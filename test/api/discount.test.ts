/** Tests assigned discounts and volume discounts over HTTP, and their effect on prices. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseDollars } from '../../billing/money.ts';
import { type CommandedApi, instanceOf, SETTINGS, startCommandedApi, teamWith } from './support.ts';

const DAY_MS = 86_400_000;
const GPU = 'gpu-of-ten';
const VOLUME_TIERS = [
  { spendMicros: parseDollars('100'), basisPoints: 500 },
  { spendMicros: parseDollars('1000'), basisPoints: 1_000 },
];
let api: CommandedApi;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi({ settings: { ...SETTINGS, volumeTiers: VOLUME_TIERS } });
  const reserved = { '1m': '7', '3m': '6.3', '6m': '5.7', '12m': '5' };
  await api.put(`/v1/prices/${GPU}/eu-1`, { onDemand: '10', spot: '4', reserved });
  await api.put('/v1/models/a-dollar', { input: '1', output: '1' });
});
beforeEach(async () => {
  Object.assign(api.engine, { away: false, sentWakes: [] });
  // Of a day to come, the noon: volume is looked at again at midnight, which may be near.
  api.clock.aheadMs = 1.5 * DAY_MS - (Date.now() % DAY_MS);
  team = await teamWith(api, '5000');
});
afterAll(() => api.close());

const pass = (seconds: number) => {
  api.clock.aheadMs += seconds * 1_000;
};
const inSeconds = (seconds: number) => {
  const second = Math.floor(api.world.nowMs() / 1_000) + seconds;
  return new Date(second * 1_000).toISOString().replace('.000Z', 'Z');
};
const assign = (percent: number, change: object = {}) =>
  api.put(`/v1/teams/${team}/discount`, { percent, note: 'a good customer', ...change });
const discount = async () => (await api.get(`/v1/teams/${team}/discount`)).body;
const start = async (change: object = {}) =>
  (await api.post('/v1/instances', instanceOf(team, { gpuType: GPU, hourly: undefined, ...change }))).body;
const instance = async (id: string) => (await api.get(`/v1/instances/${id}`)).body;
const listed = async () => (await api.get(`/v1/prices?team=${team}&gpuType=${GPU}`)).body.data[0];
let events = 0;
/** Tokens for so many dollars. */
const use = (dollars: number) => {
  events += 1;
  const event = { id: `ev-${events}`, team, model: 'a-dollar', inputTokens: dollars * 1_000_000, outputTokens: 0 };
  return api.post('/v1/usage', { events: [event] });
};

describe('an assigned discount', () => {
  it('is answered with its effect on prices, and wakes the watch', async () => {
    const until = inSeconds(3600);
    const { status, body } = await assign(12.5, { until });
    expect([status, body]).toEqual([
      200,
      {
        percent: 12.5,
        until,
        note: 'a good customer',
        volumePercent: 0,
        effectivePercent: 12.5,
        effectiveKind: 'assigned',
        trailingSpend: '0.000000',
        nextTier: { spend: '100.000000', percent: 5 },
      },
    ]);
    expect(await discount()).toEqual(body);
    expect(api.engine.sentWakes.at(-1)).toBe(`watch ${team}`);
  });

  it('is shown in the team’s price list, and applies to the next start', async () => {
    await assign(12.34);
    expect(await listed()).toMatchObject({
      discountPercent: 12.34,
      discountKind: 'assigned',
      yourOnDemand: '8.766000',
      yourSpot: '3.506400',
    });
    expect(await start()).toMatchObject({ hourly: '8.766000' });
    expect(await start({ pricing: 'spot' })).toMatchObject({ hourly: '3.506400' });
    expect(await start({ hourly: '10' })).toMatchObject({ hourly: '10.000000' });
  });

  it('ends one segment of a running instance and begins the next at the same second, except for an instance with a given price', async () => {
    const [onDemand, spot, given] = [await start(), await start({ pricing: 'spot' }), await start({ hourly: '1' })];
    pass(100);
    await assign(50);
    for (const [{ id }, before, after] of [
      [onDemand, '10.000000', '5.000000'],
      [spot, '4.000000', '2.000000'],
    ] as const) {
      const { segments, hourly } = await instance(id);
      expect(hourly).toBe(after);
      expect(segments).toMatchObject([
        { hourly: before, discountKind: null, endedAt: segments[1].startedAt },
        { hourly: after, list: before, discountPercent: 50, discountKind: 'assigned', endedAt: null },
      ]);
      expect(segments[1].why).toMatch(/list price \$\d+\.000000 less 50 % discount$/);
    }
    expect((await instance(given.id)).segments).toHaveLength(1);
    // The same again is nothing new to be charged by.
    await assign(50);
    expect((await instance(onDemand.id)).segments).toHaveLength(2);
  });

  it('ends at its second by itself, both in a read and in the record', async () => {
    const { id } = await start();
    const until = inSeconds(60);
    await assign(25, { until });
    pass(120);
    const third = { hourly: '10.000000', startedAt: until, discountKind: null };
    expect((await instance(id)).segments.at(-1)).toMatchObject(third);
    expect(await discount()).toMatchObject({ percent: 0, until: null, note: null, effectivePercent: 0 });
    await api.post(`/v1/instances/${id}/stop`);
    expect((await instance(id)).segments.at(-1)).toMatchObject(third);
  });

  it('is removed by 0, and replaced by another discount', async () => {
    const { id } = await start();
    await assign(25, { until: inSeconds(3600) });
    expect((await assign(10)).body).toMatchObject({ percent: 10, until: null });
    expect((await assign(0, { note: 'no more' })).body).toMatchObject({
      percent: 0,
      until: null,
      note: null,
      effectivePercent: 0,
      effectiveKind: null,
    });
    expect((await instance(id)).hourly).toBe('10.000000');
    const kept = await api.db.discount.findMany({ where: { teamId: team }, orderBy: { id: 'asc' } });
    expect(kept).toMatchObject([
      { basisPoints: 2_500, actor: 'platform', note: 'a good customer' },
      { basisPoints: 1_000, untilSecond: null },
      { basisPoints: 0, note: 'no more' },
    ]);
  });

  it('can be 100 percent of the price', async () => {
    await assign(100);
    expect(await start()).toMatchObject({ hourly: '0.000000', status: 'active' });
  });

  it('is refused with an end in the past, and is recorded while the engine is unavailable', async () => {
    for (const seconds of [0, -1, -3600])
      expect((await assign(10, { until: inSeconds(seconds) })).body.error).toMatchObject({
        code: 'at_out_of_range',
        param: 'until',
      });
    api.engine.away = true;
    expect((await assign(10)).status).toBe(200);
    expect(await discount()).toMatchObject({ percent: 10 });
  });
});

describe('a volume discount', () => {
  it('is computed from the team’s spending so far, and applies to its price list and its next start', async () => {
    const { id } = await start();
    await use(99);
    expect(await discount()).toMatchObject({ volumePercent: 0, nextTier: { spend: '100.000000', percent: 5 } });
    // What still runs counts: $10 in an hour.
    pass(3600);
    const { trailingSpend, ...earned } = await discount();
    expect(Number(trailingSpend)).toBeCloseTo(109, 1);
    expect(earned).toMatchObject({
      percent: 0,
      volumePercent: 5,
      effectivePercent: 5,
      effectiveKind: 'volume',
      nextTier: { spend: '1000.000000', percent: 10 },
    });
    expect(await listed()).toMatchObject({ discountPercent: 5, discountKind: 'volume', yourOnDemand: '9.500000' });
    expect((await instance(id)).hourly).toBe('10.000000');
    expect(await start()).toMatchObject({ hourly: '9.500000' });
    // It was looked at: from then on for what ran already too.
    expect((await instance(id)).hourly).toBe('9.500000');
  });

  it('applies when it is higher than the assigned discount, and never in addition to it', async () => {
    await use(1_000);
    expect(await discount()).toMatchObject({ volumePercent: 10, nextTier: null });
    expect((await assign(7)).body).toMatchObject({ percent: 7, effectivePercent: 10, effectiveKind: 'volume' });
    expect(await start()).toMatchObject({ hourly: '9.000000' });
    expect((await assign(12)).body).toMatchObject({ effectivePercent: 12, effectiveKind: 'assigned' });
    expect(await start()).toMatchObject({ hourly: '8.800000' });
  });
});
