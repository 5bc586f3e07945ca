/** Tests sessions of people as an attacker would: links, cookies, origins, roles, ends. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type CommandedApi,
  cookieFor,
  instanceOf,
  keyFor,
  linkSecretFor,
  startCommandedApi,
  teamWith,
} from './support.ts';

const LINK_SECONDS = 600;
const SESSION_SECONDS = 8 * 3600;
const OWN_PAGE = { 'X-Burnrate-Session': '1' };

let api: CommandedApi;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi({ publicUrl: 'https://billing.example' });
});
afterAll(() => api.close());
beforeEach(async () => {
  api.clock.aheadMs = 0;
  team = await teamWith(api, '100');
});

const ada = { id: 'ada', name: 'Ada Lovelace', email: 'ada@acme.example' };
const exchange = (secret: string, headers: Record<string, string> = {}) =>
  api.post('/v1/session', { secret }, { key: null, headers });
const bySession = (cookie: string, method: string, path: string, body?: unknown, headers: object = OWN_PAGE) =>
  api.send(method, path, { key: null, headers: { Cookie: cookie, ...headers }, ...(body !== undefined && { body }) });
const whoIs = (cookie: string) => bySession(cookie, 'GET', '/v1/session');

/** The expiry passes for the process; the database's clock has no part. */
const pass = (seconds: number) => {
  api.clock.aheadMs += seconds * 1000;
};

describe('a link', () => {
  it('has its secret in the fragment, opens the page that was asked for, and ends after ten minutes', async () => {
    const { status, body } = await api.post(`/v1/teams/${team}/dashboard-sessions`, {
      user: ada,
      role: 'viewer',
      page: 'usage/models',
    });
    expect(status).toBe(201);
    expect(body.url).toMatch(/^https:\/\/billing\.example\/dashboard\/usage\/models#bl_[\w-]{43}$/);
    const leftMs = Date.parse(body.expiresAt) - Date.now();
    expect(leftMs).toBeGreaterThan((LINK_SECONDS - 30) * 1000);
    expect(leftMs).toBeLessThanOrEqual(LINK_SECONDS * 1000);
    const operator = await api.post('/v1/operator-sessions', { user: ada });
    expect(operator.body.url).toMatch(/^https:\/\/billing\.example\/operator#bl_/);
  });

  it.each(['//evil.example', 'https://evil.example', '/usage', '../operator', 'usage?x=1', 'a#b', ''])(
    'does not lead to the page %j',
    async (page) => {
      const { status, body } = await api.post(`/v1/teams/${team}/dashboard-sessions`, {
        user: ada,
        role: 'viewer',
        page,
      });
      expect([status, body.error.param]).toEqual([400, 'page']);
    },
  );

  it('is not made for the role of an operator in a team, for a bad user, or for an unknown team', async () => {
    const asked = (user: object, role: string, id = team) =>
      api.post(`/v1/teams/${id}/dashboard-sessions`, { user, role });
    expect((await asked(ada, 'operator')).body.error.param).toBe('role');
    expect((await asked({ ...ada, email: 'no' }, 'viewer')).body.error.param).toBe('user.email');
    expect((await asked({ ...ada, id: '../x' }, 'viewer')).body.error.param).toBe('user.id');
    expect((await asked(ada, 'viewer', 'nobodys')).status).toBe(404);
  });

  it('is exchanged once for a cookie that scripts and other sites do not get', async () => {
    const secret = await linkSecretFor(api, team, 'billing', 'ada');
    const first = await exchange(secret);
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({ user: { id: 'ada' }, role: 'billing', team });
    expect(first.headers.get('Set-Cookie')).toMatch(
      new RegExp(
        `^burnrate_session=bs_[\\w-]{43}; Path=/; Max-Age=${SESSION_SECONDS}; HttpOnly; SameSite=Strict; Secure$`,
      ),
    );
    const again = await exchange(secret);
    expect([again.status, again.body.error.code]).toEqual([401, 'unauthenticated']);
    expect(again.headers.get('Set-Cookie')).toBeNull();
  });

  it('is exchanged by one of twenty exchanges at the same time', async () => {
    const secret = await linkSecretFor(api, team, 'viewer');
    const answers = await Promise.all(Array.from({ length: 20 }, () => exchange(secret)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(19);
  });

  it('is exchanged in its last second and not a second later', async () => {
    api.clock.stoppedMs = Math.floor(Date.now() / 1000) * 1000;
    try {
      const [early, late] = [await linkSecretFor(api, team, 'viewer'), await linkSecretFor(api, team, 'viewer')];
      pass(LINK_SECONDS - 1);
      expect((await exchange(early)).status).toBe(201);
      pass(1);
      expect((await exchange(late)).status).toBe(401);
    } finally {
      api.clock.stoppedMs = null;
    }
  });

  it('ignores an Authorization header and an Idempotency-Key', async () => {
    const secret = await linkSecretFor(api, team, 'viewer');
    const headers = { Authorization: 'Bearer wrong', 'Idempotency-Key': 'once' };
    expect((await exchange(secret, headers)).status).toBe(201);
    const repeated = await exchange(secret, headers);
    expect([repeated.status, repeated.headers.get('Idempotent-Replayed')]).toEqual([401, null]);
  });

  it('is not exchanged from a page of another origin, and stays usable', async () => {
    const secret = await linkSecretFor(api, team, 'viewer');
    for (const Origin of [
      'https://evil.example',
      'null',
      'http://billing.example',
      'https://billing.example.evil.example',
    ])
      expect((await exchange(secret, { Origin })).status).toBe(403);
    expect((await exchange(secret, { Origin: 'https://billing.example' })).status).toBe(201);
  });

  it('is not exchanged by a form, which other sites can send', async () => {
    const secret = await linkSecretFor(api, team, 'viewer');
    const form = await api.send('POST', '/v1/session', {
      key: null,
      raw: JSON.stringify({ secret }),
      headers: { 'Content-Type': 'text/plain' },
    });
    expect(form.status).toBe(415);
    expect((await exchange(secret)).status).toBe(201);
  });

  it('leaves no secret in the database or the log', async () => {
    const secret = await linkSecretFor(api, team, 'viewer');
    const cookie = (await exchange(secret)).headers.get('Set-Cookie')?.split(/[=;]/)[1] ?? '';
    await whoIs(`burnrate_session=${cookie}`);
    const rows = JSON.stringify(await api.db.session.findMany(), (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    const kept = rows + JSON.stringify(api.logged);
    expect(kept).toContain('user-');
    for (const hidden of [secret, cookie]) expect(kept).not.toContain(hidden);
  });
});

describe('a cookie', () => {
  it('stands for its person until it expires', async () => {
    const cookie = await cookieFor(api, team, 'viewer', 'ada');
    const { status, body } = await whoIs(cookie);
    expect([status, body.user.id, body.role, body.team]).toEqual([200, 'ada', 'viewer', team]);
    pass(SESSION_SECONDS - 60);
    expect((await whoIs(cookie)).status).toBe(200);
    pass(61);
    expect((await whoIs(cookie)).status).toBe(401);
  });

  it('of an attacker is never adopted: the exchange makes a new one', async () => {
    const planted = 'burnrate_session=bs_planted';
    const secret = await linkSecretFor(api, team, 'billing');
    const { headers } = await exchange(secret, { Cookie: planted });
    expect(headers.get('Set-Cookie')).not.toContain('planted');
    expect((await whoIs(planted)).status).toBe(401);
  });

  it('is refused beside another value of the same name, which a neighbouring site may have set', async () => {
    const [own, planted] = [await cookieFor(api, team, 'billing'), await cookieFor(api, team, 'viewer')];
    expect((await whoIs(`${planted}; ${own}`)).status).toBe(401);
    expect((await whoIs(`theme=dark; ${own}; ${own}`)).status).toBe(200);
  });

  it.each([
    {},
    { 'X-Burnrate-Session': '0' },
    { ...OWN_PAGE, Origin: 'https://evil.example' },
    { ...OWN_PAGE, Origin: 'null' },
  ])('changes nothing with the headers %j', async (headers) => {
    const cookie = await cookieFor(api, team, 'billing');
    const { status, body } = await bySession(cookie, 'POST', `/v1/teams/${team}/keys`, {}, headers);
    expect([status, body.error.code]).toEqual([403, 'forbidden']);
    expect((await api.get(`/v1/teams/${team}/keys`)).body.data).toEqual([]);
  });

  it('changes with the header, from the own origin or without one, and reads without the header', async () => {
    const cookie = await cookieFor(api, team, 'billing');
    const own = { ...OWN_PAGE, Origin: 'https://billing.example' };
    for (const headers of [OWN_PAGE, own])
      expect((await bySession(cookie, 'POST', `/v1/teams/${team}/keys`, {}, headers)).status).toBe(201);
    expect((await bySession(cookie, 'GET', `/v1/teams/${team}/keys`, undefined, {})).status).toBe(200);
  });

  it('is ignored where a call has a key', async () => {
    const cookie = await cookieFor(api, team, 'billing');
    const wrong = await api.send('GET', `/v1/teams/${team}`, { key: 'wrong', headers: { Cookie: cookie } });
    expect(wrong.status).toBe(401);
    const key = await keyFor(api, team, ['read']);
    expect((await api.send('GET', '/v1/session', { key, headers: { Cookie: cookie } })).status).toBe(403);
  });

  it('is over at once after signing out, and for nobody else', async () => {
    const [mine, other] = [await cookieFor(api, team, 'viewer', 'ada'), await cookieFor(api, team, 'viewer', 'ada')];
    const { status, headers } = await bySession(mine, 'DELETE', '/v1/session');
    expect([status, headers.get('Set-Cookie')]).toEqual([
      200,
      expect.stringContaining('burnrate_session=; Path=/; Max-Age=0'),
    ]);
    expect((await whoIs(mine)).status).toBe(401);
    expect((await whoIs(other)).status).toBe(200);
  });

  it('is over at once when all sessions of the person are ended, with the unused links', async () => {
    const cookie = await cookieFor(api, team, 'billing', 'ada');
    const link = await linkSecretFor(api, team, 'billing', 'ada');
    const colleague = await cookieFor(api, team, 'billing', 'bob');
    const otherTeam = await teamWith(api);
    const elsewhere = await cookieFor(api, otherTeam, 'billing', 'ada');
    const end = () => api.send('DELETE', `/v1/teams/${team}/members/ada/sessions`);
    expect((await end()).body).toEqual({ ended: 2 });
    expect((await whoIs(cookie)).status).toBe(401);
    expect((await exchange(link)).status).toBe(401);
    for (const alive of [colleague, elsewhere]) expect((await whoIs(alive)).status).toBe(200);
    expect((await end()).body).toEqual({ ended: 0 });
  });
});

describe('guessing', () => {
  it('links or cookies ends in 429 for the address', async () => {
    const guarded = await startCommandedApi();
    try {
      const tries = async (call: (n: number) => Promise<{ status: number }>) => {
        const statuses = new Set<number>();
        for (let round = 0; round < 13; round += 1)
          for (const { status } of await Promise.all(Array.from({ length: 50 }, (_, n) => call(round * 50 + n))))
            statuses.add(status);
        return [...statuses].sort();
      };
      const guess = (n: number) => guarded.post('/v1/session', { secret: `bl_guess${n}` }, { key: null });
      expect(await tries(guess)).toEqual([401, 429]);
      const forge = (n: number) =>
        guarded.send('GET', '/v1/session', { key: null, headers: { Cookie: `burnrate_session=bs_guess${n}` } });
      expect(await tries(forge)).toEqual([401, 429]);
    } finally {
      await guarded.close();
    }
  });
});

describe('a person of role billing', () => {
  it('stops an instance now: the machine is ordered to stop, because the platform does not know', async () => {
    const cookie = await cookieFor(api, team, 'billing');
    const { id } = (await api.post('/v1/instances', instanceOf(team))).body;
    const stopped = await bySession(cookie, 'POST', `/v1/instances/${id}/stop`, {});
    expect([stopped.status, stopped.body.reason]).toEqual([200, 'stopped']);
    const row = await api.db.instance.findUniqueOrThrow({ where: { id } });
    expect(row.terminatedConfirmedSecond).toBeNull();
    expect(api.engine.sentWakes).toContain(`instance ${id}`);
    const byPlatform = (await api.post('/v1/instances', instanceOf(team))).body.id;
    await api.post(`/v1/instances/${byPlatform}/stop`, {});
    const known = await api.db.instance.findUniqueOrThrow({ where: { id: byPlatform } });
    expect(known.terminatedConfirmedSecond).not.toBeNull();
  });

  it('does not stop an instance in the past, with another reason, or of another team', async () => {
    const cookie = await cookieFor(api, team, 'billing');
    const { id, startedAt } = (await api.post('/v1/instances', instanceOf(team))).body;
    const stop = (body: object, of = cookie) => bySession(of, 'POST', `/v1/instances/${id}/stop`, body);
    expect((await stop({ at: startedAt })).body.error).toMatchObject({ code: 'forbidden', param: 'at' });
    expect((await stop({ reason: 'operator' })).body.error).toMatchObject({ code: 'forbidden', param: 'reason' });
    expect((await stop({}, await cookieFor(api, await teamWith(api), 'billing'))).status).toBe(404);
    expect((await stop({}, await cookieFor(api, team, 'viewer'))).status).toBe(403);
    expect((await api.get(`/v1/instances/${id}`)).body.status).toBe('active');
  });

  it('is named as the actor of a change', async () => {
    const cookie = await cookieFor(api, team, 'billing', 'ada');
    await bySession(cookie, 'PUT', `/v1/teams/${team}/billing-details`, { company: 'Acme' });
    const { body } = await api.get(`/v1/teams/${team}/billing-details/changes`);
    expect(body.data[0].actor).toBe('user/ada');
  });
});

describe('a key', () => {
  it('shows its last use to the minute, by one write for many calls', async () => {
    const key = await keyFor(api, team, ['read']);
    const listed = async () => (await api.get(`/v1/teams/${team}/keys`)).body.data[0].lastUsedAt;
    expect(await listed()).toBeNull();
    api.clock.stoppedMs = Math.floor(Date.now() / 1000) * 1000;
    try {
      const first = new Date(api.clock.stoppedMs).toISOString().replace('.000Z', 'Z');
      for (let n = 0; n < 20; n += 1) await api.get(`/v1/teams/${team}`, { key });
      await expect.poll(listed, { timeout: 30_000 }).toBe(first);
      pass(59);
      await api.get(`/v1/teams/${team}`, { key });
      pass(2);
      await api.get(`/v1/teams/${team}`, { key });
      const later = new Date(api.clock.stoppedMs + 61_000).toISOString().replace('.000Z', 'Z');
      await expect.poll(listed, { timeout: 30_000 }).toBe(later);
    } finally {
      api.clock.stoppedMs = null;
    }
  });
});
