/**
 * Tests faults of the database and of Temporal during a call of each kind. The answer is a timely 503 with a
 * Retry-After that says whether the outcome is known, nothing of the call is kept, and the same call succeeds after the
 * fault.
 */
import { createHmac, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_DB, CALL_TIMES, type CallTimes } from '../../api/http/deadlines.ts';
import { connect } from '../prisma/rows.ts';
import {
  type Answer,
  type CallOptions,
  type CommandedApi,
  instanceOf,
  startCommandedApi,
  teamWith,
  WEBHOOK_SECRET,
} from './support.ts';

/** The parts of a call in the product's order, in less than its time. */
const SHORT: CallTimes = {
  commitMs: 1_300,
  // Longer than the product's: on a busy machine each call still ends before its late answer.
  lastStatementMs: 4_000,
  answerMs: 9_000,
};
const SHORT_DB = { statementTimeoutMs: 1_200, lockTimeoutMs: 600, connectionTimeoutMs: 800 };

const times = { ...CALL_TIMES };
let api: CommandedApi;
let owner: pg.Client;
let database: string;

beforeAll(async () => {
  api = await startCommandedApi({ callTimes: times }, SHORT_DB);
  owner = await connect(api.ownerUrl);
  database = new URL(api.ownerUrl).pathname.slice(1);
});
afterAll(async () => {
  await owner.end();
  await api.close();
});

/** Everything that is kept, but for marks that only concern calls: a digest of each table. */
async function kept(): Promise<Record<string, string>> {
  const tables = await owner.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
       AND table_name NOT IN ('idempotent_calls', 'readiness')`,
  );
  const digests: Record<string, string> = {};
  for (const { name } of tables.rows) {
    const { rows } = await owner.query(
      `SELECT md5(COALESCE(string_agg(t::text, ',' ORDER BY t::text), '')) AS md5 FROM ${name} t`,
    );
    digests[name] = rows[0].md5;
  }
  return digests;
}

// ── The calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Kind {
  method: string;
  path: string;
  options: CallOptions;
  /** What a repeat after the fault answers. */
  succeeds: number;
  /** Answers as ever while only writes fail. */
  reads?: true;
  /** Writes no row of a team. */
  ofNoTeam?: true;
  /** Goes by Temporal: refused while it is away. */
  byEngine?: true;
}

const signed = (body: string): CallOptions => {
  const at = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', WEBHOOK_SECRET).update(`${at}.${body}`).digest('hex');
  return { key: null, raw: body, headers: { 'Stripe-Signature': `t=${at},v1=${signature}` } };
};

/** One call of each kind, each of a team of its own. */
async function calls(): Promise<Record<string, Kind>> {
  const names = [
    'read',
    'stop',
    'start',
    'deposit',
    'usage',
    'hold',
    'policy',
    'grant',
    'webhook',
    'refund',
    'change',
    'reserve',
  ];
  const teams: Record<string, string> = {};
  for (const name of names) teams[name] = await teamWith(api, '50');
  const card = async (team: string) =>
    (await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' })).body.id;
  const { body: running } = await api.post('/v1/instances', instanceOf(teams.stop ?? ''));
  const paid = { amount: '50', method: 'card', paymentMethod: await card(teams.refund ?? '') };
  const { body: deposit } = await api.post(`/v1/teams/${teams.refund}/deposits`, paid);
  const model = 'llama-3.3-70b-instruct';
  const event = { id: randomUUID(), team: teams.usage, model, inputTokens: 1_000, outputTokens: 100 };
  const once = { headers: { 'Idempotency-Key': randomUUID() } };
  const hook = {
    id: `evt_${randomUUID()}`,
    object: 'event',
    type: 'payment_intent.succeeded',
    created: 0,
    livemode: false,
  };
  const intent = { id: `pi_${randomUUID()}`, object: 'payment_intent', metadata: {} };
  const atCard = { amount: '15', method: 'card', paymentMethod: await card(teams.deposit ?? '') };
  const policy = { enabled: true, threshold: '5', amount: '15', paymentMethod: await card(teams.policy ?? '') };
  return {
    read: { method: 'GET', path: `/v1/teams/${teams.read}/balance`, options: {}, succeeds: 200, reads: true },
    stop: { method: 'POST', path: `/v1/instances/${running.id}/stop`, options: { body: {} }, succeeds: 200 },
    start: {
      ...{ method: 'POST', path: '/v1/instances', succeeds: 201, byEngine: true },
      options: { body: instanceOf(teams.start ?? '') },
    },
    reserve: {
      ...{ method: 'POST', path: '/v1/reservations', succeeds: 201, byEngine: true },
      options: { body: { team: teams.reserve, gpuType: 'h100-80gb', region: 'eu-west-1', count: 1, term: '1m' } },
    },
    deposit: {
      ...{ method: 'POST', path: `/v1/teams/${teams.deposit}/deposits`, succeeds: 201, byEngine: true },
      options: { body: atCard, headers: { 'Idempotency-Key': randomUUID() } },
    },
    usage: { method: 'POST', path: '/v1/usage', options: { body: { events: [event] } }, succeeds: 200 },
    hold: {
      ...{ method: 'POST', path: '/v1/holds', succeeds: 201 },
      options: { body: { team: teams.hold, model, maxInputTokens: 1_000, maxOutputTokens: 100, ttlSeconds: 60 } },
    },
    policy: {
      ...{ method: 'PUT', path: `/v1/teams/${teams.policy}/auto-top-up`, succeeds: 200 },
      options: { body: policy },
    },
    grant: {
      ...{ method: 'POST', path: `/v1/teams/${teams.grant}/grants`, succeeds: 201 },
      options: { body: { amount: '1', note: 'once' }, ...once },
    },
    webhook: {
      ...{ method: 'POST', path: '/v1/webhooks/stripe', succeeds: 200, ofNoTeam: true },
      options: signed(JSON.stringify({ ...hook, data: { object: intent } })),
    },
    refund: {
      ...{ method: 'POST', path: `/v1/deposits/${deposit.id}/refund`, succeeds: 201, byEngine: true },
      options: { body: { amount: '20' }, headers: { 'Idempotency-Key': randomUUID() } },
    },
    change: {
      method: 'PATCH',
      path: `/v1/teams/${teams.change}`,
      options: { body: { name: 'Changed' } },
      succeeds: 200,
    },
  };
}

async function timed(kind: Kind): Promise<{ answer: Answer; tookMs: number }> {
  const startedMs = performance.now();
  const answer = await api.send(kind.method, kind.path, kind.options);
  return { answer, tookMs: performance.now() - startedMs };
}

/** As a caller repeats: once more while the first call still gives its key back. */
async function repeated(kind: Kind): Promise<{ answer: Answer; tookMs: number }> {
  const deadlineMs = performance.now() + 10_000;
  for (;;) {
    const again = await timed(kind);
    const isInFlight = again.answer.body?.error?.code === 'idempotency_in_flight';
    if (!isInFlight || performance.now() > deadlineMs) return again;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

type Code = 'engine_unavailable' | 'outcome_unknown';

function expectUnavailable(name: string, { answer, tookMs }: { answer: Answer; tookMs: number }, code: Code): void {
  expect(answer.status, `${name}: ${answer.text}`).toBe(503);
  expect(answer.body.error, name).toMatchObject({ type: 'unavailable_error', code });
  expect(Number(answer.headers.get('Retry-After')), name).toBeGreaterThan(0);
  expect(tookMs, name).toBeLessThan(10_000);
}

// ── The faults ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface Fault {
  begin: () => Promise<unknown>;
  end: () => Promise<unknown>;
  /** Only writes fail. */
  writesOnly?: true;
  /** Only what concerns a team fails. */
  teamsOnly?: true;
  /** The kinds of which nobody can know whether they were recorded; all others are answered that nothing was. */
  unknown?: string[];
}

/** Every write of every table is refused with a state, or meets whatever else `act` does. */
const onEachWrite = (act: string): Fault => ({
  writesOnly: true,
  begin: () =>
    owner.query(`
      CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN ${act} RETURN NULL; END $$;
      DO $$ DECLARE name TEXT; BEGIN
        FOR name IN SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
        LOOP EXECUTE format('CREATE TRIGGER fault BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH STATEMENT EXECUTE FUNCTION fault()', name);
        END LOOP; END $$`),
  end: () => owner.query('DROP FUNCTION fault CASCADE'),
});
const refusing = (state: string): Fault => onEachWrite(`RAISE EXCEPTION 'a fault' USING ERRCODE = '${state}';`);

/** Something about the database as a whole, which new connections meet: the old ones are cut. */
const ofDatabase = (begin: string, end: string): Fault => {
  const change = async (sql: string) => {
    await owner.query(`ALTER DATABASE ${database} ${sql}`);
    await owner.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}' AND usename <> current_user`,
    );
  };
  return { begin: () => change(begin), end: () => change(end) };
};

/** Another session holds the rows of every team, for longer than a call may take. */
const locked: Fault = {
  writesOnly: true,
  teamsOnly: true,
  begin: () => owner.query('BEGIN; SELECT 1 FROM accounts FOR UPDATE; SELECT 1 FROM teams FOR UPDATE'),
  end: () => owner.query('ROLLBACK'),
};

/** As after a failover: reads go on once connections are made anew. */
const failover = ofDatabase('SET default_transaction_read_only = on', 'RESET default_transaction_read_only');
const readOnly: Fault = {
  writesOnly: true,
  begin: async () => {
    await failover.begin();
    const answers = () => api.get('/v1/models').then(({ status }) => status);
    await expect.poll(answers).toBe(200);
  },
  end: failover.end,
};

const FAULTS: Record<string, Fault> = {
  'a disk that is full (53100)': refusing('53100'),
  'a system error (58030)': refusing('58030'),
  'statements that are cancelled (57014)': refusing('57014'),
  'serialization failures (40001)': refusing('40001'),
  'deadlocks (40P01)': refusing('40P01'),
  'connections that an administrator ends (57P01)': {
    ...onEachWrite('PERFORM pg_terminate_backend(pg_backend_pid());'),
    // A single statement commits by itself: the connection may have ended before the commit or after it.
    unknown: ['usage', 'webhook'],
  },
  'statements that hang': onEachWrite('PERFORM pg_sleep(20);'),
  'no more connections (53300)': ofDatabase('CONNECTION LIMIT 0', 'CONNECTION LIMIT -1'),
  'a server that takes no writes (25006)': readOnly,
  'rows that another session holds': locked,
};

describe('a fault of the database', () => {
  it.each(Object.entries(FAULTS))('%s: 503 in time, nothing half done, and a repeat succeeds', async (_, fault) => {
    Object.assign(times, CALL_TIMES);
    const kinds = await calls();
    const before = await kept();
    Object.assign(times, SHORT);
    await fault.begin();
    let answers: Array<[string, { answer: Answer; tookMs: number }]>;
    try {
      answers = await Promise.all(
        Object.entries(kinds).map(
          async ([name, kind]) => [name, await timed(kind)] as [string, Awaited<ReturnType<typeof timed>>],
        ),
      );
    } finally {
      await fault.end();
    }
    Object.assign(times, CALL_TIMES);
    for (const [name, answered] of answers)
      if ((kinds[name]?.reads && fault.writesOnly) || (kinds[name]?.ofNoTeam && fault.teamsOnly))
        expect(answered.answer.status, name).toBe(200);
      else expectUnavailable(name, answered, fault.unknown?.includes(name) ? 'outcome_unknown' : 'engine_unavailable');
    // Whatever was still under way when it was answered has ended by now, and nothing has come of it.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect({ ...(await kept()), ...(fault.teamsOnly && { provider_events: before.provider_events }) }).toEqual(before);
    api.clock.aheadMs += 2_000;
    for (const [name, kind] of Object.entries(kinds)) {
      const { answer } = await repeated(kind);
      expect(answer.status, `${name} again: ${answer.text}`).toBe(kind.succeeds);
    }
  });
});

describe('while Temporal is unavailable', () => {
  it('starts, reservations, deposits and refunds are answered 503, and leave no rows', async () => {
    Object.assign(times, CALL_TIMES);
    const kinds = await calls();
    const byEngine = Object.entries(kinds).filter(([, kind]) => kind.byEngine);
    const before = await kept();
    api.engine.away = true;
    const answers = await Promise.all(byEngine.map(async ([name, kind]) => [name, await timed(kind)] as const));
    api.engine.away = false;
    for (const [name, answered] of answers) expectUnavailable(name, answered, 'engine_unavailable');
    expect(await kept()).toEqual(before);
    api.clock.aheadMs += 2_000;
    for (const [name, kind] of byEngine) {
      const { answer } = await timed(kind);
      expect(answer.status, `${name} again: ${answer.text}`).toBe(kind.succeeds);
    }
  });

  it('stops, usage, holds, policies, grants and changes are answered as usual', async () => {
    Object.assign(times, CALL_TIMES);
    const kinds = await calls();
    const withoutEngine = Object.entries(kinds).filter(([name, kind]) => !kind.byEngine && name !== 'webhook');
    api.engine.away = true;
    const answers = await Promise.all(
      withoutEngine.map(async ([name, kind]) => ({ name, kind, ...(await timed(kind)) })),
    );
    api.engine.away = false;
    expect(answers.map(({ name, answer }) => [name, answer.status])).toEqual(
      withoutEngine.map(([name, kind]) => [name, kind.succeeds]),
    );
  });
});

describe('the time limits of a call', () => {
  it('add up to less than ten seconds', () => {
    const { commitMs, lastStatementMs, answerMs } = CALL_TIMES;
    const TELL_MS = 2_000;
    expect(commitMs + TELL_MS).toBeLessThan(answerMs);
    expect(commitMs).toBeLessThan(lastStatementMs);
    expect(lastStatementMs).toBeLessThan(answerMs);
    expect(answerMs).toBeLessThan(10_000);
    expect(API_DB.lockTimeoutMs).toBeLessThan(commitMs);
    expect(API_DB.connectionTimeoutMs).toBeLessThan(commitMs);
    expect(API_DB.statementTimeoutMs).toBeLessThan(commitMs);
  });
});
