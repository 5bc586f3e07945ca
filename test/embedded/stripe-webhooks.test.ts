/** Tests the webhooks of the Stripe stand-in: signature, content, retries and scripted deliveries. */
import type Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Control, StripeStandIn } from '../../embedded/stripe/index.ts';
import { chargeParams, customerWithCard, SECRET, startReceiver, startWithSdk } from './stripe-helpers.ts';

let standIn: StripeStandIn;
let control: Control;
let stripe: Stripe;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let answer: (nth: number) => number;

beforeEach(async () => {
  answer = () => 200;
  receiver = await startReceiver((nth) => answer(nth));
  const webhook = { url: receiver.url, secret: SECRET };
  ({ standIn, control, stripe } = await startWithSdk({ webhook, retry: { firstMs: 1 } }));
});
afterEach(async () => {
  await standIn.close();
  await receiver.close();
});

const customers = async (count: number) => {
  const made: string[] = [];
  for (let n = 0; n < count; n++) made.push((await stripe.customers.create({ name: `${n}` })).id);
  return made;
};
const receivedIds = () => receiver.received.map(({ event }) => (event.data.object as { id: string }).id);

describe('webhooks', () => {
  test('report a payment, with a signature that the SDK verifies', async () => {
    const { customer, card } = await customerWithCard(stripe);
    const { id } = await stripe.paymentIntents.create(chargeParams(customer, card), { idempotencyKey: 'k1' });
    await control.webhooks.settled();

    expect(receiver.types().sort()).toEqual(
      [
        'customer.created',
        'payment_method.attached',
        'payment_intent.created',
        'charge.succeeded',
        'payment_intent.succeeded',
      ].sort(),
    );
    const succeeded = receiver.received.find(({ event }) => event.type === 'payment_intent.succeeded');
    const { body = '', headers } = succeeded ?? {};
    const event = stripe.webhooks.constructEvent(body, headers?.['stripe-signature'] ?? '', SECRET);
    expect(event).toMatchObject({
      object: 'event',
      livemode: false,
      data: { object: { id, object: 'payment_intent', status: 'succeeded' } },
      request: { idempotency_key: 'k1' },
    });
    expect(() => stripe.webhooks.constructEvent(body, headers?.['stripe-signature'] ?? '', 'whsec_other')).toThrow();
    expect(await stripe.events.retrieve(event.id)).toMatchObject({ id: event.id, pending_webhooks: 0 });
  });

  test('show the object at the time of the event', async () => {
    const { customer, card } = await customerWithCard(stripe);
    await stripe.paymentIntents.create(chargeParams(customer, card));
    const { data } = await stripe.events.list({ type: 'payment_intent.*' });
    expect(data.map((event) => (event.data.object as Stripe.PaymentIntent).status)).toEqual([
      'succeeded',
      'requires_confirmation',
    ]);
  });

  test('are sent again until the endpoint accepts them', async () => {
    answer = (nth) => (nth < 3 ? 500 : 200);
    const [id] = await customers(1);
    await control.webhooks.settled();
    expect(receivedIds()).toEqual([id, id, id]);
    expect(control.webhooks.deliveries.map(({ attempt, status }) => ({ attempt, status }))).toEqual([
      { attempt: 1, status: 500 },
      { attempt: 2, status: 500 },
      { attempt: 3, status: 200 },
    ]);
  });

  test('are sent twice on request, with one event id', async () => {
    control.webhooks.duplicate(1, 'customer.created');
    await customers(1);
    await control.webhooks.settled();
    expect(receiver.received).toHaveLength(2);
    expect(new Set(receiver.received.map(({ event }) => event.id)).size).toBe(1);
  });

  test('are lost on request, and stay in the list of events', async () => {
    control.webhooks.lose();
    const [lost, second] = await customers(2);
    await control.webhooks.settled();
    expect(receivedIds()).toEqual([second]);
    const { data } = await stripe.events.list({ type: 'customer.created' });
    expect(data.map((event) => (event.data.object as Stripe.Customer).id)).toEqual([second, lost]);
    await control.resendEvent(data[1]?.id ?? '');
    await control.webhooks.settled();
    expect(receivedIds()).toEqual([second, lost]);
  });

  test('arrive in reverse order on request', async () => {
    control.webhooks.reorder(3);
    const made = await customers(3);
    await receiver.until(() => receiver.received.length === 3);
    expect(receivedIds()).toEqual([...made].reverse());
  });

  test('wait while paused', async () => {
    control.webhooks.pause();
    const made = await customers(1);
    expect(control.webhooks.held).toHaveLength(1);
    expect(receiver.received).toEqual([]);
    control.webhooks.resume();
    await control.webhooks.settled();
    expect(receivedIds()).toEqual(made);
  });

  test('can be delayed, so that a later webhook arrives first', async () => {
    control.webhooks.delay(50);
    const [delayed, prompt] = await customers(2);
    await control.webhooks.settled();
    expect(receivedIds()).toEqual([prompt, delayed]);
  });

  test('are sent only for the requested types, at an endpoint set later', async () => {
    control.setWebhook(receiver.url, SECRET, ['charge.*']);
    const { customer, card } = await customerWithCard(stripe);
    await stripe.paymentIntents.create(chargeParams(customer, card));
    await control.webhooks.settled();
    expect(receiver.types()).toEqual(['charge.succeeded']);
  });

  test('report disputes and refunds', async () => {
    const { customer, card } = await customerWithCard(stripe);
    const first = await stripe.paymentIntents.create(chargeParams(customer, card));
    const second = await stripe.paymentIntents.create(chargeParams(customer, card));
    await stripe.refunds.create({ payment_intent: first.id });
    const dispute = control.openDispute(second.id);
    control.closeDispute(dispute.id, 'lost');
    await control.webhooks.settled();
    expect(receiver.types()).toEqual(
      expect.arrayContaining([
        'refund.created',
        'charge.refunded',
        'charge.dispute.created',
        'charge.dispute.funds_withdrawn',
        'charge.dispute.closed',
      ]),
    );
  });
});
