/** Tests that ambiguous requests are refused, and that a call without a route is answered with a suggestion. */
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkJson } from '../../api/http/reading.ts';
import { type CommandedApi, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
beforeAll(async () => {
  api = await startCommandedApi();
  team = await teamWith(api, '100');
});
afterAll(() => api.close());

const JSON_TYPE = { 'Content-Type': 'application/json' };
const post = (raw: string | Buffer, headers: Record<string, string> = JSON_TYPE) =>
  api.send('POST', `/v1/teams/${team}/grants`, { raw, headers });
const bytes = (...parts: Array<string | number[]>) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
const granted = async () => (await api.get(`/v1/teams/${team}/balance`)).body.posted;

describe('a body', () => {
  it.each<[string, Buffer]>([
    ['a byte of no character', bytes('{"amount": "1", "note": "a', [0xff], 'b"}')],
    ['a character that breaks off', bytes('{"amount": "1", "note": "a', [0xe2, 0x82], '"}')],
    ['a letter in two bytes too many', bytes('{"amount": "1", "note": "a', [0xc0, 0xaf], '"}')],
    ['half of a pair', bytes('{"amount": "1", "note": "a', [0xed, 0xa0, 0x80], '"}')],
    ['Latin-1', Buffer.from('{"amount": "1", "note": "für"}', 'latin1')],
    ['a name in Latin-1', Buffer.from('{"amount": "1", "nöte": "x"}', 'latin1')],
  ])('with %s is 400, and nothing is recorded', async (_what, raw) => {
    const before = await granted();
    const { status, body } = await post(raw);
    expect([status, body.error.code, body.error.message]).toEqual([
      400,
      'invalid_request',
      'the body is not valid UTF-8',
    ]);
    expect(await granted()).toBe(before);
  });

  it('in another Unicode encoding is 415, and UTF-8 under its other names is accepted', async () => {
    const text = '{"amount": "1", "note": "für"}';
    for (const charset of ['utf-16', 'utf-16le', 'UTF-32', 'utf-7', 'latin1']) {
      const type = { 'Content-Type': `application/json; charset=${charset}` };
      expect((await post(Buffer.from(text, 'utf16le'), type)).status, charset).toBe(415);
    }
    for (const charset of ['utf-8', 'UTF-8', '"utf-8"', 'utf8'])
      expect((await post(text, { 'Content-Type': `application/json; charset=${charset}` })).status, charset).toBe(201);
    expect((await post(`\uFEFF${text}`)).status).toBe(201);
  });

  it.each([
    ['{"amount": "1", "amount": "1000", "note": "n"}', 'amount'],
    ['{"amount": "1", "note": "n", "am\\u006funt": "1000"}', 'amount'],
    ['{"amount":"1","note":"a \\"note\\": {","note":"b"}', 'note'],
    ['{"__proto__": 1, "__proto__": 2}', '__proto__'],
  ])('with a repeated name is 400: %s', async (raw, param) => {
    const { status, body } = await post(raw);
    expect([status, body.error.code, body.error.param]).toEqual([400, 'invalid_request', param]);
    expect(body.error.message).toContain('is sent twice');
  });

  it('may use the same name in different objects', () => {
    for (const text of [
      '{"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 2}]}',
      '[]',
      '"{\\"a\\": 1}"',
      '{"a": "a", "b": "a:"}',
    ])
      expect(() => checkJson(text)).not.toThrow();
  });

  it('with special names, deep nesting or impossible numbers is 400 with a message', async () => {
    for (const [raw, message] of [
      ['{"__proto__": {"amount": "1"}, "amount": "1", "note": "n"}', /unknown field __proto__/],
      ['{"constructor": 1, "amount": "1", "note": "n"}', /unknown field constructor/],
      [`{"amount": "1", "note": ${'['.repeat(100)}${']'.repeat(100)}}`, /nested too deeply/],
      [`{"amount": "1", "note": ${'{"a":'.repeat(100)}1${'}'.repeat(100)}}`, /nested too deeply/],
      ['{"amount": 1e400, "note": "n"}', /amount must be a decimal string/],
      ['{"amount": "1", "note": "n"', /not valid JSON/],
      ['{"amount": "1",, "note": "n"}', /not valid JSON: .* character 16/],
    ] as const) {
      const { status, body } = await post(raw);
      expect([status, body.error.code]).toEqual([400, 'invalid_request']);
      expect(body.error.message).toMatch(message);
    }
  });

  it('is checked in at most twenty times the time of JSON.parse, for ten times the length too', () => {
    const event = { id: 'event', team: 'acme', model: 'phi-4', inputTokens: 1, outputTokens: 2, project: 'say "hi"' };
    /** The least of many measurements, in turns, so that both are slowed down alike by a busy machine. */
    const leastMs = (...of: Array<() => unknown>): number[] => {
      const least = of.map(() => Number.POSITIVE_INFINITY);
      for (let time = 0; time < 20; time += 1)
        of.forEach((work, index) => {
          const startMs = performance.now();
          work();
          least[index] = Math.min(least[index] ?? 0, performance.now() - startMs);
        });
      return least;
    };
    for (const events of [1_000, 10_000]) {
      const text = JSON.stringify({ events: Array(events).fill(event) });
      const [checkMs = 0, parseMs = 0] = leastMs(
        () => checkJson(text),
        () => JSON.parse(text),
      );
      expect(checkMs, `${events} events, JSON.parse takes ${parseMs} ms`).toBeLessThan(20 * parseMs);
    }
  });
});

describe('an address', () => {
  it.each([
    ['/v1/instances?project=%FF', 'project'],
    ['/v1/instances?project=a%C3', 'project'],
    ['/v1/instances?project=%ED%A0%80', 'project'],
    ['/v1/instances?project=100%', 'project'],
    ['/v1/instances?project=%zz', 'project'],
    ['/v1/instances?%FF=1', 'query'],
    ['/v1/teams/%FF', 'path'],
    ['/v1/teams/a%C3', 'path'],
    ['/v1/nowhere/%FF', 'path'],
  ])('that is not UTF-8 is 400: %s', async (path, param) => {
    const { status, body } = await api.get(path);
    expect([status, body.error.code, body.error.param]).toEqual([400, 'invalid_request', param]);
    expect(body.error.message).toContain('is not percent-encoded UTF-8');
  });

  it('in UTF-8 is accepted', async () => {
    expect((await api.get('/v1/instances?project=%E6%A0%AA%20f%C3%BCr')).status).toBe(200);
    expect((await api.get('/v1/teams/%E6%A0%AA')).status).toBe(404);
  });

  it('with unescaped bytes is 400', async () => {
    const { hostname, port } = new URL(api.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = createConnection(Number(port), hostname, () =>
        socket.write(
          Buffer.from(`GET /v1/instances?project=\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, 'latin1'),
        ),
      );
      let text = '';
      socket
        .on('data', (data) => (text += data))
        .on('end', () => resolve(text))
        .on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('text for people', () => {
  const UNSEEN = [
    '\u202e',
    '\u202a',
    '\u2066',
    '\u2069',
    '\u200e',
    '\u200f',
    '\u061c',
    '\u200b',
    '\ufeff',
    '\u00ad',
    '\u2028',
    '\u0085',
    '\u0000',
    '\n',
    '\ufffd',
    '\u3164',
    '\u2800',
    '\u{e0041}',
    '\ue000',
    '\ud800',
  ];
  const WITHOUT_LETTER = [' ', '   ', '\u00a0', '\u3000', '…', '---', '\u0301', '\u200d', '!?'];
  const GOOD = ['Tom’s Robots', 'Zażółć Łódź', '株式会社', 'دانش‌آموز', 'क्‍ष', 'ACME (EU) №1', '42', 'Ω', 'team 👩‍🚀'];
  const FIELDS: Array<[string, (text: string) => Promise<{ status: number; body: { error: { param: string } } }>]> = [
    ['name', (name) => api.post('/v1/teams', { name, email: 'a@b.example' })],
    ['name', (name) => api.send('PATCH', `/v1/teams/${team}`, { body: { name } })],
    ['name', (name) => api.post(`/v1/teams/${team}/keys`, { name })],
    ['note', (note) => api.post(`/v1/teams/${team}/grants`, { amount: '0.000001', note })],
    ['note', (note) => api.put(`/v1/teams/${team}/discount`, { percent: 0, note })],
    [
      'project',
      (project) =>
        api.post('/v1/instances', { team, gpuType: 'g', region: 'r', pricing: 'spot', hourly: '0', project }),
    ],
    ['gpuType', (gpuType) => api.post('/v1/instances', { team, gpuType, region: 'r', pricing: 'spot', hourly: '0' })],
    ['region', (region) => api.post('/v1/instances', { team, gpuType: 'g', region, pricing: 'spot', hourly: '0' })],
  ];

  it.each(FIELDS)('is refused in %s with an invisible character, or without a letter', async (field, send) => {
    for (const text of [...UNSEEN.map((letter) => `Ac${letter}me`), ...WITHOUT_LETTER]) {
      const { status, body } = await send(text);
      expect([status, body.error?.param], JSON.stringify(text)).toEqual([400, field]);
    }
  });

  it.each(FIELDS)('is accepted in %s in every script', async (_field, send) => {
    for (const text of GOOD) expect((await send(text)).status, text).toBeLessThan(300);
  });
});

describe('a call without a route', () => {
  it.each([
    ['DELETE', '/v1/teams/acme', 'GET, PATCH, HEAD, OPTIONS', '/v1/teams/acme takes GET or PATCH, not DELETE'],
    ['PUT', '/v1/instances', 'POST, GET, HEAD, OPTIONS', '/v1/instances takes POST or GET, not PUT'],
    ['GET', '/v1/quote', 'POST, OPTIONS', '/v1/quote takes POST, not GET'],
    ['HEAD', '/v1/quote', 'POST, OPTIONS', null],
    ['PATCH', '/healthz', 'GET, HEAD, OPTIONS', '/healthz takes GET, not PATCH'],
    ['GET', '/v1/webhooks/stripe', 'POST, OPTIONS', '/v1/webhooks/stripe takes POST, not GET'],
    ['POST', '/docs', 'GET, HEAD, OPTIONS', '/docs takes GET, not POST'],
    ['PURGE', '/v1/models', 'GET, HEAD, OPTIONS', '/v1/models takes GET, not PURGE'],
  ])('%s %s is 405 with Allow', async (method, path, allow, message) => {
    const { status, headers, body } = await api.send(method, path);
    expect([status, headers.get('Allow')]).toEqual([405, allow]);
    if (message !== null) expect(body.error).toMatchObject({ code: 'method_not_allowed', message });
  });

  it('OPTIONS is answered with the methods of the path, and HEAD as GET without a body', async () => {
    const options = await api.send('OPTIONS', '/v1/teams/acme', { key: null });
    expect([options.status, options.headers.get('Allow'), options.text]).toEqual([
      204,
      'GET, PATCH, HEAD, OPTIONS',
      '',
    ]);
    const head = await api.send('HEAD', `/v1/teams/${team}`);
    expect([head.status, head.text]).toEqual([200, '']);
    expect((await api.send('HEAD', '/v1/teams/nobody')).status).toBe(404);
    expect((await api.send('OPTIONS', '/v1/nowhere')).status).toBe(404);
  });

  it.each([
    ['/v1/teams/acme/', 'paths have no slash at their end: use /v1/teams/acme'],
    ['/v1/instances/', 'paths have no slash at their end: use /v1/instances'],
    ['/healthz/', 'paths have no slash at their end: use /healthz'],
    ['/teams/acme', 'paths begin with /v1: use /v1/teams/acme'],
    ['/teams/acme/balance/', 'there is nothing at /teams/acme/balance/: did you mean /v1/teams/acme/balance?'],
    ['/api/v1/instances', 'there is nothing at /api/v1/instances: did you mean /v1/instances?'],
    ['/v2/instances', 'there is nothing at /v2/instances: did you mean /v1/instances?'],
    ['/v1/Teams/acme', 'there is nothing at /v1/Teams/acme: did you mean /v1/teams/acme?'],
    ['/v1/team/acme', 'there is nothing at /v1/team/acme: did you mean /v1/teams/acme?'],
    ['/v1/teams/acme/balances', 'there is nothing at /v1/teams/acme/balances: did you mean /v1/teams/acme/balance?'],
    ['/v1//teams/acme', 'there is nothing at /v1//teams/acme: did you mean /v1/teams/acme?'],
    [
      '/v1/teams/acme/auto_top_up',
      'there is nothing at /v1/teams/acme/auto_top_up: did you mean /v1/teams/acme/auto-top-up?',
    ],
    ['/wp-login.php', 'there is nothing at /wp-login.php: GET /v1/openapi.json lists every path'],
  ])('%s is 404 with the intended path in the message', async (path, message) => {
    const { status, body } = await api.get(path);
    expect([status, body.error.code, body.error.message]).toEqual([404, 'not_found', message]);
  });
});
