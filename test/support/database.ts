import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { RUNTIME_ROLE } from '../../embedded/postgres.ts';
import { connectDb, type Db, type DbOptions } from '../../prisma/client.ts';
import { TEMPLATE } from './global-setup.ts';

export interface TestDatabase {
  /** Connects as the product does, as the runtime role. */
  url: string;
  db: Db;
  /** Connects as the owner of the tables, who may change what the runtime role may not. */
  ownerUrl: string;
  owner: Db;
  /** Closes the connections and drops it. */
  close(): Promise<void>;
}

/** Tests have many facts recorded at once, and on a busy machine each takes long. */
const CONNECTION_TIMEOUT_MS = 120_000;

/** A database of one's own in the run's Postgres, with all migrations, and no rows but the price list to begin with. */
export async function newDatabase(options?: DbOptions): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await maintain(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  const ownerUrl = new URL(inject('postgresUrl'));
  ownerUrl.pathname = `/${name}`;
  const url = new URL(ownerUrl);
  url.username = RUNTIME_ROLE;
  const patient = { connectionTimeoutMs: CONNECTION_TIMEOUT_MS };
  const [db, owner] = [connectDb(url.href, { ...patient, ...options }), connectDb(ownerUrl.href, patient)];
  return {
    url: url.href,
    db,
    ownerUrl: ownerUrl.href,
    owner,
    async close() {
      await Promise.all([db.$disconnect(), owner.$disconnect()]);
      await maintain(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

async function maintain(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}
