/** Tests wrong input on every route: the answer is the error object, never a 5xx, and nothing is recorded. */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type CommandedApi, instanceOf, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
let other: string;
let card: string;
let othersCard: string;
let instance: string;
let ended: string;
let hold: string;
let before: string;

/** Everything that is remembered, but for what a call itself leaves. */
const everything = async (): Promise<string> => {
  const tables = ['teams', 'accounts', 'transfers', 'instances', 'segments', 'deposits', 'grants', 'payment_methods'];
  tables.push('consents', 'exhaustions', 'notices', 'api_keys', 'provider_events', 'abandoned_calls');
  tables.push('gpu_prices', 'model_prices', 'reservations', 'reservation_terms', 'holds', 'discounts');
  const rows = await Promise.all(
    tables.map((table) =>
      api.db.$queryRawUnsafe(`SELECT to_jsonb(t) - 'as_of_second' AS row FROM ${table} t ORDER BY 1`),
    ),
  );
  return JSON.stringify(rows);
};

beforeAll(async () => {
  api = await startCommandedApi();
  team = await teamWith(api, '100');
  other = await teamWith(api, '100');
  const attach = async (of: string) =>
    (await api.post(`/v1/teams/${of}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' })).body.id;
  card = await attach(team);
  othersCard = await attach(other);
  // A free one, so that time passes without changing anything.
  instance = (await api.post('/v1/instances', instanceOf(team, { hourly: '0' }))).body.id;
  ended = (await api.post('/v1/instances', instanceOf(team, { hourly: '0' }))).body.id;
  await api.post(`/v1/instances/${ended}/stop`, {});
  // One that is voided already: again, that changes nothing.
  const order = { team, model: 'phi-4', maxInputTokens: 1, maxOutputTokens: 1, ttlSeconds: 1 };
  hold = (await api.post('/v1/holds', order)).body.id;
  await api.post(`/v1/holds/${hold}/void`);
  before = await everything();
});
afterAll(() => api.close());

function expectRefusal(answer: Answer, statuses: number[], param?: string): void {
  expect(answer.headers.get('content-type')).toContain('application/json');
  expect({ status: answer.status, body: answer.text }).toEqual({
    status: expect.toSatisfy((status: number) => statuses.includes(status)),
    body: expect.any(String),
  });
  const { error } = answer.body;
  expect(Object.keys(answer.body)).toEqual(['error']);
  expect(error).toMatchObject({ type: expect.any(String), code: expect.any(String), message: expect.any(String) });
  expect(error.requestId).toBe(answer.headers.get('X-Request-Id'));
  expect(answer.text).not.toMatch(/\bat .*\.ts|node_modules|prisma|SELECT/i);
  if (param !== undefined) expect(error.param).toBe(param);
}

const WRONG_MONEY: unknown[] = [
  15,
  15.5,
  -15,
  '-15',
  '+15',
  '15.0000001',
  '1e2',
  '1e400',
  'NaN',
  'Infinity',
  '',
  ' 15',
  '15 ',
  '0x10',
  '015',
  '15,00',
  '$15',
  '9999999999.999999',
  '99999999999999999999',
  null,
  true,
  {},
  [],
  ['15'],
];
const WRONG_TEXT: unknown[] = [1, '', 'x'.repeat(1001), 'a\u0000b', 'a\nb', '\ud800', null, true, {}, []];
const WRONG_ID: unknown[] = [1, '', 'a b', 'a/b', '../x', 'x'.repeat(65), 'ü', 'a\u0000', null, {}, []];
const WRONG_TIME: unknown[] = [
  1_700_000_000,
  '',
  'yesterday',
  '2026-02-30T00:00:00Z',
  '2026-01-01',
  '2026-01-01T00:00:00',
  '2026-01-01T00:00:00.5Z',
  '2026-13-01T00:00:00Z',
  null,
  {},
];
const RESERVED = { '1m': '7', '3m': '6.30', '6m': '5.70', '12m': '5' };
const WRONG_COUNT: unknown[] = ['1', 1.5, -1, 1_000_000_000_001, 1e99, null, true, {}, [1]];
const WRONG_FLAG: unknown[] = ['true', 1, 0, null, {}, []];

const BUDGET = { project: 'p', period: 'day', amount: '10', action: 'mail' };
const WRONG_OF_BUDGET: unknown[] = [1, '', 'x'.repeat(101), 'a\u0000b', true, {}, []];

type Field = [name: string, wrong: unknown[]];
interface Body {
  name: string;
  method: string;
  path: () => string;
  good: () => Record<string, unknown>;
  fields: Field[];
  required: string[];
}

const BODIES: Body[] = [
  {
    name: 'a team',
    method: 'POST',
    path: () => '/v1/teams',
    good: () => ({ id: 'never-made', name: 'Never', email: 'never@example.com' }),
    fields: [
      ['id', WRONG_ID],
      ['name', WRONG_TEXT],
      ['email', [...WRONG_TEXT, 'nobody', 'a@b@c', 'a b@example.com', 'a@example.com\r\nBcc: x@example.com']],
    ],
    required: ['name', 'email'],
  },
  {
    name: 'a change of a team',
    method: 'PATCH',
    path: () => `/v1/teams/${team}`,
    good: () => ({ name: 'Never' }),
    fields: [
      ['name', WRONG_TEXT],
      ['email', ['nobody', 1, null]],
    ],
    required: ['name'],
  },
  {
    name: 'a key',
    method: 'POST',
    path: () => `/v1/teams/${team}/keys`,
    good: () => ({ scopes: ['read'] }),
    fields: [
      ['scopes', ['read', [], ['all'], [1], ['read', 'read'], null, {}]],
      ['name', WRONG_TEXT],
    ],
    required: [],
  },
  {
    name: 'an instance',
    method: 'POST',
    path: () => '/v1/instances',
    good: () => instanceOf(team, { id: 'never-started', project: 'p', shedOrder: 1 }),
    fields: [
      ['id', WRONG_ID],
      ['team', WRONG_ID],
      ['project', WRONG_TEXT],
      ['gpuType', WRONG_TEXT],
      ['region', WRONG_TEXT],
      ['pricing', ['cheap', 1, '', null]],
      ['hourly', WRONG_MONEY],
      ['shedOrder', ['1', 1.5, -1, 1e99, null]],
    ],
    required: ['team', 'gpuType', 'region', 'pricing'],
  },
  {
    name: 'a stop',
    method: 'POST',
    path: () => `/v1/instances/${instance}/stop`,
    good: () => ({ reason: 'stopped' }),
    fields: [
      ['at', WRONG_TIME],
      ['reason', ['out_of_credits', 'tired', 1, '', null]],
    ],
    required: [],
  },
  {
    name: 'a reprice',
    method: 'POST',
    path: () => `/v1/instances/${instance}/reprice`,
    good: () => ({ hourly: '1' }),
    fields: [
      ['hourly', WRONG_MONEY],
      ['at', WRONG_TIME],
    ],
    required: ['hourly'],
  },
  {
    name: 'a reclaim',
    method: 'POST',
    path: () => `/v1/instances/${instance}/reclaim`,
    good: () => ({ at: '2999-01-01T00:00:00Z' }),
    fields: [['at', WRONG_TIME]],
    required: [],
  },
  {
    name: 'an order to end in',
    method: 'PUT',
    path: () => `/v1/teams/${team}/shedding`,
    good: () => ({ order: [] }),
    fields: [['order', ['a', 1, null, {}, true, ['x', 'x'], [['x']], ...WRONG_ID.map((wrong) => [wrong])]]],
    required: ['order'],
  },
  {
    name: 'a resume',
    method: 'POST',
    path: () => `/v1/instances/${ended}/resume`,
    good: () => ({}),
    fields: [],
    required: [],
  },
  {
    name: 'an auto top-up policy',
    method: 'PUT',
    path: () => `/v1/teams/${team}/auto-top-up`,
    good: () => ({ enabled: true, threshold: '10', amount: '20' }),
    fields: [
      ['enabled', WRONG_FLAG],
      ['threshold', [...WRONG_MONEY]],
      ['amount', [...WRONG_MONEY]],
      ['monthlyCap', WRONG_MONEY.filter((wrong) => wrong !== null)],
      ['paymentMethod', WRONG_ID.filter((wrong) => wrong !== null)],
    ],
    required: ['enabled', 'threshold', 'amount'],
  },
  {
    name: 'a payment method',
    method: 'POST',
    path: () => `/v1/teams/${team}/payment-methods`,
    good: () => ({ stripePaymentMethod: 'pm_card_visa' }),
    fields: [['stripePaymentMethod', [1, '', 'visa', '4242424242424242', 'pm_a b', 'pm_../x', null, {}]]],
    required: [],
  },
  {
    name: 'a deposit',
    method: 'POST',
    path: () => `/v1/teams/${team}/deposits`,
    good: () => ({ amount: '15', method: 'card' }),
    fields: [
      ['amount', WRONG_MONEY],
      ['method', ['crypto', 'cash', 1, '', null]],
      ['paymentMethod', WRONG_ID],
    ],
    required: ['amount', 'method'],
  },
  {
    name: 'a grant',
    method: 'POST',
    path: () => `/v1/teams/${team}/grants`,
    good: () => ({ amount: '1', note: 'never' }),
    fields: [
      ['amount', WRONG_MONEY],
      ['note', WRONG_TEXT],
    ],
    required: ['amount', 'note'],
  },
  {
    name: 'a discount',
    method: 'PUT',
    path: () => `/v1/teams/${team}/discount`,
    good: () => ({ percent: 10, note: 'never' }),
    fields: [
      ['percent', ['10', -1, -0.01, 100.01, 12.345, 1e-7, 1e99, null, true, {}, []]],
      ['until', WRONG_TIME],
      ['note', WRONG_TEXT],
    ],
    required: ['percent', 'note'],
  },
  {
    name: 'a hold',
    method: 'POST',
    path: () => '/v1/holds',
    good: () => ({ team, model: 'phi-4', maxInputTokens: 1, maxOutputTokens: 1, ttlSeconds: 60 }),
    fields: [
      ['team', WRONG_ID],
      ['model', WRONG_TEXT],
      ['maxInputTokens', WRONG_COUNT],
      ['maxOutputTokens', WRONG_COUNT],
      ['ttlSeconds', [...WRONG_COUNT, 0, 86_401]],
    ],
    required: ['team', 'model', 'maxInputTokens', 'maxOutputTokens', 'ttlSeconds'],
  },
  {
    name: 'a void',
    method: 'POST',
    path: () => `/v1/holds/${hold}/void`,
    good: () => ({}),
    fields: [],
    required: [],
  },
  {
    name: 'a GPU’s price',
    method: 'PUT',
    path: () => '/v1/prices/never-listed/eu-1',
    good: () => ({ onDemand: '10', spot: '5', reserved: RESERVED }),
    fields: [
      ['onDemand', WRONG_MONEY],
      ['spot', WRONG_MONEY],
      [
        'reserved',
        [
          ...['5', 5, null, [], {}, { ...RESERVED, '2m': '6' }, { '1m': '7', '3m': '6.30', '6m': '5.70' }],
          ...WRONG_MONEY.map((wrong) => ({ ...RESERVED, '6m': wrong })),
        ],
      ],
      ['effectiveFrom', WRONG_TIME],
    ],
    required: ['onDemand', 'spot', 'reserved'],
  },
  {
    name: 'a model’s price',
    method: 'PUT',
    path: () => '/v1/models/never-listed',
    good: () => ({ input: '0.25', output: '0.75' }),
    fields: [
      ['input', WRONG_MONEY],
      ['output', WRONG_MONEY],
      ['effectiveFrom', WRONG_TIME],
    ],
    required: ['input', 'output'],
  },
  {
    name: 'a reservation',
    method: 'POST',
    path: () => '/v1/reservations',
    good: () => ({ team, gpuType: 'h100-80gb', region: 'eu-west-1', count: 1, term: '12m' }),
    fields: [
      ['id', WRONG_ID],
      ['team', WRONG_ID],
      ['gpuType', WRONG_TEXT],
      ['region', WRONG_TEXT],
      ['count', [...WRONG_COUNT, 0, 1_001]],
      ['term', ['2m', '1', '', 1, null, {}, []]],
      ['renew', WRONG_FLAG],
    ],
    required: ['team', 'gpuType', 'region', 'count', 'term'],
  },
  {
    name: 'a quote',
    method: 'POST',
    path: () => '/v1/quote',
    good: () => ({ team, gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'on_demand', count: 1, hourly: '1' }),
    fields: [
      ['team', WRONG_ID],
      ['gpuType', WRONG_TEXT],
      ['region', WRONG_TEXT],
      ['pricing', ['cheap', 1, '', null]],
      ['count', [...WRONG_COUNT, 0, 1_001]],
      ['hourly', WRONG_MONEY],
    ],
    required: ['team', 'gpuType', 'region', 'pricing', 'count'],
  },
  {
    name: 'alerts',
    method: 'PUT',
    path: () => `/v1/teams/${team}/alerts`,
    good: () => ({ lowBalance: ['10'], budgets: [BUDGET], burnPerHourLimit: '20', version: 99 }),
    fields: [
      ['lowBalance', [1, '10', {}, null, [10], [null], [['10']], ['-1'], Array(11).fill('1')]],
      ['budgets', [1, {}, null, [null], [[]], [{}], [{ ...BUDGET, note: 'x' }], Array(51).fill(BUDGET)]],
      ...['amount', 'period', 'action', 'project'].map(
        (name): Field => ['budgets', WRONG_OF_BUDGET.map((wrong) => [{ ...BUDGET, [name]: wrong }])],
      ),
      ['burnPerHourLimit', WRONG_MONEY.filter((wrong) => wrong !== null)],
      ['version', ['1', 1.5, -1, null, true, {}, []]],
    ],
    required: [],
  },
  {
    name: 'a forecast',
    method: 'POST',
    path: () => `/v1/teams/${team}/forecast`,
    good: () => ({ start: [{ hourly: '1', count: 1 }], stop: ['i'], deposit: '15', cardFails: true }),
    fields: [
      [
        'start',
        [
          1,
          'i',
          {},
          null,
          [1],
          [null],
          [{ hourly: 1 }],
          [{ hourly: '1', count: 0 }],
          [{ hourly: '1', note: 'x' }],
          [{}],
        ],
      ],
      ['stop', [1, 'i', {}, null, ...WRONG_ID.map((wrong) => [wrong])]],
      ['deposit', WRONG_MONEY],
      ['autoTopUp', [1, 'on', null, [], {}, { enabled: true }, { enabled: 1, threshold: '10', amount: '15' }]],
      ['cardFails', WRONG_FLAG],
      ['until', WRONG_TIME],
    ],
    required: [],
  },
  {
    name: 'a calculation',
    method: 'POST',
    path: () => '/v1/calculator',
    good: () => ({ inputTokens: 1, outputTokens: 1, perMonth: 1, model: 'phi-4', compareWith: 'gpt-4o-mini' }),
    fields: [
      ['inputTokens', WRONG_COUNT],
      ['outputTokens', WRONG_COUNT],
      ['perMonth', WRONG_COUNT],
      ['model', WRONG_TEXT],
      ['compareWith', WRONG_TEXT],
    ],
    required: ['inputTokens', 'outputTokens', 'perMonth', 'model'],
  },
];

const without = (body: Record<string, unknown>, name: string) =>
  Object.fromEntries(Object.entries(body).filter(([key]) => key !== name));

describe.each(BODIES)('$name', ({ method, path, good, fields, required }) => {
  it('refuses each wrong field by name', async () => {
    for (const [name, wrongs] of fields)
      for (const wrong of wrongs) {
        const answer = await api.send(method, path(), { body: { ...good(), [name]: wrong } });
        expectRefusal(answer, [400]);
        expect(answer.body.error.param.split('.')[0]).toBe(name);
      }
    expect(await everything()).toBe(before);
  });

  it('refuses a body without its required fields', async () => {
    for (const name of required)
      expectRefusal(await api.send(method, path(), { body: without(good(), name) }), [400], name);
    expect(await everything()).toBe(before);
  });

  it('refuses an unknown field', async () => {
    expectRefusal(await api.send(method, path(), { body: { ...good(), hourlyRate: '1' } }), [400], 'hourlyRate');
    const raw = `{"__proto__": {"enabled": true}, ${JSON.stringify(good()).slice(1)}`.replace(', }', '}');
    expectRefusal(await api.send(method, path(), { raw, headers: { 'Content-Type': 'application/json' } }), [400]);
    expect(await everything()).toBe(before);
  });

  it('refuses a body that is not a JSON object', async () => {
    for (const body of [[], [good()], 'text', 1, true, null])
      expectRefusal(await api.send(method, path(), { body }), [400]);
    for (const raw of ['{', '{"a":', 'not json', '\u0000', '{"a": 01}'])
      expectRefusal(await api.send(method, path(), { raw, headers: { 'Content-Type': 'application/json' } }), [400]);
    expect(await everything()).toBe(before);
  });

  it('refuses a body that is too large or has no JSON content type', async () => {
    const raw = JSON.stringify(good());
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/xml'])
      expectRefusal(await api.send(method, path(), { raw, headers: { 'Content-Type': type } }), [415]);
    const json = { 'Content-Type': 'application/json' };
    const latin = { 'Content-Type': 'application/json; charset=latin1' };
    expectRefusal(await api.send(method, path(), { raw, headers: latin }), [415]);
    expectRefusal(await api.send(method, path(), { raw, headers: { ...json, 'Content-Encoding': 'zstd' } }), [415]);
    expectRefusal(await api.send(method, path(), { raw, headers: { ...json, 'Content-Encoding': 'gzip' } }), [400]);
    const large = JSON.stringify({ ...good(), note: 'x'.repeat(2 ** 20) });
    expectRefusal(await api.send(method, path(), { raw: large, headers: json }), [413]);
    const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20, ' '));
    expectRefusal(
      await api.send(method, path(), { raw: bomb, headers: { ...json, 'Content-Encoding': 'gzip' } }),
      [413],
    );
    const deep = '['.repeat(200_000) + ']'.repeat(200_000);
    const keyed = { ...json, 'Idempotency-Key': 'deep' };
    expectRefusal(await api.send(method, path(), { raw: deep, headers: keyed }), [400]);
    expectRefusal(await api.send(method, path(), { raw: `{"a":${deep}}`, headers: keyed }), [400]);
    expect(await everything()).toBe(before);
  });
});

describe('paths and queries', () => {
  const NOBODYS = ['nobody', 'x'.repeat(200), 'a%20b', '%00', 'a%2Fb', '..%2f..', "'%20OR%201=1--", '%F0%9F%92%A9'];
  const PATHS: Array<[string, (id: string) => string]> = [
    ['GET', (id) => `/v1/teams/${id}`],
    ['GET', (id) => `/v1/teams/${id}/balance`],
    ['GET', (id) => `/v1/teams/${id}/transactions`],
    ['POST', (id) => `/v1/teams/${id}/grants`],
    ['GET', (id) => `/v1/teams/${team}/deposits/${id}`],
    ['DELETE', (id) => `/v1/teams/${team}/keys/${id}`],
    ['DELETE', (id) => `/v1/teams/${team}/payment-methods/${id}`],
    ['POST', (id) => `/v1/teams/${team}/payment-methods/${id}/default`],
    ['GET', (id) => `/v1/instances/${id}`],
    ['POST', (id) => `/v1/instances/${id}/stop`],
    ['POST', (id) => `/v1/instances/${id}/resume`],
    ['POST', (id) => `/v1/instances/${id}/reclaim`],
    ['PUT', (id) => `/v1/teams/${id}/shedding`],
    ['GET', (id) => `/v1/holds/${id}`],
    ['POST', (id) => `/v1/holds/${id}/void`],
    ['GET', (id) => `/v1/teams/${id}/holds`],
    ['GET', (id) => `/v1/teams/${id}/discount`],
    ['PUT', (id) => `/v1/teams/${id}/discount`],
    ['DELETE', (id) => `/v1/prices/${id}/eu-west-1`],
    ['DELETE', (id) => `/v1/prices/h100-80gb/${id}`],
    ['GET', (id) => `/v1/prices/h100-80gb/${id}/history`],
    ['DELETE', (id) => `/v1/models/${id}`],
    ['GET', (id) => `/v1/reservations/${id}`],
  ];
  it.each(PATHS)('%s with an unknown id', async (method, path) => {
    for (const id of NOBODYS) expectRefusal(await api.send(method, path(id)), [404]);
    expectRefusal(await api.send(method, path('%E0%A4%A')), [400]);
    expect(await everything()).toBe(before);
  });

  it('a price for an invalid name is refused with the reason', async () => {
    const price = { onDemand: '10', spot: '5', reserved: RESERVED };
    for (const name of ['a%20b', 'x'.repeat(65), '%00', 'a%2Fb', '-a', '..%2f..', '%C3%BC', "'%20OR%201=1--"]) {
      expectRefusal(await api.put(`/v1/prices/${name}/eu-1`, price), [400], 'gpuType');
      expectRefusal(await api.put(`/v1/prices/never-listed/${name}`, price), [400], 'region');
    }
    for (const name of ['a%20b', 'x'.repeat(101), '%00', '-a', '..%2f..', '%C3%BC', "'%20OR%201=1--"])
      expectRefusal(await api.put(`/v1/models/${name}`, { input: '1', output: '1' }), [400], 'model');
    expect(await everything()).toBe(before);
  });

  it('a resource of another team is answered as if it did not exist', async () => {
    const deposit = { amount: '15', method: 'card', paymentMethod: othersCard };
    expectRefusal(await api.post(`/v1/teams/${team}/deposits`, deposit), [404], 'paymentMethod');
    const policy = { enabled: true, threshold: '10', amount: '20', paymentMethod: othersCard };
    expectRefusal(await api.put(`/v1/teams/${team}/auto-top-up`, policy), [404], 'paymentMethod');
    expectRefusal(await api.post(`/v1/teams/${team}/payment-methods/${othersCard}/default`), [404]);
    expectRefusal(await api.send('DELETE', `/v1/teams/${team}/payment-methods/${othersCard}`), [404]);
    expectRefusal(await api.post('/v1/instances', instanceOf('nobody')), [404], 'team');
    expect(await everything()).toBe(before);
  });

  it('wrong queries are refused with the name of the parameter', async () => {
    const lists = [
      `/v1/instances`,
      '/v1/reservations',
      `/v1/teams/${team}/deposits`,
      `/v1/teams/${team}/transactions`,
      `/v1/teams/${team}/keys`,
      `/v1/teams/${team}/holds`,
      '/v1/prices/h100-80gb/eu-west-1/history',
    ];
    for (const path of lists) {
      for (const limit of ['0', '101', '-1', '1.5', 'x', '', '1e1', '99999999999999999999'])
        expectRefusal(await api.get(`${path}?limit=${limit}`), [400], 'limit');
      expectRefusal(await api.get(`${path}?limit=1&limit=2`), [400], 'limit');
      const cursors = [
        'x',
        '',
        'AAAA',
        ...['1', '.x', '1.', 'x.y', '1.a\u0000b', '1.ü', '9'.repeat(30)].map((text) =>
          Buffer.from(text).toString('base64url'),
        ),
      ];
      for (const cursor of cursors) expectRefusal(await api.get(`${path}?cursor=${cursor}`), [400], 'cursor');
      expectRefusal(await api.get(`${path}?colour=red`), [400], 'colour');
    }
    for (const query of ['status=done', 'team=a%20b', 'project=%00', 'gpuType='])
      expectRefusal(await api.get(`/v1/instances?${query}`), [400], query.split('=')[0]);
    for (const query of ['status=terminated', 'team=a%20b', 'gpuType=h100-80gb'])
      expectRefusal(await api.get(`/v1/reservations?${query}`), [400], query.split('=')[0]);
    for (const query of ['team=a%20b', 'gpuType=', 'gpuType=a%20b', 'region=%00', 'region=a&region=b', 'limit=1'])
      expectRefusal(await api.get(`/v1/prices?${query}`), [400], query.split('=')[0]);
    expectRefusal(await api.get('/v1/prices?team=nobody'), [404], 'team');
    expectRefusal(await api.get('/v1/models?id=x'), [400], 'id');
  });

  it('unknown paths and methods are answered with the error object', async () => {
    for (const [method, path] of [
      ['GET', '/v1/teams/x/nowhere'],
      ['GET', '/docs/../package.json'],
      ['GET', '/docs/swagger-ui-bundle.js.map'],
      ['GET', '/v1/Teams/x'],
      ['GET', `/v1/teams/${team}/`],
    ] as const)
      expectRefusal(await api.send(method, path), [404]);
    for (const [method, path] of [
      ['DELETE', `/v1/teams/${team}`],
      ['PUT', '/v1/instances'],
      ['PATCH', '/healthz'],
    ] as const)
      expectRefusal(await api.send(method, path), [405]);
  });

  it('invalid Idempotency-Keys are refused', async () => {
    for (const key of ['', 'a b', 'x'.repeat(256), 'ü'])
      expectRefusal(
        await api.post(`/v1/teams/${team}/grants`, { amount: '1', note: 'n' }, { headers: { 'Idempotency-Key': key } }),
        [400],
        'Idempotency-Key',
      );
    expect(await everything()).toBe(before);
  });
});

describe('a well-formed request for an impossible action', () => {
  it('is refused with its reason', async () => {
    const refused: Array<[Promise<Answer>, number, string, string?]> = [
      [api.post('/v1/instances', instanceOf(team, { hourly: '1000000.000001' })), 422, 'amount_out_of_range', 'hourly'],
      [api.post('/v1/instances', { ...instanceOf(team), hourly: undefined }), 422, 'price_not_found', 'gpuType'],
      [api.post(`/v1/teams/${team}/grants`, { amount: '0', note: 'n' }), 422, 'amount_out_of_range', 'amount'],
      [api.post(`/v1/teams/${team}/grants`, { amount: '1000001', note: 'n' }), 422, 'amount_out_of_range', 'amount'],
      [deposit('14.99'), 422, 'amount_out_of_range', 'amount'],
      [deposit('5000.01'), 422, 'amount_out_of_range', 'amount'],
      [deposit('20.001'), 422, 'amount_out_of_range', 'amount'],
      [policy({ threshold: '4.99' }), 422, 'amount_out_of_range', 'threshold'],
      [policy({ threshold: '500.01' }), 422, 'amount_out_of_range', 'threshold'],
      [policy({ amount: '14' }), 422, 'amount_out_of_range', 'amount'],
      [policy({ amount: '5001' }), 422, 'amount_out_of_range', 'amount'],
      [policy({ monthlyCap: '19' }), 422, 'amount_out_of_range', 'monthlyCap'],
      [stop({ at: '2000-01-01T00:00:00Z' }), 422, 'at_out_of_range', 'at'],
      [stop({ at: '9999-12-31T23:59:59Z' }), 422, 'at_out_of_range', 'at'],
      [reprice(instance, { hourly: '1', at: '2000-01-01T00:00:00Z' }), 422, 'at_out_of_range', 'at'],
      [reprice(instance, { hourly: '1', at: '9999-12-31T23:59:59Z' }), 422, 'at_out_of_range', 'at'],
      [price({ onDemand: '1000000.01' }), 422, 'amount_out_of_range', 'onDemand'],
      [price({ onDemand: '0' }), 422, 'amount_out_of_range', 'onDemand'],
      [price({ spot: '10.000001' }), 422, 'amount_out_of_range', 'spot'],
      [price({ spot: '0' }), 422, 'amount_out_of_range', 'spot'],
      [price({ reserved: { ...RESERVED, '1m': '7.000001' } }), 422, 'amount_out_of_range', 'reserved.1m'],
      [price({ reserved: { ...RESERVED, '12m': '4.999999' } }), 422, 'amount_out_of_range', 'reserved.12m'],
      [price({ effectiveFrom: '2000-01-01T00:00:00Z' }), 422, 'at_out_of_range', 'effectiveFrom'],
      [price({ effectiveFrom: '9999-12-31T23:59:59-01:00' }), 422, 'at_out_of_range', 'effectiveFrom'],
      [model({ input: '1000.01' }), 422, 'amount_out_of_range', 'input'],
      [model({ output: '1000.01' }), 422, 'amount_out_of_range', 'output'],
      [model({ effectiveFrom: '2000-01-01T00:00:00Z' }), 422, 'at_out_of_range', 'effectiveFrom'],
      [discount({ until: '2000-01-01T00:00:00Z' }), 422, 'at_out_of_range', 'until'],
      [holding({ model: 'never-listed' }), 422, 'price_not_found', 'model'],
      [holding({ team: 'nobody' }), 404, 'not_found', 'team'],
      [holding({ maxInputTokens: 1_000_000_000_000 }), 402, 'insufficient_credit'],
      [quote({ gpuType: 'never-listed' }), 422, 'price_not_found', 'gpuType'],
      [quote({ team: 'nobody' }), 404, 'not_found', 'team'],
      [quote({ pricing: 'reserved' }), 409, 'no_reservation', 'pricing'],
      [quote({ hourly: '1000000.01' }), 422, 'amount_out_of_range', 'hourly'],
      [calculation({ model: 'never-listed' }), 422, 'price_not_found', 'model'],
      [calculation({ compareWith: 'phi-4' }), 422, 'price_not_found', 'compareWith'],
      [calculation({ perMonth: 1_000_000_000_000 }), 422, 'amount_out_of_range', 'perMonth'],
      [reprice(ended, { hourly: '1' }), 409, 'instance_ended'],
      [reclaim(ended, {}), 409, 'instance_ended'],
      [reclaim(instance, {}), 409, 'not_spot'],
      [reclaim(instance, { at: '9999-12-31T23:59:59Z' }), 422, 'at_out_of_range', 'at'],
      [api.put(`/v1/teams/${team}/shedding`, { order: [ended] }), 404, 'not_found', 'order'],
      [api.put(`/v1/teams/${other}/shedding`, { order: [instance] }), 404, 'not_found', 'order'],
      [api.post(`/v1/instances/${instance}/resume`), 409, 'instance_active'],
      [api.post('/v1/teams', { id: team, name: 'Other', email: 'other@example.com' }), 409, 'id_taken', 'id'],
      [api.post('/v1/instances', instanceOf(team, { id: instance, hourly: '9' })), 409, 'id_taken', 'id'],
      [api.post('/v1/instances', instanceOf(other, { id: instance, hourly: '0' })), 409, 'id_taken', 'id'],
    ];
    for (const [answer, status, code, param] of refused) {
      expectRefusal(await answer, [status], param);
      expect((await answer).body.error.code).toBe(code);
    }
    expect(await everything()).toBe(before);
  });

  const deposit = (amount: string) =>
    api.post(`/v1/teams/${team}/deposits`, { amount, method: 'card', paymentMethod: card });
  const policy = (change: object) =>
    api.put(`/v1/teams/${team}/auto-top-up`, { enabled: true, threshold: '10', amount: '20', ...change });
  const price = (change: object) =>
    api.put('/v1/prices/never-listed/eu-1', { onDemand: '10', spot: '5', reserved: RESERVED, ...change });
  const model = (change: object) => api.put('/v1/models/never-listed', { input: '1', output: '1', ...change });
  const quote = (change: object) =>
    api.post('/v1/quote', {
      team,
      gpuType: 'h100-80gb',
      region: 'eu-west-1',
      pricing: 'on_demand',
      count: 1,
      ...change,
    });
  const calculation = (change: object) =>
    api.post('/v1/calculator', { inputTokens: 1_000_000, outputTokens: 0, perMonth: 1, model: 'phi-4', ...change });
  const discount = (change: object) => api.put(`/v1/teams/${team}/discount`, { percent: 10, note: 'never', ...change });
  const holding = (change: object) =>
    api.post('/v1/holds', { team, model: 'phi-4', maxInputTokens: 1, maxOutputTokens: 1, ttlSeconds: 60, ...change });
  const stop = (body: object) => api.post(`/v1/instances/${instance}/stop`, body);
  const reclaim = (id: string, body: object) => api.post(`/v1/instances/${id}/reclaim`, body);
  const reprice = (id: string, body: object) => api.post(`/v1/instances/${id}/reprice`, body);
});
