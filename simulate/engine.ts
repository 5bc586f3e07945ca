/**
 * The product in skipped time: its workers on their own Temporal server and database, among the real parts of the
 * surroundings.
 */
import type { Client } from '@temporalio/client';
import Stripe from 'stripe';
import { DEFAULT_BRAND } from '../activities/mail/brand.ts';
import { createMailer } from '../activities/mail/mailer.ts';
import { createPlatformEvents } from '../activities/platform/events.ts';
import { createReconciler, createReconciliation } from '../activities/reconciliation/reconcile.ts';
import { createStripeBooks } from '../activities/stripe/books.ts';
import { createStripeDisputes } from '../activities/stripe/disputes.ts';
import { createStripePayments } from '../activities/stripe/payments.ts';
import { createStripeRefunds } from '../activities/stripe/refunds.ts';
import type { Tell } from '../activities/world.ts';
import type { Terms } from '../billing/account.ts';
import { micros } from '../billing/money.ts';
import type { StripeStandIn } from '../embedded/stripe/index.ts';
import { createLedger, type Ledger } from '../ledger/index.ts';
import { connectDb, type Db } from '../prisma/client.ts';
import { createWorkers } from '../worker/workers.ts';
import { createTell } from '../workflows/signals.ts';
import { ScenarioClock } from './clock.ts';
import { PLATFORM_SECRET, type Surroundings } from './surroundings.ts';

export interface EngineOptions {
  terms: Terms;
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
  tell: Tell;
  /** Rejects when the workers stop by themselves. */
  stopped: Promise<never>;
  close(): Promise<void>;
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

export async function startEngine(surroundings: Surroundings, options: EngineOptions): Promise<Engine> {
  const { inbox, platform } = surroundings;
  const { terms, maxCachedWorkflows, standIn = surroundings.stripe } = options;
  const [database, env] = await Promise.all([surroundings.newDatabase(), surroundings.newTemporal()]);
  const db = connectDb(database.url);
  const clock = await ScenarioClock.startingSoon(env);
  const stripe = new Stripe('sk_test_simulated', {
    host: standIn.host,
    port: standIn.port,
    protocol: 'http',
    maxNetworkRetries: 0,
  });
  const ledger = createLedger({ db, terms });
  const tell = createTell(env.client);
  const mailer = createMailer({
    db,
    terms,
    smtpUrl: inbox.smtpUrl,
    from: { name: '', address: 'billing@burnrate.example' },
    brand: DEFAULT_BRAND,
    billingUrl: 'http://127.0.0.1/billing',
    minDepositMicros: micros(15_000_000),
    log: SILENT,
  });
  const workers = await createWorkers({
    connection: env.nativeConnection,
    namespace: 'default',
    workflowBundle: surroundings.workflowBundle,
    world: {
      ledger,
      tell,
      payments: createStripePayments({ stripe, db, publicUrl: 'http://127.0.0.1', log: SILENT }),
      refunds: createStripeRefunds({ stripe, db, log: SILENT }),
      disputes: createStripeDisputes({ stripe, db, log: SILENT }),
      mailer,
      platform: createPlatformEvents({ db, terms, webhookUrl: platform.url, secret: PLATFORM_SECRET, log: SILENT }),
      reconciliation: createReconciliation(createReconciler({ db, books: [createStripeBooks(stripe)], log: SILENT })),
    },
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
    ledger,
    tell,
    stopped,
    close: async () => {
      workers.shutdown();
      await running;
      await env.teardown();
      mailer.close();
      await db.$disconnect();
      await database.drop();
    },
  };
}
