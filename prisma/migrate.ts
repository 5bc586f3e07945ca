/**
 * Applies the migrations in Prisma's own layout and records them like `prisma migrate deploy`, so either may run next.
 * Prisma's command needs its schema engine, which not every build machine can download (docs/decisions).
 */
import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { grantRuntime } from './privileges.ts';

const MIGRATIONS = join(import.meta.dirname, 'migrations');
/** Prisma takes the same lock, so two simultaneous deployments wait for each other. */
const PRISMA_MIGRATE_LOCK = 72707369;

const RECORDS = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ, "migration_name" VARCHAR(255) NOT NULL,
  "logs" TEXT, "rolled_back_at" TIMESTAMPTZ, "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)`;

/** The roles in a deployment's addresses. */
export interface Migration {
  /** Connects as the owner of the tables. */
  ownerUrl: string;
  /** The role of the api and the workers; null if the owner itself. */
  runtimeRole: string | null;
}

/**
 * Reads the addresses: MIGRATE_DATABASE_URL connects as the owner and DATABASE_URL as the runtime role. Without the first,
 * one role is both.
 */
export function migrationOf(environment: Record<string, string | undefined>): Migration {
  const { DATABASE_URL, MIGRATE_DATABASE_URL } = environment;
  if (!DATABASE_URL && !MIGRATE_DATABASE_URL) throw new Error('DATABASE_URL is not set.');
  const ownerUrl = MIGRATE_DATABASE_URL || (DATABASE_URL as string);
  const [owner, runtime] = [ownerUrl, DATABASE_URL || ownerUrl].map((url) => decodeURIComponent(new URL(url).username));
  return { ownerUrl, runtimeRole: runtime && runtime !== owner ? runtime : null };
}

/** Migrates the database of an environment. Returns the names of the applied migrations. */
export function migrateBy(environment: Record<string, string | undefined>): Promise<string[]> {
  const { ownerUrl, runtimeRole } = migrationOf(environment);
  return migrate(ownerUrl, runtimeRole);
}

/**
 * Applies the missing migrations in order, each in its own transaction, and then grants the runtime role its
 * privileges. Returns the names of the applied migrations.
 */
export async function migrate(ownerUrl: string, runtimeRole: string | null = null): Promise<string[]> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_MIGRATE_LOCK]);
    await client.query(RECORDS);
    const { rows } = await client.query<{ migration_name: string; checksum: string }>(
      'SELECT migration_name, checksum FROM "_prisma_migrations" WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
    );
    const checksums = new Map(rows.map((row) => [row.migration_name, row.checksum]));
    const applied: string[] = [];
    for (const name of await migrationNames()) {
      const sql = await readFile(join(MIGRATIONS, name, 'migration.sql'), 'utf8');
      const checksum = createHash('sha256').update(sql).digest('hex');
      const appliedChecksum = checksums.get(name);
      if (appliedChecksum === checksum) continue;
      if (appliedChecksum)
        throw new Error(`migration ${name} was changed after it had been applied: write a new one instead`);
      await apply(client, name, sql, checksum);
      applied.push(name);
    }
    if (runtimeRole !== null) await grantRuntime(client, runtimeRole);
    return applied;
  } finally {
    await client.end();
  }
}

async function migrationNames(): Promise<string[]> {
  const entries = await readdir(MIGRATIONS, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

async function apply(client: pg.Client, name: string, sql: string, checksum: string): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(sql);
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ($1, $2, now(), $3, 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw new Error(`migration ${name} failed: ${(error as Error).message}`, { cause: error });
  }
}
