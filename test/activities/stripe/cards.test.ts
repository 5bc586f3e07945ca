/** Tests saved cards at Stripe: saving, pages, removal, webhooks and changes at Stripe. */
import Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Cards, createCards } from '../../../activities/stripe/cards.ts';
import { createStripe } from '../../../activities/stripe/client.ts';
import { verifyStripeEvent } from '../../../activities/stripe/events.ts';
import { secondOf } from '../../../billing/time.ts';
import { type StripeStandIn, startStripeStandIn } from '../../../embedded/stripe/index.ts';
import { listPaymentMethods } from '../../../prisma/payment-methods.ts';
import { getTeam } from '../../../prisma/teams.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { NOW, newTeam, SILENT, saveCard } from '../fixtures.ts';

let database: TestDatabase;
let standIn: StripeStandIn;
let stripe: Stripe;
let cards: Cards;

beforeAll(async () => {
  [database, standIn] = await Promise.all([newDatabase(), startStripeStandIn()]);
  stripe = createStripe({ secretKey: 'sk_test_cards', apiBase: standIn.url, timeoutMs: 1_500 });
  cards = createCards({ stripe, db: database.db, publicUrl: 'https://burnrate.test', log: SILENT });
});
afterEach(() => standIn.control.reset());
afterAll(async () => {
  await standIn.close();
  await database.close();
});

const team = async () => (await newTeam(database.db)).id;
const customersOf = (teamId: string) => standIn.control.customers().filter(({ metadata }) => metadata.team === teamId);
const attachedTo = (teamId: string) => {
  const ids = customersOf(teamId).map(({ id }) => id);
  return standIn.control.paymentMethods().filter(({ customer }) => ids.includes(String(customer)));
};

describe('saving a card', () => {
  it('attaches it to the team’s only customer, and makes the first card the default', async () => {
    const teamId = await team();
    const visa = await saveCard(cards, teamId);
    const amex = await saveCard(cards, teamId, 'pm_card_amex');
    expect(visa).toMatchObject({ teamId, brand: 'visa', last4: '4242', isDefault: true, removedSecond: null });
    expect(amex).toMatchObject({ brand: 'amex', isDefault: false });
    expect(customersOf(teamId)).toMatchObject([{ name: 'Acme', email: 'billing@acme.test' }]);
    expect(customersOf(teamId)[0]?.id).toBe((await getTeam(database.db, teamId)).stripeCustomerId);
    expect(attachedTo(teamId)).toHaveLength(2);
  });

  it('recognizes the same card, and saves it once', async () => {
    const teamId = await team();
    const first = await saveCard(cards, teamId);
    const made = await stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } });
    expect(await saveCard(cards, teamId, made.id)).toEqual(first);
    expect(await saveCard(cards, teamId, made.id)).toEqual(first);
    expect(await listPaymentMethods(database.db, teamId)).toEqual([first]);
    expect(attachedTo(teamId)).toHaveLength(1);
  });

  it('saves the same card for each of two teams', async () => {
    const [one, other] = [await saveCard(cards, await team()), await saveCard(cards, await team())];
    expect(one.id).not.toBe(other.id);
    expect(one.fingerprint).toBe(other.fingerprint);
  });

  it('refuses a card that its bank declines, with a message for its holder', async () => {
    const refused = saveCard(cards, await team(), 'pm_card_chargeDeclinedInsufficientFunds');
    await expect(refused).rejects.toMatchObject({
      code: 'card_declined',
      message: expect.stringContaining('does not have enough funds'),
    });
  });

  it('accepts a card that declines only later charges', async () => {
    expect(await saveCard(cards, await team(), 'pm_card_chargeCustomerFail')).toMatchObject({ last4: '0341' });
  });

  it('refuses an id that Stripe does not know, and a card of another team', async () => {
    await expect(saveCard(cards, await team(), 'pm_unknown')).rejects.toMatchObject({ code: 'payment_method_invalid' });
    const theirs = await saveCard(cards, await team());
    const stolen = saveCard(cards, await team(), theirs.stripePaymentMethodId);
    await expect(stolen).rejects.toMatchObject({ code: 'payment_method_invalid' });
  });

  it.each(['error', 'drop', 'hang', 'rate_limit'] as const)(
    'reports an outage as no fault of the card (%s)',
    async (kind) => {
      const teamId = await team();
      standIn.control.faults.beginOutage(kind);
      await expect(saveCard(cards, teamId)).rejects.toMatchObject({ code: 'provider_unavailable' });
      standIn.control.faults.endOutage();
      expect(await saveCard(cards, teamId)).toMatchObject({ last4: '4242' });
      expect(await listPaymentMethods(database.db, teamId)).toHaveLength(1);
    },
  );
});

it('a refused Stripe key is not reported as a fault of the card', async () => {
  const wrong = createStripe({ secretKey: 'no_key', apiBase: standIn.url });
  const world = { stripe: wrong, db: database.db, publicUrl: 'https://burnrate.test', log: SILENT };
  await expect(saveCard(createCards(world), await team())).rejects.toMatchObject({
    code: 'provider_unavailable',
    message: expect.stringContaining('our key'),
  });
});

describe("Stripe's page for saving a card", () => {
  async function opened() {
    const teamId = await team();
    const { checkoutUrl } = await cards.setupCheckout(teamId);
    const session = standIn.control.checkoutSessions().find(({ url }) => url === checkoutUrl);
    return { teamId, sessionId: session?.id ?? '' };
  }
  const adopt = (sessionId: string, newId: string) => cards.adoptFromSetup({ sessionId, nowSecond: NOW, newId });

  it('gives nothing before it is completed, then its card, once', async () => {
    const { teamId, sessionId } = await opened();
    expect(await adopt(sessionId, 'pm_1')).toBeNull();
    standIn.control.submitCheckout(sessionId);
    const saved = await adopt(sessionId, 'pm_1');
    expect(saved).toMatchObject({ id: 'pm_1', teamId, last4: '4242', isDefault: true });
    expect(await adopt(sessionId, 'pm_2')).toEqual(saved);
    expect(await listPaymentMethods(database.db, teamId)).toEqual([saved]);
  });

  it('gives the already saved card, and leaves no second card at Stripe', async () => {
    const { teamId, sessionId } = await opened();
    const expiry = { cardExpiry: '12 / 34' };
    standIn.control.submitCheckout(sessionId, expiry);
    const saved = await adopt(sessionId, 'pm_first');
    const again = await cards.setupCheckout(teamId);
    const session = standIn.control.checkoutSessions().find(({ url }) => url === again.checkoutUrl);
    standIn.control.submitCheckout(session?.id ?? '', expiry);
    expect(await adopt(session?.id ?? '', 'pm_second')).toEqual(saved);
    expect(attachedTo(teamId)).toHaveLength(1);
  });

  it('gives the card of a completed page once without a webhook', async () => {
    const { teamId, sessionId } = await opened();
    const asks = () => cards.adoptCompleted({ teamId, nowSecond: secondOf(Date.now()) });
    await asks();
    expect(await listPaymentMethods(database.db, teamId)).toEqual([]);
    standIn.control.submitCheckout(sessionId);
    await asks();
    await Promise.all([asks(), asks(), adopt(sessionId, 'pm_late')]);
    expect(await listPaymentMethods(database.db, teamId)).toMatchObject([{ last4: '4242', isDefault: true }]);
    expect(attachedTo(teamId)).toHaveLength(1);
    await cards.adoptCompleted({ teamId: await team(), nowSecond: NOW });
  });

  it('does not restore a card that was removed since', async () => {
    const { teamId, sessionId } = await opened();
    standIn.control.submitCheckout(sessionId);
    const saved = await adopt(sessionId, 'pm_gone');
    await cards.detach({ teamId, paymentMethodId: saved?.id ?? '', nowSecond: NOW });
    expect(await adopt(sessionId, 'pm_back')).toBeNull();
    expect(await listPaymentMethods(database.db, teamId)).toEqual([]);
  });
});

describe('removing a card', () => {
  it('removes it here and at Stripe, and makes another card the default', async () => {
    const teamId = await team();
    const first = await saveCard(cards, teamId);
    const second = await saveCard(cards, teamId, 'pm_card_mastercard');
    await cards.detach({ teamId, paymentMethodId: first.id, nowSecond: NOW });
    expect(await listPaymentMethods(database.db, teamId)).toEqual([{ ...second, isDefault: true }]);
    expect(attachedTo(teamId)).toHaveLength(1);
  });

  it('leaves it saved while Stripe is unavailable, and can be retried', async () => {
    const teamId = await team();
    const card = await saveCard(cards, teamId);
    const removed = () => cards.detach({ teamId, paymentMethodId: card.id, nowSecond: NOW });
    standIn.control.faults.beginOutage('error');
    await expect(removed()).rejects.toMatchObject({ code: 'provider_unavailable' });
    expect(await listPaymentMethods(database.db, teamId)).toHaveLength(1);
    standIn.control.faults.endOutage();
    await stripe.paymentMethods.detach(card.stripePaymentMethodId);
    await removed();
    expect(await listPaymentMethods(database.db, teamId)).toEqual([]);
  });

  it("refuses another team's card", async () => {
    const card = await saveCard(cards, await team());
    const theft = cards.detach({ teamId: await team(), paymentMethodId: card.id, nowSecond: NOW });
    await expect(theft).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a webhook', () => {
  const SECRET = 'whsec_webhooks';
  const bodyOf = (object: object, type = 'payment_intent.succeeded') =>
    JSON.stringify({ id: 'evt_1', object: 'event', type, data: { object } });
  const signed = (payload: string, secret = SECRET, ageSeconds = 0) =>
    Stripe.webhooks.generateTestHeaderString({
      payload,
      secret,
      timestamp: Math.floor(Date.now() / 1000) - ageSeconds,
    });

  it('names the payment, page, customer and deposit to read', () => {
    const intent = bodyOf({ object: 'payment_intent', id: 'pi_1', customer: 'cus_1', metadata: { deposit: 'dep_1' } });
    expect(verifyStripeEvent(Buffer.from(intent), signed(intent), SECRET)).toEqual({
      eventId: 'evt_1',
      type: 'payment_intent.succeeded',
      intentId: 'pi_1',
      customerId: 'cus_1',
      depositId: 'dep_1',
    });
    const page = bodyOf({ object: 'checkout.session', id: 'cs_1', mode: 'setup' }, 'checkout.session.completed');
    expect(verifyStripeEvent(page, signed(page), SECRET)).toEqual({
      eventId: 'evt_1',
      type: 'checkout.session.completed',
      sessionId: 'cs_1',
      setup: true,
    });
    const charge = bodyOf({ object: 'charge', id: 'ch_1', payment_intent: 'pi_2', customer: null }, 'charge.refunded');
    expect(verifyStripeEvent(charge, signed(charge), SECRET)).toMatchObject({ intentId: 'pi_2' });
  });

  it('that is forged, changed, old, or no event at all is refused', () => {
    const body = bodyOf({ object: 'payment_intent', id: 'pi_1' });
    const header = signed(body);
    const refused = [
      () => verifyStripeEvent(body, signed(body, 'whsec_other'), SECRET),
      () => verifyStripeEvent(body.replace('pi_1', 'pi_2'), header, SECRET),
      () => verifyStripeEvent(body, signed(body, SECRET, 301), SECRET),
      () => verifyStripeEvent(body, '', SECRET),
      () => verifyStripeEvent('no event', signed('no event'), SECRET),
    ];
    for (const verify of refused) expect(verify).toThrow(expect.objectContaining({ code: 'webhook_invalid' }));
    expect(verifyStripeEvent(body, signed(body, SECRET, 290), SECRET)).toMatchObject({ intentId: 'pi_1' });
  });
});

describe('a card that changes at Stripe', () => {
  const refresh = (stripePaymentMethodId: string) => cards.refresh({ stripePaymentMethodId, nowSecond: NOW });

  it('has its new expiry here after a read', async () => {
    const teamId = await team();
    const card = await saveCard(cards, teamId);
    await stripe.paymentMethods.update(card.stripePaymentMethodId, { card: { exp_month: 2, exp_year: 2041 } });
    expect(await refresh(card.stripePaymentMethodId)).toEqual({ teamId });
    expect(await listPaymentMethods(database.db, teamId)).toEqual([{ ...card, expMonth: 2, expYear: 2041 }]);
  });

  it('is removed here after it was removed there, and the newest remaining card becomes the default', async () => {
    const teamId = await team();
    const [card, other] = [await saveCard(cards, teamId), await saveCard(cards, teamId, 'pm_card_amex')];
    await stripe.paymentMethods.detach(card.stripePaymentMethodId);
    expect(await refresh(card.stripePaymentMethodId)).toEqual({ teamId });
    expect(await listPaymentMethods(database.db, teamId)).toEqual([{ ...other, isDefault: true }]);
    expect(await refresh(card.stripePaymentMethodId)).toBeNull();
    expect(await refresh('pm_nobodys')).toBeNull();
  });

  it('stays unchanged while Stripe is unavailable', async () => {
    const teamId = await team();
    const card = await saveCard(cards, teamId);
    standIn.control.faults.add({ on: 'GET /v1/payment_methods/:id', kind: 'error' });
    await expect(refresh(card.stripePaymentMethodId)).rejects.toMatchObject({ code: 'provider_unavailable' });
    expect(await listPaymentMethods(database.db, teamId)).toEqual([card]);
  });
});
