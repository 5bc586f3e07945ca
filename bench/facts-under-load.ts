/**
 * Facts recorded a second by as many callers as a busy process has, over many teams and for one team, beside one
 * prepared statement that locks the account, inserts the same rows and updates the balance, on as many connections.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { micros } from '../billing/money.ts';
import { RUNTIME_ROLE, startPostgres } from '../embedded/postgres.ts';
import { createLedger } from '../ledger/index.ts';
import { connectDb, type Db } from '../prisma/client.ts';
import { migrate } from '../prisma/migrate.ts';
import { createTeam } from '../prisma/teams.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../simulate/settings.ts';
import type { Measured } from './measured.ts';
import { type LoadOptions, scaled } from './options.ts';
import { inLanes, names, perSecond } from './product.ts';

const CALLERS = [1, 8, 32, 256];
const CONNECTIONS = 32;
const TEAMS = 256;
const FACTS = 4_000;
const WARM_UP = 200;
const MOST_TRIES = 100;
export const SECOND = 1_800_000_000;

/** A database with the product's tables and some teams. */
export interface Ledgered {
  db: Db;
  url: string;
  ownerUrl: string;
}

/** Runs `measure` on a new database. */
export async function onLedger<T>(teams: readonly string[], measure: (ledgered: Ledgered) => Promise<T>): Promise<T> {
  const dataDir = await mkdtemp(join(tmpdir(), 'burnrate-bench-'));
  const postgres = await startPostgres({ dataDir });
  await postgres.createDatabase('bench');
  const [url, ownerUrl] = [postgres.runtimeUrl('bench'), postgres.databaseUrl('bench')];
  await migrate(ownerUrl, RUNTIME_ROLE);
  const db = connectDb(url, { poolSize: CONNECTIONS, connectionTimeoutMs: 60_000 });
  try {
    for (const id of teams) await createTeam(db, { id, name: 'Bench', email: 'bench@teams.example' }, SECOND);
    return await measure({ db, url, ownerUrl });
  } finally {
    await db.$disconnect();
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

const AS_ONE_STATEMENT = {
  name: 'fact',
  text: `
  WITH account AS (SELECT team_id FROM accounts WHERE team_id = $1 FOR UPDATE),
  given AS (
    INSERT INTO grants (id, team_id, amount_micros, note, second)
    SELECT $2, team_id, $3::bigint, 'bench', $4::bigint FROM account
  ),
  booked AS (
    INSERT INTO transfers (id, team_id, debit_account, credit_account, amount_micros, code, reference, second, caused_by)
    SELECT uuidv7(), team_id, 'platform/grants', 'team/' || team_id || '/credit', $3::bigint, 'grant', 'grant/' || $2,
      $4::bigint, 'bench'
    FROM account
  )
  UPDATE accounts SET posted_micros = posted_micros + $3::bigint, as_of_second = $4::bigint
  FROM account WHERE accounts.team_id = account.team_id`,
};

export function factsUnderLoad(options: LoadOptions): Promise<Measured[]> {
  const teams = names('team', scaled(TEAMS, options, 8));
  return onLedger(teams, async ({ db, url }) => {
    const ledger = createLedger({ db, settings: SETTINGS });
    const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
    const amountMicros = micros(1_000_000);
    let number = 0;
    let repeated = 0;
    const asFact = async (teamId: string): Promise<void> => {
      const grant = { teamId, grantId: `fact-${number++}`, amountMicros, note: 'bench', nowSecond: SECOND };
      // A fact that has waited too long for a connection stores nothing and is sent again, like a caller's repeat.
      for (let tries = 1; ; tries += 1)
        try {
          await ledger.grant(grant, 'bench');
          return;
        } catch (error) {
          if (tries === MOST_TRIES) throw error;
          repeated += 1;
        }
    };
    const asStatement = (teamId: string) =>
      pool.query({ ...AS_ONE_STATEMENT, values: [teamId, `statement-${number++}`, amountMicros, SECOND] });

    const figures: Measured[] = [];
    try {
      for (const act of [asStatement, asFact])
        await inLanes(scaled(WARM_UP, options, 8), CONNECTIONS, (index) => act(teams[index % teams.length] as string));
      for (const [which, teamOf] of [
        ['many teams', (index: number) => teams[index % teams.length] as string],
        ['one team', () => teams[0] as string],
      ] as const)
        for (const callers of CALLERS) {
          const count = scaled(FACTS, options, callers);
          repeated = 0;
          const statements = await inLanes(count, callers, (index) => asStatement(teamOf(index)));
          const facts = await inLanes(count, callers, (index) => asFact(teamOf(index)));
          figures.push({
            bench: 'load facts',
            what: `facts of ${which}, ${callers} callers`,
            figure: perSecond(count, facts.tookMs),
            unit: 'facts/s',
            reference: `the same rows by one prepared statement a fact, ${callers} callers on ${CONNECTIONS} connections`,
            referenceFigure: perSecond(count, statements.tookMs),
            ...(callers === 32 && which === 'many teams' && { atLeast: 1 }),
            counts: { facts: count, repeated },
          });
        }
      return figures;
    } finally {
      await pool.end();
    }
  });
}
