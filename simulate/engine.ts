/**
 * The product in skipped time: its workers on their own Temporal server and database, among the real parts of the
 * surroundings.
 */
import type { Client } from '@temporalio/client';
import Stripe from 'stripe';
import { DEFAULT_BRAND } from '../activities/mail/brand.ts';
import { DEFAULT_ISSUER } from '../activities/papers/issuer.ts';
import type { WorkflowWakes } from '../activities/world.ts';
import type { BillingSettings } from '../billing/account.ts';
import { micros } from '../billing/money.ts';
import type { StripeStandIn } from '../embedded/stripe/index.ts';
import type { Ledger } from '../ledger/index.ts';
import { connectDb, type Db } from '../prisma/client.ts';
import { createWorkers } from '../worker/workers.ts';
import { createWorld, type WorldSettings } from '../worker/world.ts';
import { createWorkflowWakes } from '../workflows/signals.ts';
import { ScenarioClock } from './clock.ts';
import { PLATFORM_SECRET, type Surroundings } from './surroundings.ts';

export interface EngineOptions {
  settings: BillingSettings;
  /** 0 replays each workflow's whole history at every step. */
  maxCachedWorkflows?: number;
  /** Instead of the shared stand-in. */
  standIn?: StripeStandIn;
}

export interface Engine {
  client: Client;
  db: Db;
  clock: ScenarioClock;
  stripe: Stripe;
  ledger: Ledger;
  wake: WorkflowWakes;
  /** Rejects when the workers stop by themselves. */
  stopped: Promise<never>;
  close(): Promise<void>;
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

const settingsOf = ({ inbox, platform }: Surroundings, billingSettings: BillingSettings): WorldSettings => ({
  billingSettings,
  publicUrl: 'http://127.0.0.1',
  billingUrl: 'http://127.0.0.1/billing',
  mail: {
    smtpUrl: inbox.smtpUrl,
    from: { name: '', address: 'billing@burnrate.example' },
    replyTo: null,
    brand: DEFAULT_BRAND,
  },
  issuer: DEFAULT_ISSUER,
  crypto: null,
  deposits: { minMicros: micros(15_000_000) },
  platform: { webhookUrl: platform.url, webhookSecret: PLATFORM_SECRET },
});

export async function startEngine(surroundings: Surroundings, options: EngineOptions): Promise<Engine> {
  const { settings, maxCachedWorkflows, standIn = surroundings.stripe } = options;
  const [database, env] = await Promise.all([surroundings.newDatabase(), surroundings.newTemporal()]);
  const db = connectDb(database.url);
  const clock = await ScenarioClock.startingSoon(env);
  const stripe = new Stripe('sk_test_simulated', {
    host: standIn.host,
    port: standIn.port,
    protocol: 'http',
    maxNetworkRetries: 0,
  });
  const wake = createWorkflowWakes(env.client);
  const { world, close: closeWorld } = createWorld(
    { db, stripe, wake, log: SILENT },
    settingsOf(surroundings, settings),
  );
  const workers = await createWorkers({
    connection: env.nativeConnection,
    namespace: 'default',
    workflowBundle: surroundings.workflowBundle,
    world,
    interceptors: { activity: [clock.holdBack] },
    shutdownGraceTime: '1 second',
    ...(maxCachedWorkflows !== undefined && { maxCachedWorkflows }),
  });
  const running = workers.run();
  const stopped = running.then(() => Promise.reject(new Error('the workers stopped')));
  stopped.catch(() => {}); // other waits learn of the failure
  return {
    client: env.client,
    db,
    clock,
    stripe,
    ledger: world.ledger,
    wake,
    stopped,
    close: async () => {
      workers.shutdown();
      await running;
      await env.teardown();
      closeWorld();
      await db.$disconnect();
      await database.drop();
    },
  };
}
