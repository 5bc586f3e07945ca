/** Tests holds over HTTP: creation, limits, voids, expiry and access. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { atOnce } from '../ledger/desk.ts';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith, theWatchLooks } from './support.ts';

/** Of the seeded list: $0.23 a million in, $0.40 out. */
const MODEL = 'llama-3.3-70b-instruct';
let api: CommandedApi;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi();
  await api.put(`/v1/models/${MODEL}`, { input: '0.23', output: '0.40' });
  await api.put('/v1/models/a-dollar', { input: '1', output: '1' });
  await api.put('/v1/models/free', { input: '0', output: '0' });
});
beforeEach(async () => {
  Object.assign(api.engine, { away: false, sentWakes: [] });
  api.clock.aheadMs = 0;
  team = await teamWith(api, '10');
});
afterAll(() => api.close());

const order = (change: object = {}) => ({
  team,
  model: MODEL,
  maxInputTokens: 1_000_000,
  maxOutputTokens: 500_001,
  ttlSeconds: 600,
  ...change,
});
const place = (change: object = {}, options = {}) => api.post('/v1/holds', order(change), options);
/** So many dollars. */
const placeDollars = (dollars: number, ttlSeconds = 600) =>
  place({ model: 'a-dollar', maxInputTokens: dollars * 1_000_000, maxOutputTokens: 0, ttlSeconds });
const balance = async () => (await api.get(`/v1/teams/${team}/balance`)).body;
const pass = (seconds: number) => {
  api.clock.aheadMs += seconds * 1_000;
};

describe('POST /v1/holds', () => {
  it('under an id holds credit once, in repeated and simultaneous requests', async () => {
    const id = `hold-of-${team}`;
    const ask = (change: object = {}) => place({ id, model: 'a-dollar', maxInputTokens: 1_000_000, ...change });
    const answers = await atOnce(4, () => ask({ maxOutputTokens: 0 }));
    for (const { status, body } of answers) expect([status, body.id]).toEqual([201, id]);
    expect(await balance()).toMatchObject({ held: '1.000000', available: '9.000000' });
    const other = await teamWith(api, '10');
    for (const change of [{ ttlSeconds: 60 }, { maxOutputTokens: 1 }, { model: MODEL }, { team: other }]) {
      const { status, body } = await ask({ maxOutputTokens: 0, ...change });
      expect([status, body.error.code, body.error.param]).toEqual([409, 'id_taken', 'id']);
    }
    await api.post(`/v1/holds/${id}/void`, {});
    expect((await ask({ maxOutputTokens: 0 })).body).toMatchObject({ id, status: 'voided' });
    expect(await balance()).toMatchObject({ held: '0.000000', available: '10.000000' });
  });

  it('succeeds while the engine is unavailable, and the read of the watch stays due', async () => {
    await theWatchLooks(api, team);
    api.engine.away = true;
    const { status, body } = await place();
    expect([status, body.status]).toEqual([201, 'pending']);
    const { lookDueSecond } = await api.db.account.findUniqueOrThrow({ where: { teamId: team } });
    expect(lookDueSecond).not.toBeNull();
  });

  it('answers the cost of the request and the available credit when credit is too low', async () => {
    const { status, body } = await placeDollars(11);
    expect([status, body.error.message]).toEqual([402, 'the request can cost $11.000000, and $10.000000 is available']);
  });

  it('holds the highest possible cost of the request, rounded up, and wakes the watch', async () => {
    await theWatchLooks(api, team);
    const { status, body } = await place();
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^hold_[0-9a-f]{32}$/),
      team,
      model: MODEL,
      project: null,
      maxInputTokens: 1_000_000,
      maxOutputTokens: 500_001,
      amount: '0.430001',
      placedAt: expect.any(String),
      expiresAt: expect.any(String),
      status: 'pending',
      closedAt: null,
      settledBy: null,
    });
    expect(Date.parse(body.expiresAt) - Date.parse(body.placedAt)).toBe(600_000);
    expect(await balance()).toMatchObject({ available: '9.569999', held: '0.430001', posted: '10.000000' });
    expect(api.engine.sentWakes).toContain(`watchSoon ${team}`);
  });

  it('answers 402 for more than the available credit, and holds nothing', async () => {
    const { status, body } = await placeDollars(10.000001);
    expect([status, body.error.code]).toEqual([402, 'insufficient_credit']);
    expect((await placeDollars(10)).status).toBe(201);
    expect(await balance()).toMatchObject({ available: '0.000000', held: '10.000000' });
  });

  it('answers 422 for a model that is not listed', async () => {
    const { status, body } = await place({ model: 'never-listed' });
    expect([status, body.error.code, body.error.param]).toEqual([422, 'price_not_found', 'model']);
  });

  it('holds nothing for a free model, and succeeds without credit', async () => {
    const broke = await teamWith(api);
    expect(await place({ team: broke, model: 'free' })).toMatchObject({ status: 201, body: { amount: '0.000000' } });
    expect((await place({ team: broke })).status).toBe(402);
  });

  it('under an Idempotency-Key is one hold', async () => {
    const headers = { 'Idempotency-Key': `hold-${team}` };
    const answers = await atOnce(2, () => place({}, { headers }));
    const again = await place({}, { headers });
    expect(again.status).toBe(201);
    for (const { status, body } of answers) if (status === 201) expect(body).toEqual(again.body);
    expect(await balance()).toMatchObject({ held: '0.430001' });
    const other = await place({ ttlSeconds: 1 }, { headers });
    expect([other.status, other.body.error.code]).toEqual([409, 'idempotency_key_reused']);
  });

  it('moves the second at which credit ends, and a release moves it back', async () => {
    await api.post('/v1/instances', instanceOf(team, { hourly: '36' }));
    const { asOf, runsOutAt } = await balance();
    // The calls lie a second apart at the most.
    expect(Math.abs(Date.parse(runsOutAt) - Date.parse(asOf) - 1_000_000)).toBeLessThanOrEqual(1_000);
    // $6 held for longer than the rest lasts: it ends 600 s sooner; for less, at the same second.
    const { id } = (await placeDollars(6, 3600)).body;
    expect(Date.parse(runsOutAt) - Date.parse((await balance()).runsOutAt)).toBe(600_000);
    await api.post(`/v1/holds/${id}/void`);
    await placeDollars(6, 300);
    expect((await balance()).runsOutAt).toBe(runsOutAt);
  });

  it('by fifty clients at once, 5 cents each against a dollar, succeeds exactly twenty times', async () => {
    const teamId = await teamWith(api, '1');
    const answers = await atOnce(50, () =>
      place({ team: teamId, model: 'a-dollar', maxInputTokens: 50_000, maxOutputTokens: 0 }),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(20).fill(201), ...Array(30).fill(402)]);
    expect((await api.get(`/v1/teams/${teamId}/balance`)).body).toMatchObject({
      available: '0.000000',
      held: '1.000000',
      posted: '1.000000',
    });
    const listed = (await api.get(`/v1/teams/${teamId}/holds?limit=100`)).body.data;
    const ids = answers.flatMap(({ status, body }) => (status === 201 ? [body.id] : []));
    expect(listed.map(({ id }: { id: string }) => id).sort()).toEqual(ids.sort());
  });
});

describe('POST /v1/holds/{hold}/void', () => {
  it('releases the credit, and a repeat receives the same answer', async () => {
    const { id } = (await place()).body;
    const voided = await api.post(`/v1/holds/${id}/void`);
    expect(voided).toMatchObject({ status: 200, body: { id, status: 'voided', closedAt: expect.any(String) } });
    expect(await balance()).toMatchObject({ available: '10.000000', held: '0.000000' });
    pass(3600);
    expect((await api.post(`/v1/holds/${id}/void`)).body).toEqual(voided.body);
  });

  it('answers 409 after the hold has expired', async () => {
    const { id } = (await place({ ttlSeconds: 1 })).body;
    pass(1);
    const { status, body } = await api.post(`/v1/holds/${id}/void`);
    expect([status, body.error.code]).toEqual([409, 'hold_closed']);
  });
});

describe('a read of a hold', () => {
  it('shows it expired at its second, even if the expiry is not recorded', async () => {
    const { id, expiresAt } = (await place({ ttlSeconds: 600 })).body;
    pass(500);
    expect((await api.get(`/v1/holds/${id}`)).body).toMatchObject({ status: 'pending', closedAt: null });
    expect(await balance()).toMatchObject({ held: '0.430001' });
    pass(101);
    expect((await api.get(`/v1/holds/${id}`)).body).toMatchObject({ status: 'expired', closedAt: expiresAt });
    expect(await balance()).toMatchObject({ held: '0.000000', available: '10.000000' });
    expect(await api.db.hold.findUnique({ where: { id } })).toMatchObject({ status: 'pending' });
  });

  it('lists it with the other holds of the team, newest first, in pages', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      ids.unshift((await place()).body.id);
      pass(1);
    }
    const first = (await api.get(`/v1/teams/${team}/holds?limit=2`)).body;
    const rest = (await api.get(`/v1/teams/${team}/holds?limit=2&cursor=${first.nextCursor}`)).body;
    expect([...first.data, ...rest.data].map(({ id }) => id)).toEqual(ids);
    expect(rest.nextCursor).toBeNull();
  });
});

describe('access to holds', () => {
  it('is allowed for a key with the scope usage, for its own team, and hides the holds of another team', async () => {
    const key = await keyFor(api, team, ['usage']);
    const other = await teamWith(api, '10');
    const stranger = await keyFor(api, other, ['usage']);
    const { status, body } = await place({}, { key });
    expect(status).toBe(201);
    expect((await place({}, { key: stranger })).body.error).toMatchObject({ code: 'not_found', param: 'team' });
    for (const [method, path] of [
      ['POST', `/v1/holds/${body.id}/void`],
      ['GET', `/v1/holds/${body.id}`],
      ['GET', `/v1/teams/${team}/holds`],
    ] as const) {
      const post = method === 'POST' ? { body: {} } : {};
      expect((await api.send(method, path, { key: stranger, ...post })).status).toBe(404);
      expect((await api.send(method, path, { key, ...post })).status).toBe(200);
    }
  });

  it('is limited to reads for a key with other scopes', async () => {
    const { id } = (await place()).body;
    for (const scope of ['read', 'billing']) {
      const key = await keyFor(api, team, [scope]);
      expect((await place({}, { key })).status).toBe(403);
      expect((await api.post(`/v1/holds/${id}/void`, {}, { key })).status).toBe(403);
      expect((await api.get(`/v1/holds/${id}`, { key })).status).toBe(200);
    }
  });
});
