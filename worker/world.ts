/**
 * Builds the world of the activities from the configuration, a field for each neighbour, with a function that closes
 * all of them.
 */
import type { Client } from '@temporalio/client';
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
import type { Log } from '../activities/world.ts';
import { createLedger } from '../ledger/index.ts';
import { connectDb, type Db } from '../prisma/client.ts';
import type { Config } from '../process/config.ts';
import { createTell } from '../workflows/signals.ts';

export interface WorkerWorld {
  world: World;
  db: Db;
  close(): Promise<void>;
}

export function createWorld(config: Config, client: Client, log: Log): WorkerWorld {
  const db = connectDb(config.databaseUrl);
  const clock = createClockWatch(db, log);
  db.clock = clock;
  const stripe = createStripe(config.stripe);
  const { terms, publicUrl, billingUrl, issuer, crypto } = config;
  const { minMicros: minDepositMicros } = config.deposits;
  const { name: brandName } = config.mail.brand;
  const mailer = createMailer({ db, terms, minDepositMicros, ...config.mail, billingUrl, issuer, log });
  const tell = coalesced(createTell(client));
  const world: World = {
    clock,
    ledger: createLedger({ db, terms }),
    tell,
    payments: createStripePayments({ stripe, db, publicUrl, brandName, log }),
    refunds: createStripeRefunds({ stripe, db, log }),
    disputes: createStripeDisputes({ stripe, db, log }),
    ...(crypto && {
      crypto: createCopperxPayments({
        copperx: createCopperx(crypto),
        db,
        publicUrl,
        brandName,
        confirmations: crypto.confirmations,
        log,
      }),
    }),
    mailer,
    platform: createPlatformEvents({
      db,
      terms,
      webhookUrl: config.platform.webhookUrl,
      secret: config.platform.webhookSecret,
      log,
    }),
    reconciliation: createReconciliation(
      createReconciler({ db, books: allBooks(stripe, crypto), log }),
      wakeForDifferences({ db, tell }),
    ),
  };
  return {
    world,
    db,
    close: async () => {
      clock.stop();
      mailer.close();
      await db.$disconnect();
    },
  };
}
