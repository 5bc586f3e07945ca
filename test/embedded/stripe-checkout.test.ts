/** Tests the Checkout pages of the Stripe stand-in. */
import type Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Control, StripeStandIn } from '../../embedded/stripe/index.ts';
import { chargeParams, refusal, startWithSdk } from './stripe-helpers.ts';

let standIn: StripeStandIn;
let control: Control;
let stripe: Stripe;
let nowMs: number;

beforeEach(async () => {
  nowMs = Date.UTC(2026, 0, 1);
  ({ standIn, control, stripe } = await startWithSdk({ now: () => nowMs }));
});
afterEach(() => standIn.close());

const deposit: Stripe.Checkout.SessionCreateParams = {
  mode: 'payment',
  success_url: 'https://app.example.com/done?session={CHECKOUT_SESSION_ID}',
  cancel_url: 'https://app.example.com/back',
  line_items: [
    { price_data: { currency: 'usd', unit_amount: 5000, product_data: { name: 'Credit' } }, quantity: 1 },
    { price_data: { currency: 'usd', unit_amount: 250, product_data: { name: '<Tax>' } }, quantity: 2 },
  ],
  payment_intent_data: { metadata: { deposit: 'dep_1' }, description: 'Credit for team_1' },
};

/** Types a card into the page, as a browser would send it. */
function submit(url: string | null, typed: Record<string, string> = {}) {
  const form = {
    email: 'jenny@example.com',
    cardNumber: '4242 4242 4242 4242',
    cardExpiry: '12 / 34',
    cardCvc: '123',
    billingName: 'Jenny Rosen',
    billingCountry: 'DE',
    billingPostalCode: '10115',
    ...typed,
  };
  return fetch(url ?? '', { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' });
}

describe('the checkout page', () => {
  test('shows the amount to pay, and a link back', async () => {
    const session = await stripe.checkout.sessions.create(deposit);
    expect(session).toMatchObject({
      status: 'open',
      payment_status: 'unpaid',
      amount_total: 5500,
      payment_intent: null,
    });
    const shown = await (await fetch(session.url ?? '')).text();
    expect(shown).toContain('$55.00 usd');
    expect(shown).toContain('&lt;Tax&gt;');
    expect(shown).toContain('https://app.example.com/back');
  });

  test('paid with a valid card, completes the session and redirects the browser', async () => {
    const customer = await stripe.customers.create();
    const { id, url } = await stripe.checkout.sessions.create({ ...deposit, customer: customer.id });
    const answer = await submit(url);
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe(`https://app.example.com/done?session=${id}`);
    const paid = await stripe.checkout.sessions.retrieve(id, {
      expand: ['payment_intent.latest_charge', 'line_items'],
    });
    expect(paid).toMatchObject({
      status: 'complete',
      payment_status: 'paid',
      url: null,
      customer_details: { email: 'jenny@example.com', address: { country: 'DE' } },
      payment_intent: {
        status: 'succeeded',
        amount: 5500,
        metadata: { deposit: 'dep_1' },
        description: 'Credit for team_1',
        latest_charge: { payment_method_details: { card: { brand: 'visa', last4: '4242' } } },
      },
    });
    expect(paid.line_items?.data.map(({ description }) => description)).toEqual(['Credit', '<Tax>']);
    expect((await stripe.paymentMethods.list({ customer: customer.id })).data).toEqual([]);
    expect((await submit(url)).status).toBe(410);
    expect(control.charges()).toHaveLength(1);
  });

  test.each([
    ['4000 0000 0000 0002', 'Your card was declined.'],
    ['4000000000009995', 'Your card has insufficient funds.'],
    ['4242424242424241', 'Your card number is incorrect.'],
    ['4000000000000069', 'Your card has expired.'],
  ])('shows why %s is refused and accepts another card with the same intent', async (cardNumber, why) => {
    const { id, url } = await stripe.checkout.sessions.create(deposit);
    const refused = await submit(url, { cardNumber });
    expect(refused.status).toBe(402);
    expect(await refused.text()).toContain(why);
    expect((await stripe.checkout.sessions.retrieve(id)).status).toBe('open');
    expect((await submit(url)).status).toBe(303);
    expect(control.paymentIntents()).toHaveLength(1);
  });

  test('saves the card for later charges when the session requests it', async () => {
    const customer = await stripe.customers.create();
    const { url } = await stripe.checkout.sessions.create({
      ...deposit,
      customer: customer.id,
      payment_intent_data: { setup_future_usage: 'off_session' },
    });
    await submit(url);
    const { data } = await stripe.paymentMethods.list({ customer: customer.id });
    expect(data).toMatchObject([{ card: { last4: '4242' }, billing_details: { address: { country: 'DE' } } }]);
    const charged = await stripe.paymentIntents.create(chargeParams(customer.id, data[0]?.id ?? ''));
    expect(charged.status).toBe('succeeded');
  });

  test('saves the card only when its owner ticks the box', async () => {
    const customer = await stripe.customers.create();
    const create = () =>
      stripe.checkout.sessions.create({
        ...deposit,
        customer: customer.id,
        saved_payment_method_options: { payment_method_save: 'enabled' },
      });
    await submit((await create()).url);
    expect((await stripe.paymentMethods.list({ customer: customer.id })).data).toEqual([]);
    await submit((await create()).url, { saveCard: '1' });
    expect((await stripe.paymentMethods.list({ customer: customer.id })).data).toMatchObject([
      { allow_redisplay: 'always' },
    ]);
  });

  test('leads through 3-D Secure and back', async () => {
    const { id, url } = await stripe.checkout.sessions.create(deposit);
    const challenge = (await submit(url, { cardNumber: '4000000000003220' })).headers.get('location') ?? '';
    expect(challenge).toContain('/3d_secure_2/');
    const answered = await fetch(challenge, {
      method: 'POST',
      body: new URLSearchParams({ outcome: 'complete' }),
      redirect: 'manual',
    });
    const back = await fetch(answered.headers.get('location') ?? '', { redirect: 'manual' });
    expect(back.headers.get('location')).toBe(`https://app.example.com/done?session=${id}`);
    expect((await stripe.checkout.sessions.retrieve(id)).payment_status).toBe('paid');
  });

  test('shows a failed 3-D Secure and stays open', async () => {
    const { id, url } = await stripe.checkout.sessions.create(deposit);
    const challenge = (await submit(url, { cardNumber: '4000000000003220' })).headers.get('location') ?? '';
    const failed = await fetch(challenge, { method: 'POST', body: new URLSearchParams({ outcome: 'fail' }) });
    expect(await failed.text()).toContain('failed authentication');
    expect((await stripe.checkout.sessions.retrieve(id)).status).toBe('open');
  });

  test('in setup mode saves a card without a charge', async () => {
    const customer = await stripe.customers.create();
    const session = await stripe.checkout.sessions.create({
      mode: 'setup',
      currency: 'usd',
      customer: customer.id,
      success_url: 'https://app.example.com/cards',
    });
    expect((await submit(session.url, { cardNumber: '4000000000000002' })).status).toBe(402);
    expect((await submit(session.url, { cardNumber: '5555555555554444' })).status).toBe(303);
    const done = await stripe.checkout.sessions.retrieve(session.id, { expand: ['setup_intent.payment_method'] });
    expect(done).toMatchObject({
      status: 'complete',
      payment_status: 'no_payment_required',
      setup_intent: { status: 'succeeded', payment_method: { customer: customer.id, card: { brand: 'mastercard' } } },
    });
    expect(control.charges()).toEqual([]);
  });

  test('closes at its expiry, and when it is expired by hand', async () => {
    const soon = Math.floor(nowMs / 1000) + 1800;
    const timed = await stripe.checkout.sessions.create({ ...deposit, expires_at: soon });
    const other = await stripe.checkout.sessions.create(deposit);
    nowMs += 1800_000;
    expect((await submit(timed.url)).status).toBe(410);
    expect((await stripe.checkout.sessions.expire(other.id)).status).toBe('expired');
    expect(await refusal(stripe.checkout.sessions.expire(other.id))).toMatchObject({ statusCode: 400 });
    const { data } = await stripe.events.list({ type: 'checkout.session.expired' });
    expect(data.map((event) => (event.data.object as Stripe.Checkout.Session).id)).toEqual([other.id, timed.id]);
    expect((await stripe.checkout.sessions.list({ status: 'open' })).data).toEqual([]);
  });

  test('can be paid without a browser', async () => {
    const { id } = await stripe.checkout.sessions.create(deposit);
    expect(() => control.submitCheckout(id, { cardNumber: '4000000000009995' })).toThrow('insufficient funds');
    expect(control.submitCheckout(id).redirect).toContain(id);
    expect((await stripe.checkout.sessions.retrieve(id)).payment_status).toBe('paid');
  });

  test('refuses the same requests as Stripe', async () => {
    const create = (params: object) =>
      refusal(stripe.checkout.sessions.create({ ...deposit, ...params } as Stripe.Checkout.SessionCreateParams));
    expect(await create({ payment_method_types: ['card'] })).toMatchObject({ code: 'parameter_unknown' });
    expect(await create({ line_items: undefined })).toMatchObject({ code: 'parameter_missing', param: 'line_items' });
    expect(await create({ success_url: '/done' })).toMatchObject({ code: 'url_invalid', param: 'success_url' });
    expect(await create({ expires_at: Math.floor(nowMs / 1000) + 60 })).toMatchObject({ param: 'expires_at' });
    expect(await create({ mode: 'setup' })).toMatchObject({ param: 'line_items' });
  });
});
