/** A database as it was before a migration, for tests of what the migration makes of its rows. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { inject } from 'vitest';
import { connect } from './rows.ts';

const MIGRATIONS = join(import.meta.dirname, '../../prisma/migrations');

export interface DatabaseBefore {
  client: pg.Client;
  /** Applies the migration. */
  apply(): Promise<void>;
  drop(): Promise<void>;
}

/** Makes a database with every migration that precedes `migration`. */
export async function databaseBefore(migration: string): Promise<DatabaseBefore> {
  const name = `before_${randomUUID().replaceAll('-', '')}`;
  const maintenance = await connect(inject('postgresUrl'));
  await maintenance.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  const client = await connect(url.href);
  const apply = async (folder: string): Promise<void> => {
    await client.query(readFileSync(join(MIGRATIONS, folder, 'migration.sql'), 'utf8'));
  };
  const earlier = readdirSync(MIGRATIONS).filter((folder) => /^\d/.test(folder) && folder < migration);
  for (const folder of earlier.sort()) await apply(folder);
  return {
    client,
    apply: () => apply(migration),
    async drop() {
      await client.end();
      await maintenance.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await maintenance.end();
    },
  };
}
