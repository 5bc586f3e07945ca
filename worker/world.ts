/** The world of the activities, a field for each neighbour. A new neighbour is built here, for the worker and simulations. */
import type { Client } from '@temporalio/client';
import type Stripe from 'stripe';
import { createClockWatch } from '../activities/clock.ts';
import { coalesced } from '../activities/coalesced-wakes.ts';
import { createCopperx } from '../activities/copperx/client.ts';
import { createCopperxPayments } from '../activities/copperx/payments.ts';
import type { World } from '../activities/index.ts';
import { createMailer } from '../activities/mail/mailer.ts';
import { createPlatformEvents } from '../activities/platform/events.ts';
import { allBooks } from '../activities/reconciliation/books.ts';
import { createReconciler, createReconciliation } from '../activities/reconciliation/reconcile.ts';
import { wakeForDifferences } from '../activities/reconciliation/wakes.ts';
import { createStripe } from '../activities/stripe/client.ts';
import { createStripeDisputes } from '../activities/stripe/disputes.ts';
import { createStripePayments } from '../activities/stripe/payments.ts';
import { createStripeRefunds } from '../activities/stripe/refunds.ts';
import type { Log, WorkflowWakes } from '../activities/world.ts';
import { createLedger } from '../ledger/index.ts';
import { connectDb, type Db } from '../prisma/client.ts';
import type { Config } from '../process/config.ts';
import { createWorkflowWakes } from '../workflows/signals.ts';

/** The connections of a world. */
export interface WorldParts {
  db: Db;
  stripe: Stripe;
  wake: WorkflowWakes;
  /** Absent where seconds are chosen, as in a simulation. */
  clock?: World['clock'];
  log: Log;
}

/** The settings of a world. */
export interface WorldSettings
  extends Pick<Config, 'billingSettings' | 'publicUrl' | 'billingUrl' | 'mail' | 'issuer' | 'crypto'> {
  deposits: Pick<Config['deposits'], 'minMicros'>;
  platform: Pick<Config['platform'], 'webhookUrl' | 'webhookSecret'>;
}

/** Builds the world of the activities. `close` closes the connections to the mail server, and no given part. */
export function createWorld(
  { db, stripe, wake, clock, log }: WorldParts,
  { billingSettings: settings, publicUrl, billingUrl, mail, issuer, crypto, deposits, platform }: WorldSettings,
): { world: World; close(): void } {
  const brandName = mail.brand.name;
  const mailer = createMailer({ db, settings, minDepositMicros: deposits.minMicros, ...mail, billingUrl, issuer, log });
  const pages = { db, publicUrl, brandName, log };
  const world: World = {
    ...(clock && { clock }),
    ledger: createLedger({ db, settings }),
    wake,
    payments: createStripePayments({ ...pages, stripe }),
    refunds: createStripeRefunds({ stripe, db, log }),
    disputes: createStripeDisputes({ stripe, db, log }),
    ...(crypto && {
      crypto: createCopperxPayments({ ...pages, copperx: createCopperx(crypto), confirmations: crypto.confirmations }),
    }),
    mailer,
    platform: createPlatformEvents({
      db,
      settings,
      webhookUrl: platform.webhookUrl,
      secret: platform.webhookSecret,
      log,
    }),
    reconciliation: createReconciliation(
      createReconciler({ db, books: allBooks(stripe, crypto), log }),
      wakeForDifferences({ db, wake }),
    ),
  };
  return { world, close: () => mailer.close() };
}

export interface WorkerWorld {
  world: World;
  db: Db;
  close(): Promise<void>;
}

/** The world of a worker process: connected as the configuration says, with a function that closes all connections. */
export function connectWorld(config: Config, client: Client, log: Log): WorkerWorld {
  const db = connectDb(config.databaseUrl);
  const clock = createClockWatch(db, log);
  db.clock = clock;
  const wake = coalesced(createWorkflowWakes(client));
  const { world, close } = createWorld({ db, stripe: createStripe(config.stripe), wake, clock, log }, config);
  return {
    world,
    db,
    close: async () => {
      clock.stop();
      close();
      await db.$disconnect();
    },
  };
}
