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

  test('arms and takes back faults', async () => {
    const { stripe, call } = await startControlled();
    await call('POST', '/faults', { on: 'GET /v1/customers', kind: 'rate_limit', times: 'always' });
    expect((await refusal(stripe.customers.list())).statusCode).toBe(429);
    expect((await call('GET', '/faults')).body).toMatchObject({ faults: [{ kind: 'rate_limit', times: 'always' }] });
    await call('DELETE', '/faults');
    expect((await stripe.customers.list()).data).toEqual([]);
    expect((await call('POST', '/faults', { on: '*', kind: 'earthquake' })).status).toBe(400);
  });

  test('makes a card decline, disputes its charge, and shows both', async () => {
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

  test('sets the webhook endpoint and scripts it', async () => {
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
  test('lets go of calls that hang and of webhooks that wait', async () => {
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

  test('keeps what could not be delivered, and delivers it', async () => {
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
