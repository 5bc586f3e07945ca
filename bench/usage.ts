/**
 * Token usage recorded a second: by the store alone, beside the same rows inserted by one plain set-based statement,
 * and through the HTTP api, beside the store. Store and reference take turns, so other load of the machine hits both.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { micros } from '../billing/money.ts';
import { RUNTIME_ROLE, startPostgres } from '../embedded/postgres.ts';
import { createLedger, type Ledger } from '../ledger/index.ts';
import { createUsageLanes } from '../ledger/usage-lanes.ts';
import { connectDb, type Db } from '../prisma/client.ts';
import { migrate } from '../prisma/migrate.ts';
import { insertModelPrice } from '../prisma/prices.ts';
import { createTeam } from '../prisma/teams.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../simulate/settings.ts';
import type { Measured } from './measured.ts';
import {
  BATCH,
  BATCHES,
  callsOf,
  inTurns,
  line,
  MODEL,
  nextRun,
  PRICE,
  perSecond,
  SECOND,
  SMALL,
  SMALL_CALLERS,
  SMALL_CALLS,
  TEAMS,
  teamOf,
} from './usage-calls.ts';
import { overHttp } from './usage-http.ts';

const LANES = 3;
/** The time that a disk may need to write a commit. */
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
    const ledger = createLedger({ db, settings: SETTINGS });
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
  const run = nextRun();
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
  const figures = await storeBesidePlain(place);
  const small = () => callsOf(SMALL_CALLS, SMALL);
  const lanes = createUsageLanes(ledger.recordUsageOf);
  const laned = () => perSecond(small(), SMALL, SMALL_CALLERS, lanes);
  const [together = 0, alone = 0] = await inTurns([
    laned,
    // One caller for each team, because simultaneous calls of one team would only measure their waits for each other.
    () => perSecond(small().slice(0, SMALL_CALLS / 5), SMALL, 8, ledger.recordUsage),
  ]);
  const what = `the store alone, ${SMALL_CALLERS} callers with ${SMALL} events each of ${TEAMS} teams`;
  figures.push(line(what, together, 'each call in a transaction of its own, 8 callers', alone));
  return [...figures, ...(await overHttp(place, figures[0]?.figure ?? 0, together))];
}
