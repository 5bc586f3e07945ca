/**
 * Facts recorded a second, each in its own transaction under its team's row lock, beside the same rows as plain SQL.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { micros } from '../billing/money.ts';
import { RUNTIME_ROLE, startPostgres } from '../embedded/postgres.ts';
import { createLedger } from '../ledger/index.ts';
import { connectDb } from '../prisma/client.ts';
import { migrate } from '../prisma/migrate.ts';
import { createTeam } from '../prisma/teams.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../simulate/settings.ts';
import type { Measured } from './measured.ts';

const TEAMS = 40;
const FACTS = 1_000;
const CALLERS = [1, 8, 32];
const SECOND = 1_800_000_000;

export async function facts(): Promise<Measured[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'burnrate-bench-'));
  const postgres = await startPostgres({ dataDir });
  await postgres.createDatabase('bench');
  const url = postgres.runtimeUrl('bench');
  await migrate(postgres.databaseUrl('bench'), RUNTIME_ROLE);
  const db = connectDb(url, { poolSize: 32 });
  try {
    const ledger = createLedger({ db, settings: SETTINGS });
    const give = (teamId: string, grantId: string) =>
      ledger.grant({ teamId, grantId, amountMicros: micros(1_000_000), note: 'bench', nowSecond: SECOND }, 'bench');
    for (let team = 0; team < TEAMS; team += 1) {
      await createTeam(db, { id: `team-${team}`, name: 'Bench', email: 'bench@teams.example' }, SECOND);
      await give(`team-${team}`, `grant-${team}`);
    }
    const plain = await plainRowsPerSecond(url);
    const figures: Measured[] = [];
    for (const callers of CALLERS) {
      const perSecond = await timed(FACTS, callers, (index) =>
        give(`team-${index % TEAMS}`, `grant-${callers}-${index}`),
      );
      figures.push({
        bench: 'facts',
        what: `grants recorded, one transaction each, ${callers} callers`,
        figure: perSecond,
        unit: 'facts/s',
        reference: 'transfers inserted by one set-based statement',
        referenceFigure: plain,
      });
    }
    return figures;
  } finally {
    await db.$disconnect();
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function timed(count: number, callers: number, act: (index: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (next < count) await act(next++);
    }),
  );
  return Math.round(count / ((performance.now() - started) / 1000));
}

async function plainRowsPerSecond(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const started = performance.now();
  await client.query(
    `INSERT INTO transfers (id, team_id, debit_account, credit_account, amount_micros, code, reference, second, caused_by)
     SELECT uuidv7(), 'plain', 'plain/a', 'plain/b', n, 'token_usage', 'plain/' || n, $1, 'bench' FROM generate_series(1, $2) AS n`,
    [SECOND, FACTS],
  );
  const perSecond = Math.round(FACTS / ((performance.now() - started) / 1000));
  await client.end();
  return perSecond;
}
