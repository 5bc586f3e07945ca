/** Tests the routes of usage sums and of the summary: groups, time zones, filters, refusals. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith } from './support.ts';

const NOW = Date.parse('2026-10-25T06:00:00Z');
const MODEL = 'llama-3.3-70b-instruct';
let api: CommandedApi;
let team: string;
beforeAll(async () => {
  api = await startCommandedApi();
});
afterAll(() => api.close());

const clock = (time: string) => {
  api.clock.stoppedMs = Date.parse(time);
};
beforeEach(async () => {
  clock('2026-10-24T12:00:00Z');
  team = await teamWith(api, '1000');
});

const start = async (time: string, more: object) => {
  clock(time);
  const { status, body } = await api.post('/v1/instances', { ...instanceOf(team), ...more });
  expect(status).toBe(201);
  return body.id as string;
};
const stop = async (id: string, time: string) => {
  clock(time);
  expect((await api.post(`/v1/instances/${id}/stop`, {})).status).toBe(200);
};
const tokens = async (id: string, time: string, more: object = {}) => {
  clock(time);
  const event = { id, team, model: MODEL, inputTokens: 1_000_000, outputTokens: 0, ...more };
  const { body } = await api.post('/v1/usage', { events: [event] });
  expect(body.events[0].status).toBe('accepted');
  return body.events[0].cost as string;
};
const usage = (query: string) => api.get(`/v1/teams/${team}/usage?${query}`);
const data = async (query: string) => {
  const { status, body } = await usage(query);
  expect([status, body.error]).toEqual([200, undefined]);
  return body.data;
};

describe('sums of usage', () => {
  it('by day follow the days of the zone, over the hour that comes twice', async () => {
    const id = await start('2026-10-24T20:00:00Z', { hourly: '3.60' });
    await stop(id, '2026-10-25T02:00:00Z');
    clock('2026-10-25T06:00:00Z');
    const { body } = await usage('by=day&timeZone=Europe/Berlin');
    expect(body).toMatchObject({ timeZone: 'Europe/Berlin', to: '2026-10-25T06:00:01Z', total: '21.600000' });
    expect(body.data).toEqual([
      expect.objectContaining({ day: '2026-10-24', cost: '7.200000', seconds: 7200 }),
      expect.objectContaining({ day: '2026-10-25', cost: '14.400000', seconds: 14_400 }),
    ]);
    const hours = await data('by=hour&timeZone=Europe/Berlin&from=2026-10-25T00:00:00Z&to=2026-10-25T02:00:00Z');
    expect(hours.map(({ hour, cost, filter }: Record<string, unknown>) => [hour, cost, filter])).toEqual([
      ['2026-10-25T02:00:00+02:00', '3.600000', { from: '2026-10-25T00:00:00Z', to: '2026-10-25T01:00:00Z' }],
      ['2026-10-25T02:00:00+01:00', '3.600000', { from: '2026-10-25T01:00:00Z', to: '2026-10-25T02:00:00Z' }],
    ]);
  });

  it('count a running instance through the present, also where the range ends in the future', async () => {
    await start('2026-10-25T05:00:00Z', { hourly: '3.60', project: 'vision' });
    clock('2026-10-25T05:00:10Z');
    const [group] = await data('by=project&to=2027-01-01T00:00:00Z');
    expect(group).toMatchObject({ project: 'vision', cost: '0.010000', seconds: 10, filter: { project: 'vision' } });
    // Nothing of this is recorded yet.
    expect((await api.get(`/v1/teams/${team}/balance`)).body.posted).toBe('1000.000000');
  });

  it('have a group without a value for usage that has none', async () => {
    const a = await start('2026-10-24T13:00:00Z', { hourly: '3.60', project: 'vision' });
    const b = await start('2026-10-24T13:00:00Z', { hourly: '7.20', gpuType: 'b200' });
    await stop(a, '2026-10-24T13:00:10Z');
    await stop(b, '2026-10-24T13:00:10Z');
    const cost = await tokens('of-vision', '2026-10-24T13:10:00Z', { project: 'vision' });
    await tokens('of-none', '2026-10-24T13:20:00Z');
    const projects = await data('by=project');
    expect(projects.map(({ project, seconds }: Record<string, unknown>) => [project, seconds])).toEqual([
      ['vision', 10],
      [null, 10],
    ]);
    expect(projects[1].filter.project).toBe('');
    expect(await data('by=model')).toEqual([
      expect.objectContaining({ model: MODEL, inputTokens: 2_000_000, outputTokens: 0 }),
      expect.objectContaining({ model: null, cost: '0.030000', seconds: 20 }),
    ]);
    const both = await data('by=gpuType&by=model');
    expect(both.map(({ gpuType, model, cost }: Record<string, unknown>) => [gpuType, model, cost])).toEqual([
      ['b200', null, '0.020000'],
      [instanceOf(team).gpuType, null, '0.010000'],
      [null, MODEL, expect.stringMatching(/^0\./)],
    ]);
    expect(Number(both[2].cost)).toBeCloseTo(2 * Number(cost), 6);
  });

  it('take token events by the second of their posting, also within a quarter of an hour', async () => {
    await tokens('first', '2026-10-24T13:00:09Z');
    await tokens('second', '2026-10-24T13:00:10Z');
    await tokens('third', '2026-10-24T13:44:59Z');
    const between = async (from: string, to: string) =>
      (await data(`by=month&from=2026-10-24T${from}Z&to=2026-10-24T${to}Z`))[0]?.inputTokens ?? 0;
    expect(await between('13:00:09', '13:00:10')).toBe(1_000_000);
    expect(await between('13:00:10', '13:44:59')).toBe(1_000_000);
    expect(await between('13:00:10', '13:45:00')).toBe(2_000_000);
    expect(await between('13:45:00', '14:00:00')).toBe(0);
    const quarters = await data('by=hour&timeZone=Asia/Kathmandu');
    expect(quarters.map(({ hour, inputTokens }: Record<string, unknown>) => [hour, inputTokens])).toEqual([
      ['2026-10-24T18:00:00+05:45', 2_000_000],
      ['2026-10-24T19:00:00+05:45', 1_000_000],
    ]);
  });

  it('count the seconds of a reservation apart, and what it covers under its name', async () => {
    const listed = { gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'on_demand', hourly: undefined };
    clock('2026-10-24T13:00:00Z');
    const of = { team, gpuType: 'h100-80gb', region: 'eu-west-1', count: 1, term: '1m' };
    const { body: reservation } = await api.post('/v1/reservations', { id: `${team}-r`, ...of });
    await start('2026-10-24T13:00:00Z', listed);
    clock('2026-10-24T14:00:00Z');
    const groups = await data('by=reservation&by=pricing');
    expect(groups).toEqual([
      expect.objectContaining({ reservation: `${team}-r`, pricing: 'on_demand', cost: '0.000000', seconds: 3600 }),
      expect.objectContaining({
        ...{ reservation: `${team}-r`, pricing: 'reserved' },
        ...{ cost: reservation.hourly, reservedSeconds: 3600 },
      }),
    ]);
  });

  it('of a team without usage, or of a time before it, are empty', async () => {
    expect((await usage('by=day')).body).toMatchObject({ data: [], total: '0.000000', timeZone: 'UTC' });
    await start('2026-10-24T13:00:00Z', {});
    clock('2026-10-24T14:00:00Z');
    expect(await data('by=day&to=2026-10-24T12:30:00Z')).toEqual([]);
    expect(await data('by=day&from=2030-01-01T00:00:00Z')).toEqual([]);
  });

  it.each([
    ['', 'by', 'by is required'],
    ['by=colour', 'by', 'by must be hour, day, month'],
    ['by=gputype', 'by', 'did you mean gpuType?'],
    ['by=day&by=day', 'by', 'by must not name day twice'],
    ['by=day&by=model&by=region', 'by', 'by is sent 3 times: send it once or twice'],
    ['by=day&timeZone=Mars/Olympus', 'timeZone', 'timeZone must be the name of a time zone'],
    ['by=day&timeZone=%2B05:30', 'timeZone', 'timeZone must be the name of a time zone'],
    ['by=day&timeZone=', 'timeZone', 'timeZone must be the name of a time zone'],
    ['by=day&from=2026-10-24', 'from', 'from must have a time of day and a zone'],
    ['by=day&from=2026-10-24T12:00:00Z&to=2026-10-24T12:00:00Z', 'to', 'to must be later than from'],
    ['by=day&project=vision', 'project', 'unknown parameter project'],
  ])('refuse %s', async (query, param, message) => {
    const { status, body } = await usage(query);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'invalid_request', param, message: expect.stringContaining(message) });
  });

  it('refuse more than 10,000 groups', async () => {
    await start('2026-10-24T13:00:00Z', { hourly: '0.01' });
    clock('2027-12-24T13:00:00Z');
    const { status, body } = await usage('by=hour');
    expect([status, body.error.code, body.error.param]).toEqual([422, 'too_many_groups', 'by']);
    expect((await usage('by=day')).body.data).toHaveLength(427);
  });

  it('of another team are hidden', async () => {
    const key = await keyFor(api, await teamWith(api), ['read']);
    expect((await api.get(`/v1/teams/${team}/usage?by=day`, { key })).status).toBe(404);
    expect((await api.get(`/v1/teams/nobodys/usage?by=day`)).status).toBe(404);
  });
});

describe('the summary', () => {
  it('counts the instances of all time and of this month', async () => {
    const first = await start('2026-10-24T13:00:00Z', { hourly: '3.60' });
    await stop(first, '2026-10-24T13:00:10Z');
    await start('2026-11-01T00:00:00Z', { hourly: '3.60' });
    clock('2026-11-01T00:00:05Z');
    const { status, body } = await api.get(`/v1/teams/${team}/summary`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ deployments: 2, deploymentsThisMonth: 1, activeInstances: 1, thisMonth: '0.005000' },
      ...{ available: '999.985000', burnPerHour: '3.600000' },
    });
    clock(new Date(NOW).toISOString());
    const empty = await teamWith(api);
    expect((await api.get(`/v1/teams/${empty}/summary`)).body).toMatchObject({ deployments: 0, available: '0.000000' });
    expect((await api.get('/v1/teams/nobodys/summary')).status).toBe(404);
  });
});
