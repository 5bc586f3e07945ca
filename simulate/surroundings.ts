/** The real parts of scenarios. All but Temporal are started once; each scenario has its own Temporal server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { type MailInbox, startMailInbox } from '../embedded/mail/inbox.ts';
import { type PlatformStandIn, startPlatformStandIn } from '../embedded/platform.ts';
import { type Postgres, RUNTIME_ROLE, startPostgres } from '../embedded/postgres.ts';
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

const TEMPLATE = 'burnrate_template';
export const PLATFORM_SECRET = `whsec_${Buffer.from('simulated platform').toString('base64')}`;

/** Errors are raised where they matter. Further messages of Temporal's runtime would only hide the result. */
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

export async function startSurroundings(options: { postgres?: Postgres } = {}): Promise<Surroundings> {
  installRuntime(QUIET);
  const dataDir = await mkdtemp(join(tmpdir(), 'burnrate-simulate-'));
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
  const [postgres, workflowBundle, stripe, inbox, platform] = await Promise.all([
    options.postgres ?? startPostgres({ dataDir: join(dataDir, 'postgres'), settings }),
    bundleWorkflows(),
    startStripeStandIn(),
    startMailInbox(),
    startPlatformStandIn({ secret: PLATFORM_SECRET }),
  ]);
  if (await postgres.createDatabase(TEMPLATE)) await migrate(postgres.databaseUrl(TEMPLATE), RUNTIME_ROLE);

  let databases = 0;
  return {
    newTemporal: () => startTimeSkippingServer({ searchAttributes: SEARCH_ATTRIBUTES }),
    workflowBundle,
    stripe,
    inbox,
    platform,
    newDatabase: async () => {
      databases += 1;
      const name = `simulate_${process.pid}_${databases}`;
      await postgres.createDatabase(name, { template: TEMPLATE });
      return {
        url: postgres.runtimeUrl(name),
        ownerUrl: postgres.databaseUrl(name),
        drop: () => postgres.dropDatabase(name),
      };
    },
    stop: async () => {
      await Promise.all([
        stripe.close(),
        inbox.stop(),
        platform.stop(),
        options.postgres ? undefined : postgres.stop(),
      ]);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
