/** The real parts of scenarios. All but Temporal are started once; each scenario has its own Temporal server. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { type MailInbox, startMailInbox } from '../embedded/mail/inbox.ts';
import { type PlatformStandIn, startPlatformStandIn } from '../embedded/platform/index.ts';
import { type Databases, RUNTIME_ROLE, startPostgres } from '../embedded/postgres.ts';
import { type StripeStandIn, startStripeStandIn } from '../embedded/stripe/index.ts';
import { startTimeSkippingServer } from '../embedded/time-skipping.ts';
import { migrate } from '../prisma/migrate.ts';
import { installRuntime } from '../worker/runtime.ts';
import { bundleWorkflows, type WorkflowBundle } from '../worker/workflow-bundle.ts';
import { SEARCH_ATTRIBUTES } from '../workflows/messages.ts';

export interface Surroundings {
  workflowBundle: WorkflowBundle;
  stripe: StripeStandIn;
  inbox: MailInbox;
  platform: PlatformStandIn;
  /**
   * A new time-skipping server: all users of a server share its clock, and a workflow ended in the middle of a task
   * stops the clock for good. A start takes a fraction of a second.
   */
  newTemporal(): Promise<TestWorkflowEnvironment>;
  /** A new database, migrated. `url` connects like the product, `ownerUrl` as the owner of the tables. */
  newDatabase(): Promise<{ url: string; ownerUrl: string; drop(): Promise<void> }>;
  stop(): Promise<void>;
}

/** A Postgres that runs, with a migrated database, of which each scenario's is a copy. */
export interface Migrated {
  postgres: Databases;
  template: string;
}

export const PLATFORM_SECRET = `whsec_${Buffer.from('simulated platform').toString('base64')}`;

/** Errors are raised where they matter. Further messages of Temporal's runtime would only hide the result. */
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

/** Starts a Postgres of its own unless it is given one, which runs on afterwards. */
export async function startSurroundings(given?: Migrated): Promise<Surroundings> {
  installRuntime(QUIET);
  const dataDir = await mkdtemp(join(tmpdir(), 'burnrate-simulate-'));
  const [{ postgres, template, stopPostgres }, workflowBundle, stripe, inbox, platform] = await Promise.all([
    given ? { ...given, stopPostgres: async () => {} } : startMigrated(join(dataDir, 'postgres')),
    bundleWorkflows(),
    startStripeStandIn(),
    startMailInbox(),
    startPlatformStandIn({ secret: PLATFORM_SECRET }),
  ]);

  return {
    newTemporal: () => startTimeSkippingServer({ searchAttributes: SEARCH_ATTRIBUTES }),
    workflowBundle,
    stripe,
    inbox,
    platform,
    newDatabase: async () => {
      const name = `simulate_${randomUUID().replaceAll('-', '')}`;
      await postgres.createDatabase(name, { template });
      return {
        url: postgres.runtimeUrl(name),
        ownerUrl: postgres.databaseUrl(name),
        drop: () => postgres.dropDatabase(name),
      };
    },
    stop: async () => {
      await Promise.all([stripe.close(), inbox.stop(), platform.stop(), stopPostgres()]);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function startMigrated(dataDir: string): Promise<Migrated & { stopPostgres(): Promise<void> }> {
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
  const postgres = await startPostgres({ dataDir, settings });
  const template = 'burnrate_template';
  await postgres.createDatabase(template);
  await migrate(postgres.databaseUrl(template), RUNTIME_ROLE);
  return { postgres, template, stopPostgres: () => postgres.stop() };
}
