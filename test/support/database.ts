import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { type Databases, databasesAt } from '../../embedded/postgres.ts';
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
  const postgres = runPostgres();
  await postgres.createDatabase(name, { template: TEMPLATE });
  const [url, ownerUrl] = [postgres.runtimeUrl(name), postgres.databaseUrl(name)];
  const patient = { connectionTimeoutMs: CONNECTION_TIMEOUT_MS };
  const [db, owner] = [connectDb(url, { ...patient, ...options }), connectDb(ownerUrl, patient)];
  return {
    url,
    db,
    ownerUrl,
    owner,
    async close() {
      await Promise.all([db.$disconnect(), owner.$disconnect()]);
      await postgres.dropDatabase(name);
    },
  };
}

/** The Postgres that the files of a run share. */
export function runPostgres(): Databases {
  const { port } = new URL(inject('postgresUrl'));
  return databasesAt(() => Number(port));
}
