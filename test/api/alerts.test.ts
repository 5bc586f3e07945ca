/** Tests a team's alerts over HTTP: budgets, low-balance levels, the limit of burn, and saves from forms. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { formatSecond } from '../../billing/time.ts';
import { noticesOf } from '../../prisma/notices.ts';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith, theWatchLooks } from './support.ts';

/** A clock that stands still until it is moved: an hour before a day and a month end. */
const START = Date.parse('2040-01-31T23:00:00Z') / 1_000;
let second = START;
let api: CommandedApi;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi({ nowMs: () => second * 1_000 });
  await api.put('/v1/models/a-dollar', { input: '1', output: '1' });
});
beforeEach(async () => {
  second = START;
  team = await teamWith(api, '100');
});
afterAll(() => api.close());

const alerts = async () => (await api.get(`/v1/teams/${team}/alerts`)).body;
const put = (body: object) => api.put(`/v1/teams/${team}/alerts`, body);
const set = async (body: object) => {
  const { status, body: answered } = await put(body);
  expect([status, answered.error]).toEqual([200, undefined]);
  return answered;
};
const start = (change: object = {}) => api.post('/v1/instances', instanceOf(team, change));
const started = async (change: object = {}): Promise<string> => {
  const { status, body } = await start(change);
  expect([status, body.error]).toEqual([201, undefined]);
  return body.id;
};
const use = (dollars: number, project?: string, id = `e-${second}`) =>
  api.post('/v1/usage', {
    events: [{ id, team, model: 'a-dollar', inputTokens: dollars * 1_000_000, outputTokens: 0, project }],
  });
const hold = (project?: string) =>
  api.post('/v1/holds', { team, model: 'a-dollar', maxInputTokens: 1, maxOutputTokens: 0, ttlSeconds: 60, project });
const kinds = async () => (await noticesOf(api.db, team)).map(({ kind }) => kind);
const inSeconds = (seconds: number) => formatSecond(START + seconds);
const budget = (change: object = {}) => ({ period: 'day', amount: '10', action: 'stop', ...change });

describe('alerts', () => {
  it('are the level of the deployment at first, and are answered as they were set', async () => {
    expect(await alerts()).toEqual({ lowBalance: ['10.000000'], budgets: [], burnPerHourLimit: null, version: 0 });
    const asked = {
      lowBalance: ['5', '20.5', '5.00'],
      budgets: [budget(), budget({ project: 'train', period: 'month', action: 'mail' }), budget({ amount: '10.00' })],
      burnPerHourLimit: '40',
    };
    const answered = await set(asked);
    expect(answered).toEqual({
      lowBalance: ['20.500000', '5.000000'],
      burnPerHourLimit: '40.000000',
      version: 1,
      budgets: [
        {
          ...{ project: null, period: 'day', amount: '10.000000', action: 'stop', spend: '0.000000' },
          ...{ periodStart: '2040-01-31T00:00:00Z', periodEnd: '2040-02-01T00:00:00Z', met: false, metAt: null },
        },
        {
          ...{ project: 'train', period: 'month', amount: '10.000000', action: 'mail', spend: '0.000000' },
          ...{ periodStart: '2040-01-01T00:00:00Z', periodEnd: '2040-02-01T00:00:00Z', met: false, metAt: null },
        },
      ],
    });
    expect(await alerts()).toEqual(answered);
    expect(await set({})).toMatchObject({ lowBalance: ['10.000000'], budgets: [], burnPerHourLimit: null, version: 2 });
    expect((await set({ lowBalance: [] })).lowBalance).toEqual([]);
    expect((await api.get(`/v1/teams/${team}/balance`)).body.lowAt).toBeNull();
  });

  it('take the version that was read, and refuse a save from a form where another came between', async () => {
    await set({ burnPerHourLimit: '40', version: 0 });
    const late = await put({ burnPerHourLimit: '50', version: 0 });
    expect([late.status, late.body.error.code, late.body.error.param]).toEqual([409, 'version_conflict', 'version']);
    expect(await set({ burnPerHourLimit: '50' })).toMatchObject({ burnPerHourLimit: '50.000000', version: 2 });
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, nth) => put({ burnPerHourLimit: `${60 + nth}`, version: 2 })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(5).fill(409)]);
  });

  it.each([
    [{ lowBalance: ['0'] }, 'lowBalance.0'],
    [{ lowBalance: [10] }, 'lowBalance.0'],
    [{ lowBalance: Array(11).fill('1') }, 'lowBalance'],
    [{ budgets: [budget(), budget({ amount: '0' })] }, 'budgets.1.amount'],
    [{ budgets: [budget({ amount: '-1' })] }, 'budgets.0.amount'],
    [{ budgets: [budget({ period: 'week' })] }, 'budgets.0.period'],
    [{ budgets: [budget({ action: 'warn' })] }, 'budgets.0.action'],
    [{ budgets: [budget({ project: '' })] }, 'budgets.0.project'],
    [{ budgets: Array.from({ length: 51 }, (_, nth) => budget({ amount: `${nth + 1}` })) }, 'budgets'],
    [{ burnPerHourLimit: '0.00' }, 'burnPerHourLimit'],
    [{ burnPerHourLimit: 5 }, 'burnPerHourLimit'],
    [{ version: '1' }, 'version'],
  ])('refuse %j and name the field', async (body, param) => {
    const { status, body: answered } = await put(body);
    expect([400, 422]).toContain(status);
    expect(answered.error.param).toBe(param);
    expect((await alerts()).version).toBe(0);
  });

  it('are set by a key of scope billing, and read by a key of scope read', async () => {
    const key = await keyFor(api, team, ['billing']);
    expect((await api.put(`/v1/teams/${team}/alerts`, { budgets: [budget()] }, { key })).status).toBe(200);
    expect((await api.put('/v1/teams/nobody/alerts', {})).status).toBe(404);
  });
});

describe('a budget', () => {
  it('shows its spend and the second at which it will be met, and the watch looks then', async () => {
    await started({ hourly: '36', project: 'train' });
    second += 50;
    await set({
      budgets: [budget({ project: 'train', amount: '2.005' }), budget({ period: 'month', action: 'mail' })],
    });
    expect((await alerts()).budgets).toMatchObject([
      { spend: '0.500000', met: false, metAt: inSeconds(200) },
      { spend: '0.500000', met: false, metAt: inSeconds(1_001) },
    ]);
    await theWatchLooks(api, team);
    const row = await api.db.account.findUniqueOrThrow({ where: { teamId: team } });
    expect(row.plannedLookSecond).toBe(BigInt(START + 200));
  });

  it('ends the instances of its project at the last second within, whoever reads or writes next, and mails once', async () => {
    await set({ budgets: [budget({ project: 'train', amount: '1.005' })] });
    const id = await started({ hourly: '36', project: 'train' });
    const other = await started({ hourly: '36' });
    second += 1_000;
    const expected = {
      status: 'terminated',
      reason: 'budget',
      endedAt: inSeconds(100),
      seconds: 100,
      cost: '1.000000',
    };
    expect((await api.get(`/v1/instances/${id}`)).body).toMatchObject(expected);
    expect((await api.post(`/v1/instances/${other}/stop`)).body).toMatchObject({ cost: '10.000000' });
    expect((await api.get(`/v1/instances/${id}`)).body).toMatchObject(expected);
    expect((await alerts()).budgets).toMatchObject([{ met: true, metAt: inSeconds(100), spend: '1.000000' }]);
    // The watch orders the machine to stop.
    const stops = await api.db.teamStop.findMany({ where: { teamId: team } });
    expect(stops.map(({ instanceIds, second: at }) => [instanceIds, Number(at)])).toEqual([[[id], START + 100]]);
    second += 500;
    await theWatchLooks(api, team);
    expect((await kinds()).filter((kind) => kind.startsWith('budget'))).toEqual(['budget_met', 'budget.met']);
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('89.000000');
  });

  it('refuses starts, resumes and holds of its scope with 402 until the first second of the next period', async () => {
    await set({ budgets: [budget({ project: 'train', action: 'refuse' })] });
    const id = await started({ project: 'train' });
    await api.post(`/v1/instances/${id}/stop`);
    expect((await use(11, 'train')).body.events).toMatchObject([{ status: 'accepted' }]);
    const refusals = [
      await start({ project: 'train' }),
      await api.post(`/v1/instances/${id}/resume`),
      await hold('train'),
    ];
    expect(refusals.map(({ status, body }) => [status, body.error.code])).toEqual(Array(3).fill([402, 'budget_met']));
    expect(refusals[0]?.body.error.message).toBe(
      'The daily budget of project train, $10.00, was met at 2040-01-31T23:00:00Z: nothing is started before 2040-02-01T00:00:00Z, unless the budget is raised.',
    );
    await started({ project: 'serve' });
    expect([(await hold()).status, (await hold('serve')).status]).toEqual([201, 201]);
    second = START + 3_599;
    expect((await start({ project: 'train' })).status).toBe(402);
    second = START + 3_600;
    await started({ project: 'train' });
    expect((await alerts()).budgets).toMatchObject([{ met: false, spend: '0.000000' }]);
  });

  it('that is set later counts what was spent since the start of its period, by instances and tokens of its scope', async () => {
    const ended = await started({ hourly: '36', project: 'train' });
    second += 100;
    await api.post(`/v1/instances/${ended}/stop`);
    await use(2, 'train', 'a');
    await use(3, undefined, 'b');
    const id = await started({ hourly: '36', project: 'train' });
    await started({ hourly: '18' });
    second += 100;
    const answered = await set({
      budgets: [
        budget({ project: 'train', action: 'mail' }),
        budget({ action: 'mail', period: 'month' }),
        budget({ project: 'none', action: 'mail' }),
      ],
    });
    expect(answered.budgets.map(({ spend }: { spend: string }) => spend)).toEqual(['4.000000', '7.500000', '0.000000']);
    // A stop at an earlier second makes the spend less.
    await api.post(`/v1/instances/${id}/stop`, { at: inSeconds(150) });
    expect((await alerts()).budgets.map(({ spend }: { spend: string }) => spend)).toEqual([
      '3.500000',
      '7.000000',
      '0.000000',
    ]);
  });

  it('is met at once where the spend is above it already, and not again while it stays the same', async () => {
    await use(11);
    second += 5;
    const id = await started({ hourly: '36' });
    await set({ budgets: [budget()] });
    expect((await api.get(`/v1/instances/${id}`)).body).toMatchObject({ reason: 'budget', seconds: 0 });
    second += 5;
    await set({ budgets: [budget()], lowBalance: ['5'] });
    await set({ budgets: [budget({ amount: '12' })] });
    expect((await alerts()).budgets).toMatchObject([{ met: false }]);
    await set({ budgets: [budget({ amount: '10.5' })] });
    expect((await kinds()).filter((kind) => kind === 'budget_met')).toHaveLength(2);
  });
});

describe('the limit of burn', () => {
  it('refuses the start after which the burn would be above it, and names the numbers', async () => {
    await set({ burnPerHourLimit: '50' });
    await started({ hourly: '36' });
    const refused = await start({ hourly: '14.000001' });
    expect([refused.status, refused.body.error.code]).toEqual([402, 'burn_limit']);
    expect(refused.body.error.message).toContain('$50.000001 an hour, above its limit of $50.00 an hour');
    const id = await started({ hourly: '14' });
    expect((await api.post(`/v1/instances/${id}/reprice`, { hourly: '15' })).status).toBe(200);
    expect(await kinds()).toEqual(['burn_limit']);
  });
});

describe('low-balance levels', () => {
  it('each cause one mail and one event, and the lowest is foreseen in the balance', async () => {
    await set({ lowBalance: ['90', '95'] });
    await started({ hourly: '36' });
    expect((await api.get(`/v1/teams/${team}/balance`)).body.lowAt).toBe(inSeconds(1_001));
    second += 501;
    await theWatchLooks(api, team);
    second += 500;
    await theWatchLooks(api, team);
    await theWatchLooks(api, team);
    const lows = (await noticesOf(api.db, team)).filter(({ kind }) => kind === 'balance_low');
    expect(lows.map(({ second: at, data }) => [at - START, data.levelMicros])).toEqual([
      [501, 95_000_000],
      [1_001, 90_000_000],
    ]);
  });
});
