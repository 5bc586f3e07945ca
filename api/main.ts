/** The api process: connects, builds its world, listens, and lets calls under way end before the process stops. */
import { createServer } from 'node:http';
import { Client, Connection } from '@temporalio/client';
import { createClockWatch } from '../activities/clock.ts';
import { verifyCopperxEvent } from '../activities/copperx/events.ts';
import { allBooks } from '../activities/reconciliation/books.ts';
import { createReconciler } from '../activities/reconciliation/reconcile.ts';
import { createCards } from '../activities/stripe/cards.ts';
import { createStripe } from '../activities/stripe/client.ts';
import { isLiveKey, verifyStripeEvent } from '../activities/stripe/events.ts';
import { createStripeLooks } from '../activities/stripe/lookups.ts';
import { secondOf } from '../billing/time.ts';
import { createLedger } from '../ledger/index.ts';
import { connectDb } from '../prisma/client.ts';
import { forgetOldCalls } from '../prisma/idempotent-calls.ts';
import { forgetOldSessions } from '../prisma/sessions.ts';
import { readCommandLine, UsageError } from '../process/command-line.ts';
import { type Config, readConfig } from '../process/config.ts';
import { warnOfOwner } from '../process/roles.ts';
import { temporalConnection } from '../process/temporal-connection.ts';
import { createApp } from './app.ts';
import { createEngine } from './engine/engine.ts';
import { API_DB } from './http/deadlines.ts';
import { SERVER_LIMITS } from './http/limits.ts';
import { createLogger } from './http/log.ts';
import type { ApiWorld } from './world.ts';

/** Shorter than the timeout of a worker, because a caller waits. */
const STRIPE_WITHIN_MS = 8_000;
const HOUR_MS = 60 * 60_000;
/** Longer than the longest call, a deposit that waits for its outcome. */
const DRAIN_WITHIN_MS = 20_000;
const REQUEST_WITHIN_MS = 30_000;
/** Longer than load balancers keep an idle connection, so no connection closes as a call arrives. */
const KEEP_ALIVE_MS = 75_000;

function createApiWorld(config: Config, client: Client): ApiWorld {
  const db = connectDb(config.databaseUrl, API_DB);
  const log = createLogger(config.logLevel);
  const { webhookSecret, secretKey } = config.stripe;
  const clock = createClockWatch(db, log);
  db.clock = clock;
  const stripe = createStripe({ ...config.stripe, timeoutMs: STRIPE_WITHIN_MS });
  const {
    billingSettings: settings,
    publicUrl,
    returnUrlOrigins,
    deposits,
    settleEveryMs,
    rateLimitPerMinute,
    trustedProxies,
    issuer,
    crypto,
  } = config;
  return {
    db,
    clock,
    log,
    settings,
    deposits,
    publicUrl,
    brand: config.mail.brand,
    returnUrlOrigins,
    settleEveryMs,
    rateLimitPerMinute,
    trustedProxies,
    issuer,
    ledger: createLedger({ db, settings }),
    engine: createEngine(client),
    cards: createCards({ stripe, db, publicUrl, log }),
    stripeLooks: createStripeLooks(stripe),
    reconciler: createReconciler({ db, books: allBooks(stripe, crypto), log }),
    verifyStripeEvent: (rawBody, signature) =>
      verifyStripeEvent(rawBody, signature, webhookSecret, isLiveKey(secretKey)),
    verifyCopperxEvent:
      crypto && ((rawBody, signature, nowMs) => verifyCopperxEvent(rawBody, signature, crypto.webhookSecret, nowMs)),
    platformKey: config.platform.key,
    nowMs: Date.now,
  };
}

const USAGE = `usage: npm run api

Serves the HTTP api on PORT until SIGTERM or SIGINT. The settings come from the environment: README.md lists them.`;

async function main(): Promise<void> {
  if (readCommandLine({ usage: USAGE }) === null) return;
  const config = readConfig(process.env);
  // A lazy connection: while Temporal is away the api serves all other calls, and /readyz reports the outage.
  const connection = Connection.lazy(temporalConnection(config));
  const world = createApiWorld(config, new Client({ connection, namespace: config.temporal.namespace }));
  const { db, log } = world;

  const limits = {
    requestTimeout: REQUEST_WITHIN_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: SERVER_LIMITS.headersWithinMs,
    connectionsCheckingInterval: SERVER_LIMITS.checkEveryMs,
  };
  const server = createServer(limits, createApp(world));
  server.maxConnections = SERVER_LIMITS.maxConnections;
  // Before the first call. A database that does not answer delays nothing.
  await world.clock?.start();
  await new Promise<void>((resolve, reject) => {
    const address = { port: config.port, ...(config.host !== null && { host: config.host }) };
    server.once('error', reject).listen(address, resolve);
  });
  log.info({ port: config.port, host: config.host ?? '*' }, 'api listens');
  void warnOfOwner(db, log);
  const housekeeping = setInterval(() => {
    forgetOldCalls(db, secondOf(Date.now())).catch((error) =>
      log.warn({ err: error }, 'old idempotent calls were not deleted'),
    );
    forgetOldSessions(db, secondOf(Date.now())).catch((error) =>
      log.warn({ err: error }, 'old sessions were not deleted'),
    );
  }, HOUR_MS);

  const stop = (signal: string): void => {
    log.info({ signal }, 'api stops: calls under way end first');
    clearInterval(housekeeping);
    // A kept-alive connection becomes idle when its call is answered, and is closed then.
    const letGo = setInterval(() => server.closeIdleConnections(), 100);
    const insist = setTimeout(() => server.closeAllConnections(), DRAIN_WITHIN_MS);
    server.close(async () => {
      clearInterval(letGo);
      clearTimeout(insist);
      await Promise.allSettled([db.$disconnect()]);
      log.info({}, 'api has stopped');
      // Temporal's connection stays open, because a retried wake would fail on a closed one.
      process.exit(0);
    });
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
}

main().catch((error: Error) => {
  process.stderr.write(`api: ${error.message}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
});
