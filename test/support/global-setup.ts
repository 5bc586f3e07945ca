/** One Postgres for the whole run, and in it a template that has all migrations: a test's database is a copy, made in a moment. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { RUNTIME_ROLE, startPostgres } from '../../embedded/postgres.ts';
import { migrate } from '../../prisma/migrate.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The maintenance database; `TEMPLATE` lies beside it. */
    postgresUrl: string;
  }
}

export const TEMPLATE = 'test_template';

/** What these give away is only of worth after a crash, and after a crash this data is thrown away. */
const HASTY = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '400' };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'burnrate-tests-'));
  const postgres = await startPostgres({ dataDir: join(dataDir, 'postgres'), settings: HASTY });
  await postgres.createDatabase(TEMPLATE);
  await migrate(postgres.databaseUrl(TEMPLATE), RUNTIME_ROLE);
  project.provide('postgresUrl', postgres.url);
  return async () => {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}
