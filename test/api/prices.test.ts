/** Tests the price list over HTTP: entries, dated changes, history and access. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { viewListedGpuPrice } from '../../api/views/price.ts';
import { parseDollars } from '../../billing/money.ts';
import { secondOf } from '../../billing/time.ts';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let names = 0;
let gpu: string;
let model: string;

beforeAll(async () => {
  api = await startCommandedApi();
});
beforeEach(() => {
  Object.assign(api.engine, { away: false, sentWakes: [] });
  names += 1;
  gpu = `gpu-${names}`;
  model = `model-${names}`;
});
afterAll(() => api.close());

const whole = (second: number) => new Date(second * 1_000).toISOString().replace('.000Z', 'Z');
const nowSecond = () => secondOf(api.world.nowMs());
const pass = (seconds: number) => {
  api.clock.aheadMs += seconds * 1_000;
};
const RESERVED = { '1m': '7', '3m': '6.3', '6m': '5.7', '12m': '5' };
const set = (change: object = {}, region = 'eu-1') =>
  api.put(`/v1/prices/${gpu}/${region}`, { onDemand: '10', spot: '4', reserved: RESERVED, ...change });
const listed = async (query = `gpuType=${gpu}`, key?: string) =>
  (await api.get(`/v1/prices?${query}`, key === undefined ? {} : { key })).body.data;
const history = async () => (await api.get(`/v1/prices/${gpu}/eu-1/history`)).body.data;

describe('the price list', () => {
  it('has initial entries, by GPU type and region, and can be filtered', async () => {
    const list = (await api.get('/v1/prices')).body.data;
    expect(list.length).toBeGreaterThanOrEqual(60);
    const [h100] = await listed('gpuType=h100-80gb&region=eu-west-1');
    expect(h100).toEqual({
      gpuType: 'h100-80gb',
      region: 'eu-west-1',
      onDemand: '2.490000',
      spot: '1.250000',
      reserved: { '1m': '1.740000', '3m': '1.570000', '6m': '1.420000', '12m': '1.250000' },
      discountPercent: 0,
      discountKind: null,
      yourOnDemand: '2.490000',
      yourSpot: '1.250000',
    });
    expect(await listed('gpuType=h100-80gb')).toHaveLength(5);
    expect(await listed('region=eu-west-1')).toHaveLength(12);
    expect(await listed('gpuType=nothing-like-it')).toEqual([]);
  });

  it('shows a new price of the platform at once', async () => {
    const before = nowSecond();
    const { status, body } = await set();
    expect([status, body]).toEqual([
      200,
      {
        gpuType: gpu,
        region: 'eu-1',
        onDemand: '10.000000',
        spot: '4.000000',
        reserved: { '1m': '7.000000', '3m': '6.300000', '6m': '5.700000', '12m': '5.000000' },
        effectiveFrom: expect.any(String),
      },
    ]);
    const from = secondOf(Date.parse(body.effectiveFrom));
    expect(from).toBeGreaterThanOrEqual(before);
    expect(from).toBeLessThanOrEqual(nowSecond());
    expect(await listed()).toMatchObject([{ gpuType: gpu, region: 'eu-1', onDemand: '10.000000' }]);
    await set({ onDemand: '9.999999', reserved: { ...RESERVED, '1m': '6.999999' } });
    expect(await listed()).toMatchObject([{ onDemand: '9.999999', reserved: { '1m': '6.999999' } }]);
  });

  it('shows a dated change from its second on, and not earlier', async () => {
    await set();
    const effectiveFrom = whole(nowSecond() + 3_600);
    expect((await set({ spot: '3', effectiveFrom })).body).toMatchObject({ spot: '3.000000', effectiveFrom });
    expect(await listed()).toMatchObject([{ spot: '4.000000' }]);
    // What lies between is the time that this test itself takes.
    pass(Date.parse(effectiveFrom) / 1_000 - nowSecond() - 30);
    expect(await listed()).toMatchObject([{ spot: '4.000000' }]);
    pass(30);
    expect(await listed()).toMatchObject([{ spot: '3.000000' }]);
  });

  it('does not show a planned change, and refuses a change in the past', async () => {
    await set({ effectiveFrom: whole(nowSecond() + 3_600) });
    expect(await listed()).toEqual([]);
    const late = await set({ effectiveFrom: whole(nowSecond() - 60) });
    expect([late.status, late.body.error.code, late.body.error.param]).toEqual([
      422,
      'at_out_of_range',
      'effectiveFrom',
    ]);
    expect(await history()).toHaveLength(1);
  });

  it('shows the last recorded of simultaneous changes, and its history has all of them', async () => {
    await set();
    const spots = ['1', '1.1', '1.2', '1.3', '1.4', '1.5'];
    const answers = await Promise.all(spots.map((spot) => set({ spot })));
    expect(answers.map(({ status }) => status)).toEqual(spots.map(() => 200));
    const rows = await history();
    expect(rows).toHaveLength(7);
    const latest = answers
      .map(({ body }) => body.effectiveFrom)
      .sort()
      .at(-1);
    expect(rows[0]).toMatchObject({ effectiveFrom: latest, actor: 'platform', withdrawn: false });
    expect((await listed())[0].spot).toBe(rows[0].spot);
  });

  it('does not show a withdrawn entry until it is set again', async () => {
    await set();
    await set({ effectiveFrom: whole(nowSecond() + 60) });
    const { status, body } = await api.send('DELETE', `/v1/prices/${gpu}/eu-1`);
    expect([status, body]).toEqual([200, { gpuType: gpu, region: 'eu-1', withdrawnFrom: expect.any(String) }]);
    expect(await listed()).toEqual([]);
    pass(60);
    expect(await listed()).toEqual([]);
    const again = await api.send('DELETE', `/v1/prices/${gpu}/eu-1`);
    expect([again.status, again.body.error.code]).toEqual([404, 'not_found']);
    await set({ onDemand: '9.5', reserved: { ...RESERVED, '1m': '6.5' } });
    expect(await listed()).toMatchObject([{ onDemand: '9.500000' }]);
  });

  it('has a history for the platform: past, current and planned entries, in pages', async () => {
    await set();
    const effectiveFrom = whole(nowSecond() + 86_400);
    await set({ spot: '3', effectiveFrom });
    await set({ spot: '2' });
    const first = (await api.get(`/v1/prices/${gpu}/eu-1/history?limit=2`)).body;
    expect(first.data).toMatchObject([
      { spot: '3.000000', effectiveFrom, withdrawn: false, actor: 'platform' },
      { spot: '2.000000' },
    ]);
    expect(first.data[0].recordedAt < effectiveFrom).toBe(true);
    const rest = (await api.get(`/v1/prices/${gpu}/eu-1/history?cursor=${first.nextCursor}`)).body;
    expect(rest).toMatchObject({ data: [{ spot: '4.000000' }], nextCursor: null });
    const unknown = await api.get(`/v1/prices/${gpu}/us-1/history`);
    expect([unknown.status, unknown.body.error.code]).toEqual([404, 'not_found']);
  });

  it('wakes the watch of each team with a spot instance at the list price, and while the engine is unavailable the read stays due', async () => {
    await set();
    const [team, other] = [await teamWith(api, '100'), await teamWith(api, '100')];
    for (const [teamId, hourlyMicros] of [
      [team, null],
      [other, 1_000_000n],
    ] as const)
      await api.db.instance.create({
        data: {
          id: `spot-${teamId}`,
          teamId,
          gpuType: gpu,
          region: 'eu-1',
          pricing: 'spot',
          hourlyMicros,
          requestHash: 'hash',
          startSecond: nowSecond(),
        },
      });
    api.engine.sentWakes.length = 0;
    await set({ spot: '3' });
    expect(api.engine.sentWakes).toEqual([`watch ${team}`]);
    await api.db.account.updateMany({ where: { teamId: { in: [team, other] } }, data: { lookDueSecond: null } });
    api.engine.away = true;
    expect((await set({ spot: '5' })).status).toBe(200);
    expect(await listed()).toMatchObject([{ spot: '5.000000' }]);
    const due = await api.db.account.findMany({
      where: { teamId: { in: [team, other] }, lookDueSecond: { not: null } },
    });
    expect(due.map(({ teamId }) => teamId)).toEqual([team]);
  });

  it('does not change instances with a given price', async () => {
    await set();
    const team = await teamWith(api, '100');
    const { body } = await api.post(
      '/v1/instances',
      instanceOf(team, { gpuType: gpu, region: 'eu-1', pricing: 'spot', hourly: '2' }),
    );
    await set({ spot: '3' });
    expect((await api.get(`/v1/instances/${body.id}`)).body).toMatchObject({ hourly: '2.000000' });
  });
});

describe('the list of a team', () => {
  it('shows a discount of zero without a discount', async () => {
    await set();
    const team = await teamWith(api);
    const none = { discountPercent: 0, discountKind: null, yourOnDemand: '10.000000', yourSpot: '4.000000' };
    expect(await listed(`gpuType=${gpu}&team=${team}`)).toMatchObject([none]);
    expect(await listed(`gpuType=${gpu}`, await keyFor(api, team, ['read']))).toMatchObject([none]);
    expect(await listed(`gpuType=${gpu}&team=${team}`, await keyFor(api, team, ['billing']))).toMatchObject([none]);
  });

  it('shows a discount in percent, and the rest of both prices, rounded half up', () => {
    const reserved = parseDollars('1.5');
    const price = {
      gpuType: gpu,
      region: 'eu-1',
      effectiveSecond: 0,
      onDemandMicros: parseDollars('2.49'),
      spotMicros: parseDollars('0.000010'),
      reservedMicros: { '1m': reserved, '3m': reserved, '6m': reserved, '12m': reserved },
      withdrawn: false,
    };
    expect(viewListedGpuPrice(price, { basisPoints: 1_250, kind: 'volume' })).toMatchObject({
      onDemand: '2.490000',
      discountPercent: 12.5,
      discountKind: 'volume',
      yourOnDemand: '2.178750',
      yourSpot: '0.000009',
      reserved: { '1m': '1.500000' },
    });
    const odd = viewListedGpuPrice(price, { basisPoints: 1_234, kind: 'assigned' });
    expect(JSON.stringify(odd)).toContain('"discountPercent":12.34,"discountKind":"assigned"');
    expect(odd.yourSpot).toBe('0.000009');
    expect(viewListedGpuPrice(price, { basisPoints: 500, kind: 'assigned' }).yourSpot).toBe('0.000010');
  });

  it('is hidden from other teams, does not exist for an unknown team, and cannot be changed by a team', async () => {
    const team = await teamWith(api);
    const other = await teamWith(api);
    const key = await keyFor(api, team, ['read', 'billing', 'usage']);
    for (const [path, options] of [
      [`/v1/prices?team=${other}`, { key }],
      ['/v1/prices?team=nobody', { key }],
      ['/v1/prices?team=nobody', {}],
    ] as const) {
      const { status, body } = await api.get(path, options);
      expect([status, body.error.code, body.error.param]).toEqual([404, 'not_found', 'team']);
    }
    const price = { onDemand: '10', spot: '4', reserved: RESERVED };
    expect((await api.put(`/v1/prices/${gpu}/eu-1`, price, { key })).status).toBe(403);
    expect((await api.send('DELETE', '/v1/prices/h100-80gb/eu-west-1', { key })).status).toBe(403);
    expect((await api.get('/v1/prices/h100-80gb/eu-west-1/history', { key })).status).toBe(403);
    expect((await api.put(`/v1/models/${model}`, { input: '1', output: '1' }, { key })).status).toBe(403);
    expect(await listed()).toEqual([]);
  });
});

describe('the models', () => {
  const put = (change: object = {}) => api.put(`/v1/models/${model}`, { input: '0.25', output: '0.75', ...change });
  const find = async () =>
    (await api.get('/v1/models')).body.data.find(({ id }: { id: string }) => id === decodeURIComponent(model));

  it('have initial entries, in dollars per million tokens', async () => {
    const { data } = (await api.get('/v1/models')).body;
    expect(data.length).toBeGreaterThanOrEqual(15);
    expect(data).toContainEqual({ id: 'llama-3.1-8b-instruct', input: '0.050000', output: '0.080000' });
    const team = await teamWith(api);
    expect((await api.get('/v1/models', { key: await keyFor(api, team, ['read']) })).body.data).toEqual(data);
  });

  it('show a price from its second on, and none after a withdrawal', async () => {
    expect((await put()).body).toEqual({
      id: model,
      input: '0.250000',
      output: '0.750000',
      effectiveFrom: expect.any(String),
    });
    const effectiveFrom = whole(nowSecond() + 600);
    expect((await put({ output: '0.5', effectiveFrom })).body).toMatchObject({ output: '0.500000', effectiveFrom });
    expect(await find()).toEqual({ id: model, input: '0.250000', output: '0.750000' });
    pass(600);
    expect(await find()).toMatchObject({ output: '0.500000' });
    const { status, body } = await api.send('DELETE', `/v1/models/${model}`);
    expect([status, body]).toEqual([200, { id: model, withdrawnFrom: expect.any(String) }]);
    expect(await find()).toBeUndefined();
    expect((await api.send('DELETE', `/v1/models/${model}`)).status).toBe(404);
  });

  it('may have a vendor’s name with a slash, and cost nothing', async () => {
    model = encodeURIComponent(`vendor/${model}`);
    expect((await put({ input: '0', output: '0' })).body).toMatchObject({ id: decodeURIComponent(model) });
    expect(await find()).toMatchObject({ input: '0.000000', output: '0.000000' });
    expect((await api.send('DELETE', `/v1/models/${model}`)).status).toBe(200);
  });

  it('cannot be priced in the past', async () => {
    const { status, body } = await put({ effectiveFrom: whole(nowSecond() - 60) });
    expect([status, body.error.code, body.error.param]).toEqual([422, 'at_out_of_range', 'effectiveFrom']);
    expect(await find()).toBeUndefined();
  });

  it('show the last recorded of simultaneous changes', async () => {
    await Promise.all(['1', '2', '3', '4'].map((input) => put({ input })));
    const rows = await api.db.modelPrice.findMany({ where: { model }, orderBy: { id: 'asc' } });
    expect(rows).toHaveLength(4);
    expect(Number((await find()).input)).toBe(Number(rows.at(-1)?.inputMicrosPerMillion) / 1_000_000);
  });
});
