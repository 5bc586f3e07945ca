/** Tests the migration runner: order, checksums, failures, and locks between processes. */
import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { migrate } from '../../prisma/migrate.ts';
import { connect } from './rows.ts';

const MIGRATIONS = join(import.meta.dirname, '../../prisma/migrations');
const NAMES = readdirSync(MIGRATIONS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort();
const made: string[] = [];

/** An empty database: not a copy of the template, which has all migrations. */
async function emptyDatabase(): Promise<string> {
  const name = `empty_${randomUUID().replaceAll('-', '')}`;
  await query(inject('postgresUrl'), `CREATE DATABASE ${name} TEMPLATE template0`);
  made.push(name);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  return url.href;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = await connect(url);
  return (await client.query(sql).finally(() => client.end())).rows;
}

const recordsOf = (url: string) =>
  query(
    url,
    `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished, rolled_back_at, applied_steps_count AS steps
     FROM _prisma_migrations ORDER BY started_at, migration_name`,
  );
const tablesOf = async (url: string) =>
  (await query(url, `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`)).length;

afterEach(async () => {
  for (const name of made.splice(0)) await query(inject('postgresUrl'), `DROP DATABASE ${name} WITH (FORCE)`);
});

describe('migrate', () => {
  it('applies each missing migration once, and records it in Prisma’s format', async () => {
    const url = await emptyDatabase();
    expect(await migrate(url)).toEqual(NAMES);
    const expected = NAMES.map((name) => ({
      name,
      checksum: createHash('sha256')
        .update(readFileSync(join(MIGRATIONS, name, 'migration.sql')))
        .digest('hex'),
      finished: true,
      rolled_back_at: null,
      steps: 1,
    }));
    expect(await recordsOf(url)).toEqual(expected);
    expect(await migrate(url)).toEqual([]);
    expect(await recordsOf(url)).toEqual(expected);
  });

  it('refuses a file that was changed after it was applied', async () => {
    const url = await emptyDatabase();
    await migrate(url);
    await query(url, `UPDATE _prisma_migrations SET checksum = repeat('0', 64)`);
    await expect(migrate(url)).rejects.toThrow(`migration ${NAMES[0]} was changed after it had been applied`);
  });

  it('keeps nothing of a migration that fails, names the migration, and applies it when the cause is removed', async () => {
    const url = await emptyDatabase();
    await query(url, 'CREATE TABLE provider_events (in_the_way INT)');
    await expect(migrate(url)).rejects.toThrow(
      `migration ${NAMES[0]} failed: relation "provider_events" already exists`,
    );
    expect(await recordsOf(url)).toEqual([]);
    expect(await tablesOf(url)).toBe(2);
    await query(url, 'DROP TABLE provider_events');
    expect(await migrate(url)).toEqual(NAMES);
  });

  it('applies a migration again that Prisma had rolled back or never finished', async () => {
    const url = await emptyDatabase();
    await query(
      url,
      `CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
         migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
         started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0);
       INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at)
         VALUES ('1', 'x', '${NAMES[0]}', NULL, NULL), ('2', 'y', '${NAMES[0]}', now(), now())`,
    );
    expect(await migrate(url)).toEqual(NAMES);
  });

  it('in several processes at once is done by one process, while the others wait', async () => {
    const url = await emptyDatabase();
    const answers = await Promise.all([migrate(url), migrate(url), migrate(url), migrate(url)]);
    expect(answers.flat()).toEqual(NAMES);
    expect(await recordsOf(url)).toHaveLength(NAMES.length);
  });

  it('waits for Prisma’s own lock', async () => {
    const url = await emptyDatabase();
    const prisma = await connect(url);
    await prisma.query('SELECT pg_advisory_lock(72707369)');
    const running = migrate(url);
    const waiting = async () =>
      (await prisma.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369 AND NOT granted`))
        .rowCount;
    await expect.poll(waiting).toBe(1);
    expect(await tablesOf(url)).toBe(0);
    await prisma.end();
    expect(await running).toEqual(NAMES);
  });
});
