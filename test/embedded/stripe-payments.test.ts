/** Tests the payments of the Stripe stand-in: saved cards, declines, 3-D Secure, refunds and disputes. */
import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Control, StripeStandIn } from '../../embedded/stripe/index.ts';
import { CARD_ONLY, chargeParams, customerWithCard, refusal, startWithSdk } from './stripe-helpers.ts';

let standIn: StripeStandIn;
let control: Control;
let stripe: Stripe;

beforeEach(async () => {
  ({ standIn, control, stripe } = await startWithSdk());
});
afterEach(() => standIn.close());

describe('saved cards', () => {
  test('a test card is attached under its own id, and listed newest first', async () => {
    const { customer, card } = await customerWithCard(stripe);
    const amex = await stripe.paymentMethods.attach('pm_card_amex', { customer });

    expect(card).not.toBe('pm_card_visa');
    expect(amex).toMatchObject({ customer, type: 'card', card: { brand: 'amex', last4: '0005', country: 'US' } });
    const { data } = await stripe.paymentMethods.list({ customer });
    expect(data.map((method) => method.id)).toEqual([amex.id, card]);
  });

  test('two customers with one card number have the same fingerprint', async () => {
    const first = await customerWithCard(stripe);
    const second = await customerWithCard(stripe);
    const cards = await Promise.all([first, second].map(({ card }) => stripe.paymentMethods.retrieve(card)));
    expect(cards[0]?.card?.fingerprint).toBe(cards[1]?.card?.fingerprint);
  });

  test('a card that declines every charge cannot be attached', async () => {
    const customer = await stripe.customers.create();
    const error = await refusal(stripe.paymentMethods.attach('pm_card_chargeDeclined', { customer: customer.id }));
    expect(error).toBeInstanceOf(Stripe.errors.StripeCardError);
    expect(error).toMatchObject({ statusCode: 402, code: 'card_declined', decline_code: 'generic_decline' });
  });

  test('a detached card can no longer be used', async () => {
    const { customer, card } = await customerWithCard(stripe);
    await stripe.paymentMethods.detach(card);
    expect((await stripe.paymentMethods.list({ customer })).data).toEqual([]);
    const error = await refusal(stripe.paymentIntents.create(chargeParams(customer, card)));
    expect(error).toMatchObject({ statusCode: 400, rawType: 'invalid_request_error' });
  });

  test('the default card of a customer must be one of its own cards', async () => {
    const mine = await customerWithCard(stripe);
    const other = await customerWithCard(stripe);
    const chosen = { invoice_settings: { default_payment_method: mine.card } };
    expect((await stripe.customers.update(mine.customer, chosen)).invoice_settings).toMatchObject({
      default_payment_method: mine.card,
    });
    expect(await refusal(stripe.customers.update(other.customer, chosen))).toMatchObject({ code: 'resource_missing' });
  });

  test('a deleted customer can still be retrieved, without its cards', async () => {
    const { customer, card } = await customerWithCard(stripe);
    await stripe.customers.del(customer);
    expect(await stripe.customers.retrieve(customer)).toMatchObject({ id: customer, deleted: true });
    expect((await stripe.paymentMethods.retrieve(card)).customer).toBeNull();
  });
});

describe('a payment', () => {
  test('is created unconfirmed, then confirmed, and leaves a charge with its card and receipt', async () => {
    const { customer, card } = await customerWithCard(stripe, 'pm_card_mastercard');
    const created = await stripe.paymentIntents.create({
      ...CARD_ONLY,
      amount: 2000,
      currency: 'usd',
      customer,
      payment_method: card,
      metadata: { deposit: 'dep_1' },
    });
    expect(created).toMatchObject({ status: 'requires_confirmation', latest_charge: null, livemode: false });

    const confirmed = await stripe.paymentIntents.confirm(created.id, {
      off_session: true,
      expand: ['latest_charge.balance_transaction', 'payment_method'],
    });
    expect(confirmed).toMatchObject({
      status: 'succeeded',
      amount_received: 2000,
      payment_method: { id: card, card: { brand: 'mastercard' } },
      latest_charge: {
        status: 'succeeded',
        amount: 2000,
        amount_refunded: 0,
        metadata: { deposit: 'dep_1' },
        payment_method_details: { card: { brand: 'mastercard', last4: '4444' } },
        balance_transaction: { amount: 2000, fee: 88, net: 1912, type: 'charge' },
      },
    });
    const charge = confirmed.latest_charge as Stripe.Charge;
    const receipt = await fetch(charge.receipt_url ?? '');
    expect(await receipt.text()).toContain('$20.00 usd');
  });

  test('of a succeeded intent cannot be confirmed or canceled again', async () => {
    const { customer, card } = await customerWithCard(stripe);
    const { id } = await stripe.paymentIntents.create(chargeParams(customer, card));
    const again = await refusal(stripe.paymentIntents.confirm(id));
    expect(again).toMatchObject({ statusCode: 400, code: 'payment_intent_unexpected_state' });
    expect(again.payment_intent).toMatchObject({ id, status: 'succeeded' });
    expect(await refusal(stripe.paymentIntents.cancel(id))).toMatchObject({ code: 'payment_intent_unexpected_state' });
  });

  test.each([
    ['pm_card_chargeCustomerFail', 'card_declined', 'generic_decline'],
    ['pm_card_radarBlock', 'card_declined', 'fraudulent'],
    ['pm_card_authenticationRequired', 'authentication_required', 'authentication_required'],
  ])('with %s is declined as %s', async (testCard, code, declineCode) => {
    const { customer, card } = await customerWithCard(stripe, testCard);
    const error = await refusal(stripe.paymentIntents.create(chargeParams(customer, card)));
    expect(error).toBeInstanceOf(Stripe.errors.StripeCardError);
    expect(error).toMatchObject({ statusCode: 402, code, decline_code: declineCode });
    const intent = await stripe.paymentIntents.retrieve(error.payment_intent?.id ?? '');
    expect(intent).toMatchObject({
      status: 'requires_payment_method',
      payment_method: null,
      last_payment_error: { code, decline_code: declineCode, payment_method: { id: card } },
    });
    expect(await stripe.charges.retrieve(intent.latest_charge as string)).toMatchObject({
      status: 'failed',
      paid: false,
      failure_code: code,
    });
  });

  test.each([
    ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
    ['pm_card_chargeDeclinedExpiredCard', 'expired_card', 'expired_card'],
    ['pm_card_chargeDeclinedIncorrectCvc', 'incorrect_cvc', 'incorrect_cvc'],
    ['pm_card_chargeDeclinedProcessingError', 'processing_error', 'processing_error'],
    ['pm_card_visa_chargeDeclinedLostCard', 'card_declined', 'lost_card'],
  ])('directly with %s is declined as %s', async (payment_method, code, declineCode) => {
    const params = { ...CARD_ONLY, amount: 500, currency: 'usd', payment_method, confirm: true };
    const error = await refusal(stripe.paymentIntents.create(params));
    expect(error).toMatchObject({ statusCode: 402, code, decline_code: declineCode });
  });

  test('declines from the set charge on, and succeeds again after a reset', async () => {
    const { customer, card } = await customerWithCard(stripe);
    control.cards.decline({ customer, after: 1, declineCode: 'insufficient_funds' });
    const pay = () => stripe.paymentIntents.create(chargeParams(customer, card));
    expect((await pay()).status).toBe('succeeded');
    expect((await refusal(pay())).decline_code).toBe('insufficient_funds');
    expect((await refusal(pay())).decline_code).toBe('insufficient_funds');
    control.cards.accept({ customer });
    expect((await pay()).status).toBe('succeeded');
    expect(control.charges().map((charge) => charge.status)).toEqual(['succeeded', 'failed', 'failed', 'succeeded']);
  });

  test('can stay in processing until its bank decides', async () => {
    const { customer, card } = await customerWithCard(stripe);
    control.cards.leaveProcessing({ customer });
    const { id, status } = await stripe.paymentIntents.create(chargeParams(customer, card));
    expect(status).toBe('processing');
    control.settlePayment(id, 'succeeded');
    expect((await stripe.paymentIntents.retrieve(id)).status).toBe('succeeded');
  });

  test('without a return_url requires redirecting methods to be off', async () => {
    const { customer, card } = await customerWithCard(stripe);
    const { automatic_payment_methods: _, ...params } = chargeParams(customer, card);
    expect(await refusal(stripe.paymentIntents.create(params))).toMatchObject({ param: 'return_url' });
    expect(control.paymentIntents()).toEqual([]);
    const paid = await stripe.paymentIntents.create({ ...params, return_url: 'https://example.com/back' });
    expect(paid.status).toBe('succeeded');
  });

  test('cannot use a card of another customer', async () => {
    const { card } = await customerWithCard(stripe);
    const other = await stripe.customers.create();
    expect(await refusal(stripe.paymentIntents.create(chargeParams(other.id, card)))).toMatchObject({
      statusCode: 400,
    });
  });

  test('is found in its customer’s list and by its metadata', async () => {
    const { customer, card } = await customerWithCard(stripe);
    const { id } = await stripe.paymentIntents.create({
      ...chargeParams(customer, card),
      metadata: { deposit: 'dep_9' },
    });
    await stripe.paymentIntents.create(chargeParams(customer, card));
    const query = "metadata['deposit']:'dep_9' AND status:'succeeded'";
    expect((await stripe.paymentIntents.search({ query })).data.map((intent) => intent.id)).toEqual([id]);
    control.setSearchLag(60);
    expect((await stripe.paymentIntents.search({ query })).data).toEqual([]);
    expect((await stripe.paymentIntents.list({ customer })).data).toHaveLength(2);
  });
});

describe('3-D Secure', () => {
  async function startPayment(testCard = 'pm_card_threeDSecure2Required') {
    const { customer, card } = await customerWithCard(stripe, testCard);
    const intent = await stripe.paymentIntents.create({
      amount: 2000,
      currency: 'usd',
      customer,
      payment_method: card,
      confirm: true,
      return_url: 'https://example.com/back?order=7',
    });
    return { id: intent.id, url: intent.next_action?.redirect_to_url?.url ?? '', intent };
  }

  test('completed on the hosted page, finishes the payment and returns to the caller', async () => {
    const { id, url, intent } = await startPayment();
    expect(intent.status).toBe('requires_action');
    expect(await (await fetch(url)).text()).toContain('Complete authentication');
    const answer = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams({ outcome: 'complete' }),
      redirect: 'manual',
    });
    const back = new URL(answer.headers.get('location') ?? '');
    expect(back.searchParams.get('order')).toBe('7');
    expect(back.searchParams.get('payment_intent')).toBe(id);
    expect(back.searchParams.get('redirect_status')).toBe('succeeded');
    expect((await stripe.paymentIntents.retrieve(id)).status).toBe('succeeded');
  });

  test('failed, leaves the intent open for another payment method', async () => {
    const { id } = await startPayment();
    control.authenticate(id, 'fail');
    expect(await stripe.paymentIntents.retrieve(id)).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'payment_intent_authentication_failure' },
    });
  });

  test('completed, can still be followed by a decline', async () => {
    const { id } = await startPayment('pm_card_threeDSecureRequiredChargeDeclined');
    control.authenticate(id, 'complete');
    expect((await stripe.paymentIntents.retrieve(id)).last_payment_error?.code).toBe('card_declined');
  });

  test('at setup exempts later charges of a card that asks once', async () => {
    const customer = await stripe.customers.create();
    const setup = await stripe.setupIntents.create({
      customer: customer.id,
      payment_method: 'pm_card_authenticationRequiredOnSetup',
      confirm: true,
      return_url: 'https://example.com/back',
    });
    expect(setup.status).toBe('requires_action');
    control.authenticate(setup.id, 'complete');
    const { payment_method: card } = await stripe.setupIntents.retrieve(setup.id);
    const paid = await stripe.paymentIntents.create(chargeParams(customer.id, card as string));
    expect(paid.status).toBe('succeeded');
  });
});

describe('refunds and disputes', () => {
  test('a charge is refunded in parts, up to the rest', async () => {
    const { customer, card } = await customerWithCard(stripe);
    const { id: payment_intent } = await stripe.paymentIntents.create(chargeParams(customer, card));
    const part = await stripe.refunds.create({ payment_intent, amount: 500 });
    expect(part).toMatchObject({ status: 'succeeded', amount: 500 });
    expect((await refusal(stripe.refunds.create({ payment_intent, amount: 1501 }))).param).toBe('amount');
    expect((await stripe.refunds.create({ payment_intent })).amount).toBe(1500);
    expect((await refusal(stripe.refunds.create({ payment_intent }))).code).toBe('charge_already_refunded');
    expect(control.charges()[0]).toMatchObject({ amount_refunded: 2000, refunded: true });
    expect((await stripe.refunds.list({ payment_intent })).data.map(({ amount }) => amount)).toEqual([1500, 500]);
  });

  test('a refund can fail later, and the money returns to the balance', async () => {
    const { customer, card } = await customerWithCard(stripe);
    const { id: payment_intent } = await stripe.paymentIntents.create(chargeParams(customer, card));
    const { id } = await stripe.refunds.create({ payment_intent });
    control.settleRefund(id, 'failed');
    expect(await stripe.refunds.retrieve(id)).toMatchObject({ status: 'failed' });
    expect(control.charges()[0]).toMatchObject({ amount_refunded: 0, refunded: false });
  });

  test('a dispute withdraws the money with a fee, and a win returns it', async () => {
    const { customer, card } = await customerWithCard(stripe);
    const { id: intent } = await stripe.paymentIntents.create(chargeParams(customer, card));
    const dispute = control.openDispute(intent, { reason: 'product_not_received' });
    expect((await refusal(stripe.refunds.create({ payment_intent: intent }))).code).toBe('charge_disputed');
    control.closeDispute(dispute.id, 'won');
    const closed = await stripe.disputes.retrieve(dispute.id);
    expect(closed).toMatchObject({ status: 'won', reason: 'product_not_received', payment_intent: intent });
    expect(closed.balance_transactions.map(({ amount, fee }) => ({ amount, fee }))).toEqual([
      { amount: -2000, fee: 1500 },
      { amount: 2000, fee: 0 },
    ]);
    const { data } = await stripe.balanceTransactions.list({ type: 'adjustment' });
    expect(data.map(({ net }) => net)).toEqual([2000, -3500]);
  });

  test('the test card for disputes is disputed', async () => {
    const { customer, card } = await customerWithCard(stripe, 'pm_card_createDispute');
    await stripe.paymentIntents.create(chargeParams(customer, card));
    const { data } = await stripe.disputes.list();
    expect(data).toMatchObject([{ reason: 'fraudulent', status: 'needs_response', amount: 2000 }]);
  });
});
