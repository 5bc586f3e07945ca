import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { connectDb, type Db } from '../../prisma/client.ts';
import { TEMPLATE } from './global-setup.ts';

export interface TestDatabase {
  url: string;
  db: Db;
  /** Closes the connections and drops it. */
  close(): Promise<void>;
}

/** A database of one's own in the run's Postgres, with all migrations, and no rows but the price list to begin with. */
export async function newDatabase(): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await maintain(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  const db = connectDb(url.href);
  return {
    url: url.href,
    db,
    async close() {
      await db.$disconnect();
      await maintain(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

async function maintain(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}
