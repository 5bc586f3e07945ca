/** Tests the gates of the stand-ins, which hold a request or an answer until the test releases it. */
import nodemailer from 'nodemailer';
import type Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CopperxStandIn, startCopperxStandIn } from '../../embedded/copperx/index.ts';
import type { Way } from '../../embedded/gates.ts';
import { type MailInbox, startMailInbox } from '../../embedded/mail/inbox.ts';
import type { Control, StripeStandIn } from '../../embedded/stripe/index.ts';
import {
  CARD_ONLY,
  customerWithCard,
  refusal,
  SECRET,
  sdkThatGivesUp,
  startReceiver,
  startWithSdk,
} from './stripe-helpers.ts';

describe('a gate of the Stripe stand-in', () => {
  let standIn: StripeStandIn;
  let control: Control;
  let stripe: Stripe;
  let intent: string;

  beforeEach(async () => {
    ({ standIn, control, stripe } = await startWithSdk());
    const { customer, card } = await customerWithCard(stripe);
    const params = { ...CARD_ONLY, amount: 2000, currency: 'usd', customer, payment_method: card };
    intent = (await stripe.paymentIntents.create({ ...params, metadata: { team: 't1' } })).id;
  });
  afterEach(() => standIn.close());

  const hold = (point: 'arrival' | 'answer') =>
    control.gates.hold((passing) => passing.point === point && passing.path.endsWith('/confirm'));
  const statusOf = async () => (await stripe.paymentIntents.retrieve(intent)).status;

  test('holds a request before it has an effect, and lets it continue', async () => {
    const gate = hold('arrival');
    const confirming = stripe.paymentIntents.confirm(intent);
    const { passing } = await gate.reached;
    expect(passing.object).toMatchObject({ id: intent, metadata: { team: 't1' } });
    expect(await statusOf()).toBe('requires_confirmation');
    gate.release();
    expect((await confirming).status).toBe('succeeded');
  });

  test('holds an answer after the effect', async () => {
    const gate = hold('answer');
    const confirming = stripe.paymentIntents.confirm(intent);
    await gate.reached;
    expect(await statusOf()).toBe('succeeded');
    gate.release();
    expect((await confirming).status).toBe('succeeded');
  });

  test('holds one request, while the next request and unmatched requests pass', async () => {
    const gate = hold('arrival');
    const held = stripe.paymentIntents.confirm(intent);
    await gate.reached;
    expect((await stripe.paymentIntents.confirm(intent)).status).toBe('succeeded');
    gate.release();
    expect((await refusal(held)).code).toBe('payment_intent_unexpected_state');
  });

  test('that is released before a request arrives holds no request', async () => {
    hold('arrival').release('drop');
    expect((await stripe.paymentIntents.confirm(intent)).status).toBe('succeeded');
  });

  const ways: [Way, 'arrival' | 'answer', number | undefined, string][] = [
    ['drop', 'arrival', undefined, 'requires_confirmation'],
    ['drop', 'answer', undefined, 'succeeded'],
    ['rate_limit', 'arrival', 429, 'requires_confirmation'],
    ['rate_limit', 'answer', 429, 'succeeded'],
    ['error', 'arrival', 500, 'requires_confirmation'],
    ['error', 'answer', 500, 'succeeded'],
  ];
  test.each(ways)(
    'releases as %s at the %s: the caller receives %s, and the payment is %s',
    async (way, point, heard, is) => {
      const gate = hold(point);
      const confirming = refusal(stripe.paymentIntents.confirm(intent));
      await gate.reached;
      // The SDK repeats a dropped call once by itself.
      if (way === 'drop') control.faults.add({ on: 'POST /v1/payment_intents/:id/confirm', kind: 'drop' });
      gate.release(way);
      expect((await confirming).statusCode).toBe(heard);
      expect(await statusOf()).toBe(is);
    },
  );

  test('stores a 500 under the key, and not a 429', async () => {
    for (const [way, again] of [
      ['error', 500],
      ['rate_limit', 200],
    ] as const) {
      const idempotencyKey = `confirm-${way}`;
      const gate = hold('arrival');
      const confirming = refusal(stripe.paymentIntents.confirm(intent, {}, { idempotencyKey }));
      await gate.reached;
      gate.release(way);
      await confirming;
      const status = await stripe.paymentIntents.confirm(intent, {}, { idempotencyKey }).then(
        (answer) => answer.lastResponse.statusCode,
        (error: Stripe.errors.StripeError) => error.statusCode,
      );
      expect(status, way).toBe(again);
    }
  });

  test('detects that the caller has disconnected, and still carries out the request', async () => {
    const gate = hold('arrival');
    const { stripe: waiting, giveUp } = sdkThatGivesUp(standIn);
    const unanswered = refusal(waiting.paymentIntents.confirm(intent));
    const held = await gate.reached;
    expect(held.hasGivenUp()).toBe(false);
    giveUp();
    await held.givenUp;
    expect(held.hasGivenUp()).toBe(true);
    expect((await unanswered).type).toBe('StripeConnectionError');
    gate.release();
    await expect.poll(statusOf).toBe('succeeded');
  });

  test('holds a form that a person sends to a page', async () => {
    const session = await stripe.checkout.sessions.create({
      mode: 'payment',
      success_url: 'https://app.example.com/done',
      line_items: [
        { price_data: { currency: 'usd', unit_amount: 5000, product_data: { name: 'Credit' } }, quantity: 1 },
      ],
    });
    const page = session.url ?? '';
    for (const [way, status] of [
      ['rate_limit', 429],
      ['error', 500],
    ] as const) {
      const gate = control.gates.hold(({ object }) => object?.id === session.id);
      const pressed = fetch(page, { method: 'POST' });
      await gate.reached;
      gate.release(way);
      expect((await pressed).status).toBe(status);
    }
    const gate = control.gates.hold(({ object }) => object?.id === session.id);
    const pressed = fetch(page, { method: 'POST' });
    await gate.reached;
    gate.release('drop');
    await expect(pressed).rejects.toThrow();
    expect((await stripe.checkout.sessions.retrieve(session.id)).status).toBe('open');
  });

  test('does not prevent the stand-in from closing', async () => {
    const gate = hold('arrival');
    const confirming = refusal(stripe.paymentIntents.confirm(intent));
    await gate.reached;
    await standIn.close();
    expect((await confirming).type).toBe('StripeConnectionError');
    ({ standIn, control, stripe } = await startWithSdk());
  });
});

describe('a gate of the CopperX stand-in', () => {
  const SESSIONS = '/api/v1/checkout/sessions';
  let standIn: CopperxStandIn;
  let id: string;
  beforeEach(async () => {
    standIn = await startCopperxStandIn();
    const priceData = { currency: 'usdc', unitAmount: '2500000000', productData: { name: 'Credit' } };
    const body = { successUrl: 'https://app.example.com/done', lineItems: { data: [{ priceData }] } };
    id = ((await (await call('POST', SESSIONS, body)).json()) as { id: string }).id;
  });
  afterEach(() => standIn.close());

  const call = (method: string, path: string, body?: object) =>
    fetch(standIn.url + path, {
      method,
      headers: { authorization: 'Bearer key', 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
  const statusOf = async (answer: Promise<Response>) =>
    answer.then(
      ({ status }) => status,
      () => undefined,
    );

  const ways: [Way, number | undefined][] = [
    ['on', 200],
    ['drop', undefined],
    ['rate_limit', 429],
    ['error', 500],
  ];
  test.each(ways)('releases as %s, at arrival and at answer: the caller receives %s', async (way, heard) => {
    for (const point of ['arrival', 'answer'] as const) {
      const gate = standIn.control.gates.hold((at) => at.point === point && at.session?.id === id);
      const asking = statusOf(call('GET', `${SESSIONS}/${id}`));
      await gate.reached;
      gate.release(way);
      expect(await asking, point).toBe(heard);
    }
  });

  test.each(ways)('at the page releases as %s, and coins are sent only if the request continues', async (way) => {
    const gate = standIn.control.gates.hold(({ method, session }) => method === 'POST' && session?.id === id);
    const body = new URLSearchParams({ amount: '25' });
    const path = `/payment/checkout-session/${id}`;
    const pressing = statusOf(fetch(standIn.url + path, { method: 'POST', body, redirect: 'manual' }));
    await gate.reached;
    expect(standIn.control.transactions()).toHaveLength(0);
    gate.release(way);
    await pressing;
    expect(standIn.control.transactions()).toHaveLength(way === 'on' ? 1 : 0);
  });
});

describe('diverted webhooks', () => {
  test('are not sent, and can be sent later one by one', async () => {
    const receiver = await startReceiver();
    const { standIn, control, stripe } = await startWithSdk({ webhook: { url: receiver.url, secret: SECRET } });
    const taken: string[] = [];
    control.webhooks.divert(({ id, type }) => type === 'customer.created' && taken.push(id) > 0);
    const { id } = await stripe.customers.create();
    await stripe.customers.update(id, { name: 'Ada' });
    await control.webhooks.settled();
    expect(receiver.types()).toEqual(['customer.updated']);
    await control.resendEvent(taken[0] ?? '');
    expect(receiver.types()).toEqual(['customer.updated', 'customer.created']);
    await standIn.close();
    await receiver.close();
  });
});

describe('a gate of the mail inbox', () => {
  let inbox: MailInbox;
  beforeEach(async () => {
    inbox = await startMailInbox();
  });
  afterEach(() => inbox.stop());

  async function send(subject: string): Promise<{ responseCode?: number } | null> {
    const transport = nodemailer.createTransport({ url: inbox.smtpUrl });
    return transport
      .sendMail({ from: 'billing@burnrate.example', to: 'ada@example.com', subject, text: '…' })
      .then(
        () => null,
        (error: { responseCode?: number }) => error,
      )
      .finally(() => transport.close());
  }
  const kept = () => inbox.messages().map(({ subject }) => subject);

  test('holds a message before it is stored, while other messages pass', async () => {
    const gate = inbox.gates.hold(({ point, message }) => point === 'arrival' && message.subject === 'held');
    const sending = send('held');
    await gate.reached;
    expect(await send('other')).toBeNull();
    expect(kept()).toEqual(['other']);
    gate.release();
    expect(await sending).toBeNull();
    expect(kept()).toEqual(['other', 'held']);
  });

  const ways: [Way, 'arrival' | 'answer', number | undefined, string[]][] = [
    ['drop', 'arrival', undefined, []],
    ['drop', 'answer', undefined, ['one']],
    ['rate_limit', 'arrival', 451, []],
    ['rate_limit', 'answer', 451, ['one']],
    ['error', 'arrival', 421, []],
    ['error', 'answer', 421, ['one']],
  ];
  test.each(ways)(
    'releases as %s at the %s: the sender receives %s, and the stored messages are %j',
    async (way, point, heard, is) => {
      const gate = inbox.gates.hold((passing) => passing.point === point);
      const sending = send('one');
      await gate.reached;
      gate.release(way);
      const failure = await sending;
      expect(failure).not.toBeNull();
      expect(failure?.responseCode).toBe(heard);
      expect(kept()).toEqual(is);
    },
  );
});
