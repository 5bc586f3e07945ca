/**
 * Tests more concurrent calls than can be served in time: which calls are refused, how, and which calls continue to be
 * served.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { CALL_CAPACITY } from '../../api/http/capacity.ts';
import { type Answer, type CommandedApi, keyFor, startCommandedApi, teamWith } from './support.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

/** Small places, so that a few calls fill them. A call that waits does so until a test lets calls end. */
const PLACES = 8;
const WAITING = 8;
let api: CommandedApi;
let release: () => void = () => {};

beforeAll(async () => {
  const capacity = { floor: PLACES, ceiling: PLACES, leastWaiting: WAITING, mostWaiting: WAITING };
  api = await startCommandedApi({ capacity: { ...capacity, longestWaitMs: 60_000 } });
});
afterEach(() => release());
afterAll(() => api.close());

/** Holds each grant and each stop between its commit and its answer, until `release`. */
function holdCalls(): void {
  const { ledger } = api.world;
  const { grant, stopInstance } = ledger;
  const held = new Promise<void>((resolve) => {
    release = () => {
      Object.assign(ledger, { grant, stopInstance });
      resolve();
    };
  });
  const holding =
    <A extends unknown[], T>(record: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      const recorded = await record(...args);
      await held;
      return recorded;
    };
  Object.assign(ledger, { grant: holding(grant), stopInstance: holding(stopInstance) });
}

const grant = (team: string, note: string) => api.post(`/v1/teams/${team}/grants`, { amount: '1', note });
const metric = async (name: string): Promise<number> => {
  const { text } = await api.get('/metrics', { key: null });
  const line = text.split('\n').find((each) => each.startsWith(`burnrate_${name} `));
  return Number(line?.split(' ')[1]);
};
const underWay = () => metric('calls_in_flight{kind="writes"}');
const waiting = () => metric('calls_waiting{kind="writes"}');

/** Sends so many grants for a team, and answers those that are refused at once and the rest. */
async function flood(team: string, calls: number): Promise<{ refused: Answer[]; rest: Promise<Answer[]> }> {
  const refused: Answer[] = [];
  const all = Array.from({ length: calls }, async (_, index) => {
    const answer = await grant(team, `flood ${index}`);
    if (answer.status === 503) refused.push(answer);
    return answer;
  });
  await expect.poll(() => refused.length, { timeout: 30_000 }).toBe(calls - PLACES - WAITING);
  return { refused, rest: Promise.all(all) };
}

describe('calls beyond the running and waiting calls', () => {
  it('are refused at once as overloaded, each with its own Retry-After, and record nothing', async () => {
    const team = await teamWith(api);
    holdCalls();
    const { refused, rest } = await flood(team, 60);
    expect(new Set(refused.map(({ body }) => body.error.code))).toEqual(new Set(['overloaded']));
    const waits = refused.map(({ headers }) => Number(headers.get('Retry-After')));
    expect(waits.every((seconds) => seconds >= 1 && seconds <= 5)).toBe(true);
    expect(new Set(waits).size).toBeGreaterThan(1);
    expect([await underWay(), await waiting()]).toEqual([PLACES, WAITING]);
    release();
    const answers = await rest;
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(PLACES + WAITING);
    expect(await api.db.grant.count({ where: { teamId: team } })).toBe(PLACES + WAITING);
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('16.000000');
    expect(await metric('calls_refused_total{kind="writes",why="full"}')).toBeGreaterThanOrEqual(44);
    expect([await underWay(), await waiting()]).toEqual([0, 0]);
    expect(await metric('calls_limit{kind="writes"}')).toBe(PLACES);
  });

  it('do not affect reads, probes, metrics and the events of providers', async () => {
    const team = await teamWith(api, '5');
    holdCalls();
    const { rest } = await flood(team, 20);
    expect((await api.get(`/v1/teams/${team}/balance`)).status).toBe(200);
    expect((await api.get('/v1/prices')).status).toBe(200);
    expect((await api.get('/healthz', { key: null })).status).toBe(200);
    expect((await api.get('/readyz', { key: null })).status).toBe(200);
    const forged = await api.send('POST', '/v1/webhooks/stripe', {
      key: null,
      raw: '{}',
      headers: { 'Stripe-Signature': 't=1,v1=x' },
    });
    expect([forged.status, forged.body.error.code]).toEqual([400, 'webhook_invalid']);
    release();
    await rest;
  });

  it('of one team cause no refusal of another team’s calls, by its path, its key or the body', async () => {
    const [loud, first, second, third] = [
      await teamWith(api),
      await teamWith(api),
      await teamWith(api),
      await teamWith(api),
    ];
    const key = await keyFor(api, second, ['usage']);
    holdCalls();
    const { rest } = await flood(loud, 40);
    const event = { id: 'e1', team: second, model: 'llama-3.3-70b-instruct', inputTokens: 1, outputTokens: 1 };
    const start = { team: third, gpuType: 'h100', region: 'eu-1', pricing: 'on_demand', hourly: '2.49' };
    const others = Promise.all([
      grant(first, 'quiet'),
      api.post('/v1/usage', { events: [event] }, { key }),
      api.post('/v1/instances', start),
    ]);
    const displaced = () => metric('calls_refused_total{kind="writes",why="displaced"}');
    await expect.poll(displaced, { timeout: 30_000 }).toBe(3);
    release();
    expect((await others).map(({ status, body }) => [status, body.error?.code])).toEqual([
      [201, undefined],
      [200, undefined],
      // It was looked at, and the team has no credit.
      [402, 'insufficient_credit'],
    ]);
    expect((await rest).filter(({ status }) => status === 201)).toHaveLength(PLACES + WAITING - 3);
  });

  it('are refused before their key is checked and their body is read', async () => {
    const team = await teamWith(api);
    holdCalls();
    const { rest } = await flood(team, 20);
    const unknown = await api.send('POST', `/v1/teams/${team}/grants`, { key: null, body: { amount: '1', note: 'n' } });
    expect([unknown.status, unknown.body.error.code]).toEqual([503, 'overloaded']);
    const headers = { 'Content-Type': 'application/json' };
    const broken = await api.send('POST', `/v1/teams/${team}/grants`, { raw: '{', headers });
    expect([broken.status, broken.body.error.code]).toEqual([503, 'overloaded']);
    // A team with nothing under way has its place: it learns what is wrong.
    expect((await api.send('POST', '/v1/instances', { key: null, body: {} })).status).toBe(401);
    release();
    await rest;
  });

  it('succeed when they are sent again under the same Idempotency-Key', async () => {
    const team = await teamWith(api);
    holdCalls();
    const { rest } = await flood(team, 20);
    const again = { headers: { 'Idempotency-Key': 'again-1' } };
    const once = () => api.post(`/v1/teams/${team}/grants`, { amount: '7', note: 'once' }, again);
    expect((await once()).status).toBe(503);
    release();
    await rest;
    const recorded = await once();
    expect([recorded.status, recorded.headers.get('Idempotent-Replayed')]).toEqual([201, null]);
    expect((await once()).headers.get('Idempotent-Replayed')).toBe('true');
    expect(await api.db.grant.count({ where: { teamId: team, note: 'once' } })).toBe(1);
  });

  it('share the places by team when their resources name the team', async () => {
    const [loud, quiet] = [await teamWith(api, '50'), await teamWith(api, '50')];
    const machine = { gpuType: 'h100', region: 'eu-1', pricing: 'on_demand', hourly: '0.01' };
    const start = async (team: string): Promise<string> =>
      (await api.post('/v1/instances', { team, ...machine })).body.id;
    const ids: string[] = [];
    for (let index = 0; index < 24; index += 1) ids.push(await start(loud));
    const other = await start(quiet);
    holdCalls();
    const stop = (id: string) => api.post(`/v1/instances/${id}/stop`, {});
    const stops = Promise.all(ids.map(stop));
    await expect.poll(waiting, { timeout: 30_000 }).toBe(WAITING);
    const stopped = stop(other);
    await expect.poll(() => api.db.instance.count({ where: { teamId: loud, reason: 'stopped' } })).toBe(PLACES);
    release();
    expect((await stopped).status).toBe(200);
    const statuses = (await stops).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(PLACES + WAITING - 1);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
  });
});

describe('thirty-two callers', () => {
  let usual: CommandedApi;
  beforeAll(async () => {
    usual = await startCommandedApi({ capacity: CALL_CAPACITY });
  });
  afterAll(() => usual.close());

  it('are all served, of as many teams and of one team', async () => {
    const teams: string[] = [];
    for (let index = 0; index < 32; index += 1) teams.push(await teamWith(usual, '20'));
    const [one = ''] = teams;
    const give = (team: string) => usual.post(`/v1/teams/${team}/grants`, { amount: '1', note: 'n' });
    for (const send of [give, () => give(one)]) {
      const answers = await Promise.all(teams.map((team) => send(team)));
      expect(answers.map(({ status }) => status)).toEqual(Array(32).fill(201));
    }
  });

  it('are served beside three hundred callers with invalid keys', async () => {
    const team = await teamWith(usual, '20');
    const key = await keyFor(usual, team, ['read']);
    const strangers = Array.from({ length: 300 }, (_, index) =>
      usual.get(`/v1/teams/${team}/balance`, { key: `bk_${index}` }),
    );
    const reads = Array.from({ length: 32 }, (_, index) =>
      usual.get(`/v1/teams/${team}/balance`, index % 2 === 0 ? { key } : {}),
    );
    expect((await Promise.all(reads)).map(({ status }) => status)).toEqual(Array(32).fill(200));
    for (const { status } of await Promise.all(strangers)) expect([401, 429, 503]).toContain(status);
  });
});
