import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type ErrorRequestHandler } from 'express';
import { serveFront } from '../web.ts';
import { welcomePage } from '../welcome.ts';
import { apiRouter } from './api.ts';
import { Control } from './control.ts';
import { controlRoutes } from './control-routes.ts';
import { Faults } from './faults.ts';
import { StripeGates } from './gates.ts';
import { hostedPages } from './hosted-pages.ts';
import type { Event } from './objects.ts';
import { StateFile } from './persistence.ts';
import { RequestLog } from './request-log.ts';
import { type RetryPolicy, type WebhookEndpoint, Webhooks } from './webhooks.ts';
import { World } from './world.ts';

export type { CardSelector, DeclineScript } from './card-scripts.ts';
export type { Control } from './control.ts';
export type { DisputeOpening } from './disputes.ts';
export type { Fault, FaultKind, Outage } from './faults.ts';
export type { StripePassing } from './gates.ts';
export type { PaymentForm } from './hosted-pages.ts';
export type * from './objects.ts';
export type { LoggedRequest } from './request-log.ts';
export { type Delivery, type RetryPolicy, signatureHeader, type WebhookEndpoint } from './webhooks.ts';

export interface StripeStandInOptions {
  /** Any free port by default. */
  port?: number;
  /** `127.0.0.1` by default. */
  hostname?: string;
  webhook?: WebhookEndpoint;
  /** Webhook retries: 1 s after the first failure, then twice as long each time up to an hour, 16 attempts in all. */
  retry?: Partial<RetryPolicy>;
  /** The clock for Stripe's dates and expiries, in milliseconds. Retries and delays take real time. */
  now?: () => number;
  /** The file that keeps the state beyond the process. Absent: the state is in memory only. */
  file?: string;
  logger?: { error(context: object, message: string): void };
}

export interface StripeStandIn {
  /** `http://127.0.0.1:12111`: the API, the hosted pages, and the control interface under `/_control`. */
  url: string;
  host: string;
  port: number;
  control: Control;
  close(): Promise<void>;
}

/** A neighbour with Stripe's API: `new Stripe('sk_test_…', {host, port, protocol: 'http'})` connects to it. */
export async function startStripeStandIn(options: StripeStandInOptions = {}): Promise<StripeStandIn> {
  const { now = Date.now, hostname = '127.0.0.1', logger } = options;
  const world = new World(now);
  const faults = new Faults();
  const gates = new StripeGates();
  const log = new RequestLog();
  const webhooks = new Webhooks<Event>(options.webhook, {
    firstMs: 1000,
    longestMs: 3_600_000,
    attempts: 16,
    ...options.retry,
  });
  const control = new Control(world, faults, gates, webhooks, log);
  const closing = new AbortController();
  const onUnexpected = (error: unknown) => logger?.error({ err: error }, 'the Stripe stand-in failed');

  const app = express();
  app.disable('x-powered-by').set('query parser', 'extended').set('etag', false);
  const controls = controlRoutes(control);
  app.use('/_control', controls);
  serveFront(app, () =>
    welcomePage({
      title: 'Stripe (stand-in)',
      about: 'Speaks Stripe’s API on this machine. It charges nobody, and its Checkout pages take Stripe’s test cards.',
      example: `curl ${world.url}/v1/customers -u sk_test_embedded:`,
      controls,
    }),
  );
  app.use(apiRouter({ world, faults, gates, log, closing: closing.signal, onUnexpected }));
  app.use(hostedPages(world, faults, gates));
  const onError: ErrorRequestHandler = (error: { status?: number }, _request, response, _next) => {
    const status = error.status ?? 500;
    if (status >= 500) onUnexpected(error);
    const type = status < 500 ? 'invalid_request_error' : 'api_error';
    response
      .status(status)
      .json({ error: { type, message: status < 500 ? 'Invalid request' : 'An unknown error occurred' } });
  };
  app.use(onError);

  const server = createServer(app);
  server.listen(options.port ?? 0, hostname);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = hostname === '0.0.0.0' || hostname === '::' ? '127.0.0.1' : hostname;
  world.url = `http://${host}:${port}`;

  const file =
    options.file === undefined
      ? undefined
      : new StateFile(options.file, () => ({ url: world.url, state: world.state }));
  world.state = file?.load(world.url) ?? world.state;
  world.onChange = () => file?.touch();
  world.onEvent = (event) => {
    webhooks.announce(event);
    world.onChange();
  };
  webhooks.onDelivered = () => world.onChange();
  for (const event of world.state.events.values()) if (event.pending_webhooks > 0) webhooks.announce(event);

  return {
    url: world.url,
    host,
    port,
    control,
    async close() {
      closing.abort();
      gates.close();
      webhooks.close();
      world.onChange = () => {};
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      file?.save();
    },
  };
}
