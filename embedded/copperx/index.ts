import { createHmac } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import express from 'express';
import { Faults } from '../stripe/faults.ts';
import { type Dress, type RetryPolicy, type WebhookEndpoint, Webhooks } from '../stripe/webhooks.ts';
import { listen, serveFront } from '../web.ts';
import { welcomePage } from '../welcome.ts';
import { apiRouter, type LoggedRequest } from './api.ts';
import { Control } from './control.ts';
import { controlRoutes } from './control-routes.ts';
import { CopperxGates } from './gates.ts';
import type { Event } from './objects.ts';
import { hostedPages } from './pages.ts';
import { type State, World } from './world.ts';

export type { LoggedRequest } from './api.ts';
export type { Control } from './control.ts';
export type { CopperxPassing } from './gates.ts';
export type * from './objects.ts';
export type { Paying } from './world.ts';

export interface CopperxStandInOptions {
  /** Any free port by default. */
  port?: number;
  webhook?: WebhookEndpoint;
  retry?: Partial<RetryPolicy>;
  /** The clock for the dates and expiries of sessions, in milliseconds. */
  now?: () => number;
  /** The file that keeps the state beyond the process. Absent: the state is in memory only. */
  file?: string;
  /** The milliseconds of real time between two blocks. 0, the default: only `control.mine` makes a block. */
  blockMs?: number;
  /** The number of confirmations after which CopperX calls a payment complete: 12 by default. */
  completeAfter?: number;
}

export interface CopperxStandIn {
  /** `http://127.0.0.1:12112`: the API, the hosted pages, and the control interface under `/_control`. */
  url: string;
  port: number;
  control: Control;
  close(): Promise<void>;
}

/**
 * The signature of a body: an HMAC of its bytes. Source: https://docs.copperx.io/integrate-payments/webhooks-and-events
 */
export const signatureOf = (body: string | Buffer, secret: string): string =>
  createHmac('sha256', secret).update(body).digest('hex');

const asCopperx: Dress<Event> = ({ pending_webhooks: _, ...event }, secret) => {
  const body = JSON.stringify(event);
  return { body, headers: { 'x-webhook-signature': signatureOf(body, secret) } };
};

const SAVE_AFTER_MS = 200;

/** A neighbour with CopperX's API, for coins from tests and people. */
export async function startCopperxStandIn(options: CopperxStandInOptions = {}): Promise<CopperxStandIn> {
  const { now = Date.now, file, blockMs = 0, completeAfter = 12 } = options;
  const world = new World(now, completeAfter);
  const faults = new Faults();
  const gates = new CopperxGates();
  const requests: LoggedRequest[] = [];
  const retry = { firstMs: 1000, longestMs: 3_600_000, attempts: 8, ...options.retry };
  const webhooks = new Webhooks<Event>(options.webhook, retry, asCopperx);
  const control = new Control(world, faults, gates, webhooks, requests);
  const closing = new AbortController();

  const app = express().disable('x-powered-by').set('etag', false);
  const controls = controlRoutes(control);
  app.use('/_control', controls);
  serveFront(app, () =>
    welcomePage({
      title: 'CopperX (stand-in)',
      about:
        'Speaks CopperX’s API on this machine. Its chain is made up: coins are sent by a control, or on a payment page.',
      example: `curl ${world.url}/_control/sessions`,
      controls,
    }),
  );
  app.use(apiRouter({ world, faults, gates, requests, closing: closing.signal }));
  app.use(hostedPages(world, gates));
  const server = await listen(app, options.port);
  world.url = server.url;

  let saving: NodeJS.Timeout | undefined;
  const save = () => {
    clearTimeout(saving);
    saving = undefined;
    if (file !== undefined) keep(file, world);
  };
  world.state = (file === undefined ? undefined : kept(file, world.url)) ?? world.state;
  world.onChange = () => {
    saving ??= setTimeout(save, SAVE_AFTER_MS);
  };
  world.onEvent = (event) => webhooks.announce(event);
  webhooks.onDelivered = world.onChange;
  for (const event of world.state.events) if (event.pending_webhooks > 0) webhooks.announce(event);
  const blocks =
    blockMs > 0 &&
    setInterval(() => {
      world.expireDue();
      if (world.waitsForBlocks()) world.mine(1);
    }, blockMs);

  return {
    url: server.url,
    port: server.port,
    control,
    async close() {
      if (blocks) clearInterval(blocks);
      closing.abort();
      gates.close();
      webhooks.close();
      await server.close();
      save();
      world.onChange = () => {};
    },
  };
}

/** Writes a new file beside the old one and renames the new file, so the file is always whole. */
function keep(file: string, { url, state }: World): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify({ url, state }), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** The state of the last run, with the pages at the addresses of this run. */
function kept(file: string, url: string): State | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    const { url: was } = JSON.parse(text) as { url: string };
    return (JSON.parse(text.replaceAll(was, url)) as { state: State }).state;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
