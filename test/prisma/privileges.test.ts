/**
 * Tests the privileges of the runtime role of the api and the workers against the tables that the migrations create.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { RUNTIME_ROLE } from '../../embedded/postgres.ts';
import { migrate, migrationOf } from '../../prisma/migrate.ts';
import { grantRuntime, mayChangeLedger, USES } from '../../prisma/privileges.ts';
import { createTeam } from '../../prisma/teams.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';
import { connect, refusalOf } from './rows.ts';

const DENIED = /^42501 /;

let database: TestDatabase;
let runtime: pg.Client;
let owner: pg.Client;

beforeAll(async () => {
  database = await newDatabase();
  [runtime, owner] = await Promise.all([connect(database.url), connect(database.ownerUrl)]);
  await createTeam(database.db, { id: 'acme', name: 'Acme', email: 'a@example.com' }, 0);
  await owner.query(
    `INSERT INTO transfers (id, team_id, debit_account, credit_account, amount_micros, code, reference, second, caused_by)
     VALUES ('${randomUUID()}', 'acme', 'platform/stripe', 'team/acme/credit', 5, 'deposit', 'deposit/d', 0, 'test')`,
  );
});
afterAll(async () => {
  await Promise.all([runtime.end(), owner.end()]);
  await database.close();
});

const refused = (sql: string) => refusalOf(runtime, sql);

describe('every table', () => {
  const tables = async () =>
    (
      await owner.query<{ name: string }>(
        `SELECT table_name AS name FROM information_schema.tables
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`,
      )
    ).rows.map(({ name }) => name);

  it('has a line in prisma/privileges.ts with its use by the runtime role', async () => {
    expect(Object.keys(USES).sort()).toEqual((await tables()).sort());
  });

  it('has the columns that prisma/privileges.ts names', async () => {
    const { rows } = await owner.query<{ name: string }>(
      `SELECT table_name || '.' || column_name AS name FROM information_schema.columns WHERE table_schema = 'public'`,
    );
    const columns = new Set(rows.map(({ name }) => name));
    for (const [table, use] of Object.entries(USES))
      if (typeof use === 'object') for (const column of use.fixed) expect(columns).toContain(`${table}.${column}`);
  });

  it('allows the runtime role the use of its line, and no truncate, drop or alter', async () => {
    for (const table of await tables()) {
      const use = USES[table];
      const fixed = typeof use === 'object' ? use.fixed : [];
      const has = async (privilege: string) =>
        (await runtime.query('SELECT has_table_privilege($1, $2) AS has', [table, privilege])).rows[0].has;
      expect(await has('SELECT'), table).toBe(true);
      expect(await has('INSERT'), table).toBe(use !== 'read');
      expect(await has('DELETE'), table).toBe(typeof use === 'object' && use.deletes === true);
      for (const privilege of ['UPDATE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN'])
        expect(await has(privilege), `${privilege} on ${table}`).toBe(false);
      const { rows } = await runtime.query<{ column: string; updated: boolean }>(
        `SELECT attname AS column, has_column_privilege(attrelid, attnum, 'UPDATE') AS updated
         FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
        [table],
      );
      for (const { column, updated } of rows)
        expect(updated, `${table}.${column}`).toBe(typeof use === 'object' && !fixed.includes(column));
      expect(await refused(`TRUNCATE ${table} CASCADE`), table).toMatch(DENIED);
      expect(await refused(`DROP TABLE ${table} CASCADE`), table).toMatch(DENIED);
      expect(await refused(`ALTER TABLE ${table} DISABLE TRIGGER ALL`), table).toMatch(DENIED);
      expect(await refused(`ALTER TABLE ${table} ADD COLUMN more TEXT`), table).toMatch(DENIED);
    }
  });
});

describe('the runtime role', () => {
  it.each([
    ['switch off the triggers of a table', 'ALTER TABLE transfers DISABLE TRIGGER ALL'],
    ['switch off all triggers of its session', 'SET session_replication_role = replica'],
    ['drop a trigger', 'DROP TRIGGER transfers_append_only ON transfers'],
    [
      'replace the function of a trigger',
      'CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS $$ $$',
    ],
    ['change a row of the ledger', 'UPDATE transfers SET amount_micros = 6'],
    ['change a row of the ledger to what it is', 'UPDATE transfers SET code = code'],
    ['delete a row of the ledger', 'DELETE FROM transfers'],
    [
      'change the ledger by an upsert',
      `INSERT INTO transfers SELECT * FROM transfers ON CONFLICT (id) DO UPDATE SET amount_micros = 6`,
    ],
    ['change the ledger by a merge', 'MERGE INTO transfers USING teams ON true WHEN MATCHED THEN DELETE'],
    ['change the ledger through its view', 'UPDATE balances SET balance_micros = 0'],
    ['change the sums that a trigger keeps', 'INSERT INTO token_days VALUES ($$acme$$, 0, 1)'],
    ['drop a check', 'ALTER TABLE accounts DROP CONSTRAINT credit_never_negative'],
    ['create a rule', 'CREATE RULE quiet AS ON INSERT TO transfers DO INSTEAD NOTHING'],
    [
      'create a trigger',
      'CREATE TRIGGER more BEFORE INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION refuse_change()',
    ],
    ['create a table', 'CREATE TABLE more (id INT)'],
    ['create a function', 'CREATE FUNCTION more() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$'],
    ['set a sequence back', `SELECT setval('deposits_opened_order_seq', 1)`],
    ['become the owner', 'SET ROLE burnrate'],
    ['change its own role', `ALTER ROLE ${RUNTIME_ROLE} SUPERUSER`],
    [
      'alter the database',
      'DO $$ BEGIN EXECUTE format($x$ALTER DATABASE %I SET lc_messages = $y$C$y$ $x$, current_database()); END $$',
    ],
    ['run a program on the server', `COPY teams TO PROGRAM 'cat'`],
    ['read a file of the server', `SELECT pg_read_file('PG_VERSION')`],
    ['record a migration', `UPDATE _prisma_migrations SET checksum = 'x'`],
  ])('cannot %s', async (_, sql) => {
    const refusal = await refused(sql);
    // 42501: no privilege. 55000: a view that cannot be written by anybody.
    expect(refusal).toMatch(/^(42501|55000) /);
    expect((await owner.query('SELECT amount_micros FROM transfers')).rows).toEqual([{ amount_micros: '5' }]);
  });

  it.each([
    ['instances', 'hourly_micros = 1'],
    ['instances', "team_id = 'other'"],
    ['segments', 'rate_micros_per_hour = 1'],
    ['deposits', 'amount_micros = 1'],
    ['refunds', "deposit_id = 'dep_other'"],
    ['grants', 'amount_micros = 1'],
    ['holds', 'amount_micros = 1'],
    ['usage_events', 'charge_micros = 1'],
    ['crypto_receipts', 'amount_micros = 1'],
    ['notices', "data = '{}'"],
    ['accounts', "team_id = 'other'"],
  ])('cannot change an inserted value of %s: %s', async (table, set) => {
    expect(await refused(`UPDATE ${table} SET ${set}`)).toMatch(DENIED);
  });

  it('cannot grant itself privileges', async () => {
    // Postgres only warns that nothing was granted.
    expect(await refused(`GRANT UPDATE ON transfers TO ${RUNTIME_ROLE}`)).toBeNull();
    expect(await refused('UPDATE transfers SET amount_micros = 6')).toMatch(DENIED);
  });

  it('inserts usage, and a trigger adds it to the daily sum', async () => {
    const days = () => owner.query(`SELECT micros FROM token_days WHERE team_id = 'acme'`).then(({ rows }) => rows);
    expect(await days()).toEqual([]);
    expect(
      await refused(
        `INSERT INTO transfers (id, team_id, debit_account, credit_account, amount_micros, code, reference, second, caused_by)
         VALUES (gen_random_uuid(), 'acme', 'team/acme/credit', 'platform/revenue', 2, 'token_usage', 'usage/acme/x', 7, 'test')`,
      ),
    ).toBeNull();
    expect(await days()).toEqual([{ micros: '2' }]);
    await owner.query('ALTER TABLE transfers DISABLE TRIGGER transfers_append_only');
    await owner.query(`DELETE FROM transfers WHERE reference = 'usage/acme/x'`);
    await owner.query('ALTER TABLE transfers ENABLE TRIGGER transfers_append_only');
  });

  it('cannot replace the daily sums of the trigger by a temporary table', async () => {
    await runtime.query('CREATE TEMPORARY TABLE token_days (team_id TEXT, day_second BIGINT, micros BIGINT)');
    await runtime.query('BEGIN');
    await runtime.query(
      `INSERT INTO transfers (id, team_id, debit_account, credit_account, amount_micros, code, reference, second, caused_by)
       VALUES (gen_random_uuid(), 'acme', 'team/acme/credit', 'platform/revenue', 3, 'token_usage', 'usage/acme/y', 86407, 'test')`,
    );
    expect((await runtime.query('SELECT micros FROM public.token_days WHERE day_second = 86400')).rows).toEqual([
      { micros: '3' },
    ]);
    await runtime.query('ROLLBACK');
    await runtime.query('DROP TABLE pg_temp.token_days');
  });

  it('is distinguished from an owner, so that a process can warn of an owner', async () => {
    expect(await mayChangeLedger(database.db)).toBe(false);
    expect(await mayChangeLedger(database.owner)).toBe(true);
  });
});

describe('granting', () => {
  const granted = () =>
    owner
      .query(
        `SELECT relname, relacl::text, (SELECT array_agg(attacl::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid)
         FROM pg_class c WHERE relnamespace = 'public'::regnamespace ORDER BY relname`,
      )
      .then(({ rows }) => rows);

  it('again changes nothing, and revokes other privileges', async () => {
    const before = await granted();
    await grantRuntime(owner, RUNTIME_ROLE);
    expect(await granted()).toEqual(before);
    await owner.query(`GRANT ALL ON transfers, token_days TO ${RUNTIME_ROLE}`);
    await owner.query(`GRANT UPDATE (amount_micros) ON transfers TO ${RUNTIME_ROLE}`);
    expect(await granted()).not.toEqual(before);
    await grantRuntime(owner, RUNTIME_ROLE);
    expect(await granted()).toEqual(before);
  });

  it('includes a table and a column that a later migration adds', async () => {
    await owner.query(
      'CREATE TABLE later (id INT PRIMARY KEY, counted BIGINT GENERATED BY DEFAULT AS IDENTITY, said TEXT)',
    );
    await owner.query('ALTER TABLE teams ADD COLUMN later TEXT');
    await owner.query('ALTER TABLE transfers ADD COLUMN later TEXT');
    try {
      expect(await refused('SELECT * FROM later')).toMatch(DENIED);
      await grantRuntime(owner, RUNTIME_ROLE);
      expect(await refused(`INSERT INTO later (id, said) VALUES (1, 'a')`)).toBeNull();
      expect(await refused(`UPDATE later SET said = 'b'`)).toBeNull();
      expect(await refused('DELETE FROM later')).toMatch(DENIED);
      expect(await refused(`UPDATE teams SET later = 'x'`)).toBeNull();
      expect(await refused(`UPDATE transfers SET later = 'x'`)).toMatch(DENIED);
    } finally {
      await owner.query('DROP TABLE later');
      await owner.query('ALTER TABLE teams DROP COLUMN later');
      await owner.query('ALTER TABLE transfers DROP COLUMN later');
    }
  });

  it('to an unknown role fails with the command to create it, and leaves the migrations applied', async () => {
    const url = new URL(inject('postgresUrl'));
    url.pathname = new URL(database.ownerUrl).pathname;
    await expect(migrate(url.href, 'nobody_yet')).rejects.toThrow(
      'the database has no role nobody_yet, as which DATABASE_URL connects: create it with CREATE ROLE "nobody_yet" LOGIN',
    );
  });
});

describe('the addresses', () => {
  const app = 'postgresql://app:p%40ss@db/burnrate';
  const owner = 'postgresql://owner:pass@db/burnrate';

  it.each([
    ['name an owner and a runtime role', { DATABASE_URL: app, MIGRATE_DATABASE_URL: owner }, owner, 'app'],
    ['name one role for both', { DATABASE_URL: app }, app, null],
    ['name the same role twice', { DATABASE_URL: app, MIGRATE_DATABASE_URL: app }, app, null],
    ['leave the owner empty', { DATABASE_URL: app, MIGRATE_DATABASE_URL: '' }, app, null],
    ['name the owner alone', { MIGRATE_DATABASE_URL: owner }, owner, null],
  ])('%s', (_, environment, ownerUrl, runtimeRole) => {
    expect(migrationOf(environment)).toEqual({ ownerUrl, runtimeRole });
  });

  it('cannot both be missing', () => {
    expect(() => migrationOf({})).toThrow('DATABASE_URL is not set.');
  });
});
