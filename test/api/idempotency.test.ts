/** Tests the Idempotency-Key header: one effect and one answer for repeated calls. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Call } from '../../api/http/calls.ts';
import { once } from '../../api/http/idempotency.ts';
import { claimCall, HEARTBEAT_MS, keepAnswer, renewClaim } from '../../prisma/idempotent-calls.ts';
import { type Answer, type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
let keys = 0;

beforeAll(async () => {
  api = await startCommandedApi();
  team = await teamWith(api, '100');
});
afterAll(() => api.close());

const newKey = () => {
  keys += 1;
  return `key-${keys}`;
};
const post = (path: string, body: unknown, key: string, secret?: string): Promise<Answer> =>
  api.post(path, body, { headers: { 'Idempotency-Key': key }, ...(secret !== undefined && { key: secret }) });
const available = async (of = team) => Number((await api.get(`/v1/teams/${of}/balance`)).body.available);

describe('a repeat', () => {
  it('receives the first answer, and has no second effect', async () => {
    const [path, key] = [`/v1/teams/${team}/grants`, newKey()];
    const before = await available();
    const first = await post(path, { amount: '1', note: 'once' }, key);
    expect(first.status).toBe(201);
    expect(first.headers.get('Idempotent-Replayed')).toBeNull();
    const again = await post(path, { note: 'once', amount: '1' }, key);
    expect(again.status).toBe(201);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('Idempotent-Replayed')).toBe('true');
    expect(await available()).toBe(before + 1);
  });

  it('of a refused call is refused again, even if the call would now succeed', async () => {
    const [poor, key] = [await teamWith(api), newKey()];
    const asked = instanceOf(poor, { id: 'kept-refusal' });
    expect((await post('/v1/instances', asked, key)).status).toBe(402);
    await api.post(`/v1/teams/${poor}/grants`, { amount: '50', note: 'rich' });
    const again = await post('/v1/instances', asked, key);
    expect([again.status, again.headers.get('Idempotent-Replayed')]).toEqual([402, 'true']);
    expect((await post('/v1/instances', asked, newKey())).status).toBe(201);
  });

  it('with another body is a conflict', async () => {
    const [path, key] = [`/v1/teams/${team}/grants`, newKey()];
    await post(path, { amount: '1', note: 'once' }, key);
    const other = await post(path, { amount: '2', note: 'once' }, key);
    expect([other.status, other.body.error.code]).toEqual([409, 'idempotency_key_reused']);
  });

  it('under another caller or on another path is a new call', async () => {
    const key = newKey();
    const other = await teamWith(api);
    const mine = await keyFor(api, team, ['billing']);
    const body = { amount: '15', method: 'card' };
    const answers = [
      await post(`/v1/teams/${team}/deposits`, body, key),
      await post(`/v1/teams/${team}/deposits`, body, key, mine),
      await post(`/v1/teams/${other}/deposits`, body, key),
    ];
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(3);
  });

  it('of a malformed body is refused in the same way', async () => {
    const [path, key] = [`/v1/teams/${team}/grants`, newKey()];
    const wrong = await post(path, { amount: 1, note: 'n' }, key);
    const again = await post(path, { amount: 1, note: 'n' }, key);
    expect([wrong.status, again.status, again.headers.get('Idempotent-Replayed')]).toEqual([400, 400, 'true']);
  });

  it('a day later is a new call', async () => {
    const [path, key] = [`/v1/teams/${team}/grants`, newKey()];
    const before = await available();
    const first = await post(path, { amount: '1', note: 'daily' }, key);
    api.clock.aheadMs = 86_400_000 + 1_000;
    const later = await post(path, { amount: '2', note: 'daily' }, key);
    api.clock.aheadMs = 0;
    expect(later.status).toBe(201);
    expect(later.body.id).not.toBe(first.body.id);
    expect(await available()).toBe(before + 3);
  });
});

describe('simultaneous calls with one key', () => {
  it('have one effect, and the other calls are refused as in flight', async () => {
    const [path, key] = [`/v1/teams/${team}/grants`, newKey()];
    const before = await available();
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(path, { amount: '1', note: 'race' }, key)));
    for (const { status, body } of answers)
      if (status !== 201) expect([status, body.error.code]).toEqual([409, 'idempotency_in_flight']);
    expect(answers.some(({ status }) => status === 201)).toBe(true);
    expect(await available()).toBe(before + 1);
  });
});

describe('a call without a stored answer', () => {
  it('that was answered 503 succeeds when it is repeated after the engine is available again', async () => {
    const key = newKey();
    api.engine.away = true;
    const away = await post('/v1/instances', instanceOf(team), key);
    api.engine.away = false;
    expect([away.status, away.body.error.code]).toEqual([503, 'engine_unavailable']);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const back = await post('/v1/instances', instanceOf(team), key);
    expect([back.status, back.headers.get('Idempotent-Replayed')]).toEqual([201, null]);
  });

  it('whose process died loses its claim after some seconds, and a repeat finds the work done', async () => {
    const [path, key] = [`/v1/teams/${team}/grants`, newKey()];
    const before = await available();
    const first = await post(path, { amount: '1', note: 'cut off' }, key);
    await api.db
      .$executeRaw`UPDATE idempotent_calls SET status = NULL, body = NULL, claimed_second = extract(epoch FROM now())::bigint WHERE key = ${key}`;
    const early = await post(path, { amount: '1', note: 'cut off' }, key);
    expect(early.body.error.code).toBe('idempotency_in_flight');

    api.clock.aheadMs = 8_000;
    const stillEarly = await post(path, { amount: '1', note: 'cut off' }, key);
    expect(stillEarly.body.error.code).toBe('idempotency_in_flight');

    api.clock.aheadMs = 12_000;
    const again = await post(path, { amount: '1', note: 'cut off' }, key);
    api.clock.aheadMs = 0;
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect(await available()).toBe(before + 1);
  });

  it('keeps its claim by a renewal, so that no repeat takes it over', async () => {
    const nowSecond = Math.floor(Date.now() / 1000);
    const id = { scope: 'platform/x', path: '/v1/x', key: newKey() };
    const claim = (second: number) => claimCall(api.db, id, 'hash', second);
    expect(await claim(nowSecond)).toMatchObject({ kind: 'mine' });
    await renewClaim(api.db, id, nowSecond + 9);
    expect(await claim(nowSecond + 18)).toEqual({ kind: 'in_flight' });
    expect(await claim(nowSecond + 20)).toMatchObject({ kind: 'mine' });
    await keepAnswer(api.db, id, { status: 200, body: 'x' });
    // An answer that is kept is no claim: nothing renews it.
    await renewClaim(api.db, id, nowSecond + 30);
    expect(await claim(nowSecond + 31)).toEqual({ kind: 'answered', status: 200, body: 'x' });
  });

  it('of a process of an earlier release, whose claim is in the body, is in flight until the claim is old', async () => {
    const id = { scope: 'platform/x', path: '/v1/x', key: newKey() };
    await api.db.idempotentCall.create({ data: { ...id, requestHash: 'hash', body: '5000', createdSecond: 5_000 } });
    expect(await claimCall(api.db, id, 'hash', 5_009)).toEqual({ kind: 'in_flight' });
    expect(await claimCall(api.db, id, 'hash', 5_010)).toEqual({ kind: 'mine', createdSecond: 5_000 });
    await keepAnswer(api.db, id, { status: 200, body: 'x' });
    expect(await api.db.idempotentCall.findFirst({ where: id })).toMatchObject({ body: 'x', claimedSecond: null });
  });

  it('that takes long renews its claim every few seconds until it ends', async () => {
    const every = vi.spyOn(globalThis, 'setInterval');
    const ended = vi.spyOn(globalThis, 'clearInterval');
    const key = newKey();
    const call = {
      ...({ log: { warn() {} } } as unknown as Call),
      caller: { kind: 'platform' as const },
      receivedSecond: 1_000,
    };
    const world = { ...api.world, nowMs: () => 1_007_000 };
    const answer = await once(world, { key, secret: 's', path: '/v1/x', body: {} }, call, async () => {
      const [beat, ms] = every.mock.calls.at(-1) ?? [];
      expect(ms).toBe(HEARTBEAT_MS);
      beat?.();
      const renewed = async () => (await api.db.idempotentCall.findFirst({ where: { key } }))?.claimedSecond;
      await expect.poll(renewed).toBe(1007n);
      return { status: 200, body: {} };
    });
    expect(answer.status).toBe(200);
    expect(ended).toHaveBeenCalledWith(every.mock.results.at(-1)?.value);
    every.mockRestore();
    ended.mockRestore();
  });

  it('that creates something finds the same object when it is cut off and repeated', async () => {
    const calls: Array<[string, unknown]> = [
      ['/v1/teams', { name: 'Cut off', email: 'cut@example.com' }],
      ['/v1/instances', instanceOf(team, { hourly: '0' })],
      [`/v1/teams/${team}/deposits`, { amount: '15', method: 'card' }],
    ];
    for (const [path, body] of calls) {
      const key = newKey();
      const first = await post(path, body, key);
      await api.db.$executeRaw`UPDATE idempotent_calls SET status = NULL, body = NULL WHERE key = ${key}`;
      const again = await post(path, body, key);
      expect([again.status, again.body.id]).toEqual([201, first.body.id]);
    }
  });
});

describe('a stored answer', () => {
  it('does not reveal a key’s secret to a reader of the database', async () => {
    const key = newKey();
    const made = await post(`/v1/teams/${team}/keys`, { scopes: ['read'] }, key);
    const again = await post(`/v1/teams/${team}/keys`, { scopes: ['read'] }, key);
    expect(again.body.secret).toBe(made.body.secret);
    const rows = await api.db.idempotentCall.findMany({ where: { key } });
    expect(rows).toHaveLength(1);
    expect(rows[0]?.body).not.toContain(made.body.secret.slice(3, 12));
    expect(Buffer.from(rows[0]?.body ?? '', 'base64').toString('latin1')).not.toContain('secret');
  });
});
