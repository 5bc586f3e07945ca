/** Tests the protocol of the Stripe stand-in: refusals, answers, idempotency keys and faults. */
import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Control, StripeStandIn } from '../../embedded/stripe/index.ts';
import { CARD_ONLY, chargeParams, customerWithCard, refusal, sdkThatGivesUp, startWithSdk } from './stripe-helpers.ts';

let standIn: StripeStandIn;
let control: Control;
let stripe: Stripe;
let nowMs: number;

beforeEach(async () => {
  nowMs = Date.UTC(2026, 0, 1);
  ({ standIn, control, stripe } = await startWithSdk({ now: () => nowMs }));
});
afterEach(() => standIn.close());

const payment = { ...CARD_ONLY, amount: 2000, currency: 'usd' };

describe('a request that Stripe would refuse', () => {
  test.each<[string, object, object]>([
    ['an unknown parameter', { ...payment, colour: 'red' }, { code: 'parameter_unknown', param: 'colour' }],
    [
      'an unknown parameter inside another',
      { ...payment, automatic_payment_methods: { enabled: true, often: true } },
      { code: 'parameter_unknown', param: 'automatic_payment_methods[often]' },
    ],
    ['a missing parameter', { currency: 'usd' }, { code: 'parameter_missing', param: 'amount' }],
    ['less than 50 cents', { ...payment, amount: 49 }, { code: 'amount_too_small', param: 'amount' }],
    ['more than eight digits', { ...payment, amount: 100_000_000 }, { code: 'amount_too_large', param: 'amount' }],
    ['a fraction of a cent', { ...payment, amount: 20.5 }, { code: 'parameter_invalid_integer', param: 'amount' }],
    ['an unknown currency', { ...payment, currency: 'zzz' }, { param: 'currency' }],
    ['an empty customer', { ...payment, customer: '' }, { code: 'parameter_invalid_empty', param: 'customer' }],
    ['an unknown customer', { ...payment, customer: 'cus_x' }, { code: 'resource_missing', param: 'customer' }],
    ['a malformed address', { ...payment, receipt_email: 'me' }, { code: 'email_invalid', param: 'receipt_email' }],
    ['off_session without confirm', { ...payment, off_session: true }, { param: 'off_session' }],
    [
      'a suffix without letters',
      { ...payment, statement_descriptor_suffix: '123' },
      { param: 'statement_descriptor_suffix' },
    ],
  ])('%s is refused', async (_what, params, expected) => {
    const error = await refusal(stripe.paymentIntents.create(params as Stripe.PaymentIntentCreateParams));
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect(error).toMatchObject({ statusCode: 400, ...expected });
    expect(control.paymentIntents()).toEqual([]);
  });

  test('an unknown id in the path is a 404', async () => {
    const error = await refusal(stripe.paymentIntents.retrieve('pi_nobody'));
    expect(error).toMatchObject({ statusCode: 404, code: 'resource_missing', param: 'intent' });
    expect(error.message).toBe("No such payment_intent: 'pi_nobody'");
    expect((await refusal(stripe.customers.retrieve('cus_nobody'))).statusCode).toBe(404);
  });

  test('a key other than a test key is a 401', async () => {
    const live = new Stripe('sk_live_123456789012', { host: standIn.host, port: standIn.port, protocol: 'http' });
    expect(await refusal(live.customers.list())).toBeInstanceOf(Stripe.errors.StripeAuthenticationError);
    expect((await fetch(`${standIn.url}/v1/customers`)).status).toBe(401);
  });

  test('an unknown address is a 404 in Stripe’s format', async () => {
    const answer = await fetch(`${standIn.url}/v1/planets`, { headers: { Authorization: 'Bearer sk_test_x' } });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
  });

  test('a property that cannot be expanded is named', async () => {
    const { id } = await stripe.customers.create();
    expect((await refusal(stripe.customers.retrieve(id, { expand: ['moon'] }))).message).toContain('(moon)');
  });
});

describe('the format of answers', () => {
  test('has basic authentication, a request id and the caller’s version, as at Stripe', async () => {
    const answer = await fetch(`${standIn.url}/v1/customers`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa('sk_test_x:')}`, 'Stripe-Version': '2024-06-20' },
      body: new URLSearchParams({ email: 'a@example.com', 'metadata[team]': 'team_1' }),
    });
    expect(answer.headers.get('request-id')).toMatch(/^req_\w+$/);
    expect(answer.headers.get('stripe-version')).toBe('2024-06-20');
    expect(await answer.json()).toMatchObject({
      object: 'customer',
      livemode: false,
      created: nowMs / 1000,
      metadata: { team: 'team_1' },
    });
  });

  test('metadata is merged, and an empty value removes its key', async () => {
    const { id } = await stripe.customers.create({ metadata: { a: '1', b: '2' } });
    expect((await stripe.customers.update(id, { metadata: { b: '', c: '3' } })).metadata).toEqual({ a: '1', c: '3' });
    expect((await stripe.customers.update(id, { metadata: '' })).metadata).toEqual({});
  });

  test('a list is read page by page, forwards and backwards', async () => {
    const made: string[] = [];
    for (let n = 0; n < 5; n++) made.unshift((await stripe.customers.create({ name: `${n}` })).id);
    const first = await stripe.customers.list({ limit: 2 });
    expect(first).toMatchObject({ object: 'list', url: '/v1/customers', has_more: true });
    const second = await stripe.customers.list({ limit: 2, starting_after: made[1]! });
    expect(second.data.map(({ id }) => id)).toEqual(made.slice(2, 4));
    const back = await stripe.customers.list({ limit: 2, ending_before: made[3]! });
    expect(back.data.map(({ id }) => id)).toEqual(made.slice(1, 3));
    expect(back.has_more).toBe(true);
    const walked: string[] = [];
    for await (const customer of stripe.customers.list({ limit: 2 })) walked.push(customer.id);
    expect(walked).toEqual(made);
    expect((await refusal(stripe.customers.list({ limit: 101 }))).param).toBe('limit');
  });

  test('a list is filtered by the second of creation', async () => {
    const before = await stripe.customers.create();
    nowMs += 60_000;
    const after = await stripe.customers.create();
    const { data } = await stripe.customers.list({ created: { gte: after.created } });
    expect(data.map(({ id }) => id)).toEqual([after.id]);
    expect((await stripe.customers.list({ created: { lt: after.created } })).data.map(({ id }) => id)).toEqual([
      before.id,
    ]);
  });

  test('customers are found by metadata, in pages', async () => {
    for (const team of ['team_1', 'team_1', 'team_2']) await stripe.customers.create({ metadata: { team } });
    const query = "metadata['team']:'team_1'";
    const found: string[] = [];
    for await (const customer of stripe.customers.search({ query, limit: 1 })) found.push(customer.metadata.team ?? '');
    expect(found).toEqual(['team_1', 'team_1']);
    expect((await refusal(stripe.customers.search({ query: "moon:'full'" }))).param).toBe('query');
  });

  test('the log of requests has parameters, key and status', async () => {
    await stripe.customers.create({ metadata: { a: '1' } }, { idempotencyKey: 'k1' });
    expect(control.requests()).toMatchObject([
      {
        method: 'POST',
        path: '/v1/customers',
        params: { metadata: { a: '1' } },
        idempotencyKey: 'k1',
        status: 200,
        replayed: false,
      },
    ]);
  });
});

describe('an idempotency key', () => {
  test('receives the first answer again, with a header that says so', async () => {
    const key = { idempotencyKey: 'k1' };
    const first = await stripe.customers.create({ email: 'a@example.com' }, key);
    const again = await stripe.customers.create({ email: 'a@example.com' }, key);
    expect(again.id).toBe(first.id);
    expect(first.lastResponse.headers['idempotent-replayed']).toBeUndefined();
    expect(again.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(again.lastResponse.headers['original-request']).toBe(first.lastResponse.requestId);
    expect(control.customers()).toHaveLength(1);
  });

  test('receives a decline again without another request to the bank', async () => {
    const { customer, card } = await customerWithCard(stripe, 'pm_card_chargeCustomerFail');
    const pay = () => stripe.paymentIntents.create(chargeParams(customer, card), { idempotencyKey: 'k1' });
    const [first, again] = [await refusal(pay()), await refusal(pay())];
    expect(again).toMatchObject({ statusCode: 402, payment_intent: { id: first.payment_intent?.id } });
    expect(control.charges()).toHaveLength(1);
  });

  test('with other parameters, or at another endpoint, is refused', async () => {
    const key = { idempotencyKey: 'k1' };
    const { id } = await stripe.customers.create({ email: 'a@example.com' }, key);
    const error = await refusal(stripe.customers.create({ email: 'b@example.com' }, key));
    expect(error).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
    expect(error).toMatchObject({ statusCode: 400, rawType: 'idempotency_error' });
    expect(await refusal(stripe.customers.update(id, { email: 'a@example.com' }, key))).toMatchObject({
      rawType: 'idempotency_error',
    });
  });

  test('of a request in progress is a 409', async () => {
    control.faults.add({ on: 'POST /v1/customers', kind: 'slow', ms: 100 });
    const create = () => stripe.customers.create({ email: 'a@example.com' }, { idempotencyKey: 'k1' });
    const [slow, other] = await Promise.allSettled([create(), create()]);
    const refused = [slow, other].find((outcome) => outcome.status === 'rejected');
    expect(refused?.reason).toMatchObject({
      statusCode: 409,
      code: 'idempotency_key_in_use',
      rawType: 'idempotency_error',
    });
    expect(control.customers()).toHaveLength(1);
    expect((await create()).id).toBe(control.customers()[0]?.id);
  });

  test('keeps even a 500, with or without an effect', async () => {
    control.faults.add({ on: 'POST /v1/customers', kind: 'error' });
    control.faults.add({ on: 'POST /v1/customers', kind: 'error_after_effect' });
    const create = (idempotencyKey: string) => stripe.customers.create({}, { idempotencyKey });
    expect(await refusal(create('before'))).toMatchObject({ statusCode: 500, rawType: 'api_error' });
    expect(control.customers()).toHaveLength(0);
    expect((await refusal(create('after'))).statusCode).toBe(500);
    expect(control.customers()).toHaveLength(1);
    for (const key of ['before', 'after']) {
      const replayed = await refusal(create(key));
      expect(replayed.statusCode).toBe(500);
      expect(replayed.headers?.['idempotent-replayed']).toBe('true');
    }
    expect(control.customers()).toHaveLength(1);
  });

  test('does not store a refusal from before the request ran', async () => {
    const key = { idempotencyKey: 'k1' };
    await refusal(stripe.customers.create({ email: 'not an address' }, key));
    control.faults.add({ on: '*', kind: 'rate_limit' });
    expect((await refusal(stripe.customers.create({}, key))).statusCode).toBe(429);
    expect((await stripe.customers.create({ email: 'a@example.com' }, key)).email).toBe('a@example.com');
  });

  test('expires after 24 hours', async () => {
    const key = { idempotencyKey: 'k1' };
    const first = await stripe.customers.create({}, key);
    nowMs += 24 * 3600 * 1000 - 1;
    expect((await stripe.customers.create({}, key)).id).toBe(first.id);
    nowMs += 1;
    expect((await stripe.customers.create({}, key)).id).not.toBe(first.id);
  });
});

describe('a fault', () => {
  test('drops the connection before the effect, or after it', async () => {
    control.faults.add({ on: 'POST /v1/customers', kind: 'drop', times: 2 });
    // The SDK repeats a call once whose connection was closed, so it takes two to be seen.
    expect(await refusal(stripe.customers.create())).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    expect(control.customers()).toHaveLength(0);
    control.faults.add({ on: 'POST /v1/customers', kind: 'drop_after_effect' });
    const healed = await stripe.customers.create();
    expect(control.customers().map(({ id }) => id)).toEqual([healed.id]);
    expect(control.requests().at(-1)).toMatchObject({ replayed: true, status: 200 });
  });

  test('leaves the caller without an answer, after the effect', async () => {
    control.faults.add({ on: 'POST /v1/payment_intents', kind: 'hang_after_effect' });
    const { stripe: waiting, giveUp } = sdkThatGivesUp(standIn);
    const unanswered = refusal(waiting.paymentIntents.create(payment, { idempotencyKey: 'k1' }));
    await expect.poll(() => control.paymentIntents()).toHaveLength(1);
    giveUp();
    expect(await unanswered).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    const { id } = await stripe.paymentIntents.create(payment, { idempotencyKey: 'k1' });
    expect(control.paymentIntents().map((intent) => intent.id)).toEqual([id]);
  });

  test('leaves the caller without an answer, without an effect', async () => {
    control.faults.add({ on: 'POST /v1/payment_intents', kind: 'hang' });
    const { stripe: waiting, giveUp } = sdkThatGivesUp(standIn);
    const unanswered = refusal(waiting.paymentIntents.create(payment));
    await expect.poll(() => control.requests()).toMatchObject([{ path: '/v1/payment_intents', status: null }]);
    giveUp();
    expect(await unanswered).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    expect(control.paymentIntents()).toEqual([]);
  });

  test('affects only the nth call of one operation with certain parameters', async () => {
    const { id } = await stripe.customers.create();
    control.faults.add({ on: 'POST /v1/customers/:id', kind: 'rate_limit', where: { 'metadata[n]': '1' }, skip: 1 });
    const update = (n: number) => stripe.customers.update(id, { metadata: { n } });
    await update(1);
    await update(2);
    expect(await refusal(update(1))).toBeInstanceOf(Stripe.errors.StripeRateLimitError);
    await update(1);
    expect(control.faults.pending()).toEqual([]);
  });

  test('can be an outage of every call, until it ends', async () => {
    control.faults.beginOutage();
    expect((await refusal(stripe.customers.list())).statusCode).toBe(503);
    expect((await fetch(`${standIn.url}/c/pay/cs_test_1`)).status).toBe(503);
    control.faults.endOutage();
    expect((await stripe.customers.list()).data).toEqual([]);
  });
});
