/** Tests teams over HTTP: creation, search, changes and metadata. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
beforeAll(async () => {
  api = await startCommandedApi();
});
afterAll(() => api.close());

const make = (body: object) => api.post('/v1/teams', { name: 'A team', email: 'a@example.com', ...body });
const list = async (query = '') => (await api.get(`/v1/teams${query}`)).body;
const idsOf = async (query: string): Promise<string[]> =>
  (await list(query)).data.map(({ id }: { id: string }) => id).sort();

describe('the list of teams', () => {
  beforeAll(async () => {
    await make({ id: 'red-fox', name: 'Crimson Fox GmbH', email: 'pay@fox.example' });
    await make({ id: 'blue_fox', name: 'Azure 100% Fox', email: 'money@azure.example' });
    await make({ id: 'hound', name: 'Ünïted Hounds \\ Sons', email: 'hound@dogs.example' });
  });

  it('is searched by a part of the name, of the id and of the address, in any letter case', async () => {
    expect(await idsOf('?search=FOX')).toEqual(['blue_fox', 'red-fox']);
    expect(await idsOf('?search=crimson')).toEqual(['red-fox']);
    expect(await idsOf('?search=dogs.exam')).toEqual(['hound']);
    expect(await idsOf('?search=nobody')).toEqual([]);
  });

  it('is searched for pattern characters literally', async () => {
    expect(await idsOf(`?search=${encodeURIComponent('100%')}`)).toEqual(['blue_fox']);
    expect(await idsOf(`?search=${encodeURIComponent('%')}`)).toEqual(['blue_fox']);
    expect(await idsOf('?search=_')).toEqual(['blue_fox']);
    expect(await idsOf(`?search=${encodeURIComponent('\\')}`)).toEqual(['hound']);
    expect(await idsOf(`?search=${encodeURIComponent('ünïted')}`)).toEqual(['hound']);
    expect(await idsOf(`?search=${encodeURIComponent("' OR true --")}`)).toEqual([]);
  });

  it('is paged, newest first, and a new team does not change a page', async () => {
    for (let i = 0; i < 5; i += 1) await make({ id: `paged-${i}`, name: `Paged ${i}` });
    const first = await list('?search=paged&limit=2');
    expect(first.data).toHaveLength(2);
    await make({ id: 'paged-late', name: 'Paged late' });
    const second = await list(`?search=paged&limit=2&cursor=${first.nextCursor}`);
    const third = await list(`?search=paged&limit=2&cursor=${second.nextCursor}`);
    const seen = [first, second, third].flatMap(({ data }) => data.map(({ id }: { id: string }) => id));
    expect(new Set(seen).size).toBe(5);
    expect(seen).not.toContain('paged-late');
    expect(third.nextCursor).toBeNull();
  });

  it('refuses unknown parameters by name', async () => {
    for (const [query, param] of [
      ['?limit=0', 'limit'],
      ['?limit=101', 'limit'],
      ['?cursor=nonsense', 'cursor'],
      ['?status=gone', 'status'],
      ['?search=', 'search'],
      ['?name=fox', 'name'],
    ] as const) {
      const { status, body } = await api.get(`/v1/teams${query}`);
      expect([query, status, body.error.param]).toEqual([query, 400, param]);
    }
  });

  it('is available only to the platform', async () => {
    const key = await keyFor(api, 'hound', ['read', 'billing', 'usage']);
    expect((await api.get('/v1/teams', { key })).status).toBe(403);
  });

  it('is searched by its index', async () => {
    const plan = await api.db.$transaction(async (tx) => {
      await tx.$executeRaw`SET LOCAL enable_seqscan = off`;
      return tx.$queryRaw<Array<Record<string, string>>>`
        EXPLAIN SELECT id FROM teams WHERE search_text LIKE '%crims%'`;
    });
    expect(JSON.stringify(plan)).toContain('teams_search_idx');
  });
});

describe('metadata', () => {
  const metadata = { customer: 'cus_1042', plan: 'pro' };

  it('of a team is in every read, and is merged by a change', async () => {
    const made = await make({ id: 'kept', metadata });
    expect([made.status, made.body.metadata]).toEqual([201, metadata]);
    const changed = await api.send('PATCH', '/v1/teams/kept', { body: { metadata: { plan: null, seats: '12' } } });
    expect(changed.body.metadata).toEqual({ customer: 'cus_1042', seats: '12' });
    expect((await api.get('/v1/teams/kept')).body.metadata).toEqual({ customer: 'cus_1042', seats: '12' });
    expect((await list('?search=kept')).data[0].metadata).toEqual({ customer: 'cus_1042', seats: '12' });
    expect((await make({ id: 'without' })).body.metadata).toEqual({});
  });

  it('is part of the comparison of a repeated request', async () => {
    await make({ id: 'same', metadata });
    expect((await make({ id: 'same', metadata: { plan: 'pro', customer: 'cus_1042' } })).status).toBe(201);
    expect((await make({ id: 'same', metadata: { plan: 'free' } })).body.error.code).toBe('id_taken');
    const team = await teamWith(api, '100');
    const start = (change: object) => api.post('/v1/instances', instanceOf(team, { id: 'machine', ...change }));
    expect((await start({ metadata })).body.metadata).toEqual(metadata);
    expect((await start({ metadata: { plan: 'pro', customer: 'cus_1042' } })).status).toBe(201);
    expect((await start({ metadata: { plan: 'x' } })).body.error.code).toBe('id_taken');
    expect((await start({})).body.error.code).toBe('id_taken');
  });

  it('of an instance is in the list of instances too', async () => {
    const team = await teamWith(api, '100');
    await api.post('/v1/instances', instanceOf(team, { metadata }));
    await api.post('/v1/instances', instanceOf(team));
    const { body } = await api.get(`/v1/instances?team=${team}`);
    expect(body.data.map((instance: { metadata: object }) => instance.metadata)).toEqual(
      expect.arrayContaining([metadata, {}]),
    );
  });

  it.each<[string, unknown]>([
    ['more than 50 keys', Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, 'v']))],
    ['a key of more than 40 characters', { ['k'.repeat(41)]: 'v' }],
    ['an empty key', { '': 'v' }],
    ['a key with a bracket', { 'a[b]': 'v' }],
    ['a value of more than 500 characters', { k: 'v'.repeat(501) }],
    ['a value that is a number', { k: 1 }],
    ['a value that is an object', { k: {} }],
    ['a value with a NUL', { k: 'a\u0000b' }],
    ['a list', ['a']],
    ['a text', 'a'],
    ['null', null],
  ])('with %s is refused by name, on every route', async (_, bad) => {
    const team = await teamWith(api, '100');
    const answers = [
      await make({ metadata: bad }),
      await api.send('PATCH', `/v1/teams/${team}`, { body: { metadata: bad } }),
      await api.post('/v1/instances', instanceOf(team, { metadata: bad })),
      await api.post(`/v1/teams/${team}/grants`, { amount: '1', note: 'n', metadata: bad }),
    ];
    for (const { status, body } of answers) expect([status, body.error.param.split('.')[0]]).toEqual([400, 'metadata']);
  });

  it('accepts names of built-in object properties, and refuses __proto__', async () => {
    const raw = '{"name":"A","email":"a@example.com","metadata":{"__proto__":"x"}}';
    const { status, body } = await api.send('POST', '/v1/teams', {
      raw,
      headers: { 'Content-Type': 'application/json' },
    });
    expect([status, body.error.param]).toEqual([400, 'metadata']);
    const named = { constructor: 'c', toString: 't' };
    expect((await make({ metadata: named })).body.metadata).toEqual(named);
  });

  it('of 50 keys accepts no further key by a change, and two simultaneous changes lose nothing', async () => {
    const full = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, 'v']));
    await make({ id: 'full', metadata: full });
    const change = (more: object) => api.send('PATCH', '/v1/teams/full', { body: { metadata: more } });
    expect((await change({ another: 'v' })).body.error).toMatchObject({ code: 'invalid_request', param: 'metadata' });
    expect((await change({ k0: null, another: 'v' })).status).toBe(200);
    await make({ id: 'busy' });
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`);
    await Promise.all(keys.map((key) => api.send('PATCH', '/v1/teams/busy', { body: { metadata: { [key]: 'v' } } })));
    expect(Object.keys((await api.get('/v1/teams/busy')).body.metadata).sort()).toEqual(keys);
  });
});
