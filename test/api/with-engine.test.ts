/** Tests the api with the real Temporal server, the real workers and a provider with Stripe’s protocol. */
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCopperx } from '../../activities/copperx/client.ts';
import { verifyCopperxEvent } from '../../activities/copperx/events.ts';
import { createCopperxPayments } from '../../activities/copperx/payments.ts';
import { createCards } from '../../activities/stripe/cards.ts';
import { createStripe } from '../../activities/stripe/client.ts';
import { createStripeDisputes } from '../../activities/stripe/disputes.ts';
import { STRIPE_EVENTS } from '../../activities/stripe/events.ts';
import { createStripeLooks } from '../../activities/stripe/lookups.ts';
import { createStripePayments } from '../../activities/stripe/payments.ts';
import { createStripeRefunds } from '../../activities/stripe/refunds.ts';
import { createEngine } from '../../api/engine/engine.ts';
import { micros } from '../../billing/money.ts';
import { type CopperxStandIn, startCopperxStandIn } from '../../embedded/copperx/index.ts';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { startTemporalDevServer, type TemporalDevServer } from '../../embedded/temporal.ts';
import { createLedger } from '../../ledger/index.ts';
import { installRuntime } from '../../worker/runtime.ts';
import { createWorkers, type Workers } from '../../worker/workers.ts';
import { bundleWorkflows } from '../../worker/workflow-bundle.ts';
import { instanceState, lookAgain, SEARCH_ATTRIBUTES, workflowId } from '../../workflows/messages.ts';
import { createWorkflowWakes, wakeDepositWorkflow } from '../../workflows/signals.ts';
import { type Api, instanceOf, SETTINGS, startApi, teamWith, WEBHOOK_SECRET } from './support.ts';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

let temporal: TemporalDevServer;
let stripe: StripeStandIn;
let copperx: CopperxStandIn;
let connection: Connection;
let native: NativeConnection;
let client: Client;
let workers: Workers;
let running: Promise<void>;
let workflowBundle: { code: string };
let api: Api;

async function startWorkers(): Promise<void> {
  const { db } = api;
  const log = api.world.log;
  const publicUrl = api.url;
  workers = await createWorkers({
    connection: native,
    namespace: temporal.namespace,
    workflowBundle,
    shutdownGraceTime: '1 second',
    world: {
      ledger: createLedger({ db, settings: SETTINGS }),
      wake: createWorkflowWakes(client),
      payments: createStripePayments({
        stripe: createStripe({ secretKey: 'sk_test_api', apiBase: stripe.url }),
        db,
        publicUrl,
        log,
      }),
      refunds: createStripeRefunds({
        stripe: createStripe({ secretKey: 'sk_test_api', apiBase: stripe.url }),
        db,
        log,
      }),
      disputes: createStripeDisputes({
        stripe: createStripe({ secretKey: 'sk_test_api', apiBase: stripe.url }),
        db,
        log,
      }),
      crypto: createCopperxPayments({
        copperx: createCopperx({ apiKey: 'key', apiBase: copperx.url }),
        db,
        publicUrl,
        confirmations: 12,
        log,
      }),
      mailer: { sendMail: async () => {}, deliverMail: async () => {} },
      platform: {
        terminateMachine: async () => {},
        terminateMachines: async () => {},
        sendEvent: async () => {},
        deliverEvent: async () => {},
      },
      reconciliation: { reconcileDay: async ({ day }) => ({ day, compared: 0, differences: 0 }) },
    },
  });
  running = workers.run();
}

async function stopWorkers(): Promise<void> {
  workers.shutdown();
  await running;
}

beforeAll(async () => {
  installRuntime(SILENT);
  [temporal, stripe, copperx, workflowBundle] = await Promise.all([
    startTemporalDevServer({ searchAttributes: SEARCH_ATTRIBUTES }),
    startStripeStandIn(),
    startCopperxStandIn(),
    bundleWorkflows(),
  ]);
  connection = await Connection.connect({ address: temporal.address });
  native = await NativeConnection.connect({ address: temporal.address });
  client = new Client({ connection, namespace: temporal.namespace });
  api = await startApi((db) => ({
    engine: createEngine(client),
    stripeLooks: createStripeLooks(createStripe({ secretKey: 'sk_test_api', apiBase: stripe.url })),
    verifyCopperxEvent: (raw, signature, nowMs) => verifyCopperxEvent(raw, signature, WEBHOOK_SECRET, nowMs),
    cards: createCards({
      stripe: createStripe({ secretKey: 'sk_test_api', apiBase: stripe.url }),
      db,
      publicUrl: 'http://127.0.0.1',
      log: SILENT,
    }),
  }));
  // As the README has an operator set it up: nothing that the stories need may be missing from the list.
  stripe.control.setWebhook(`${api.url}/v1/webhooks/stripe`, WEBHOOK_SECRET, [...STRIPE_EVENTS]);
  copperx.control.setWebhook(`${api.url}/v1/webhooks/copperx`, WEBHOOK_SECRET);
  await startWorkers();
});

afterAll(async () => {
  await stopWorkers();
  await api.close();
  await native.close();
  await connection.close();
  await Promise.all([temporal.stop(), stripe.close(), copperx.close()]);
});

describe('with all services up, the api', () => {
  it('is ready', async () => {
    // The server takes a moment to count a worker's first poll.
    await expect.poll(async () => (await api.get('/readyz')).status).toBe(200);
    expect((await api.get('/readyz')).body).toEqual({
      status: 'ready',
      database: true,
      writable: true,
      temporal: true,
      worker: true,
      clock: true,
    });
  });

  it('serves an instance from its start to its receipt', async () => {
    const team = await teamWith(api, '50.00');
    const started = await api.post('/v1/instances', instanceOf(team, { id: 'whole-story' }));
    expect(started.status).toBe(201);
    expect(started.body).toMatchObject({ id: 'whole-story', status: 'active', hourly: '2.490000' });

    const { memo } = await client.workflow.getHandle('instance/whole-story').describe();
    expect(memo).toEqual({ requestId: started.headers.get('X-Request-Id') });

    const stopped = await api.post('/v1/instances/whole-story/stop', {});
    expect(stopped.status).toBe(200);
    expect(stopped.body).toMatchObject({ id: 'whole-story', reason: 'stopped' });
    const result = await client.workflow.getHandle('instance/whole-story').result();
    expect(result).toMatchObject({ reason: 'stopped' });
    expect((await api.post('/v1/instances/whole-story/stop', {})).body).toEqual(stopped.body);
  });

  it('refuses a start without credit, leaves no row, and admits the same id when there is credit', async () => {
    const team = await teamWith(api, '2.99');
    const asked = instanceOf(team, { id: 'too-poor' });
    const refused = await api.post('/v1/instances', asked);
    expect(refused.status).toBe(402);
    expect(refused.body.error.code).toBe('insufficient_credit');
    expect((await api.get('/v1/instances/too-poor')).status).toBe(404);

    await api.post(`/v1/teams/${team}/grants`, { amount: '0.01', note: 'enough' });
    expect((await api.post('/v1/instances', asked)).status).toBe(201);
  });

  it('serves a reservation from its start to its lapse, with its covered instances', async () => {
    const team = await teamWith(api, '6.00');
    const asked = { id: 'whole-term', team, gpuType: 'h100-80gb', region: 'eu-west-1', count: 1_000, term: '1m' };
    // $1,740 an hour: $6 last twelve seconds.
    const begun = await api.post('/v1/reservations', asked);
    expect(begun.status).toBe(201);
    const covered = { id: 'covered', team, gpuType: 'h100-80gb', region: 'eu-west-1', pricing: 'reserved' };
    expect((await api.post('/v1/instances', covered)).body).toMatchObject({ status: 'active', hourly: '0.000000' });
    const { memo } = await client.workflow.getHandle(workflowId.reservation('whole-term')).describe();
    expect(memo).toEqual({ requestId: begun.headers.get('X-Request-Id') });
    // Its next settlement is a day away: the watch tells it.
    const result = await client.workflow.getHandle(workflowId.reservation('whole-term')).result();
    expect(result).toMatchObject({ how: 'lapsed', terms: 1 });
    const { body } = await api.get('/v1/reservations/whole-term');
    expect(body).toMatchObject({ status: 'ended', how: 'lapsed' });
    expect(Date.parse(body.endedAt) - Date.parse(body.startedAt)).toBe(12_000);
    expect((await api.get('/v1/instances/covered')).body).toMatchObject({
      reason: 'out_of_credits',
      endedAt: body.endedAt,
      cost: '0.000000',
    });
  });

  it('admits one of twenty simultaneous starts against three dollars, by the arithmetic of the rules', async () => {
    const team = await teamWith(api, '3.00');
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        api.post('/v1/instances', instanceOf(team, { id: `race-${n}`, hourly: '7200' })),
      ),
    );
    for (const { status } of answers) expect([201, 402]).toContain(status);
    const admitted = answers.filter(({ status }) => status === 201).map(({ body }) => body.id);
    const { body } = await api.get(`/v1/instances?team=${team}`);
    expect(body.data.map((instance: { id: string }) => instance.id).sort()).toEqual(admitted.sort());
  });

  it('answers two simultaneous starts of one id with one instance, and the same id for another instance with a conflict', async () => {
    const team = await teamWith(api, '50.00');
    const asked = instanceOf(team, { id: 'twice' });
    const answers = await Promise.all([
      api.post('/v1/instances', asked),
      api.post('/v1/instances', asked),
      api.post('/v1/instances', { ...asked, hourly: '1.00' }),
    ]);
    const statuses = answers.map(({ status }) => status);
    expect([
      [201, 201, 409],
      [409, 409, 201],
    ]).toContainEqual(statuses);
  });

  it('charges a saved card and answers with the outcome', async () => {
    const team = await teamWith(api);
    const card = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    expect(card.status).toBe(201);
    expect(card.body).toMatchObject({ brand: 'visa', last4: '4242', isDefault: true });
    const deposit = { amount: '15.00', method: 'card', paymentMethod: card.body.id };
    const paid = await api.post(`/v1/teams/${team}/deposits`, deposit);
    expect(paid.status).toBe(201);
    expect(paid.body).toMatchObject({ status: 'succeeded', amount: '15.000000', label: 'Deposit', method: 'card' });
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('15.000000');
  });

  it('answers a decline with 402 and keeps the failed row', async () => {
    const team = await teamWith(api);
    const card = await api.post(`/v1/teams/${team}/payment-methods`, {
      stripePaymentMethod: 'pm_card_chargeCustomerFail',
    });
    const deposit = { amount: '15.00', method: 'card', paymentMethod: card.body.id };
    const declined = await api.post(`/v1/teams/${team}/deposits`, deposit);
    expect(declined.status).toBe(402);
    expect(declined.body.error).toMatchObject({ code: 'card_declined', type: 'payment_error' });
    const { body } = await api.get(`/v1/teams/${team}/deposits`);
    expect(body.data).toMatchObject([{ id: declined.body.error.deposit, status: 'failed' }]);
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('0.000000');
  });

  it('answers 502 and names no card when the provider refuses the charge or the page', async () => {
    const team = await teamWith(api);
    const card = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    const saved = { amount: '15.00', method: 'card', paymentMethod: card.body.id };
    const refused: Array<[string, object]> = [
      ['POST /v1/payment_intents', saved],
      ['POST /v1/payment_intents/:id/confirm', saved],
      ['POST /v1/checkout/sessions', { amount: '15.00', method: 'card' }],
    ];
    for (const [on, deposit] of refused) {
      stripe.control.faults.add({ on, kind: 'refuse' });
      const { status, body } = await api.post(`/v1/teams/${team}/deposits`, deposit);
      expect([on, status, body.error.code, body.error.reason]).toEqual([
        on,
        502,
        'provider_rejected',
        'provider_rejected',
      ]);
      expect(body.error.message).not.toMatch(/declined|your bank/);
      const { body: row } = await api.get(`/v1/teams/${team}/deposits/${body.error.deposit}`);
      expect(row).toMatchObject({ status: 'failed', failureCode: 'provider_rejected' });
    }
    expect((await api.get(`/v1/teams/${team}/payment-methods`)).body.data).toHaveLength(1);
  });

  it('opens a page and saves a card for a team whose customer was deleted at Stripe', async () => {
    const team = await teamWith(api);
    await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    const customerOf = async () => (await api.db.team.findUnique({ where: { id: team } }))?.stripeCustomerId ?? '';
    stripe.control.deleteCustomer(await customerOf());
    const page = await api.post(`/v1/teams/${team}/deposits`, { amount: '15.00', method: 'card' });
    expect([page.status, page.body.status, page.body.checkoutUrl]).toEqual([
      201,
      'pending',
      expect.stringContaining(stripe.url),
    ]);
    stripe.control.deleteCustomer(await customerOf());
    const card = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    expect([card.status, card.body.last4]).toEqual([201, '4242']);
  });

  it('copies a new name and address of a team to its customer at Stripe, even after an outage of Stripe', async () => {
    const team = await teamWith(api);
    await api.post(`/v1/teams/${team}/payment-methods`, {});
    const customer = () => stripe.control.customers().find(({ metadata }) => metadata.team === team);
    stripe.control.faults.add({ on: 'POST /v1/customers/:id', kind: 'error' });
    const change = { name: 'Renamed', email: 'renamed@acme.example' };
    expect((await api.send('PATCH', `/v1/teams/${team}`, { body: change })).status).toBe(200);
    await expect.poll(customer).toMatchObject(change);
  });

  it('opens a Checkout page and credits its payment once for two webhooks', async () => {
    const team = await teamWith(api);
    const opened = await api.post(`/v1/teams/${team}/deposits`, { amount: '20.00', method: 'card' });
    expect(opened.status).toBe(201);
    expect(opened.body).toMatchObject({ status: 'pending', checkoutUrl: expect.stringContaining('http') });
    stripe.control.submitCheckout(sessionOf(opened.body.checkoutUrl));
    await expect
      .poll(async () => (await api.get(`/v1/teams/${team}/deposits/${opened.body.id}`)).body.status)
      .toBe('succeeded');
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('20.000000');
  });

  it('credits crypto after two webhooks, with late and excess coins, and each output once', async () => {
    const team = await teamWith(api);
    const { status, body: opened } = await api.post(`/v1/teams/${team}/deposits`, {
      amount: '20.00',
      method: 'crypto',
    });
    expect([status, opened.status]).toEqual([201, 'pending']);
    expect(opened.checkoutUrl).toContain(copperx.url);
    const received = async () => (await api.get(`/v1/teams/${team}/deposits/${opened.id}`)).body;
    copperx.control.pay(opened.id, { amount: '8', confirmations: 12 });
    copperx.control.webhooks.duplicate();
    const { transactionHash } = copperx.control.pay(opened.id, { amount: '12' });
    copperx.control.mine(12);
    await expect.poll(received).toMatchObject({ status: 'succeeded', received: '20.000000' });

    // What comes on top is found by a look of an operator's, or of the next day.
    copperx.control.repeat(opened.id, transactionHash);
    copperx.control.pay(opened.id, { amount: '5', transactionHash, output: 1, confirmations: 12 });
    await client.workflow.getHandle(workflowId.deposit(opened.id)).executeUpdate('lookAgain');
    await expect.poll(received).toMatchObject({ status: 'succeeded', received: '25.000000' });
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('25.000000');
    expect((await received()).transactions).toHaveLength(3);
  });

  it('charges once for a key: a repeat during the first call is refused as in flight, and a later repeat joins the deposit', async () => {
    const team = await teamWith(api);
    const card = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    const asked = { amount: '25.00', method: 'card', paymentMethod: card.body.id };
    const headers = { 'Idempotency-Key': 'one-purchase' };
    const pay = (body = asked) => api.post(`/v1/teams/${team}/deposits`, body, { headers });
    stripe.control.faults.add({
      on: 'POST /v1/payment_intents/:id/confirm',
      kind: 'slow_after_effect',
      ms: 4_000,
    });
    // Which of two that are sent at once comes first is the network's choice.
    const both = await Promise.all([pay(), pay()]);
    const [{ status, body }, late] = both[0].status === 201 ? both : [both[1], both[0]];
    expect([status, body.status]).toEqual([201, 'succeeded']);
    expect([late.status, late.body.error?.code]).toEqual([409, 'idempotency_in_flight']);
    const again = await pay();
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.body).toEqual(body);
    expect((await pay({ ...asked, amount: '26.00' })).body.error.code).toBe('idempotency_key_reused');
    const { data } = (await api.get(`/v1/teams/${team}/deposits`)).body;
    expect(data.map(({ id }: { id: string }) => id)).toEqual([body.id]);
    const charges = stripe.control.charges().filter(({ metadata }) => metadata.deposit === body.id);
    expect(charges.map(({ status, amount }) => [status, amount])).toEqual([['succeeded', 2500]]);
  });

  it.each([
    ['the webhook alone, twice', ['webhook', 'webhook']],
    ['the return page alone, twice', ['return', 'return']],
    ['an operator’s look, then the page, then the webhook', ['look', 'return', 'webhook']],
    ['the webhook, then the page, then a look', ['webhook', 'return', 'look']],
    ['the page, then the webhook of long ago', ['return', 'webhook', 'webhook']],
  ] as const)('credits a Checkout page once, reported by %s', async (_, tellings) => {
    const team = await teamWith(api);
    const { body } = await api.post(`/v1/teams/${team}/deposits`, { amount: '40.00', method: 'card' });
    const session = stripe.control.checkoutSessions().find(({ client_reference_id: id }) => id === body.id);
    stripe.control.webhooks.pause();
    try {
      stripe.control.submitCheckout(session?.id ?? '');
      const paidEvent = stripe.control
        .events()
        .findLast(
          ({ type, data }) =>
            type === 'checkout.session.completed' && (data.object as { id?: string }).id === session?.id,
        );
      const deposit = client.workflow.getHandle(workflowId.deposit(body.id));
      const tell = {
        webhook: async () => stripe.control.resendEvent(paidEvent?.id ?? ''),
        return: () => api.get(`/return?deposit=${body.id}`, { key: null }),
        look: () => deposit.executeUpdate(lookAgain).catch(() => {}), // it may have ended by then
      };
      for (const how of tellings) await tell[how]();
      const read = async () => (await api.get(`/v1/teams/${team}/deposits/${body.id}`)).body.status;
      await expect.poll(read).toBe('succeeded');
      await deposit.result();
      expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('40.000000');
      const { data } = (await api.get(`/v1/teams/${team}/transactions`)).body;
      expect(data.map(({ code, amount }: Record<string, string>) => [code, amount])).toEqual([
        ['deposit', '40.000000'],
      ]);
    } finally {
      stripe.control.webhooks.reset();
      stripe.control.webhooks.resume();
    }
  });

  it('credits the payment of a Checkout page after an operator has terminated its workflow', async () => {
    const team = await teamWith(api);
    const { body: opened } = await api.post(`/v1/teams/${team}/deposits`, { amount: '20.00', method: 'card' });
    await client.workflow.getHandle(workflowId.deposit(opened.id)).terminate('by mistake');
    stripe.control.submitCheckout(sessionOf(opened.checkoutUrl));
    await expect
      .poll(async () => (await api.get(`/v1/teams/${team}/deposits/${opened.id}`)).body.status)
      .toBe('succeeded');
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('20.000000');
  });

  it('switches auto top-up on and charges at once when the balance is below the threshold', async () => {
    const team = await teamWith(api);
    await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    const put = await api.put(`/v1/teams/${team}/auto-top-up`, { enabled: true, threshold: '5', amount: '15' });
    expect(put.status).toBe(200);
    expect(put.body).toMatchObject({ enabled: true, threshold: '5.000000', amount: '15.000000' });
    await expect.poll(async () => (await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('15.000000');
    const { body } = await api.get(`/v1/teams/${team}/auto-top-up`);
    expect(body).toMatchObject({ state: 'cooling_down', lastAttempt: { status: 'succeeded' }, disabledReason: null });
    expect((await api.get(`/v1/teams/${team}/deposits`)).body.data[0].label).toBe('Auto Top-Up');
  });
});

describe('money back', () => {
  /** A team that has paid in $50 by card. */
  async function paid() {
    const team = await teamWith(api);
    const card = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    const asked = { amount: '50.00', method: 'card', paymentMethod: card.body.id };
    const { id } = (await api.post(`/v1/teams/${team}/deposits`, asked)).body;
    const intent = stripe.control.paymentIntents().find(({ metadata }) => metadata.deposit === id)?.id ?? '';
    const read = async () => (await api.get(`/v1/teams/${team}/balance`)).body;
    const spend = (tokens: number) =>
      api.world.ledger.recordUsage({
        events: [
          {
            ...{ teamId: team, eventId: `e${tokens}`, model: 'm', project: null, atSecond: null, holdId: null },
            price: { inputMicrosPerMillion: micros(1_000_000), outputMicrosPerMillion: micros(0) },
            inputTokens: tokens,
            outputTokens: 0,
          },
        ],
        receivedSecond: Math.floor(Date.now() / 1000),
        causedBy: 'test',
      });
    const labels = async () =>
      (await api.get(`/v1/teams/${team}/deposits`)).body.data.map(
        ({ label, amount, status }: Record<string, string>) => `${label} ${amount} ${status}`,
      );
    const balanceBecomes = (balance: object) => expect.poll(read).toMatchObject(balance);
    return { team, id, intent, spend, labels, balanceBecomes };
  }
  const refundsOf = (intent: string) =>
    stripe.control.refunds().filter(({ payment_intent }) => payment_intent === intent);

  it('of a partly spent deposit refunds the unspent rest once', async () => {
    const { id, intent, spend, labels, balanceBecomes } = await paid();
    await spend(12_345_678);
    const refund = await api.post(`/v1/deposits/${id}/refund`, {});
    expect([refund.status, refund.body]).toMatchObject([201, { amount: '37.650000', status: 'succeeded' }]);
    expect(refundsOf(intent)).toMatchObject([{ amount: 3765, metadata: { refund: refund.body.id, deposit: id } }]);
    await balanceBecomes({ available: '0.004322', owed: '0.000000' });
    expect(await labels()).toEqual(['Refund -37.650000 succeeded', 'Deposit 50.000000 succeeded']);
    await client.workflow.getHandle(workflowId.refund(refund.body.id)).describe();
  });

  it('in Stripe’s dashboard is found by webhook and posted once, with the spent part as owed', async () => {
    const { team, id, intent, spend, labels, balanceBecomes } = await paid();
    await spend(30_000_000);
    await createStripe({ secretKey: 'sk_test_api', apiBase: stripe.url }).refunds.create({ payment_intent: intent });
    await balanceBecomes({ available: '0.000000', owed: '30.000000' });
    await expect.poll(labels).toEqual(['Refund -50.000000 succeeded', 'Deposit 50.000000 refunded']);
    for (const event of stripe.control.events().filter(({ type }) => type.includes('refund')))
      stripe.control.resendEvent(event.id);
    await api.post(`/v1/teams/${team}/grants`, { amount: '31', note: 'pays what is owed first' });
    await balanceBecomes({ available: '1.000000', owed: '0.000000' });
    expect((await api.get(`/v1/teams/${team}/deposits/${id}`)).body).toMatchObject({ refunded: '50.000000' });
  });

  it('for a dispute of a partly spent deposit holds the rest, and after a loss the missing part is owed and collected', async () => {
    const { team, intent, spend, labels, balanceBecomes } = await paid();
    await spend(30_000_000);
    const dispute = stripe.control.openDispute(intent);
    await balanceBecomes({ available: '0.000000', held: '20.000000', posted: '20.000000', owed: '0.000000' });
    await api.post(`/v1/teams/${team}/grants`, { amount: '5', note: 'held too' });
    await balanceBecomes({ available: '0.000000', held: '25.000000' });
    stripe.control.closeDispute(dispute.id, 'lost');
    await balanceBecomes({ available: '0.000000', held: '0.000000', posted: '0.000000', owed: '25.000000' });
    await api.post(`/v1/teams/${team}/grants`, { amount: '40', note: 'pays what is owed first' });
    await balanceBecomes({ available: '15.000000', owed: '0.000000' });
    expect(await labels()).toEqual(['Dispute -50.000000 lost', 'Deposit 50.000000 disputed']);
  });

  it('for a dispute that is won releases the held credit, although the webhook of the end came before that of the beginning', async () => {
    const { intent, labels, balanceBecomes } = await paid();
    stripe.control.webhooks.pause();
    const dispute = stripe.control.openDispute(intent);
    stripe.control.closeDispute(dispute.id, 'won');
    stripe.control.webhooks.resume();
    await expect.poll(labels).toEqual(['Dispute -50.000000 won', 'Deposit 50.000000 succeeded']);
    await balanceBecomes({ available: '50.000000', held: '0.000000' });
  });
});

const sessionOf = (url: string): string => /cs_\w+/.exec(url)?.[0] ?? '';

describe('without a running worker, the api', () => {
  it('records a start, whose workflow runs when the worker returns, and after ten seconds refuses the team’s other starts', async () => {
    const team = await teamWith(api, '50.00');
    await stopWorkers();
    expect((await api.post('/v1/instances', instanceOf(team, { id: 'early' }))).status).toBe(201);
    api.clock.aheadMs += 11_000;
    const refused = await api.post('/v1/instances', instanceOf(team, { id: 'late' }));
    expect([refused.status, refused.body.error.code]).toEqual([503, 'engine_unavailable']);
    expect(refused.headers.get('Retry-After')).toBe('2');
    expect((await api.get('/v1/instances/late')).status).toBe(404);

    await startWorkers();
    const again = async () => (await api.post('/v1/instances', instanceOf(team, { id: 'late' }))).status;
    await expect.poll(again).toBe(201);
    expect(await client.workflow.getHandle('instance/early').query(instanceState)).toMatchObject({ state: 'running' });
  });

  it('records a deposit as pending, which is charged once when the worker returns, and after ten seconds refuses the team’s other payments', async () => {
    const team = await teamWith(api);
    const card = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
    const asked = { amount: '20', method: 'card', paymentMethod: card.body.id };
    const pay = (id: string) => api.post(`/v1/teams/${team}/deposits`, { id, ...asked });
    const read = async (id: string) => (await api.get(`/v1/teams/${team}/deposits/${id}`)).body;
    const { aheadMs } = api.clock;
    await stopWorkers();
    try {
      // For the engine the call was received seven seconds ago, so it is waited for only a little longer.
      api.clock.aheadMs = -7_000;
      const opened = await pay('unwatched');
      expect([opened.status, opened.body.status]).toEqual([201, 'pending']);
      api.clock.aheadMs = 4_000;
      const refused = await pay('refused');
      expect([refused.status, refused.body.error.code]).toEqual([503, 'engine_unavailable']);
      expect((await read('refused')).error.code).toBe('not_found');
    } finally {
      api.clock.aheadMs = aheadMs;
      await startWorkers();
    }
    // As the sweeper does, whether or not the engine has received the call.
    await wakeDepositWorkflow(client, { depositId: 'unwatched', teamId: team, kind: 'saved_card' });
    await expect.poll(async () => (await read('unwatched')).status).toBe('succeeded');
    const charges = stripe.control.paymentIntents().filter(({ metadata }) => metadata.team === team);
    expect(charges).toMatchObject([{ amount: 2_000, status: 'succeeded', metadata: { deposit: 'unwatched' } }]);
    expect((await pay('refused')).body.status).toBe('succeeded');
  });
});
