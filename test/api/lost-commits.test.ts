/**
 * Tests database connections that break at a commit. The result of the commit is then unknown, so the answer is
 * `outcome_unknown`, and a repeat of the call leaves the same rows as a single call.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CALL_TIMES } from '../../api/http/deadlines.ts';
import { createLedger } from '../../ledger/index.ts';
import { connectDb, type Db } from '../../prisma/client.ts';
import { withoutLimits } from '../../prisma/limits.ts';
import { connect } from '../prisma/rows.ts';
import { type Break, type PostgresProxy, postgresProxy } from '../support/postgres-proxy.ts';
import {
  type Answer,
  type Api,
  type CallOptions,
  commandedCards,
  commandedEngine,
  instanceOf,
  SETTINGS,
  startApi,
  teamWith,
} from './support.ts';

let api: Api;
let engine: ReturnType<typeof commandedEngine>;
let proxy: PostgresProxy;
let proxied: Db;
let owner: pg.Client;
const times = { ...CALL_TIMES };
/** Times that are over already: a database that stays away is waited for no longer. */
const OVER = { lastStatementMs: 0 };

/** The api's connections go through the proxy; the engine's, as those of a worker, do not. */
beforeAll(async () => {
  proxy = await postgresProxy();
  api = await startApi((db, databaseUrl) => {
    proxied = connectDb(proxy.urlFor(databaseUrl), { lockTimeoutMs: 300 });
    engine = commandedEngine(db);
    return {
      callTimes: times,
      ...{ db: proxied, engine, cards: commandedCards(proxied) },
      ledger: createLedger({ db: proxied, settings: SETTINGS }),
    };
  });
  owner = await connect(api.ownerUrl);
});
afterAll(async () => {
  await owner.end();
  await proxied.$disconnect();
  await proxy.close();
  await api.close();
});

interface Kind {
  method: string;
  path: string;
  options: CallOptions;
  succeeds: number;
  /** The statement that commits; a transaction's is COMMIT. */
  statement?: string;
  /** The table that keeps a row of each such call, also where nothing changes. */
  log?: string;
}

const once = () => ({ headers: { 'Idempotency-Key': randomUUID() } });

/** One call of each kind that records, each of a team of its own. */
const KINDS: Record<string, (team: string) => Promise<Kind> | Kind> = {
  'a stop': async (team) => {
    const { body } = await api.post('/v1/instances', instanceOf(team));
    return { method: 'POST', path: `/v1/instances/${body.id}/stop`, options: { body: {} }, succeeds: 200 };
  },
  'a reprice': async (team) => {
    const { body } = await api.post('/v1/instances', instanceOf(team));
    return {
      ...{ method: 'POST', path: `/v1/instances/${body.id}/reprice`, succeeds: 200 },
      options: { body: { hourly: '3' } },
    };
  },
  'a grant': (team) => ({
    ...{ method: 'POST', path: `/v1/teams/${team}/grants`, succeeds: 201 },
    options: { body: { amount: '1', note: 'once' }, ...once() },
  }),
  'a hold': (team) => ({
    ...{ method: 'POST', path: '/v1/holds', succeeds: 201 },
    options: {
      body: { id: `hold-${team}`, team, model: MODEL, maxInputTokens: 1_000, maxOutputTokens: 100, ttlSeconds: 600 },
    },
  }),
  usage: (team) => ({
    ...{ method: 'POST', path: '/v1/usage', succeeds: 200, statement: 'post-usage' },
    options: { body: { events: [{ id: team, team, model: MODEL, inputTokens: 1_000, outputTokens: 100 }] } },
  }),
  'a policy': async (team) => {
    const paymentMethod = (await api.post(`/v1/teams/${team}/payment-methods`, CARD)).body.id;
    const body = { enabled: true, threshold: '5', amount: '15', paymentMethod };
    return { method: 'PUT', path: `/v1/teams/${team}/auto-top-up`, options: { body }, succeeds: 200, log: 'consents' };
  },
  'a discount': (team) => ({
    ...{ method: 'PUT', path: `/v1/teams/${team}/discount`, succeeds: 200, log: 'discounts' },
    options: { body: { percent: 5, note: 'n' } },
  }),
  'a new team': (team) => ({
    ...{ method: 'POST', path: '/v1/teams', succeeds: 201 },
    options: { body: { id: `${team}-new`, name: 'New', email: 'new@example.com' } },
  }),
  'a changed team': (team) => ({
    ...{ method: 'PATCH', path: `/v1/teams/${team}`, succeeds: 200 },
    options: { body: { name: 'Changed' } },
  }),
  'a card': (team) => ({
    ...{ method: 'POST', path: `/v1/teams/${team}/payment-methods`, succeeds: 201 },
    options: { body: CARD, ...once() },
  }),
  'a suspension': (team) => ({
    ...{ method: 'POST', path: `/v1/teams/${team}/suspend`, succeeds: 200 },
    options: { body: {} },
  }),
  'billing details': (team) => ({
    ...{ method: 'PUT', path: `/v1/teams/${team}/billing-details`, succeeds: 200 },
    options: { body: { company: 'Acme' } },
  }),
  'a price of a model': (team) => ({
    ...{ method: 'PUT', path: `/v1/models/${team}`, succeeds: 200, log: 'model_prices' },
    options: { body: { input: '1', output: '2' } },
  }),
};
const MODEL = 'llama-3.3-70b-instruct';
const CARD = { stripePaymentMethod: 'pm_card_visa' };

/** Everything that is kept, but for what only concerns calls: a digest of all tables. */
async function kept(except = ''): Promise<string> {
  const { rows: tables } = await owner.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
       AND table_name NOT IN ('idempotent_calls', $1) ORDER BY 1`,
    [except],
  );
  const digests = tables.map(
    ({ name }) => `SELECT md5(COALESCE(string_agg(t::text, ',' ORDER BY t::text), '')) AS md5 FROM ${name} t`,
  );
  const { rows } = await owner.query<{ md5: string }>(digests.join(' UNION ALL '));
  return rows.map(({ md5 }) => md5).join();
}

const send = ({ method, path, options }: Kind): Promise<Answer> => api.send(method, path, options);

function expectUnknown(answer: Answer): void {
  expect([answer.status, answer.body.error?.code], answer.text).toEqual([503, 'outcome_unknown']);
  expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0);
}

describe.each<Break>(['before the statement arrives', 'before the answer arrives'])(
  'A connection that breaks at a commit, %s,',
  (when) => {
    afterEach(() => {
      api.clock.stoppedMs = null;
    });
    it.each(Object.entries(KINDS))(
      'leaves the outcome of %s unknown, and a repeat finds it or makes it once',
      async (_, make) => {
        // A repeat comes in the second of the first call.
        api.clock.stoppedMs = Date.now();
        const kind = await make(await teamWith(api, '50'));
        const before = await kept();
        proxy.breakAt(kind.statement ?? 'COMMIT', when);
        expectUnknown(await send(kind));
        expect((await kept()) === before).toBe(when === 'before the statement arrives');
        const after = await kept(kind.log);
        const again = await send(kind);
        expect(again.status, again.text).toBe(kind.succeeds);
        if (when === 'before the answer arrives') expect(await kept(kind.log)).toBe(after);
        else expect(await kept()).not.toBe(before);
      },
    );
  },
);

interface FirstKind extends Kind {
  /** What a statement of the transaction that records contains: a part of its text, or one of its values. */
  inserts: string;
}

/** What is recorded first and then given to its workflow, each of a team of its own. */
const FIRST: Record<string, (team: string) => Promise<FirstKind> | FirstKind> = {
  'a start': (team) => ({
    ...{ method: 'POST', path: '/v1/instances', succeeds: 201, inserts: `${team}-i` },
    options: { body: instanceOf(team, { id: `${team}-i` }) },
  }),
  'a reservation': (team) => ({
    ...{ method: 'POST', path: '/v1/reservations', succeeds: 201, inserts: 'INSERT INTO "public"."reservations"' },
    options: { body: { id: `${team}-r`, team, gpuType: 'h100-80gb', region: 'eu-west-1', count: 1, term: '1m' } },
  }),
  'a deposit': async (team) => {
    const paymentMethod = (await api.post(`/v1/teams/${team}/payment-methods`, CARD)).body.id;
    return {
      ...{ method: 'POST', path: `/v1/teams/${team}/deposits`, succeeds: 201 },
      inserts: 'INSERT INTO "public"."deposits"',
      options: { body: { id: `${team}-dep`, amount: '20', method: 'card', paymentMethod } },
    };
  },
  'a refund': async (team) => {
    const paymentMethod = (await api.post(`/v1/teams/${team}/payment-methods`, CARD)).body.id;
    const paid = await api.post(`/v1/teams/${team}/deposits`, { amount: '50', method: 'card', paymentMethod });
    return {
      ...{ method: 'POST', path: `/v1/deposits/${paid.body.id}/refund`, succeeds: 201 },
      ...{ inserts: 'INSERT INTO "public"."refunds"', options: { body: { id: `${team}-ref`, amount: '20' } } },
    };
  },
};

describe('A connection that breaks at the commit of a first record', () => {
  it.each(Object.entries(FIRST))('still answers %s from the record, and starts its workflow', async (_, make) => {
    const kind = await make(await teamWith(api, '50'));
    const startsBefore = engine.starts;
    proxy.breakAt('COMMIT', 'before the answer arrives', kind.inserts);
    const { status, body } = await send(kind);
    expect(status, JSON.stringify(body)).toBe(kind.succeeds);
    expect(engine.starts).toBe(startsBefore + 1);
    const after = await kept();
    const again = await send(kind);
    expect([again.status, again.body.id]).toEqual([kind.succeeds, body.id]);
    expect(await kept()).toBe(after);
  });

  it.each(Object.entries(FIRST))('answers %s as unavailable when nothing was recorded', async (_, make) => {
    const kind = await make(await teamWith(api, '50'));
    const before = await kept();
    proxy.breakAt('COMMIT', 'before the statement arrives', kind.inserts);
    const { status, body } = await send(kind);
    expect([status, body.error.code]).toEqual([503, 'engine_unavailable']);
    expect(await kept()).toBe(before);
    expect((await send(kind)).status).toBe(kind.succeeds);
  });
});

describe('A new key whose commit has an unknown outcome', () => {
  it('is created again by a repeat, and the key with the lost secret is revoked', async () => {
    const team = await teamWith(api);
    const kind = { method: 'POST', path: `/v1/teams/${team}/keys`, options: { body: {}, ...once() }, succeeds: 201 };
    for (const _ of [1, 2]) {
      proxy.breakAt('COMMIT', 'before the answer arrives');
      expectUnknown(await send(kind));
    }
    const { status, body } = await send(kind);
    expect(status).toBe(201);
    expect((await api.get(`/v1/teams/${team}`, { key: body.secret })).status).toBe(200);
    const { data } = (await api.get(`/v1/teams/${team}/keys`)).body;
    const valid = data.filter(({ revokedAt }: { revokedAt: string | null }) => revokedAt === null);
    expect(valid.map(({ id }: { id: string }) => id)).toEqual([body.id]);
  });
});

describe('Usage of a team whose row another session has locked', () => {
  const report = (teams: string[]) =>
    api.post('/v1/usage', {
      events: teams.map((team) => ({ id: team, team, model: MODEL, inputTokens: 1, outputTokens: 1 })),
    });
  const statuses = ({ body }: Answer) => body.events.map(({ status }: { status: string }) => status);
  async function whileHeld<T>(team: string, work: () => Promise<T>): Promise<T> {
    await owner.query('BEGIN');
    await owner.query('SELECT 1 FROM accounts WHERE team_id = $1 FOR UPDATE', [team]);
    return work().finally(() => owner.query('ROLLBACK'));
  }

  it('is answered as not recorded when the call has only this team’s usage', async () => {
    const team = await teamWith(api, '50');
    const { status, body } = await whileHeld(team, () => report([team]));
    expect([status, body.error.code]).toEqual([503, 'engine_unavailable']);
    expect(statuses(await report([team]))).toEqual(['accepted']);
  });

  it('has an unknown outcome beside usage of other teams, which is recorded', async () => {
    const teams = [await teamWith(api, '50'), await teamWith(api, '50')];
    expectUnknown(await whileHeld(String(teams[1]), () => report(teams)));
    expect(statuses(await report(teams))).toEqual(['duplicate', 'accepted']);
  });
});

describe('A database that becomes unavailable after the engine has answered', () => {
  const call = async (path: string, body: object, succeeds = 201): Promise<Kind> => ({
    ...{ method: 'POST', path, succeeds },
    options: { body, ...once() },
  });
  const deposits = (team: string) => `/v1/teams/${team}/deposits`;

  /** The database goes away between the engine's answer and the read of what was recorded. */
  async function answeredWhileAway(kind: Kind): Promise<Answer> {
    const real = { startInstance: engine.startInstance, deposit: engine.deposit, refund: engine.refund };
    const thenAway = async <T>(work: () => Promise<T>): Promise<T> => {
      // A worker does not work within the limits of the call.
      const answer = await withoutLimits(work);
      proxy.goAway();
      Object.assign(times, OVER);
      return answer;
    };
    engine.startInstance = (...input) => thenAway(() => real.startInstance(...input));
    engine.deposit = (...input) => thenAway(() => real.deposit(...input));
    engine.refund = (...input) => thenAway(() => real.refund(...input));
    try {
      return await send(kind);
    } finally {
      Object.assign(times, CALL_TIMES);
      Object.assign(engine, real);
      proxy.comeBack();
      // The claim of the key could not be given back: it lapses after ten seconds.
      api.clock.aheadMs += 20_000;
    }
  }

  it('leaves a start unknown, and a repeat finds the instance', async () => {
    const team = await teamWith(api, '50');
    const kind = await call('/v1/instances', instanceOf(team, { id: `${team}-a` }));
    expectUnknown(await answeredWhileAway(kind));
    expect((await send(kind)).status).toBe(201);
    expect(await api.db.instance.count({ where: { teamId: team } })).toBe(1);
  });

  it('answers the page of a deposit from the engine’s answer', async () => {
    const team = await teamWith(api);
    const kind = await call(deposits(team), { amount: '20', method: 'card', metadata: { order: '7' } });
    const { status, body } = await answeredWhileAway(kind);
    expect(status).toBe(201);
    const read = (await api.get(`${deposits(team)}/${body.id}`)).body;
    expect(body).toEqual(read);
    expect(body).toMatchObject({
      status: 'pending',
      checkoutUrl: expect.stringContaining('https://'),
      metadata: { order: '7' },
    });
    expect((await send(kind)).body).toEqual(read);
  });

  it('answers a credited deposit as pending, and the deposit reads as credited later', async () => {
    const team = await teamWith(api);
    const paymentMethod = (await api.post(`/v1/teams/${team}/payment-methods`, CARD)).body.id;
    const kind = await call(deposits(team), { amount: '20', method: 'card', paymentMethod });
    const { status, body } = await answeredWhileAway(kind);
    expect([status, body.status, body.amount]).toEqual([201, 'pending', '20.000000']);
    expect((await api.get(`${deposits(team)}/${body.id}`)).body.status).toBe('succeeded');
    const again = await send(kind);
    expect([again.status, again.body.id]).toEqual([201, body.id]);
    expect(await api.db.deposit.count({ where: { teamId: team } })).toBe(1);
  });

  it('answers a deposit under the caller’s id too, because the id is known to be this deposit’s', async () => {
    const team = await teamWith(api);
    const kind = await call(deposits(team), { id: `${team}-1`, amount: '20', method: 'card' });
    const answered = await answeredWhileAway(kind);
    expect([answered.status, answered.body.id]).toEqual([201, `${team}-1`]);
    const { status, body } = await send(kind);
    expect([status, body]).toEqual([201, answered.body]);
  });

  it('leaves a declined deposit unknown, and a repeat answers the decline', async () => {
    const team = await teamWith(api);
    const paymentMethod = (await api.post(`/v1/teams/${team}/payment-methods`, CARD)).body.id;
    const kind = await call(deposits(team), { amount: '20', method: 'card', paymentMethod });
    engine.charge = 'declines';
    expectUnknown(await answeredWhileAway(kind));
    engine.charge = 'succeeds';
    const { status, body } = await send(kind);
    expect([status, body.error.code]).toEqual([402, 'card_declined']);
    expect(await api.db.deposit.count({ where: { teamId: team } })).toBe(1);
  });

  it('answers a refund from the engine’s answer, and a repeat finds it', async () => {
    const team = await teamWith(api);
    const paymentMethod = (await api.post(`/v1/teams/${team}/payment-methods`, CARD)).body.id;
    const paid = await api.post(deposits(team), { amount: '50', method: 'card', paymentMethod });
    const kind = await call(`/v1/deposits/${paid.body.id}/refund`, { amount: '20' });
    const answered = await answeredWhileAway(kind);
    expect([answered.status, answered.body.status]).toEqual([201, 'succeeded']);
    const { status, body } = await send(kind);
    expect([status, body.id, body.status]).toEqual([201, answered.body.id, 'succeeded']);
    expect(await api.db.refund.count({ where: { depositId: paid.body.id } })).toBe(1);
  });
});
