/** Tests forecasts over HTTP. test/simulate/foretold.test.ts compares a forecast with what the engine then does. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { formatSecond } from '../../billing/time.ts';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith } from './support.ts';

const START = Date.parse('2040-03-10T10:00:00Z') / 1_000;
let second = START;
let api: CommandedApi;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi({ nowMs: () => second * 1_000 });
  const reserved = { '1m': '28', '3m': '24', '6m': '22', '12m': '20' };
  await api.put('/v1/prices/gpu/eu-1', { onDemand: '40', spot: '20', reserved });
  await api.put('/v1/prices/gpu/eu-1', {
    onDemand: '40',
    spot: '36',
    reserved,
    effectiveFrom: formatSecond(START + 600),
  });
});
beforeEach(async () => {
  second = START;
  team = await teamWith(api, '100');
});
afterAll(() => api.close());

const ask = (body: object, options = {}) => api.post(`/v1/teams/${team}/forecast`, body, options);
const forecast = async (body: object) => {
  const { status, body: answered } = await ask(body);
  expect([status, answered.error]).toEqual([200, undefined]);
  return answered;
};
const seconds = ({ crossings }: { crossings: Array<{ at: string; what: string; balance: string }> }) =>
  crossings.map(({ at, what, balance }) => [Date.parse(at) / 1_000 - START, what, balance]);
const rows = async () =>
  Promise.all([
    api.db.transfer.count({ where: { teamId: team } }),
    api.db.instance.count({ where: { teamId: team } }),
    api.db.notice.count({ where: { teamId: team } }),
    api.db.account.findUniqueOrThrow({ where: { teamId: team } }),
  ]);

describe('a forecast', () => {
  it('of a team without anything that runs has no crossing, for 31 days', async () => {
    expect(await forecast({})).toEqual({
      ...{ crossings: [], runsOutAt: null, warnings: [] },
      until: '2040-04-10T10:00:00Z',
    });
  });

  it('follows new instances to the end of credit, and records nothing', async () => {
    const { body } = await api.post('/v1/instances', instanceOf(team, { hourly: '36' }));
    const before = await rows();
    const answered = await forecast({ start: [{ hourly: '108', count: 2 }] });
    // $0.07 a second: below $10 after 1,285.7 s, nothing left after 1,428.57 s.
    expect(seconds(answered)).toEqual([
      [1_286, 'low_balance', '9.980000'],
      [1_428, 'exhausted', '0.040000'],
    ]);
    expect(answered.runsOutAt).toBe(formatSecond(START + 1_428));
    expect(answered.crossings[1].instances).toEqual([body.id]);
    expect(await rows()).toEqual(before);
    // The team itself goes on as before.
    expect((await api.get(`/v1/teams/${team}/balance`)).body.runsOutAt).toBe(formatSecond(START + 10_000));
  });

  it('assumes ends, a deposit, a policy and a failing card', async () => {
    const { body } = await api.post('/v1/instances', instanceOf(team, { hourly: '36' }));
    const until = formatSecond(START + 20_000);
    expect(await forecast({ stop: [body.id, 'nobodys'], until })).toMatchObject({ crossings: [], until });
    expect((await forecast({ deposit: '50', until })).runsOutAt).toBe(formatSecond(START + 15_000));
    const autoTopUp = { enabled: true, threshold: '20', amount: '30' };
    expect(seconds(await forecast({ autoTopUp, until: formatSecond(START + 12_000) }))).toEqual([
      [8_001, 'top_up', '49.990000'],
      [11_001, 'top_up', '49.990000'],
    ]);
    expect(seconds(await forecast({ autoTopUp, cardFails: true, until })).map(([at, what]) => [at, what])).toEqual([
      [8_001, 'top_up_failed'],
      [9_001, 'low_balance'],
      [10_000, 'exhausted'],
    ]);
  });

  it('has budgets, new prices and shedding', async () => {
    await api.put(`/v1/teams/${team}/alerts`, {
      lowBalance: [],
      budgets: [{ project: 'train', period: 'day', amount: '5', action: 'stop' }],
    });
    const answered = await forecast({
      start: [
        { gpuType: 'gpu', region: 'eu-1', pricing: 'spot' },
        { hourly: '72', project: 'train' },
      ],
      until: formatSecond(START + 1_000),
    });
    expect(seconds(answered).map(([at, what]) => [at, what])).toEqual([
      [250, 'budget_met'],
      [600, 'rate_changed'],
    ]);
  });

  it('says why a start would be refused, and goes on', async () => {
    const poor = await teamWith(api, '1');
    const { body } = await api.post(`/v1/teams/${poor}/forecast`, { start: [{ hourly: '36' }] });
    expect(body.warnings).toMatchObject([{ code: 'insufficient_credit' }]);
    expect(body.runsOutAt).toBe(formatSecond(START + 100));
    await api.put(`/v1/teams/${team}/alerts`, { burnPerHourLimit: '30' });
    expect((await forecast({ start: [{ hourly: '36' }] })).warnings).toMatchObject([{ code: 'burn_limit' }]);
  });

  it.each([
    [{ start: [{ count: 2 }] }, 400, 'start.0.gpuType'],
    [{ start: [{ gpuType: 'gpu' }] }, 400, 'start.0.region'],
    [{ start: [{ hourly: 2 }] }, 400, 'start.0.hourly'],
    [{ start: [{ hourly: '1', count: 0 }] }, 400, 'start.0.count'],
    [{ deposit: '-5' }, 400, 'deposit'],
    [{ autoTopUp: { enabled: true, threshold: '1', amount: '15' } }, 422, 'threshold'],
    [{ until: '2040-03-10T09:59:59Z' }, 422, 'until'],
    [{ until: '2042-01-01T00:00:00Z' }, 422, 'until'],
    [{ starts: [] }, 400, 'starts'],
  ])('refuses %j and names the field', async (body, status, param) => {
    const answered = await ask(body);
    expect([answered.status, answered.body.error.param]).toEqual([status, param]);
  });

  it('lets only the platform name a price', async () => {
    const key = await keyFor(api, team, ['read']);
    expect((await ask({ start: [{ hourly: '1' }] }, { key })).status).toBe(403);
    expect((await ask({ start: [{ gpuType: 'gpu', region: 'eu-1' }] }, { key })).status).toBe(200);
    expect((await ask({ start: [{ gpuType: 'none', region: 'eu-1' }] }, { key })).body.error.code).toBe(
      'price_not_found',
    );
  });
});
