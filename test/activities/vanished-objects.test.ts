/** Tests objects that Stripe no longer has: deleted at Stripe, or left in another account or mode. */
import type Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Payments, Refunds } from '../../activities/providers.ts';
import { type Cards, createCards } from '../../activities/stripe/cards.ts';
import { createStripe } from '../../activities/stripe/client.ts';
import { createStripePayments } from '../../activities/stripe/payments.ts';
import { createStripeRefunds } from '../../activities/stripe/refunds.ts';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { createLedger } from '../../ledger/index.ts';
import { updateDeposit } from '../../prisma/deposits.ts';
import { listPaymentMethods } from '../../prisma/payment-methods.ts';
import { getTeam } from '../../prisma/teams.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../simulate/settings.ts';
import { onAttempt, untilAnswered } from '../support/activity.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';
import { dollars, NOW, newDeposit, newTeam, openPage, SILENT, saveCard } from './fixtures.ts';

let database: TestDatabase;
let standIn: StripeStandIn;
let stripe: Stripe;
let cards: Cards;
let payments: Payments;
let refunds: Refunds;

beforeAll(async () => {
  [database, standIn] = await Promise.all([newDatabase(), startStripeStandIn()]);
  stripe = createStripe({ secretKey: 'sk_test_vanished', apiBase: standIn.url });
  const world = { stripe, db: database.db, publicUrl: 'https://burnrate.test', log: SILENT };
  cards = createCards(world);
  payments = createStripePayments(world);
  refunds = createStripeRefunds(world);
});
afterEach(() => standIn.control.reset());
afterAll(async () => {
  await standIn.close();
  await database.close();
});

const customerOf = async (teamId: string) => (await getTeam(database.db, teamId)).stripeCustomerId ?? '';
const checkout = (teamId: string) => newDeposit(database.db, { teamId, kind: 'checkout' });
const chargesOf = (depositId: string) =>
  standIn.control.charges().filter(({ paid, metadata }) => paid && metadata.deposit === depositId);
const pageOf = (sessionId: string) => standIn.control.checkoutSessions().find(({ id }) => id === sessionId);

/** A team with a saved card, a moment after Stripe was asked for its customer. */
async function teamWithCard() {
  const { id: teamId } = await newTeam(database.db, { name: 'Acme', email: 'billing@acme.test' });
  const card = await saveCard(cards, teamId);
  return { teamId, card, customer: await customerOf(teamId) };
}

/** Ways in which a customer can vanish. */
const VANISHING: Array<[string, (customer: string) => void]> = [
  ['was deleted at Stripe', (customer) => standIn.control.deleteCustomer(customer)],
  ['is not in this account', (customer) => standIn.control.forget(customer)],
  ['exists in live mode only', (customer) => standIn.control.forget(customer, { live: true })],
  ['was left behind with the whole account', () => standIn.control.exchangeAccount()],
];

describe.each(VANISHING)('a customer that %s', (_, vanish) => {
  it('is replaced, so that a page for paying opens and is paid', async () => {
    const { teamId, customer } = await teamWithCard();
    vanish(customer);
    const depositId = await checkout(teamId);
    const { answer } = await untilAnswered(() => openPage(payments, depositId));
    const made = await customerOf(teamId);
    expect(made).not.toBe(customer);
    expect(pageOf(answer.sessionId)).toMatchObject({ customer: made, status: 'open' });
    expect(standIn.control.customers().find(({ id }) => id === made)).toMatchObject({
      name: 'Acme',
      email: 'billing@acme.test',
      metadata: { team: teamId },
    });
    await updateDeposit(database.db, depositId, { stripeSessionId: answer.sessionId });
    standIn.control.submitCheckout(answer.sessionId);
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ status: 'succeeded' });
  });

  it('is replaced, so that a page for saving a card opens', async () => {
    const { teamId, customer } = await teamWithCard();
    vanish(customer);
    const { checkoutUrl } = await cards.setupCheckout(teamId);
    const page = standIn.control.checkoutSessions().find(({ url }) => url === checkoutUrl);
    expect(page).toMatchObject({ customer: await customerOf(teamId) });
    standIn.control.submitCheckout(page?.id ?? '');
    expect(
      await cards.adoptFromSetup({ sessionId: page?.id ?? '', nowSecond: NOW, newId: `pm_${teamId}` }),
    ).toMatchObject({ last4: '4242' });
  });

  it('is replaced, so that the same card can be saved again, and its old card is removed', async () => {
    const { teamId, card, customer } = await teamWithCard();
    vanish(customer);
    const again = await saveCard(cards, teamId);
    expect(again.id).not.toBe(card.id);
    expect(await listPaymentMethods(database.db, teamId)).toMatchObject([{ id: again.id, isDefault: true }]);
    const depositId = await newDeposit(database.db, { teamId, kind: 'auto_top_up', paymentMethodId: again.id });
    expect(await payments.createIntent({ depositId })).toHaveProperty('intentId');
  });

  it('fails the charge of its card as a removed card, and charges nothing', async () => {
    const { teamId, card, customer } = await teamWithCard();
    const depositId = await newDeposit(database.db, { teamId, kind: 'auto_top_up', paymentMethodId: card.id });
    vanish(customer);
    expect(await payments.createIntent({ depositId })).toEqual({ failureCode: 'card_removed' });
    expect(chargesOf(depositId)).toEqual([]);
    expect(await listPaymentMethods(database.db, teamId)).toEqual([]);
  });

  it('has no completed pages, and its card can be removed', async () => {
    const { teamId, card, customer } = await teamWithCard();
    vanish(customer);
    await cards.adoptCompleted({ teamId, nowSecond: NOW });
    await cards.detach({ teamId, paymentMethodId: card.id, nowSecond: NOW });
    expect(await listPaymentMethods(database.db, teamId)).toEqual([]);
  });
});

describe('a new customer', () => {
  it('has a new id after each deletion, within the day of the first idempotency key', async () => {
    const { teamId, customer } = await teamWithCard();
    const seen = new Set([customer]);
    for (let times = 0; times < 3; times++) {
      standIn.control.deleteCustomer(await customerOf(teamId));
      await openPage(payments, await checkout(teamId));
      seen.add(await customerOf(teamId));
    }
    expect(seen.size).toBe(4);
  });

  it('is one customer for two simultaneous calls', async () => {
    const { teamId, customer } = await teamWithCard();
    standIn.control.deleteCustomer(customer);
    const deposits = [await checkout(teamId), await checkout(teamId)];
    await Promise.all(deposits.map((depositId) => openPage(payments, depositId)));
    const made = standIn.control.customers().filter(({ metadata }) => metadata.team === teamId);
    expect(made.map(({ id }) => id)).toEqual([await customerOf(teamId)]);
  });

  it('differs from the deleted customer that the first key still answers', async () => {
    const { id: teamId } = await newTeam(database.db);
    const { db } = database;
    await openPage(payments, await checkout(teamId));
    const first = await customerOf(teamId);
    await db.team.update({ where: { id: teamId }, data: { stripeCustomerId: null } });
    standIn.control.deleteCustomer(first);
    await openPage(payments, await checkout(teamId));
    expect(await customerOf(teamId)).not.toBe(first);
  });

  it('that Stripe refuses fails the deposit without a fault of the card', async () => {
    const { id: teamId } = await newTeam(database.db);
    const refuse = () => standIn.control.faults.add({ on: 'POST /v1/customers', kind: 'refuse' });
    refuse();
    expect(await payments.createCheckout({ depositId: await checkout(teamId) })).toEqual({
      failureCode: 'provider_rejected',
    });
    for (const work of [() => saveCard(cards, teamId), () => cards.setupCheckout(teamId)]) {
      refuse();
      const error = await work().catch((refusal) => refusal);
      expect([error.code, error.param]).toEqual(['provider_rejected', undefined]);
    }
  });

  it('has no address when Stripe refuses the address, and can still pay', async () => {
    const { id: teamId } = await newTeam(database.db, { email: 'billing@acme.test' });
    const refusal = { code: 'email_invalid', param: 'email', message: 'Invalid email address' };
    standIn.control.faults.add({ on: 'POST /v1/customers', kind: 'refuse', refusal });
    await openPage(payments, await checkout(teamId));
    const customer = standIn.control.customers().find(({ metadata }) => metadata.team === teamId);
    expect(customer).toMatchObject({ name: 'Acme', email: null });
  });
});

describe('a page', () => {
  it('that Stripe refuses to open fails the deposit as refused by the provider', async () => {
    const { id: teamId } = await newTeam(database.db);
    standIn.control.faults.add({ on: 'POST /v1/checkout/sessions', kind: 'refuse' });
    const depositId = await checkout(teamId);
    expect(await payments.createCheckout({ depositId })).toEqual({ failureCode: 'provider_rejected' });
    standIn.control.faults.add({ on: 'POST /v1/checkout/sessions', kind: 'refuse' });
    await expect(cards.setupCheckout(teamId)).rejects.toMatchObject({ code: 'provider_rejected' });
  });

  async function opened() {
    const { id: teamId } = await newTeam(database.db);
    const depositId = await checkout(teamId);
    const { sessionId } = await openPage(payments, depositId);
    await updateDeposit(database.db, depositId, { stripeSessionId: sessionId });
    return { depositId, sessionId };
  }

  it('that is gone ends its deposit and is not opened again, because the first page may have been paid', async () => {
    const { depositId, sessionId } = await opened();
    standIn.control.forget(sessionId);
    expect(await payments.fetchOutcome({ depositId })).toEqual({
      status: 'failed',
      intentId: null,
      failureCode: 'payment_missing',
    });
  });

  it('that is gone after its payment was stored has the outcome of the payment', async () => {
    const { depositId, sessionId } = await opened();
    standIn.control.submitCheckout(sessionId);
    const intentId = String(pageOf(sessionId)?.payment_intent);
    await updateDeposit(database.db, depositId, { stripeIntentId: intentId });
    standIn.control.forget(sessionId);
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ status: 'succeeded', intentId });
  });

  it('that is paid is credited when its payment is gone', async () => {
    const { depositId, sessionId } = await opened();
    standIn.control.submitCheckout(sessionId);
    const intentId = String(pageOf(sessionId)?.payment_intent);
    standIn.control.forget(intentId);
    expect(await payments.fetchOutcome({ depositId })).toEqual({ status: 'succeeded', intentId, receiptUrl: null });
  });
});

describe('a payment of a saved card', () => {
  async function created() {
    const { teamId, card } = await teamWithCard();
    const depositId = await newDeposit(database.db, { teamId, kind: 'auto_top_up', paymentMethodId: card.id });
    const answer = await payments.createIntent({ depositId });
    if ('failureCode' in answer) throw new Error(answer.failureCode);
    await updateDeposit(database.db, depositId, { stripeIntentId: answer.intentId });
    return { teamId, card, depositId, intentId: answer.intentId };
  }

  it('that is gone before its confirmation was never charged, and fails as refused by the provider', async () => {
    const { depositId, intentId } = await created();
    standIn.control.forget(intentId);
    expect(await onAttempt(1, () => payments.confirmIntent({ depositId, intentId }))).toEqual({
      status: 'failed',
      intentId,
      failureCode: 'provider_rejected',
    });
  });

  it('that is gone after a confirmation without an answer has an unknown outcome', async () => {
    const { depositId, intentId } = await created();
    await payments.confirmIntent({ depositId, intentId });
    standIn.control.forget(intentId, { live: true });
    const missing = { status: 'failed', intentId, failureCode: 'payment_missing' };
    expect(await onAttempt(2, () => payments.confirmIntent({ depositId, intentId }))).toEqual(missing);
    expect(await payments.fetchOutcome({ depositId })).toEqual(missing);
    expect(chargesOf(depositId)).toHaveLength(1);
  });

  it('whose card is gone fails as a removed card, and the card is removed from the list', async () => {
    const { teamId, card, depositId, intentId } = await created();
    standIn.control.forget(card.stripePaymentMethodId);
    expect(await payments.confirmIntent({ depositId, intentId })).toMatchObject({ failureCode: 'card_removed' });
    expect(await listPaymentMethods(database.db, teamId)).toEqual([]);
    expect(chargesOf(depositId)).toEqual([]);
  });

  it('that Stripe refuses at either of the two calls fails without a fault of the card', async () => {
    const { teamId, card } = await teamWithCard();
    const depositId = await newDeposit(database.db, { teamId, kind: 'saved_card', paymentMethodId: card.id });
    standIn.control.faults.add({ on: 'POST /v1/payment_intents', kind: 'refuse' });
    expect(await payments.createIntent({ depositId })).toEqual({ failureCode: 'provider_rejected' });
    const other = await created();
    standIn.control.faults.add({ on: 'POST /v1/payment_intents/:id/confirm', kind: 'refuse' });
    expect(await payments.confirmIntent(other)).toMatchObject({ status: 'failed', failureCode: 'provider_rejected' });
    expect(await listPaymentMethods(database.db, teamId)).toHaveLength(1);
  });
});

describe('a card', () => {
  it('that Stripe refuses to detach stays saved, because it is still attached at Stripe', async () => {
    const { teamId, card } = await teamWithCard();
    standIn.control.faults.add({ on: 'POST /v1/payment_methods/:id/detach', kind: 'refuse' });
    const removing = cards.detach({ teamId, paymentMethodId: card.id, nowSecond: NOW });
    await expect(removing).rejects.toMatchObject({ code: 'provider_rejected' });
    expect(await listPaymentMethods(database.db, teamId)).toHaveLength(1);
  });

  it('of a completed page is saved when an earlier copy of the same card is gone', async () => {
    const { teamId, card } = await teamWithCard();
    const { fingerprint, expMonth, expYear } = card;
    standIn.control.forget(card.stripePaymentMethodId);
    const { checkoutUrl } = await cards.setupCheckout(teamId);
    const page = standIn.control.checkoutSessions().find(({ url }) => url === checkoutUrl);
    const cardExpiry = `${String(expMonth).padStart(2, '0')} / ${expYear % 100}`;
    standIn.control.submitCheckout(page?.id ?? '', { cardExpiry });
    const saved = await cards.adoptFromSetup({ sessionId: page?.id ?? '', nowSecond: NOW, newId: `pm_new_${teamId}` });
    expect(saved).toMatchObject({ id: `pm_new_${teamId}`, fingerprint, expMonth, expYear });
    expect(await listPaymentMethods(database.db, teamId)).toMatchObject([{ id: saved?.id }]);
  });
});

describe('a refund', () => {
  const ledger = () => createLedger({ db: database.db, settings: SETTINGS });

  async function taken() {
    const { teamId, card } = await teamWithCard();
    const depositId = await newDeposit(database.db, { teamId, kind: 'saved_card', paymentMethodId: card.id });
    const answer = await payments.createIntent({ depositId });
    const intentId = 'intentId' in answer ? answer.intentId : '';
    await updateDeposit(database.db, depositId, { stripeIntentId: intentId });
    await payments.confirmIntent({ depositId, intentId });
    await ledger().creditDeposit({ depositId, nowSecond: NOW, receiptUrl: null }, 'test');
    const refundId = `ref_${depositId}`;
    const order = { refundId, depositId, teamId, amountMicros: dollars(10), actor: 'test', callId: refundId };
    await ledger().requestRefund({ ...order, receivedSecond: NOW, notAfterMs: 1, nowMs: 0 }, 'test');
    return { depositId, refundId, intentId };
  }

  it('of a payment that is gone is not sent, and fails with the reason', async () => {
    const { refundId, intentId } = await taken();
    standIn.control.forget(intentId);
    expect(await refunds.createRefund({ refundId })).toEqual({
      status: 'failed',
      stripeRefundId: null,
      failureCode: 'payment_missing',
    });
  });

  it('that is gone keeps its recorded state, and no second refund is made', async () => {
    const { refundId, intentId } = await taken();
    const { stripeRefundId } = await refunds.createRefund({ refundId });
    await ledger().noteRefund({ refundId, stripeRefundId: stripeRefundId ?? '' });
    standIn.control.forget(stripeRefundId ?? '');
    expect(await refunds.createRefund({ refundId })).toMatchObject({ status: 'pending', stripeRefundId });
    expect(await refunds.fetchRefund({ stripeRefundId: stripeRefundId ?? '' })).toMatchObject({
      status: 'pending',
      namedRefundId: refundId,
      amountMicros: dollars(10),
    });
    expect(standIn.control.refunds().filter(({ payment_intent }) => payment_intent === intentId)).toEqual([]);
  });

  it('that was never recorded and is gone has moved no money', async () => {
    expect(await refunds.fetchRefund({ stripeRefundId: 're_nowhere' })).toMatchObject({ status: 'failed' });
  });
});
