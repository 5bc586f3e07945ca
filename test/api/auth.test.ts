/** Tests authorization: calls every route of the OpenAPI document with every kind of key. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandedApi, cookieFor, instanceOf, keyFor, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
let other: string;
let keys: Record<'read' | 'billing' | 'usage' | 'stranger', string>;
let instance: string;
let cookies: Record<'viewer' | 'billing' | 'operator' | 'stranger', string>;

beforeAll(async () => {
  api = await startCommandedApi();
  team = await teamWith(api, '100');
  other = await teamWith(api, '100');
  keys = {
    read: await keyFor(api, team, ['read']),
    billing: await keyFor(api, team, ['billing']),
    usage: await keyFor(api, team, ['usage']),
    stranger: await keyFor(api, other, ['read', 'billing', 'usage']),
  };
  cookies = {
    viewer: await cookieFor(api, team, 'viewer'),
    billing: await cookieFor(api, team, 'billing'),
    operator: await cookieFor(api, null, 'operator'),
    stranger: await cookieFor(api, other, 'billing'),
  };
  instance = (await api.post('/v1/instances', instanceOf(team))).body.id;
});
afterAll(() => api.close());

type Who = 'platform' | 'platform_key' | 'team_billing' | 'read' | 'billing' | 'usage' | 'any_scope';

/** What each route asks for, said again here so that a slip in a route shows. */
const ROUTES: Array<[string, string, Who]> = [
  ['POST', '/v1/teams', 'platform'],
  ['GET', '/v1/teams/{team}', 'read'],
  ['PATCH', '/v1/teams/{team}', 'platform'],
  ['GET', '/v1/teams', 'platform'],
  ['POST', '/v1/teams/{team}/stop', 'platform'],
  ['POST', '/v1/teams/{team}/suspend', 'platform'],
  ['POST', '/v1/teams/{team}/unsuspend', 'platform'],
  ['POST', '/v1/teams/{team}/archive', 'platform'],
  ['POST', '/v1/teams/{team}/unarchive', 'platform'],
  ['POST', '/v1/teams/{team}/keys', 'team_billing'],
  ['GET', '/v1/teams/{team}/keys', 'read'],
  ['DELETE', '/v1/teams/{team}/keys/{key}', 'team_billing'],
  ['POST', '/v1/teams/{team}/dashboard-sessions', 'platform_key'],
  ['POST', '/v1/operator-sessions', 'platform_key'],
  ['DELETE', '/v1/teams/{team}/members/{id}/sessions', 'platform'],
  ['GET', '/v1/teams/{team}/balance', 'read'],
  ['POST', '/v1/instances', 'platform'],
  ['GET', '/v1/instances/{id}', 'read'],
  ['GET', '/v1/instances', 'read'],
  ['POST', '/v1/instances/{id}/stop', 'team_billing'],
  ['POST', '/v1/instances/{id}/resume', 'platform'],
  ['POST', '/v1/instances/{id}/reclaim', 'platform'],
  ['POST', '/v1/instances/{id}/reprice', 'platform'],
  ['POST', '/v1/reservations', 'platform'],
  ['GET', '/v1/reservations', 'read'],
  ['GET', '/v1/reservations/{id}', 'read'],
  ['PATCH', '/v1/reservations/{id}', 'billing'],
  ['GET', '/v1/teams/{team}/shedding', 'read'],
  ['PUT', '/v1/teams/{team}/shedding', 'billing'],
  ['GET', '/v1/teams/{team}/auto-top-up', 'read'],
  ['PUT', '/v1/teams/{team}/auto-top-up', 'billing'],
  ['GET', '/v1/teams/{team}/auto-top-up/changes', 'read'],
  ['POST', '/v1/teams/{team}/payment-methods', 'billing'],
  ['GET', '/v1/teams/{team}/payment-methods', 'read'],
  ['POST', '/v1/teams/{team}/payment-methods/{paymentMethod}/default', 'billing'],
  ['DELETE', '/v1/teams/{team}/payment-methods/{paymentMethod}', 'billing'],
  ['GET', '/v1/deposit-options', 'read'],
  ['POST', '/v1/teams/{team}/deposits', 'billing'],
  ['GET', '/v1/teams/{team}/deposits', 'read'],
  ['GET', '/v1/teams/{team}/deposits/{deposit}', 'read'],
  ['GET', '/v1/teams/{team}/deposits/{deposit}/receipt', 'read'],
  ['GET', '/v1/teams/{team}/alerts', 'read'],
  ['PUT', '/v1/teams/{team}/alerts', 'billing'],
  ['GET', '/v1/teams/{team}/transactions', 'read'],
  ['POST', '/v1/teams/{team}/grants', 'platform'],
  ['GET', '/v1/teams/{team}/grants', 'read'],
  ['GET', '/v1/deposits', 'platform'],
  ['GET', '/v1/grants/{id}', 'read'],
  ['POST', '/v1/grants/{id}/revoke', 'platform'],
  ['PUT', '/v1/teams/{team}/discount', 'platform'],
  ['GET', '/v1/teams/{team}/discount', 'read'],
  ['POST', '/v1/usage', 'usage'],
  ['GET', '/v1/teams/{team}/usage', 'read'],
  ['GET', '/v1/teams/{team}/summary', 'read'],
  ['POST', '/v1/holds', 'usage'],
  ['POST', '/v1/holds/{hold}/void', 'usage'],
  ['GET', '/v1/holds/{hold}', 'any_scope'],
  ['GET', '/v1/teams/{team}/holds', 'any_scope'],
  ['POST', '/v1/deposits/{id}/refund', 'platform'],
  ['POST', '/v1/deposits/{id}/look-again', 'platform'],
  ['POST', '/v1/deposits/{id}/corrections', 'platform'],
  ['GET', '/v1/deposits/{id}/corrections', 'platform'],
  ['POST', '/v1/deposits/{id}/withdraw', 'platform'],
  ['GET', '/v1/teams/{team}/billing-details', 'read'],
  ['PUT', '/v1/teams/{team}/billing-details', 'billing'],
  ['GET', '/v1/teams/{team}/billing-details/changes', 'read'],
  ['GET', '/v1/teams/{team}/deposits/{deposit}/receipts', 'read'],
  ['GET', '/v1/teams/{team}/deposits/{deposit}/receipts/{receipt}', 'read'],
  ['GET', '/v1/reconciliation', 'platform'],
  ['GET', '/v1/audit/{id}', 'platform'],
  ['GET', '/v1/prices', 'read'],
  ['PUT', '/v1/prices/{gpuType}/{region}', 'platform'],
  ['DELETE', '/v1/prices/{gpuType}/{region}', 'platform'],
  ['GET', '/v1/prices/{gpuType}/{region}/history', 'platform'],
  ['GET', '/v1/models', 'read'],
  ['PUT', '/v1/models/{model}', 'platform'],
  ['DELETE', '/v1/models/{model}', 'platform'],
  ['POST', '/v1/quote', 'read'],
  ['POST', '/v1/teams/{team}/forecast', 'read'],
  ['POST', '/v1/calculator', 'read'],
  ['GET', '/v1/calculator/models', 'read'],
];
const OPEN = [
  '/',
  '/v1',
  '/healthz',
  '/readyz',
  '/metrics',
  '/v1/openapi.json',
  '/v1/webhooks/stripe',
  '/v1/webhooks/copperx',
  // Without a key, or for sessions only: sessions.test.ts.
  '/v1/session',
];

const MAY: Record<'read' | 'billing' | 'usage', Who[]> = {
  read: ['read', 'any_scope'],
  billing: ['read', 'billing', 'any_scope'],
  usage: ['usage', 'any_scope'],
};

/** The sessions that may call a route; those of members of another team may call none with a team. */
const ROLES_OF: Record<Who, string[]> = {
  platform_key: [],
  platform: ['operator'],
  team_billing: ['billing', 'operator'],
  read: ['viewer', 'billing', 'operator'],
  billing: ['billing', 'operator'],
  usage: ['operator'],
  any_scope: ['viewer', 'billing', 'operator'],
};

const here = (path: string) =>
  path
    .replace('{team}', team)
    .replace('{id}', instance)
    .replace(/\{\w+\}/g, 'nobodys');

/** Whose a thing is, is seen after the body was read. */
const BODY_OF: Record<string, object> = { '/v1/reservations/{id}': { renew: true } };

/** An empty body is refused by most routes, but only after it was decided whether the caller may call them. */
const call = (method: string, path: string, key: string | null) =>
  api.send(method, here(path), {
    key,
    ...(method === 'GET' || method === 'DELETE' ? {} : { body: BODY_OF[path] ?? {} }),
  });

/** Stops and ends of a team would end what the other tests need: such a call has a field that no route knows. */
const bodyBySession = (path: string, cookie: string) =>
  /\/(stop|suspend|archive)$/.test(path) && cookie !== cookies.stranger ? { nothing: true } : (BODY_OF[path] ?? {});

const callBySession = (method: string, path: string, cookie: string, headers: object = { 'X-Burnrate-Session': '1' }) =>
  api.send(method, here(path), {
    key: null,
    headers: { Cookie: cookie, ...headers },
    ...(method === 'GET' || method === 'DELETE' ? {} : { body: bodyBySession(path, cookie) }),
  });

it('the list of routes here has every route of the document', async () => {
  const { body } = await api.get('/v1/openapi.json', { key: null });
  const documented = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const listed = ROUTES.map(([method, path]) => `${method} ${path}`);
  expect(documented.filter((name) => !OPEN.some((path) => name.endsWith(` ${path}`))).sort()).toEqual(listed.sort());
});

describe.each(ROUTES)('%s %s', (method, path, who) => {
  it('answers 401 without a valid key', async () => {
    for (const key of [null, 'wrong', 'bk_wrong', `${keys.read}x`]) {
      const { status, headers, body } = await call(method, path, key);
      expect(status).toBe(401);
      expect(headers.get('WWW-Authenticate')).toBe('Bearer');
      expect(body.error).toMatchObject({ code: 'unauthenticated', type: 'authentication_error' });
    }
  });

  it.each(['read', 'billing', 'usage'] as const)(
    'answers a key with the scope %s as its scopes allow',
    async (scope) => {
      const { status, body } = await call(method, path, keys[scope]);
      if (MAY[scope].includes(who)) expect([401, 403]).not.toContain(status);
      else expect([status, body.error.code]).toEqual([403, 'forbidden']);
    },
  );

  it('hides the team from the key of another team', async () => {
    const { status } = await call(method, path, keys.stranger);
    if (path.includes('{team}')) expect(status).toBe(404);
    else if (who.startsWith('platform') || who === 'team_billing') expect(status).toBe(403);
    else if (path.includes('{id}') || path.includes('{hold}')) expect(status).toBe(404);
    // Nobody's, and so open to it: what takes a body only misses that.
    else expect(status).toBe(method === 'POST' ? 400 : 200);
  });

  it.each(['viewer', 'billing', 'operator'] as const)(
    'answers a session of role %s as its role allows',
    async (role) => {
      const { status, body } = await callBySession(method, path, cookies[role]);
      if (ROLES_OF[who].includes(role)) expect([401, 403]).not.toContain(status);
      else expect([status, body.error.code]).toEqual([403, 'forbidden']);
    },
  );

  it('hides the team from a session of another team', async () => {
    const { status } = await callBySession(method, path, cookies.stranger);
    if (path.includes('{team}')) expect(status).toBe(404);
    else if (!ROLES_OF[who].includes('billing')) expect(status).toBe(403);
    else if (path.includes('{id}') || path.includes('{hold}')) expect(status).toBe(404);
    else expect(status).toBe(method === 'POST' ? 400 : 200);
  });

  it('refuses every change by cookie without the header of a session, or from another origin', async () => {
    if (method === 'GET') return;
    for (const headers of [{}, { 'X-Burnrate-Session': '1', Origin: 'https://evil.example' }]) {
      const { status, body } = await callBySession(method, path, cookies.operator, headers);
      expect([status, body.error.code]).toEqual([403, 'forbidden']);
    }
  });

  it('accepts the platform key', async () => {
    // Last of the routes that this test calls in truth are reads: what an empty body can do is nothing.
    if (/\/(stop|suspend|archive)$/.test(path)) return;
    const { status } = await call(method, path, undefined as unknown as string);
    expect([401, 403]).not.toContain(status);
  });
});

describe('keys', () => {
  it('are shown once and stored as a digest', async () => {
    const made = await api.post(`/v1/teams/${team}/keys`, { name: 'ci', scopes: ['read'] });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      id: expect.stringMatching(/^key_/),
      secret: expect.stringMatching(/^bk_/),
      name: 'ci',
    });
    const listed = await api.get(`/v1/teams/${team}/keys`);
    expect(listed.text).not.toContain(made.body.secret);
    expect(listed.body.data[0]).not.toHaveProperty('hash');
    const rows = await api.db.$queryRaw`SELECT * FROM api_keys`;
    expect(JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
      made.body.secret,
    );
  });

  it('are refused after they are revoked', async () => {
    const { body } = await api.post(`/v1/teams/${team}/keys`, { scopes: ['read'] });
    expect((await api.get(`/v1/teams/${team}`, { key: body.secret })).status).toBe(200);
    const revoked = await api.send('DELETE', `/v1/teams/${team}/keys/${body.id}`);
    expect(revoked.status).toBe(200);
    expect(revoked.body.revokedAt).not.toBeNull();
    expect((await api.get(`/v1/teams/${team}`, { key: body.secret })).status).toBe(401);
    expect((await api.send('DELETE', `/v1/teams/${other}/keys/${body.id}`)).status).toBe(404);
  });

  it('list only their own team’s instances', async () => {
    const mine = await api.get('/v1/instances', { key: keys.read });
    expect(mine.body.data.map((one: { id: string }) => one.id)).toEqual([instance]);
    expect((await api.get(`/v1/instances?team=${team}`, { key: keys.stranger })).status).toBe(404);
    expect((await api.get('/v1/instances', { key: keys.stranger })).body.data).toEqual([]);
  });
});
