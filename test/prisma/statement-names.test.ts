/** Tests the names of prepared statements. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDollars } from '../../billing/money.ts';
import { createLedger } from '../../ledger/index.ts';
import { statementNames } from '../../prisma/statement-names.ts';
import { createTeam } from '../../prisma/teams.ts';
import { SCENARIO_SETTINGS } from '../../simulate/settings.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await newDatabase({ poolSize: 1 });
});
afterAll(() => database.close());

/** The statements that the one connection keeps, without what depends on their values. */
const prepared = async (): Promise<string[]> =>
  (await database.db.pool.query<{ statement: string }>('SELECT statement FROM pg_prepared_statements')).rows.map(
    ({ statement }) => statement,
  );

describe('the statements of a fact', () => {
  it('are prepared once for each connection, and none selects `*`, whose columns change with a migration', async () => {
    const { db } = database;
    await createTeam(db, { id: 'acme', name: 'Acme', email: 'a@example.com' }, 0);
    const ledger = createLedger({ db, settings: SCENARIO_SETTINGS });
    const grant = (grantId: string, nowSecond: number) =>
      ledger.grant({ teamId: 'acme', grantId, amountMicros: parseDollars('5'), note: '', nowSecond }, 'test');
    await grant('g1', 1);
    const first = await prepared();
    for (const table of ['accounts', 'transfers', 'grants', 'meter_sums'])
      expect(first.filter((statement) => statement.includes(table))).not.toEqual([]);
    await grant('g2', 2);
    expect(await prepared()).toEqual(first);
    expect(first.filter((statement) => /\bSELECT\b[\s\S]*\*/.test(statement))).toEqual([]);
  });
});

describe('the name of a statement', () => {
  const named = (sql: string, values = 1) => statementNames()({ sql, args: new Array(values).fill(1) });

  it('is the same for the same text, and differs for another text', () => {
    const nameOf = statementNames();
    const [a, b] = ['SELECT a FROM t', 'SELECT b FROM t'].map((sql) => nameOf({ sql, args: [] }));
    expect(a).not.toBe(b);
    expect(nameOf({ sql: 'SELECT a FROM t', args: [1] })).toBe(a);
  });

  it('is missing for `SELECT *`, for long lists and for the ends of transactions', () => {
    expect(named('SELECT a FROM t WHERE b = $1')).not.toBe('');
    expect(named('SELECT * FROM t WHERE b = $1')).toBe('');
    expect(named('SELECT a FROM t WHERE b IN ($1)', 65)).toBe('');
    expect(['BEGIN', 'COMMIT', 'ROLLBACK'].map((sql) => named(sql))).toEqual(['', '', '']);
  });

  it('is given to a limited number of texts', () => {
    const nameOf = statementNames();
    const names = Array.from({ length: 1_000 }, (_, index) => nameOf({ sql: `SELECT ${index}`, args: [] }));
    expect(new Set(names.filter((name) => name !== '')).size).toBe(300);
  });
});
