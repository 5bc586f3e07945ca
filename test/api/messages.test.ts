/** Tests the error messages for wrong requests: each names the argument, describes the fault and says what to send. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
let card: string;

beforeAll(async () => {
  api = await startCommandedApi();
  team = await teamWith(api, '100');
  card = (await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' })).body.id;
});
afterAll(() => api.close());

const instance = (change: object) => api.post('/v1/instances', { ...instanceOf(team), ...change });
const deposit = (change: object) => api.post(`/v1/teams/${team}/deposits`, { amount: '20', method: 'card', ...change });
const grant = (change: object) => api.post(`/v1/teams/${team}/grants`, { amount: '1', note: 'a note', ...change });
const hold = (change: object) =>
  api.post('/v1/holds', { team, model: 'phi-4', maxInputTokens: 1, maxOutputTokens: 1, ttlSeconds: 60, ...change });
const policy = (body: object) => api.put(`/v1/teams/${team}/auto-top-up`, body);
const price = (change: object) =>
  api.put('/v1/prices/never/eu-1', {
    onDemand: '10',
    spot: '5',
    reserved: { '1m': '7', '3m': '6', '6m': '6', '12m': '5' },
    ...change,
  });

const faultOf = ({ status, body }: Answer) => ({ status, param: body.error.param, message: body.error.message });

describe('a wrong request', () => {
  const FAULTS: Array<[string, () => Promise<Answer>, string, string]> = [
    ['a field that is missing', () => grant({ amount: undefined }), 'amount', 'amount is required'],
    ['an enumeration that is missing', () => instance({ pricing: undefined }), 'pricing', 'pricing is required'],
    [
      'a field in another spelling',
      () => instance({ gpu_type: 'h100' }),
      'gpu_type',
      'unknown field gpu_type: did you mean gpuType?',
    ],
    [
      'a field in other letters',
      () => instance({ PROJECT: 'p' }),
      'PROJECT',
      'unknown field PROJECT: did you mean project?',
    ],
    ['a misspelt field', () => instance({ projct: 'p' }), 'projct', 'unknown field projct: did you mean project?'],
    [
      'a field of nothing alike',
      () => grant({ colour: 'red' }),
      'colour',
      'unknown field colour; it takes id, amount, note, metadata',
    ],
    [
      'a field within another',
      () => price({ reserved: { '1m': '7', '3m': '6', '6m': '6', '12m': '5', '12 m': '5' } }),
      'reserved.12 m',
      'unknown field reserved.12 m: did you mean 12m?',
    ],
    [
      'a missing field within another',
      () => price({ reserved: { '1m': '7', '3m': '6', '6m': '6' } }),
      'reserved.12m',
      'reserved.12m is required',
    ],
    [
      'a field of a body that takes none',
      () => api.post('/v1/holds/x/void', { at: 'now' }),
      'at',
      'unknown field at; it takes none',
    ],
    [
      'an enumeration',
      () => instance({ pricing: 'cheap' }),
      'pricing',
      'pricing must be on_demand, spot or reserved, not "cheap"',
    ],
    [
      'money as a number',
      () => grant({ amount: 15 }),
      'amount',
      'amount must be a decimal string of dollars such as "2.49", not the number 15',
    ],
    [
      'money with a sign',
      () => grant({ amount: '$15' }),
      'amount',
      'amount must be a decimal string of dollars such as "2.49", and at most $9,007,199,254, not "$15"',
    ],
    [
      'money with seven places',
      () => grant({ amount: '1.0000001' }),
      'amount',
      'amount must have at most six decimal places, not "1.0000001"',
    ],
    [
      'a time without a zone',
      () => price({ effectiveFrom: '2026-03-01T00:00:00' }),
      'effectiveFrom',
      'effectiveFrom must have a time zone: send "2026-03-01T00:00:00Z" for UTC',
    ],
    [
      'a day instead of a time',
      () => price({ effectiveFrom: '2026-03-01' }),
      'effectiveFrom',
      'effectiveFrom must have a time of day and a zone: send "2026-03-01T00:00:00Z" for its first second in UTC',
    ],
    [
      'a time with a fraction',
      () => price({ effectiveFrom: '2026-03-01T00:00:00.5Z' }),
      'effectiveFrom',
      'effectiveFrom must be a whole second, not "2026-03-01T00:00:00.5Z"',
    ],
    [
      'a Unix time',
      () => price({ effectiveFrom: 1_772_323_200 }),
      'effectiveFrom',
      'effectiveFrom must be an RFC 3339 time such as "2026-03-01T00:00:00Z", not the number 1772323200',
    ],
    [
      'a number that is too small',
      () => hold({ ttlSeconds: 0 }),
      'ttlSeconds',
      'ttlSeconds must be at least 1, not the number 0',
    ],
    [
      'a number that is too large',
      () => hold({ ttlSeconds: 86_401 }),
      'ttlSeconds',
      'ttlSeconds must be at most 86,400, not the number 86401',
    ],
    [
      'a fraction',
      () => hold({ ttlSeconds: 1.5 }),
      'ttlSeconds',
      'ttlSeconds must be a whole number, not the number 1.5',
    ],
    ['a number as a string', () => hold({ ttlSeconds: '60' }), 'ttlSeconds', 'ttlSeconds must be a number, not "60"'],
    [
      'a number beyond what JSON carries',
      () => hold({ ttlSeconds: 1e300 }),
      'ttlSeconds',
      'ttlSeconds must be a whole number that JSON carries exactly, not the number 1e+300',
    ],
    [
      'a text that is too long',
      () => grant({ note: 'x'.repeat(501) }),
      'note',
      'note must have at most 500 characters',
    ],
    ['an empty text', () => grant({ note: '' }), 'note', 'note must not be empty, not ""'],
    ['null', () => grant({ note: null }), 'note', 'note must be a string, not null'],
    [
      'an id',
      () => instance({ id: 'a b' }),
      'id',
      'id must be 1 to 64 of the letters A-Z and a-z, digits, _ and -, not "a b"',
    ],
    [
      'an address',
      () => api.post('/v1/teams', { name: 'A', email: 'nobody' }),
      'email',
      'email must be an e-mail address such as "billing@acme.example", not "nobody"',
    ],
    ['a flag', () => policy({ enabled: 'yes' }), 'enabled', 'enabled must be true or false, not "yes"'],
    [
      'a list that is empty',
      () => api.post('/v1/usage', { events: [] }),
      'events',
      'events must hold at least 1 item, not a list',
    ],
    ['a body that is a list', () => api.post('/v1/teams', []), 'body', 'the body must be a JSON object, not a list'],
    ['no body', () => api.post('/v1/teams'), 'name', 'name is required; email is required'],
    [
      'a filter in another spelling',
      () => api.get('/v1/instances?gpu_type=h100'),
      'gpu_type',
      'unknown parameter gpu_type: did you mean gpuType?',
    ],
    [
      'a filter of nothing alike',
      () => api.get('/v1/instances?colour=red'),
      'colour',
      'unknown parameter colour; it takes limit, cursor, team, status, project, gpuType',
    ],
    [
      'a filter that is sent twice',
      () => api.get('/v1/instances?limit=1&limit=2'),
      'limit',
      'limit is sent 2 times: send it once',
    ],
    [
      'a limit',
      () => api.get('/v1/instances?limit=1000'),
      'limit',
      'limit must be a whole number from 1 to 100, not "1000"',
    ],
    [
      'a cursor',
      () => api.get('/v1/instances?cursor=x'),
      'cursor',
      'cursor must be the nextCursor of an earlier answer of this list, not "x"',
    ],
  ];

  it.each(FAULTS)('is answered with a description for %s', async (_what, call, param, message) => {
    expect(faultOf(await call())).toEqual({ status: 400, param, message });
  });

  it('is answered with all of its faults at once, and the first is in param', async () => {
    const { status, body } = await api.post('/v1/instances', {
      team: 'a b',
      pricing: 'cheap',
      hourly: 2.49,
      gpu: 'h100',
    });
    expect([status, body.error.param]).toEqual([400, 'team']);
    expect(body.error.errors).toEqual([
      { param: 'team', message: 'team must be 1 to 64 of the letters A-Z and a-z, digits, _ and -, not "a b"' },
      { param: 'gpuType', message: 'gpuType is required' },
      { param: 'region', message: 'region is required' },
      { param: 'pricing', message: 'pricing must be on_demand, spot or reserved, not "cheap"' },
      { param: 'hourly', message: 'hourly must be a decimal string of dollars such as "2.49", not the number 2.49' },
      { param: 'gpu', message: 'unknown field gpu: did you mean gpuType?' },
    ]);
    expect(body.error.message).toBe(body.error.errors.map((one: { message: string }) => one.message).join('; '));
    const both = await policy({ enabled: true });
    expect(both.body.error).toMatchObject({ param: 'threshold', message: 'threshold is required; amount is required' });
    expect(both.body.error.errors).toHaveLength(2);
  });

  it('is answered with at most twenty faults, in a readable message', async () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`wrong${n}`, n]));
    const { body, text } = await grant(many);
    expect(body.error.errors).toHaveLength(20);
    expect(body.error.message.length).toBeLessThanOrEqual(1_000);
    expect(text.length).toBeLessThan(5_000);
  });

  it('is answered without card numbers, long values or invisible characters', async () => {
    const number = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: '4242 4242 4242 4242' });
    expect(number.text).not.toContain('4242 4242');
    const long = await instance({ pricing: 'x'.repeat(10_000) });
    expect(long.body.error.message).toBe(`pricing must be on_demand, spot or reserved, not "${'x'.repeat(40)}…"`);
    const turned = await instance({ pricing: 'a\u202eb', '\u202ename': 1 });
    expect(turned.body.error.message).toContain('not "a\\u202eb"');
    expect(turned.text).not.toContain('\u202e');
  });
});

describe('a wrong usage event', () => {
  it('is answered with the message of a wrong request, beside the recorded events', async () => {
    const good = { id: 'e1', team, model: 'phi-4', inputTokens: 1, outputTokens: 1 };
    const { body } = await api.post('/v1/usage', {
      events: [good, { ...good, id: 'e2', input_tokens: 1 }, { id: 'e3' }, 5, { ...good, id: 'e4', model: 'phi4' }],
    });
    expect(body.events.map(({ status }: { status: string }) => status)).toEqual([
      'accepted',
      ...Array(4).fill('invalid'),
    ]);
    expect(body.events[1].error).toEqual({
      code: 'invalid_request',
      message: 'unknown field input_tokens: did you mean inputTokens?',
      param: 'input_tokens',
    });
    expect(body.events[2].error.message).toBe(
      'team is required; model is required; inputTokens is required; outputTokens is required',
    );
    expect(body.events[3].error.message).toBe('the event must be a JSON object, not the number 5');
    expect(body.events[4].error.message).toMatch(/did you mean phi-4\?$/);
  });
});

describe('an unlisted name', () => {
  const quote = (change: object) =>
    api.post('/v1/quote', {
      team,
      gpuType: 'h100-80gb',
      region: 'eu-west-1',
      pricing: 'on_demand',
      count: 1,
      ...change,
    });
  const reserve = (change: object) =>
    api.post('/v1/reservations', { team, gpuType: 'h100-80gb', region: 'eu-west-1', count: 1, term: '1m', ...change });
  const start = (change: object) =>
    instance({ hourly: undefined, gpuType: 'h100-80gb', region: 'eu-west-1', ...change });
  const calculate = (change: object) =>
    api.post('/v1/calculator', { inputTokens: 1, outputTokens: 1, perMonth: 1, model: 'phi-4', ...change });

  it.each<[string, () => Promise<Answer>, string, RegExp]>([
    ['a start', () => start({ gpuType: 'h100' }), 'gpuType', /no gpuType h100 .*: did you mean h100-80gb/],
    ['a start', () => start({ gpuType: 'H100_80GB' }), 'gpuType', /did you mean h100-80gb/],
    [
      'a start',
      () => start({ region: 'eu-west' }),
      'region',
      /h100-80gb is not listed in eu-west: did you mean eu-west-1/,
    ],
    ['a start', () => start({ region: 'mars' }), 'region', /not listed in mars: it is listed in .*eu-west-1/],
    ['a start', () => start({ gpuType: 'abacus' }), 'gpuType', /see GET \/v1\/prices, or send hourly/],
    ['a quote', () => quote({ gpuType: 'h100' }), 'gpuType', /did you mean h100-80gb/],
    ['a reservation', () => reserve({ gpuType: 'h10080gb' }), 'gpuType', /did you mean h100-80gb/],
    ['a hold', () => hold({ model: 'phi4' }), 'model', /no model phi4 .*: did you mean phi-4\?/],
    ['a hold', () => hold({ model: 'abacus' }), 'model', /see GET \/v1\/models/],
    ['a calculation', () => calculate({ model: 'phi 4' }), 'model', /did you mean phi-4/],
    ['a comparison', () => calculate({ compareWith: 'gpt4o-mini' }), 'compareWith', /did you mean gpt-4o-mini/],
  ])('is answered with the nearest listed name: %s', async (_what, call, param, message) => {
    const { status, body } = await call();
    expect([status, body.error.code, body.error.param]).toEqual([422, 'price_not_found', param]);
    expect(body.error.message).toMatch(message);
  });
});

describe('an id of another kind', () => {
  it('from Stripe as paymentMethod is answered with the id to send', async () => {
    const saved = `send the id of a saved card: ${card} (visa 4242)`;
    for (const answer of [
      await deposit({ paymentMethod: 'pm_card_visa' }),
      await policy({ enabled: true, threshold: '10', amount: '20', paymentMethod: 'pm_card_visa' }),
      await api.post(`/v1/teams/${team}/payment-methods/pm_card_visa/default`),
      await api.send('DELETE', `/v1/teams/${team}/payment-methods/pm_card_visa`),
    ]) {
      expect([answer.status, answer.body.error.param]).toEqual([404, 'paymentMethod']);
      expect(answer.body.error.message).toContain('pm_card_visa is an id of Stripe’s: attach it with POST');
      expect(answer.body.error.message).toContain(saved);
    }
    const stripes = `pm_card_visa_${card}`;
    expect((await deposit({ paymentMethod: stripes })).body.error.message).toBe(
      `${stripes} is Stripe’s id of this card: send ${card}`,
    );
    expect((await deposit({ paymentMethod: `pm_${'0'.repeat(32)}` })).body.error.message).toBe(
      `no such payment method; ${saved}`,
    );
    const poor = await teamWith(api);
    const none = await api.post(`/v1/teams/${poor}/deposits`, { amount: '20', method: 'card', paymentMethod: stripes });
    expect(none.body.error.message).toContain('the team has no saved card');
    expect(none.text).not.toContain(`send ${card}`);
  });

  it('that belongs to an ended instance, on a start, is answered with the time of the end and the next step', async () => {
    await instance({ id: 'once', hourly: '0' });
    await api.post('/v1/instances/once/stop', {});
    const { endedAt } = (await api.get('/v1/instances/once')).body;
    const again = await instance({ id: 'once', hourly: '1' });
    expect([again.status, again.body.error.code, again.body.error.param]).toEqual([409, 'id_taken', 'id']);
    expect(again.body.error.message).toContain(`once ended at ${endedAt} (stopped)`);
    expect(again.body.error.message).toContain('POST /v1/instances/once/resume');
    const others = await api.post('/v1/instances', instanceOf(await teamWith(api, '10'), { id: 'once' }));
    expect(others.body.error.message).not.toContain('ended');
  });
});

it('hourly is accepted only from the platform, in a quote too', async () => {
  const key = await keyFor(api, team, ['read', 'billing', 'usage']);
  const body = { team, gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'on_demand', count: 1 };
  const refused = await api.post('/v1/quote', { ...body, hourly: '0.01' }, { key });
  expect([refused.status, refused.body.error.code, refused.body.error.param]).toEqual([403, 'forbidden', 'hourly']);
  expect((await api.post('/v1/quote', body, { key })).status).toBe(200);
  expect((await api.post('/v1/quote', { ...body, hourly: '0.01' })).status).toBe(200);
});
