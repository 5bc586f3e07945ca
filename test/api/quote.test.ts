/** Tests quotes over HTTP, which equal the later charges, and the warnings about a policy. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith } from './support.ts';

const GPU = 'gpu-of-36';
let api: CommandedApi;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi();
  // Only what a test lets pass passes, however slow the machine.
  api.clock.stoppedMs = Date.now();
  const reserved = { '1m': '25', '3m': '24', '6m': '22', '12m': '18' };
  await api.put(`/v1/prices/${GPU}/eu-1`, { onDemand: '36', spot: '18', reserved });
});
beforeEach(async () => {
  api.clock.aheadMs = 0;
  team = await teamWith(api, '100');
});
afterAll(() => api.close());

const quote = (change: object = {}, options = {}) =>
  api.post('/v1/quote', { team, gpuType: GPU, region: 'eu-1', pricing: 'on_demand', count: 1, ...change }, options);
const start = (change: object = {}) =>
  api.post('/v1/instances', instanceOf(team, { gpuType: GPU, hourly: undefined, ...change }));
const balance = async () => (await api.get(`/v1/teams/${team}/balance`)).body;
const inSeconds = (seconds: number) => {
  const second = Math.floor(api.world.nowMs() / 1_000) + seconds;
  return new Date(second * 1_000).toISOString().replace('.000Z', 'Z');
};
const seconds = (from: string, to: string) => (Date.parse(to) - Date.parse(from)) / 1_000;
const codes = (warnings: Array<{ code: string }>) => warnings.map(({ code }) => code);

describe('POST /v1/quote', () => {
  it('answers the price, and its effect on the runway', async () => {
    const { asOf } = await balance();
    const { status, body } = await quote({ count: 2 });
    expect(status).toBe(200);
    expect(body).toEqual({
      hourly: '36.000000',
      totalPerHour: '72.000000',
      coveredCount: 0,
      discountPercent: 0,
      burnPerHour: '72.000000',
      runsOutAt: expect.any(String),
      nextTopUpAt: null,
      warnings: [],
    });
    expect(seconds(asOf, body.runsOutAt) - 5_000).toBeLessThan(5);
  });

  it('equals the charges of the start, with discount and spot price', async () => {
    await api.put(`/v1/teams/${team}/discount`, { percent: 10, note: 'n', until: inSeconds(600) });
    // A spot price to come counts in it.
    const price = { onDemand: '100', spot: '18', reserved: { '1m': '70', '3m': '60', '6m': '55', '12m': '50' } };
    await api.put('/v1/prices/gpu-quoted/eu-1', price);
    await api.put('/v1/prices/gpu-quoted/eu-1', { ...price, spot: '90', effectiveFrom: inSeconds(300) });
    for (const change of [{}, { gpuType: 'gpu-quoted', pricing: 'spot' }, { hourly: '7.2' }]) {
      const quoted = (await quote(change)).body;
      const started = await start(change);
      expect(started.body.hourly).toBe(quoted.hourly);
      const { runsOutAt, burnPerHour } = await balance();
      expect(burnPerHour).toBe(quoted.burnPerHour);
      // The calls lie a second apart at the most.
      expect(Math.abs(seconds(quoted.runsOutAt, runsOutAt))).toBeLessThanOrEqual(1);
    }
  });

  it('changes nothing', async () => {
    const before = await api.db.account.findUniqueOrThrow({ where: { teamId: team } });
    await quote({ count: 1_000 });
    expect(await api.db.account.findUniqueOrThrow({ where: { teamId: team } })).toEqual(before);
    expect((await balance()).activeInstances).toBe(0);
  });

  it('answers the second of the next charge, and warns of a policy that is too small', async () => {
    await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    const policy = { enabled: true, threshold: '30', amount: '29' };
    expect((await api.put(`/v1/teams/${team}/auto-top-up`, policy)).body.warnings).toEqual([]);
    const { asOf } = await balance();
    const few = (await quote({ count: 9 })).body;
    expect(codes(few.warnings)).toEqual([]);
    const many = (await quote({ count: 10 })).body;
    expect(codes(many.warnings)).toEqual(['threshold_too_low', 'amount_too_small']);
    expect(many.warnings[0].message).toContain('set it to $31.00 or more');
    expect(seconds(asOf, many.nextTopUpAt) - 701).toBeLessThan(5);
    expect(Date.parse(many.nextTopUpAt)).toBeLessThan(Date.parse(many.runsOutAt));
  });

  it('warns where the start would be refused', async () => {
    const poor = await teamWith(api, '2');
    const { status, body } = await quote({ team: poor });
    expect([status, codes(body.warnings)]).toEqual([200, ['insufficient_credit']]);
    expect(body.warnings[0].message).toContain('add $1.00 or more');
    expect((await start({ team: poor })).status).toBe(402);
  });

  it('refuses an unlisted GPU, and a reserved instance without a reservation', async () => {
    expect((await quote({ region: 'nowhere' })).body.error).toMatchObject({
      code: 'price_not_found',
      param: 'region',
    });
    expect((await quote({ pricing: 'reserved' })).body.error).toMatchObject({ code: 'no_reservation' });
    expect((await quote({ region: 'nowhere', hourly: '1' })).status).toBe(200);
  });

  it('is hidden from the keys of other teams', async () => {
    const other = await teamWith(api, '10');
    const key = await keyFor(api, other, ['read']);
    expect((await quote({}, { key })).body.error).toMatchObject({ code: 'not_found', param: 'team' });
    expect((await quote({ team: other }, { key })).status).toBe(200);
    expect((await quote({ team: other }, { key: await keyFor(api, other, ['usage']) })).status).toBe(403);
  });
});

describe('auto top-up', () => {
  it('is answered with a warning when it is too small for the running instances', async () => {
    await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    await start({ hourly: '360' });
    const put = (change: object) =>
      api.put(`/v1/teams/${team}/auto-top-up`, { enabled: true, threshold: '31', amount: '29.99', ...change });
    expect(codes((await put({})).body.warnings)).toEqual(['amount_too_small']);
    expect(codes((await api.get(`/v1/teams/${team}/auto-top-up`)).body.warnings)).toEqual(['amount_too_small']);
    expect((await put({ amount: '30' })).body.warnings).toEqual([]);
    expect((await put({ enabled: false })).body.warnings).toEqual([]);
  });
});
