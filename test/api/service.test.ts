/** Tests the general functions of the service: health, metrics, documents, limits, logs and webhooks. */
import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createClockWatch } from '../../activities/clock.ts';
import { connectDb } from '../../prisma/client.ts';
import {
  type CommandedApi,
  instanceOf,
  keyFor,
  PLATFORM_KEY,
  startCommandedApi,
  teamWith,
  WEBHOOK_SECRET,
} from './support.ts';

let api: CommandedApi;
/** Only the lines of these refusals name the caller's network address. */
const REFUSED_STRANGERS = ['unauthenticated', 'rate_limited', 'webhook_invalid'];
const adopted = vi.fn(async () => null);

beforeAll(async () => {
  api = await startCommandedApi();
  api.world.cards.adoptFromSetup = adopted;
});
beforeEach(() => Object.assign(api.engine, { away: false, sentWakes: [] }));
afterAll(() => api.close());

describe('health', () => {
  it('is up, and ready only with its neighbours', async () => {
    expect((await api.get('/healthz', { key: null })).body).toEqual({ status: 'ok' });
    // A probe waits two seconds for each neighbour: on a busy machine the first connection may take longer.
    await expect.poll(async () => (await api.get('/readyz', { key: null })).status).toBe(200);
    api.engine.away = true;
    const away = async () => (await api.get('/readyz', { key: null })).body;
    await expect.poll(away).toMatchObject({ database: true, writable: true });
    const { status, body } = await api.get('/readyz', { key: null });
    expect([status, body]).toEqual([
      503,
      { status: 'not_ready', database: true, writable: true, temporal: false, worker: false, clock: true },
    ]);
  });

  it('is not ready while the database answers reads and refuses writes', async () => {
    const database = new URL(api.databaseUrl).pathname.slice(1);
    const readOnly = (value: 'on' | 'off') =>
      api.owner.$transaction(async (tx) => {
        await tx.$executeRawUnsafe('SET TRANSACTION READ WRITE');
        await tx.$executeRawUnsafe(`ALTER DATABASE "${database}" SET default_transaction_read_only = ${value}`);
      });
    await readOnly('on');
    try {
      // The setting counts for connections that are opened from now on.
      const standby = await startCommandedApi({ db: connectDb(api.databaseUrl) });
      try {
        const readiness = async () => (await standby.get('/readyz', { key: null })).body;
        await expect.poll(readiness).toMatchObject({ status: 'not_ready', database: true, writable: false });
        expect((await standby.get('/readyz', { key: null })).status).toBe(503);
      } finally {
        await standby.world.db.$disconnect();
        await standby.close();
      }
    } finally {
      await readOnly('off');
    }
    await expect.poll(async () => (await api.get('/readyz', { key: null })).status).toBe(200);
  });

  it('is not ready, reads nothing and records nothing while its clock is wrong, and recovers when the clock is right', async () => {
    let aheadMs = -9_000;
    const clock = createClockWatch(api.db, api.world.log, () => Date.now() + aheadMs);
    await clock.look();
    const behind = await startCommandedApi({ db: api.db, clock });
    try {
      const ready = await behind.get('/readyz', { key: null });
      expect([ready.status, ready.body.clock]).toEqual([503, false]);
      const name = { id: 'by-a-wrong-clock', name: 'N', email: 'n@example.com' };
      const refused = await behind.post('/v1/teams', name);
      expect([refused.status, refused.body.error.code, refused.headers.get('Retry-After')]).toEqual([
        503,
        'clock_wrong',
        '5',
      ]);
      // The clock stays wrong, so no further offset is measured before the message is made.
      const measuredMs = Math.abs(clock.aheadMs() ?? 0);
      expect(Math.abs(measuredMs - 9_000)).toBeLessThan(500);
      const seconds = (measuredMs / 1_000).toFixed(1);
      expect(refused.body.error.message).toContain(`the clock of this server is ${seconds} s behind`);
      const hook = await behind.send('POST', '/v1/webhooks/stripe', { key: null, raw: '{}' });
      expect([hook.status, hook.body.error.code]).toEqual([503, 'clock_wrong']);
      expect((await behind.get('/v1/prices')).status).toBe(200);
      expect((await behind.get('/metrics', { key: null })).text).toMatch(/^burnrate_clock_ahead_seconds -(8|9)/m);
      aheadMs = 0;
      await expect.poll(async () => (await behind.get('/readyz', { key: null })).status).toBe(200);
      expect((await behind.post('/v1/teams', name)).status).toBe(201);
    } finally {
      await behind.close();
    }
  });

  it('is measured by route, and without the name of a team', async () => {
    const team = await teamWith(api, '10');
    await api.get(`/v1/teams/${team}/balance`);
    const { text, headers } = await api.get('/metrics', { key: null });
    expect(headers.get('content-type')).toContain('text/plain');
    expect(text).toMatch(
      /burnrate_http_request_seconds_count\{method="GET",route="\/v1\/teams\/\{team\}\/balance",status="200"\} [1-9]/,
    );
    expect(text).toMatch(/burnrate_running_instances \d/);
    expect(text).toMatch(/burnrate_tells_total\{what="watch",accepted="true"\} [1-9]/);
    expect(text).not.toContain(team);
  });
});

describe('a backlog', () => {
  /** The value of one metric, by its name and labels. */
  const metric = async (name: string): Promise<number> => {
    const { text } = await api.get('/metrics', { key: null });
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.split(' ')[1]);
  };

  it('of mails, events, stops, deposits, refunds, reads and workflows is measured with the age of its oldest item', async () => {
    const team = await teamWith(api, '10');
    await api.db.account.updateMany({ data: { lookDueSecond: null } });
    const nowSecond = Math.floor(api.world.nowMs() / 1000);
    const names = [
      ['burnrate_notices_unsent{channel="mail"}', 'burnrate_notices_unsent_oldest_age_seconds{channel="mail"}', 700],
      ['burnrate_notices_unsent{channel="event"}', 'burnrate_notices_unsent_oldest_age_seconds{channel="event"}', 600],
      ['burnrate_machine_stops_unconfirmed', 'burnrate_machine_stops_unconfirmed_oldest_age_seconds', 500],
      [
        'burnrate_deposits_open{kind="saved_card"}',
        'burnrate_deposits_open_oldest_age_seconds{kind="saved_card"}',
        400,
      ],
      ['burnrate_refunds_open', 'burnrate_refunds_open_oldest_age_seconds', 300],
      ['burnrate_looks_due', 'burnrate_looks_due_oldest_age_seconds', 200],
      ...(['instance', 'reservation', 'deposit', 'refund'] as const).map(
        (of, index) =>
          [
            `burnrate_workflows_due{workflow="${of}"}`,
            `burnrate_workflows_due_oldest_age_seconds{workflow="${of}"}`,
            100 - index,
          ] as const,
      ),
    ] as const;
    const before = await Promise.all(names.map(([name]) => metric(name)));

    const { db } = api;
    const notice = { teamId: team, kind: 'refund', data: {}, handedOn: true };
    await db.notice.createMany({
      data: [
        { ...notice, id: `${team}-mail`, channel: 'mail', second: nowSecond - 700 },
        { ...notice, id: `${team}-event`, channel: 'event', second: nowSecond - 600 },
        { ...notice, id: `${team}-sent`, channel: 'mail', second: nowSecond - 9_000, sentSecond: nowSecond },
      ],
    });
    const ended = (id: string, reason: string, endSecond: number, confirmedSecond: number | null) =>
      db.instance.create({
        data: {
          ...{
            id: `${team}-${id}`,
            teamId: team,
            gpuType: 'h100',
            region: 'eu',
            pricing: 'on_demand',
            requestHash: id,
          },
          ...{ startSecond: endSecond - 60, endSecond, reason, terminatedConfirmedSecond: confirmedSecond },
        },
      });
    await ended('waits', 'out_of_credits', nowSecond - 500, null);
    await ended('confirmed', 'out_of_credits', nowSecond - 9_000, nowSecond);
    await ended('asked', 'stopped', nowSecond - 9_000, null);
    const deposit = (id: string, status: string, openedSecond: number) =>
      db.deposit.create({
        data: {
          ...{ id: `${team}-${id}`, teamId: team, kind: 'saved_card', method: 'card', label: 'Deposit', status },
          ...{ amountMicros: 15_000_000, openedSecond },
        },
      });
    await deposit('waits', 'pending', nowSecond - 400);
    await deposit('failed', 'failed', nowSecond - 9_000);
    const refund = {
      teamId: team,
      depositId: `${team}-failed`,
      amountMicros: 1_000_000,
      origin: 'api',
      actor: 'platform',
    };
    await db.refund.create({
      data: { ...refund, id: `${team}-refund`, status: 'pending', openedSecond: nowSecond - 300 },
    });
    await db.account.update({ where: { teamId: team }, data: { lookDueSecond: nowSecond - 200 } });
    await db.instance.update({ where: { id: `${team}-waits` }, data: { workflowDueSecond: nowSecond - 100 } });
    await db.reservation.create({
      data: {
        ...{
          id: `${team}-reservation`,
          teamId: team,
          gpuType: 'h100',
          region: 'eu',
          count: 1,
          term: '1m',
          renew: false,
        },
        ...{ requestHash: 'x', startSecond: nowSecond - 99, endedSecond: nowSecond, endedHow: 'ended' },
        workflowDueSecond: nowSecond - 99,
      },
    });
    await db.deposit.update({ where: { id: `${team}-waits` }, data: { workflowDueSecond: nowSecond - 98 } });
    await db.refund.update({ where: { id: `${team}-refund` }, data: { workflowDueSecond: nowSecond - 97 } });

    const after = await Promise.all(names.map(([name]) => metric(name)));
    expect(after).toEqual(before.map((count) => count + 1));
    for (const [, age, seconds] of names) expect(await metric(age), age).toBeGreaterThanOrEqual(seconds);
    expect(await metric('burnrate_deposits_open{kind="crypto"}')).toBe(0);
  });
});

/** Only the platform's key makes links. A link's secret is exchanged without a key, and a session reads and ends itself. */
const SECURITY_OF_SESSIONS: Record<string, object[]> = {
  'post /v1/teams/{team}/dashboard-sessions': [{ key: [] }],
  'post /v1/operator-sessions': [{ key: [] }],
  'post /v1/session': [],
  'get /v1/session': [{ session: [] }],
  'delete /v1/session': [{ session: [] }],
};

describe('the document', () => {
  it('is OpenAPI 3.1 with every part present, and a name for each operation', async () => {
    const { body } = await api.get('/v1/openapi.json', { key: null });
    expect(body.openapi).toBe('3.1.0');
    const operations = Object.entries(body.paths as Record<string, Record<string, Operation>>).flatMap(
      ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );
    for (const { path, method, operation } of operations) {
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      expect(inPath.map(({ name, required }) => [name, required])).toEqual(
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name, true]),
      );
      expect(Object.keys(operation.responses).length, `${method} ${path}`).toBeGreaterThan(0);
      for (const { description } of Object.values(operation.responses)) expect(description).toBeTruthy();
      if (path.startsWith('/v1/') && path !== '/v1/openapi.json' && !path.includes('webhooks'))
        expect(operation.security, `${method} ${path}`).toEqual(
          SECURITY_OF_SESSIONS[`${method} ${path}`] ?? [{ key: [] }, { session: [] }],
        );
    }
    const names = operations.flatMap(({ operation }) => operation.operationId ?? []);
    expect(new Set(names).size).toBe(names.length);
    for (const [, name] of JSON.stringify(body).matchAll(/"#\/components\/schemas\/(\w+)"/g))
      expect(body.components.schemas).toHaveProperty(name as string);
    const money = body.components.schemas.Balance.properties.available;
    expect(money).toMatchObject({ type: 'string' });
    const create = body.paths['/v1/instances'].post.requestBody.content['application/json'].schema;
    expect(create).toMatchObject({ additionalProperties: false, properties: { hourly: { type: 'string' } } });
    expect(create.required).toEqual(['team', 'gpuType', 'region', 'pricing']);
  });

  it('has patterns that match their own examples and common names', async () => {
    const { body } = await api.get('/v1/openapi.json', { key: null });
    const patterned: Array<{ pattern: string; example?: string }> = [];
    JSON.stringify(body, (_, value) => {
      if (typeof value?.pattern === 'string') patterned.push(value);
      return value;
    });
    expect(patterned.length).toBeGreaterThan(50);
    for (const { pattern, example } of patterned)
      if (example !== undefined) expect(example).toMatch(new RegExp(pattern));
    const { model, project } = body.components.schemas.NewUsageEvent.properties;
    for (const { pattern } of [model, project]) {
      expect('Größe 😀').toMatch(new RegExp(pattern, 'u'));
      expect('a\u0000b').not.toMatch(new RegExp(pattern, 'u'));
    }
  });

  it('declares the nullable fields as nullable', async () => {
    const { body } = await api.get('/v1/openapi.json', { key: null });
    const mayBeNull = {
      Balance: ['runsOutAt', 'lowAt'],
      Quote: ['runsOutAt', 'nextTopUpAt'],
      Instance: ['endedAt', 'reclaimAt', 'project'],
      Reservation: ['endedAt'],
      Hold: ['closedAt'],
      TeamDiscount: ['until'],
      AutoTopUp: ['monthlyCap', 'cooldownUntil'],
    };
    for (const [schema, fields] of Object.entries(mayBeNull))
      for (const field of fields)
        expect(body.components.schemas[schema].properties[field].type, `${schema}.${field}`).toContain('null');
    expect(body.components.schemas.Balance.properties.available.type).toBe('string');
  });

  it('describes the answer for an unknown team wherever a call names a team', async () => {
    const { body } = await api.get('/v1/openapi.json', { key: null });
    const routes = ['post /v1/instances', 'get /v1/instances', 'post /v1/quote', 'post /v1/holds', 'get /v1/prices'];
    for (const name of [...routes, 'post /v1/reservations', 'get /v1/reservations']) {
      const [method = '', path = ''] = name.split(' ');
      expect(Object.keys(body.paths[path][method].responses), name).toContain('404');
    }
  });

  interface Operation {
    operationId?: string;
    parameters?: Array<{ in: string; name: string; required: boolean }>;
    responses: Record<string, { description: string }>;
    security?: unknown;
  }

  it('has a page for readers, under a policy that allows nothing else', async () => {
    const page = await api.get('/docs', { key: null });
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
    expect(page.text).not.toMatch(/<script>|onload=|style=/);
    for (const [, path] of page.text.matchAll(/(?:src|href)="([^"]+)"/g))
      expect((await api.get(path as string, { key: null })).status).toBe(200);
    expect((await api.get('/return?deposit=dep_1', { key: null })).text).toContain('No such payment');
    expect((await api.get('/billing', { key: null })).text).toContain('Your billing');
  });
});

describe('the printed addresses / and /v1', () => {
  it.each(['/', '/v1'])('%s links a browser and a program to the documents', async (path) => {
    const page = await fetch(`${api.url}${path}`, { headers: { accept: 'text/html,*/*;q=0.8' } });
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; style-src 'self'");
    const text = await page.text();
    for (const target of ['/docs', '/v1/openapi.json', '/readyz']) expect(text).toContain(`href="${target}"`);
    for (const [, target] of text.matchAll(/(?:src|href)="([^"]+)"/g))
      expect((await fetch(`${api.url}${target}`)).status, target).toBeLessThan(404);
    const answer = await fetch(`${api.url}${path}`, { headers: { accept: 'application/json' } });
    expect(await answer.json()).toMatchObject({
      service: 'burnrate',
      openapi: expect.stringMatching(/openapi\.json$/),
    });
  });
});

describe('each call', () => {
  it('has a request id, in its answer, its error and its log line', async () => {
    const answer = await api.get('/v1/teams/nobody');
    const requestId = answer.headers.get('X-Request-Id');
    expect(requestId).toMatch(/^req_[0-9a-f]{32}$/);
    expect(answer.body.error.requestId).toBe(requestId);
    await expect
      .poll(() => api.logged.filter((line) => line.requestId === requestId))
      .toMatchObject([{ msg: 'answered', route: '/v1/teams/{team}', caller: 'platform', res: { status: 404 } }]);
  });

  it('has the code of its refusal in its log line, and the address of an unknown caller', async () => {
    const lineOf = async ({ headers }: { headers: Headers }) => {
      const requestId = headers.get('X-Request-Id');
      const lines = () => api.logged.filter((line) => line.requestId === requestId && line.msg === 'answered');
      await expect.poll(lines).toHaveLength(1);
      return lines()[0];
    };
    const unknown = await api.get('/v1/teams/nobody', { key: 'a-key-that-nobody-has' });
    const forged = await api.post('/v1/webhooks/stripe', {}, { headers: { 'Stripe-Signature': 't=1,v1=00' } });
    const missing = await api.get('/v1/teams/nobody');
    expect(await lineOf(unknown)).toMatchObject({
      code: 'unauthenticated',
      address: expect.stringContaining('127.0.0.1'),
    });
    expect(await lineOf(forged)).toMatchObject({
      code: 'webhook_invalid',
      address: expect.stringContaining('127.0.0.1'),
    });
    const known = await lineOf(missing);
    expect(known).toMatchObject({ code: 'not_found' });
    expect(known).not.toHaveProperty('address');
  });

  it('is logged with the address that a trusted proxy forwards, and with no other forwarded address', async () => {
    const forwarded = { key: 'a-key-that-nobody-has', headers: { 'X-Forwarded-For': '192.0.2.7' } };
    const addressesIn = (logged: Array<Record<string, unknown>>) => logged.flatMap(({ address }) => address ?? []);
    await api.get('/v1/teams/nobody', forwarded);
    expect(addressesIn(api.logged)).not.toContain('192.0.2.7');
    const behindProxy = await startCommandedApi({ trustedProxies: 1 });
    try {
      await behindProxy.get('/v1/teams/nobody', forwarded);
      await expect.poll(() => addressesIn(behindProxy.logged)).toEqual(['192.0.2.7']);
    } finally {
      await behindProxy.close();
    }
  });

  it('has security headers', async () => {
    const { headers } = await api.get('/v1/deposit-options');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-powered-by')).toBeNull();
  });

  it('leaves no secret, address or body in the log', async () => {
    const team = await teamWith(api, '10');
    const secret = await keyFor(api, team, ['read']);
    await api.get(`/v1/teams/${team}`, { key: secret, headers: { Cookie: 'session=very-secret' } });
    await api.get(`/v1/teams/${team}`, { key: 'wrong-key-of-somebody' });
    await api.post(`/v1/teams/${team}/grants`, { amount: '1', note: 'a private note' });
    await api.send('PATCH', `/v1/teams/${team}`, { body: { email: 'private@example.com' } });
    const broken = api.world.ledger.grant;
    api.world.ledger.grant = async () => {
      throw new Error(`duplicate key (email)=(private@example.com) for ${secret}`);
    };
    const failed = await api.post(`/v1/teams/${team}/grants`, { amount: '1', note: 'a private note' });
    api.world.ledger.grant = broken;
    expect(failed.status).toBe(500);
    expect(failed.body.error).toMatchObject({ code: 'internal', type: 'internal_error' });
    expect(failed.text).not.toContain('duplicate');
    const log = JSON.stringify(api.logged.filter(({ code }) => !REFUSED_STRANGERS.includes(String(code))));
    expect(log).toContain('duplicate key');
    expect(JSON.stringify(api.logged)).not.toContain('wrong-key');
    for (const word of [PLATFORM_KEY, secret, 'very-secret', 'wrong-key', 'private', '@example.com', '127.0.0.1'])
      expect(log).not.toContain(word);
  });
});

describe('too many calls', () => {
  it('are 429 with Retry-After, counted for each key', async () => {
    const limited = await startCommandedApi({ rateLimitPerMinute: 20 });
    try {
      const team = await teamWith(limited);
      const key = await keyFor(limited, team, ['read']);
      const answers = [];
      for (let n = 0; n < 22; n++) answers.push(await limited.get(`/v1/teams/${team}`, { key }));
      expect(answers.slice(0, 20).map(({ status }) => status)).toEqual(Array(20).fill(200));
      const last = answers.at(-1);
      expect([last?.status, last?.body.error.code]).toEqual([429, 'rate_limited']);
      expect(Number(last?.headers.get('Retry-After'))).toBeGreaterThan(0);
      expect((await limited.get(`/v1/teams/${team}`)).status).toBe(200);
      await expect
        .poll(() => limited.logged.filter(({ code }) => code === 'rate_limited'))
        .toMatchObject([{ address: expect.stringContaining('127.0.0.1') }, {}]);
    } finally {
      await limited.close();
    }
  });
});

describe('Stripe’s webhook', () => {
  const signed = (body: string, secret = WEBHOOK_SECRET, second = Math.floor(Date.now() / 1000)) =>
    `t=${second},v1=${createHmac('sha256', secret).update(`${second}.${body}`).digest('hex')}`;
  const event = (type: string, object: object, id = `evt_${randomUUID()}`) =>
    JSON.stringify({ id, object: 'event', type, created: 1, livemode: false, data: { object } });
  const send = (raw: string, signature: string | null) =>
    api.send('POST', '/v1/webhooks/stripe', {
      key: null,
      raw,
      headers: { 'Content-Type': 'application/json', ...(signature !== null && { 'Stripe-Signature': signature }) },
    });
  const openDeposit = async () => {
    const team = await teamWith(api);
    return (await api.post(`/v1/teams/${team}/deposits`, { amount: '20', method: 'card' })).body.id as string;
  };

  it('wakes the deposit once for a repeated event, by its page, its intent or our id', async () => {
    const id = await openDeposit();
    const body = event('checkout.session.completed', { object: 'checkout.session', id: `cs_${id}`, mode: 'payment' });
    for (let n = 0; n < 2; n++) {
      const { status, body: answer } = await send(body, signed(body));
      expect([status, answer]).toEqual([200, { received: true }]);
    }
    expect(api.engine.sentWakes.filter((wake) => wake === `deposit ${id}`)).toHaveLength(1);
    const other = event('payment_intent.succeeded', {
      object: 'payment_intent',
      id: 'pi_x',
      metadata: { deposit: id },
    });
    await send(other, signed(other));
    expect(api.engine.sentWakes.filter((wake) => wake === `deposit ${id}`)).toHaveLength(2);
  });

  it('saves the card of a completed setup page', async () => {
    const body = event('checkout.session.completed', { object: 'checkout.session', id: 'cs_setup', mode: 'setup' });
    expect((await send(body, signed(body))).status).toBe(200);
    expect(adopted).toHaveBeenCalledWith(expect.objectContaining({ sessionId: 'cs_setup' }));
  });

  it('accepts an unrelated event, and changes nothing', async () => {
    for (const type of ['customer.created', 'something.new', 'payment_intent.succeeded']) {
      const body = event(type, { object: 'payment_intent', id: 'pi_unknown', metadata: { deposit: 'dep_unknown' } });
      expect((await send(body, signed(body))).status).toBe(200);
    }
    expect(api.engine.sentWakes).toEqual([]);
  });

  it('is 503 when the wake of the deposit fails, so that Stripe sends it again and the wake succeeds', async () => {
    const id = await openDeposit();
    api.engine.sentWakes.length = 0;
    const body = event('checkout.session.completed', { object: 'checkout.session', id: `cs_${id}`, mode: 'payment' });
    api.engine.away = true;
    expect((await send(body, signed(body))).status).toBe(503);
    api.engine.away = false;
    expect((await send(body, signed(body))).status).toBe(200);
    expect(api.engine.sentWakes).toEqual([`deposit ${id}`]);
  });

  it('refuses and logs an event with a wrong signature, changed content or an old signature', async () => {
    const id = await openDeposit();
    api.engine.sentWakes.length = 0;
    const body = event('checkout.session.completed', { object: 'checkout.session', id: `cs_${id}`, mode: 'payment' });
    const old = Math.floor(Date.now() / 1000) - 301;
    const forged: Array<[string, string | null]> = [
      [body, null],
      [body, ''],
      [body, 'nonsense'],
      [body, signed(body, 'whsec_other')],
      [body, signed(body, WEBHOOK_SECRET, old)],
      [`${body} `, signed(body)],
      ['', signed('')],
      ['not json', signed('not json')],
    ];
    for (const [raw, signature] of forged) {
      const answer = await send(raw, signature);
      expect([answer.status, answer.body.error.code]).toEqual([400, 'webhook_invalid']);
      const requestId = answer.headers.get('X-Request-Id');
      await expect.poll(() => api.logged.filter((line) => line.requestId === requestId).length).toBe(2);
    }
    expect(api.engine.sentWakes).toEqual([]);
    expect((await send('x'.repeat(2 ** 20 + 1), 'x')).status).toBe(413);
  });
});

it('a call is answered 503, and not 500, while the database is unavailable', async () => {
  const db = connectDb('postgresql://nobody:nothing@127.0.0.1:9/nowhere');
  const away = await startCommandedApi({ db });
  try {
    const { status, body, headers } = await away.post('/v1/instances', instanceOf('x'));
    expect([status, body.error.code, headers.get('Retry-After')]).toEqual([503, 'engine_unavailable', '2']);
    expect((await away.get('/v1/teams/x', { key: 'bk_some' })).status).toBe(503);
    expect((await away.get('/readyz')).body).toMatchObject({ database: false });
    expect((await away.get('/metrics')).status).toBe(200);
    expect((await away.get('/healthz')).status).toBe(200);
  } finally {
    await away.close();
    await db.$disconnect();
  }
});
