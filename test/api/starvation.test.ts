/**
 * Tests a burst of one team against another team’s crossing, with the real Temporal server, the real workers and a
 * provider with Stripe’s protocol. The result holds on a machine of any speed: the other team is charged in time, and
 * its instances run on.
 */
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { coalesced } from '../../activities/coalesced-wakes.ts';
import type { World } from '../../activities/index.ts';
import { createCards } from '../../activities/stripe/cards.ts';
import { createStripe } from '../../activities/stripe/client.ts';
import { createStripePayments } from '../../activities/stripe/payments.ts';
import { createEngine } from '../../api/engine/engine.ts';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { startTemporalDevServer, type TemporalDevServer } from '../../embedded/temporal.ts';
import { createLedger } from '../../ledger/index.ts';
import { installRuntime } from '../../worker/runtime.ts';
import { createWorkers, type Workers } from '../../worker/workers.ts';
import { bundleWorkflows } from '../../worker/workflow-bundle.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import { createWorkflowWakes } from '../../workflows/signals.ts';
import { type Answer, type Api, instanceOf, SETTINGS, startApi, teamWith, WEBHOOK_SECRET } from './support.ts';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const AT_ONCE = 16;
const STARTS = 80;
/** Room for a machine on which the measurement of the quiet team was lucky. */
const ROOM_MS = 60_000;
/** Long enough for the slowest machine: what the test is about is whether the charge comes, and when. */
const BUSY_SETTINGS = { ...SETTINGS, graceSeconds: 300 };

let temporal: TemporalDevServer;
let stripe: StripeStandIn;
let connection: Connection;
let native: NativeConnection;
let workers: Workers;
let running: Promise<void>;
let api: Api;

beforeAll(async () => {
  installRuntime(SILENT);
  [temporal, stripe] = await Promise.all([
    startTemporalDevServer({ searchAttributes: SEARCH_ATTRIBUTES }),
    startStripeStandIn(),
  ]);
  connection = await Connection.connect({ address: temporal.address });
  native = await NativeConnection.connect({ address: temporal.address });
  const client = new Client({ connection, namespace: temporal.namespace });
  const provider = createStripe({ secretKey: 'sk_test_api', apiBase: stripe.url });
  api = await startApi((db) => ({
    settings: BUSY_SETTINGS,
    engine: createEngine(client),
    cards: createCards({ stripe: provider, db, publicUrl: 'http://127.0.0.1', log: SILENT }),
  }));
  stripe.control.setWebhook(`${api.url}/v1/webhooks/stripe`, WEBHOOK_SECRET);
  const { db } = api;
  const others = new Proxy({}, { get: () => async () => {} });
  const world = {
    ledger: createLedger({ db, settings: BUSY_SETTINGS }),
    wake: coalesced(createWorkflowWakes(client)),
    payments: createStripePayments({ stripe: provider, db, publicUrl: api.url, log: SILENT }),
    ...{ refunds: others, disputes: others, mailer: others, platform: others, reconciliation: others },
  } as unknown as World;
  const { namespace } = temporal;
  const workflowBundle = await bundleWorkflows();
  workers = await createWorkers({
    connection: native,
    namespace,
    workflowBundle,
    world,
    shutdownGraceTime: '1 second',
  });
  running = workers.run();
}, 180_000);

afterAll(async () => {
  workers?.shutdown();
  await running;
  await api?.close();
  await native?.close();
  await connection?.close();
  await Promise.all([temporal?.stop(), stripe?.close()]);
}, 60_000);

/** Sends a call until it is not refused as too much for now, as callers do. */
async function patiently(send: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await send();
    if (answer.status !== 503) return answer;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** A team whose good card is charged once its credit falls below $5, and an instance that spends $1 a second. */
async function chargedTeam(team: string) {
  const card = { stripePaymentMethod: 'pm_card_visa' };
  await patiently(() => api.post(`/v1/teams/${team}/payment-methods`, card));
  const policy = { enabled: true, threshold: '5', amount: '500' };
  await patiently(() => api.put(`/v1/teams/${team}/auto-top-up`, policy));
  const started = await patiently(() => api.post('/v1/instances', instanceOf(team, { hourly: '3600' })));
  const fromMs = performance.now();
  expect(started.status).toBe(201);
  const deposits = async () => (await patiently(() => api.get(`/v1/teams/${team}/deposits`))).body.data;
  await expect
    .poll(async () => (await deposits()).map(({ status }: { status: string }) => status), { timeout: 150_000 })
    .toEqual(['succeeded']);
  return { id: started.body.id as string, tookMs: performance.now() - fromMs };
}

/** Facts of every kind of one team, many at once, until `isOver`. `done` grows with each start. */
async function burst(team: string, done: string[], isOver: () => boolean): Promise<void> {
  let calls = 0;
  const lane = async () => {
    while (!isOver() && done.length < STARTS) {
      const call = calls++;
      const event = { id: `e${call}`, team, model: 'one', inputTokens: 1, outputTokens: 0 };
      if (call % 4 === 3) await api.post('/v1/usage', { events: [event] });
      const { status, body } = await api.post('/v1/instances', instanceOf(team, { hourly: '0.001' }));
      if (status !== 201) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        continue;
      }
      done.push(body.id);
      if (call % 3 === 0) await api.post(`/v1/instances/${body.id}/stop`, {});
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

it('A team that crosses its threshold during another team’s burst is charged as a quiet team is, and runs on.', async () => {
  await api.put('/v1/models/one', { input: '1', output: '1' });
  const idle = await chargedTeam(await teamWith(api, '7'));
  const [big, small] = [await teamWith(api, '60'), await teamWith(api, '7')];
  let isOver = false;
  const started: string[] = [];
  const bursting = burst(big, started, () => isOver);
  await expect.poll(() => started.length).toBeGreaterThan(AT_ONCE);
  const { id, tookMs } = await chargedTeam(small).finally(() => {
    isOver = true;
  });
  await bursting;
  expect((await patiently(() => api.get(`/v1/instances/${id}`))).body).toMatchObject({ id, endedAt: null });
  console.info(`charged ${idle.tookMs.toFixed()} ms after the start when quiet, ${tookMs.toFixed()} ms in the burst`);
  expect(tookMs).toBeLessThan(2 * idle.tookMs + ROOM_MS);
}, 400_000);
