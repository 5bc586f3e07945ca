/**
 * Token usage recorded a second: by the store alone, beside the same rows inserted by one plain set-based statement,
 * and through the HTTP api, beside the store. Store and reference take turns, so other load of the machine hits both.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { coalesced } from '../activities/coalesced-wakes.ts';
import type { WorkflowWakes } from '../activities/world.ts';
import { createApp, routesOf } from '../api/app.ts';
import type { Engine } from '../api/engine/engine.ts';
import { createMetrics } from '../api/http/metrics.ts';
import type { ApiWorld } from '../api/world.ts';
import { micros } from '../billing/money.ts';
import { RUNTIME_ROLE, startPostgres } from '../embedded/postgres.ts';
import { createLedger, type Ledger } from '../ledger/index.ts';
import type { UsageCall } from '../ledger/usage.ts';
import { createUsageLanes } from '../ledger/usage-lanes.ts';
import type { SaidUsage } from '../ledger/usage-prices.ts';
import { connectDb, type Db } from '../prisma/client.ts';
import { migrate } from '../prisma/migrate.ts';
import { insertModelPrice } from '../prisma/prices.ts';
import { createTeam } from '../prisma/teams.ts';
import { fakeApiWorld, refusing } from '../simulate/fake-api-world.ts';
import { SCENARIO_TERMS as TERMS } from '../simulate/terms.ts';
import type { Measured } from './measured.ts';

const TEAMS = 40;
const BATCH = 1_000;
const BATCHES = 60;
const LANES = 3;
const ROUNDS = 5;
const SMALL = 10;
const SMALL_CALLS = 2_000;
const SMALL_CALLERS = 64;
const SECOND = 1_800_000_000;
const KEY = 'platform-key-of-the-bench';
const MODEL = 'llama-3.3-70b-instruct';
const PRICE = { inputMicrosPerMillion: micros(2_500_000), outputMicrosPerMillion: micros(10_000_000) };
/** As long as a disk may take to have written a commit. */
const SLOW_COMMIT_MICROSECONDS = 5_000;

export async function usage(): Promise<Measured[]> {
  return [
    ...(await onPostgres({}, (place) => measureAll(place))),
    ...(await onPostgres({ commit_delay: String(SLOW_COMMIT_MICROSECONDS), commit_siblings: '0' }, (place) =>
      storeBesidePlain(place, `, each commit ${SLOW_COMMIT_MICROSECONDS / 1000} ms slower`),
    )),
  ];
}

interface Place {
  url: string;
  db: Db;
  ledger: Ledger;
}

async function onPostgres(
  settings: Record<string, string>,
  measure: (place: Place) => Promise<Measured[]>,
): Promise<Measured[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'burnrate-bench-'));
  const postgres = await startPostgres({ dataDir, settings });
  await postgres.createDatabase('bench');
  const url = postgres.runtimeUrl('bench');
  await migrate(postgres.databaseUrl('bench'), RUNTIME_ROLE);
  const db = connectDb(url);
  try {
    const ledger = createLedger({ db, terms: TERMS });
    const price = { model: MODEL, ...PRICE, effectiveSecond: 0, withdrawn: false };
    await insertModelPrice(db, price, { recordedSecond: 0, actor: 'bench' }).catch(() => {});
    for (let team = 0; team < TEAMS; team += 1) {
      const teamId = teamOf(team);
      await createTeam(db, { id: teamId, name: 'Bench', email: 'bench@teams.example' }, SECOND);
      const grant = { teamId, grantId: `grant-${team}`, amountMicros: micros(10 ** 12), note: 'bench' };
      await ledger.grant({ ...grant, nowSecond: SECOND }, 'bench');
    }
    return await measure({ url, db, ledger });
  } finally {
    await db.$disconnect();
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

const teamOf = (index: number) => `team-${index % TEAMS}`;
let runs = 0;

const eventOf = (teamId: string, eventId: string, n: number): SaidUsage => ({
  teamId,
  eventId,
  model: MODEL,
  project: 'search',
  inputTokens: 1_200 + n,
  outputTokens: 340,
  atSecond: null,
  holdId: null,
  price: PRICE,
});

/** A number of calls with a number of events, each for one team. */
function callsOf(count: number, size: number): UsageCall[] {
  runs += 1;
  const run = runs;
  return Array.from({ length: count }, (_, call) => ({
    events: Array.from({ length: size }, (_, n) => eventOf(teamOf(call), `r${run}-${call}-${n}`, n)),
    receivedSecond: SECOND,
    causedBy: 'bench',
  }));
}

/** Events a second when a number of callers make the calls, each caller the next call after the last answer. */
async function perSecond<T>(
  calls: readonly T[],
  eventsEach: number,
  callers: number,
  act: (call: T) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (next < calls.length) {
        const call = calls[next] as T;
        next += 1;
        await act(call);
      }
    }),
  );
  return Math.round((calls.length * eventsEach) / ((performance.now() - started) / 1000));
}

/** The rows that the store writes for a batch, made in the database itself. */
const PLAIN = {
  name: 'plain',
  text: `
  WITH kept AS (
    INSERT INTO usage_events (team_id, event_id, model, project, input_tokens, output_tokens, cost, charge_micros,
      charged_with, second)
    SELECT $1, $2 || n, '${MODEL}', 'search', 1200 + n, 340, (1200 + n)::numeric * 2500000 + 340::numeric * 10000000,
      6400, $2 || 1, ${SECOND}
    FROM generate_series(1, $3::int) AS n
  )
  INSERT INTO transfers (id, team_id, debit_account, credit_account, amount_micros, code, reference, second, caused_by)
  VALUES (uuidv7(), $1, 'team/' || $1 || '/credit', 'platform/revenue', 6400000, 'token_usage',
    'usage/' || $1 || '/' || $2 || 1, ${SECOND}, 'bench')`,
};

async function plainPerSecond(url: string, connections: number, batches: number, size: number): Promise<number> {
  runs += 1;
  const run = runs;
  const pool = new pg.Pool({ connectionString: url, max: connections });
  const plain = (batch: number) =>
    pool.query({ ...PLAIN, values: [`plain-${batch % TEAMS}`, `r${run}-${batch}-`, size] });
  // All connections are made before the measured time.
  await Promise.all(Array.from({ length: connections }, () => pool.query('SELECT pg_sleep(0.05)')));
  const figure = await perSecond(
    Array.from({ length: batches }, (_, batch) => batch),
    size,
    connections,
    plain,
  );
  await pool.end();
  return figure;
}

const median = (figures: number[]): number => figures.sort((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0;

/** Takes turns, and answers the median of each. */
async function inTurns(measures: Array<() => Promise<number>>): Promise<number[]> {
  const figures = measures.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [index, measure] of measures.entries()) figures[index]?.push(await measure());
  return figures.map(median);
}

const line = (
  what: string,
  figure: number,
  reference: string,
  referenceFigure: number,
  more: Pick<Measured, 'atLeast' | 'msPerCall'> = {},
): Measured => ({ bench: 'usage', what, figure, unit: 'events/s', reference, referenceFigure, ...more });

async function storeBesidePlain({ url, ledger }: Place, how = ''): Promise<Measured[]> {
  const store = () => perSecond(callsOf(BATCHES, BATCH), BATCH, LANES * 2, createUsageLanes(ledger.recordUsageOf));
  await plainPerSecond(url, 1, 10, BATCH);
  await perSecond(callsOf(10, BATCH), BATCH, LANES, createUsageLanes(ledger.recordUsageOf));
  const [plain = 0, plainAtOnce = 0, recorded = 0] = await inTurns([
    () => plainPerSecond(url, 1, BATCHES, BATCH),
    () => plainPerSecond(url, LANES, BATCHES, BATCH),
    store,
  ]);
  const what = `the store alone, batches of ${BATCH}${how}`;
  return [
    line(what, recorded, `the same rows by one plain statement a batch${how}`, plain, { atLeast: 0.7 }),
    line(what, recorded, `the same rows by plain statements on ${LANES} connections at once${how}`, plainAtOnce),
  ];
}

async function measureAll(place: Place): Promise<Measured[]> {
  const { ledger } = place;
  const measured = await storeBesidePlain(place);
  const small = () => callsOf(SMALL_CALLS, SMALL);
  const lanes = createUsageLanes(ledger.recordUsageOf);
  const laned = () => perSecond(small(), SMALL, SMALL_CALLERS, lanes);
  const [together = 0, alone = 0] = await inTurns([
    laned,
    // One caller for each team, because simultaneous calls of one team would only measure their waits for each other.
    () => perSecond(small().slice(0, SMALL_CALLS / 5), SMALL, 8, ledger.recordUsage),
  ]);
  const what = `the store alone, ${SMALL_CALLERS} callers with ${SMALL} events each of ${TEAMS} teams`;
  measured.push(line(what, together, 'each call in a transaction of its own, 8 callers', alone));
  return [...measured, ...(await overHttp(place, measured[0]?.figure ?? 0, together))];
}

/** An api whose engine takes every wake at once, with the times of its parts. */
async function overHttp(place: Place, store: number, storeSmall: number): Promise<Measured[]> {
  const spent = { transaction: 0, flushes: 0, wake: 0 };
  const timed = async <T>(part: 'transaction' | 'wake', work: Promise<T>): Promise<T> => {
    const started = performance.now();
    return work.finally(() => {
      spent[part] += performance.now() - started;
    });
  };
  const world = worldOf(place, {
    record: (calls) => {
      spent.flushes += 1;
      return timed('transaction', place.ledger.recordUsageOf(calls));
    },
    wake: () => timed('wake', Promise.resolve()),
  });
  const server = createServer(createApp(world)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: SMALL_CALLERS });
  const bodies = (calls: UsageCall[]) =>
    calls.map(({ events }) => Buffer.from(JSON.stringify({ events: events.map(said) })));
  const measured: Measured[] = [];
  try {
    for (const [size, count, callers, reference] of [
      [BATCH, BATCHES, 8, store],
      [SMALL, SMALL_CALLS, SMALL_CALLERS, storeSmall],
    ] as const) {
      await perSecond(bodies(callsOf(10, size)), size, callers, (body) => post(port, agent, body));
      Object.assign(spent, { transaction: 0, flushes: 0, wake: 0 });
      const figures: number[] = [];
      let waited = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const answered = await perSecond(bodies(callsOf(count, size)), size, callers, async (body) => {
          const started = performance.now();
          await post(port, agent, body);
          waited += performance.now() - started;
        });
        figures.push(answered);
      }
      const calls = count * ROUNDS;
      const msPerCall = {
        ...partsOf(world, callsOf(1, size)[0]?.events ?? []),
        'transaction, shared by the calls of a flush': spent.transaction / spent.flushes,
        'calls a flush': calls / spent.flushes,
        wake: spent.wake / calls,
        'all that a caller waits': waited / calls,
      };
      const what = `POST /v1/usage, ${callers} callers with ${size} events each`;
      measured.push(line(what, median(figures), 'the store alone', reference, { msPerCall: rounded(msPerCall) }));
    }
    return measured;
  } finally {
    agent.destroy();
    server.closeAllConnections();
    server.close();
  }
}

const said = ({ eventId: id, teamId: team, model, project, inputTokens, outputTokens }: SaidUsage) => ({
  ...{ id, team, model, project, inputTokens, outputTokens },
});

const rounded = (parts: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, Number(value.toFixed(3))]));

/** Node's own work for one call, each part measured separately. */
function partsOf(world: ApiWorld, events: readonly SaidUsage[]): Record<string, number> {
  const body = JSON.stringify({ events: events.map(said) });
  const route = routesOf(world, createMetrics(world)).find(({ path }) => path === '/v1/usage');
  const answer = { events: events.map(({ eventId }) => ({ id: eventId, status: 'accepted', cost: '0.006400' })) };
  const timed = (work: () => unknown): number => {
    const started = performance.now();
    for (let time = 0; time < 50; time += 1) work();
    return (performance.now() - started) / 50;
  };
  return {
    parse: timed(() => JSON.parse(body)),
    validate: timed(() => route?.body.safeParse(JSON.parse(body))) - timed(() => JSON.parse(body)),
    serialise: timed(() => JSON.stringify(answer)),
  };
}

function post(port: number, agent: Agent, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      Authorization: `Bearer ${KEY}`,
      'Content-Type': 'application/json',
      'Content-Length': body.length,
    };
    const sent = request({ port, agent, method: 'POST', path: '/v1/usage', headers }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`answered ${response.statusCode}`)),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function worldOf(
  { db, ledger }: Place,
  { record, wake }: { record: Ledger['recordUsageOf']; wake: () => Promise<void> },
): ApiWorld {
  const tell = refusing<WorkflowWakes>('tell', coalesced({ watch: wake, watchSoon: wake }));
  return fakeApiWorld({
    db,
    terms: TERMS,
    ledger: { ...ledger, recordUsageOf: record },
    engine: refusing<Engine>('engine', { tell }),
    platformKey: KEY,
    nowMs: () => SECOND * 1000,
  });
}
