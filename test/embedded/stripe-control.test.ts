/** Tests the control interface of the Stripe stand-in, its shutdown and its state file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { chargeParams, customerWithCard, refusal, SECRET, startReceiver, startWithSdk } from './stripe-helpers.ts';

async function start(...args: Parameters<typeof startWithSdk>) {
  const started = await startWithSdk(...args);
  onTestFinished(() => started.standIn.close());
  return started;
}

describe('the control interface over HTTP', () => {
  async function startControlled() {
    const started = await start();
    const call = async (method: string, path: string, body?: object) => {
      const answer = await fetch(`${started.standIn.url}/_control${path}`, {
        method,
        ...(body ? { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {}),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    };
    return { ...started, call };
  }

  test('sets and removes faults', async () => {
    const { stripe, call } = await startControlled();
    await call('POST', '/faults', { on: 'GET /v1/customers', kind: 'rate_limit', times: 'always' });
    expect((await refusal(stripe.customers.list())).statusCode).toBe(429);
    expect((await call('GET', '/faults')).body).toMatchObject({ faults: [{ kind: 'rate_limit', times: 'always' }] });
    await call('DELETE', '/faults');
    expect((await stripe.customers.list()).data).toEqual([]);
    expect((await call('POST', '/faults', { on: '*', kind: 'earthquake' })).status).toBe(400);
  });

  test('makes a card decline, disputes its charge, and lists both', async () => {
    const { stripe, call } = await startControlled();
    const { customer, card } = await customerWithCard(stripe);
    const paid = await stripe.paymentIntents.create(chargeParams(customer, card));
    await call('POST', '/cards/decline', { customer, declineCode: 'lost_card' });
    expect((await refusal(stripe.paymentIntents.create(chargeParams(customer, card)))).decline_code).toBe('lost_card');
    const dispute = await call('POST', '/disputes', { charge: paid.id });
    expect((await call('POST', `/disputes/${dispute.body.id}/close`, { outcome: 'lost' })).body.status).toBe('lost');
    expect((await call('GET', '/charges')).body).toMatchObject([{ disputed: true }, { status: 'failed' }]);
    expect((await call('POST', '/disputes', { charge: 'ch_nobody' })).status).toBe(404);
  });

  test('decides a dispute again, reopens it and changes its amount, and moves the money each time', async () => {
    const { stripe, call, control } = await startControlled();
    const { customer, card } = await customerWithCard(stripe);
    const paid = await stripe.paymentIntents.create(chargeParams(customer, card));
    const { id } = (await call('POST', '/disputes', { charge: paid.id })).body as { id: string };
    const moved = () =>
      control
        .balanceTransactions()
        .filter(({ source }) => source === id)
        .map(({ amount }) => amount);
    await call('POST', `/disputes/${id}/decide`, { outcome: 'lost' });
    await call('POST', `/disputes/${id}/decide`, { outcome: 'won' });
    expect((await call('POST', `/disputes/${id}/reopen`, { status: 'under_review' })).body.status).toBe('under_review');
    await call('POST', `/disputes/${id}/amount`, { amount: 500 });
    await call('POST', `/disputes/${id}/decide`, { outcome: 'lost' });
    expect(moved()).toEqual([-paid.amount, paid.amount, -paid.amount, paid.amount - 500]);
    expect(await stripe.disputes.retrieve(id)).toMatchObject({ status: 'lost', amount: 500 });
    const eventTypes = control.events().map(({ type }) => type);
    expect(eventTypes.filter((type) => type === 'charge.dispute.funds_reinstated')).toHaveLength(2);
    expect(eventTypes.filter((type) => type === 'charge.dispute.closed')).toHaveLength(3);
    expect((await call('POST', `/disputes/${id}/decide`, { outcome: 'maybe' })).status).toBe(400);
    expect((await call('POST', `/disputes/${id}/amount`, { amount: -1 })).status).toBe(400);
    expect((await call('POST', '/disputes/du_nobody/reopen')).status).toBe(404);
  });

  test('turns a closed inquiry into a dispute', async () => {
    const { stripe, call } = await startControlled();
    const { customer, card } = await customerWithCard(stripe);
    const paid = await stripe.paymentIntents.create(chargeParams(customer, card));
    const { id } = (await call('POST', '/disputes', { charge: paid.id, inquiry: true })).body as { id: string };
    await call('POST', `/disputes/${id}/close`, { outcome: 'won' });
    expect((await stripe.disputes.retrieve(id)).status).toBe('warning_closed');
    await call('POST', `/disputes/${id}/reopen`);
    expect(await stripe.disputes.retrieve(id)).toMatchObject({ status: 'needs_response', is_charge_refundable: false });
  });

  test('changes the outcome of a refund, whatever it was', async () => {
    const { stripe, call, control } = await startControlled();
    const { customer, card } = await customerWithCard(stripe);
    const paid = await stripe.paymentIntents.create(chargeParams(customer, card));
    const { id } = await stripe.refunds.create({ payment_intent: paid.id });
    const refunded = () => control.charges()[0]?.amount_refunded;
    for (const [outcome, amount] of [
      ['failed', 0],
      ['succeeded', paid.amount],
      ['canceled', 0],
      ['pending', paid.amount],
    ] as const) {
      expect((await call('POST', `/refunds/${id}/settle`, { outcome })).body.status).toBe(outcome);
      expect(refunded()).toBe(amount);
    }
    expect((await call('POST', `/refunds/${id}/settle`, { outcome: 'lost' })).status).toBe(400);
  });

  test('lets a cancelled payment and an expired page be paid later', async () => {
    const { stripe, call, control } = await startControlled();
    const { customer, card } = await customerWithCard(stripe);
    const { amount, currency } = chargeParams(customer, card);
    const intent = await stripe.paymentIntents.create({ amount, currency, customer, payment_method: card });
    await stripe.paymentIntents.cancel(intent.id);
    await call('POST', `/payment_intents/${intent.id}/succeed_later`);
    expect(await stripe.paymentIntents.retrieve(intent.id)).toMatchObject({ status: 'succeeded', canceled_at: null });
    expect((await call('POST', `/payment_intents/${intent.id}/succeed_later`)).status).toBe(400);

    const session = await stripe.checkout.sessions.create({
      mode: 'payment',
      success_url: 'https://burnrate.test/back',
      line_items: [
        { quantity: 1, price_data: { currency: 'usd', unit_amount: 1500, product_data: { name: 'credit' } } },
      ],
    });
    await stripe.checkout.sessions.expire(session.id);
    await call('POST', `/checkout/sessions/${session.id}/complete_expired`, {});
    const paid = await stripe.checkout.sessions.retrieve(session.id);
    expect(paid).toMatchObject({ status: 'complete', payment_status: 'paid' });
    expect(control.events().map(({ type }) => type)).toContain('checkout.session.completed');
  });

  test('refuses a single call with the given message, stores the refusal under its key, and then continues', async () => {
    const { stripe, call } = await startControlled();
    const refused = { status: 402, type: 'card_error', code: 'card_declined', declineCode: 'lost_card', param: 'x' };
    const fault = { on: 'POST /v1/customers', kind: 'refuse', refusal: { ...refused, message: 'No.' } };
    await call('POST', '/faults', fault);
    const error = await refusal(stripe.customers.create({}, { idempotencyKey: 'k' }));
    expect(error).toMatchObject({ statusCode: 402, code: 'card_declined', decline_code: 'lost_card', message: 'No.' });
    expect((await refusal(stripe.customers.create({}, { idempotencyKey: 'k' }))).message).toBe('No.');
    expect((await stripe.customers.create()).object).toBe('customer');
    await call('POST', '/faults', { on: 'GET /v1/customers', kind: 'refuse' });
    expect((await refusal(stripe.customers.list())).statusCode).toBe(400);
    const bad = { on: '*', kind: 'refuse', refusal: { status: 200 } };
    expect((await call('POST', '/faults', bad)).status).toBe(400);
  });

  test('deletes a customer as Stripe does, and forgets any object', async () => {
    const { stripe, call } = await startControlled();
    const { customer, card } = await customerWithCard(stripe);
    const paid = await stripe.paymentIntents.create(chargeParams(customer, card));
    const page = await stripe.checkout.sessions.create({
      mode: 'setup',
      currency: 'usd',
      customer,
      success_url: 'https://x.test',
    });
    const refund = await stripe.refunds.create({ payment_intent: paid.id, amount: 1 });
    const dispute = (await call('POST', '/disputes', { charge: paid.id })).body;
    await call('DELETE', `/customers/${customer}`);
    expect(await stripe.customers.retrieve(customer)).toMatchObject({ id: customer, deleted: true });
    expect(await stripe.paymentMethods.retrieve(card)).toMatchObject({ customer: null });
    const missing: Array<[string, () => Promise<unknown>]> = [
      [paid.id, () => stripe.paymentIntents.retrieve(paid.id)],
      [page.id, () => stripe.checkout.sessions.retrieve(page.id)],
      [refund.id, () => stripe.refunds.retrieve(refund.id)],
      [String(dispute.id), () => stripe.disputes.retrieve(String(dispute.id))],
      [card, () => stripe.paymentMethods.retrieve(card)],
      [customer, () => stripe.customers.retrieve(customer)],
    ];
    for (const [id, ask] of missing) {
      await ask();
      expect((await call('DELETE', `/objects/${id}?live=true`)).status).toBe(200);
      const error = await refusal(ask());
      expect([error.statusCode, error.code]).toEqual([404, 'resource_missing']);
      expect(error.message).toMatch(/^No such .*; a similar object exists in live mode/);
    }
    expect((await call('DELETE', '/objects/pi_nowhere')).status).toBe(404);
    const other = await stripe.customers.create();
    await call('DELETE', '/objects');
    expect((await refusal(stripe.customers.retrieve(other.id))).message).toBe(`No such customer: '${other.id}'`);
  });

  test('sets the webhook endpoint and its answers', async () => {
    const { stripe, call, control } = await startControlled();
    const receiver = await startReceiver();
    onTestFinished(() => receiver.close());
    await call('PUT', '/webhook', { url: receiver.url, secret: SECRET });
    await call('POST', '/webhooks/duplicate', { type: 'customer.created' });
    await stripe.customers.create();
    await control.webhooks.settled();
    expect(receiver.types()).toEqual(['customer.created', 'customer.created']);
  });
});

describe('closing', () => {
  test('ends open calls and waiting webhooks', async () => {
    const { standIn, stripe, control } = await startWithSdk({
      webhook: { url: 'http://127.0.0.1:1/', secret: SECRET },
    });
    await stripe.customers.create();
    control.webhooks.delay(3_600_000);
    await stripe.customers.create();
    control.faults.add({ on: '*', kind: 'hang', times: 'always' });
    const hanging = refusal(stripe.customers.list());
    await expect.poll(() => control.requests().length).toBe(3);
    await standIn.close();
    expect((await hanging).type).toBe('StripeConnectionError');
    await control.webhooks.settled();
  });
});

describe('a state file', () => {
  function stateFile() {
    const folder = mkdtempSync(join(tmpdir(), 'stripe-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    return join(folder, 'deep', 'stripe.json');
  }

  test('keeps customers, cards, charges and idempotency keys over a restart', async () => {
    const file = stateFile();
    const first = await startWithSdk({ file });
    const { customer, card } = await customerWithCard(first.stripe);
    const key = { idempotencyKey: 'k1' };
    const { id } = await first.stripe.paymentIntents.create(chargeParams(customer, card), key);
    await first.standIn.close();

    const { stripe, control, standIn } = await start({ file });
    expect(await stripe.customers.retrieve(customer)).toMatchObject({ email: 'team@example.com' });
    expect((await stripe.paymentIntents.create(chargeParams(customer, card), key)).id).toBe(id);
    expect((await stripe.paymentIntents.create(chargeParams(customer, card))).status).toBe('succeeded');
    expect(control.charges()).toHaveLength(2);
    const [charge] = control.charges();
    expect(charge?.receipt_url).toContain(standIn.url);
    expect((await fetch(charge?.receipt_url ?? '')).status).toBe(200);
  });

  test('keeps undelivered events, and delivers them', async () => {
    const file = stateFile();
    const first = await startWithSdk({ file, webhook: { url: 'http://127.0.0.1:1/', secret: SECRET } });
    const { id } = await first.stripe.customers.create();
    await first.standIn.close();

    const receiver = await startReceiver();
    onTestFinished(() => receiver.close());
    const { control } = await start({ file, webhook: { url: receiver.url, secret: SECRET } });
    await control.webhooks.settled();
    expect(receiver.received[0]?.event.data.object).toMatchObject({ id });
  });
});
