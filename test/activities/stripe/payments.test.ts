/** Tests payments through Stripe's API: charges of saved cards, faults, declines, authentication and Checkout pages. */
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/activity';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PaymentOutcome, Payments } from '../../../activities/providers.ts';
import { type Cards, createCards } from '../../../activities/stripe/cards.ts';
import { createStripe } from '../../../activities/stripe/client.ts';
import { createStripePayments } from '../../../activities/stripe/payments.ts';
import { type StripeStandIn, startStripeStandIn } from '../../../embedded/stripe/index.ts';
import { getDeposit, updateDeposit } from '../../../prisma/deposits.ts';
import { listPaymentMethods, removePaymentMethod } from '../../../prisma/payment-methods.ts';
import { untilAnswered } from '../../support/activity.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { NOW, newDeposit, newTeam, openPage, SILENT, saveCard } from '../fixtures.ts';

const CREATE = 'POST /v1/payment_intents';
const CONFIRM = 'POST /v1/payment_intents/:id/confirm';
const PUBLIC_URL = 'https://burnrate.test';

let database: TestDatabase;
let standIn: StripeStandIn;
let cards: Cards;
let payments: Payments;

beforeAll(async () => {
  [database, standIn] = await Promise.all([newDatabase(), startStripeStandIn()]);
  const { db } = database;
  const stripe = createStripe({ secretKey: 'sk_test_payments', apiBase: standIn.url, timeoutMs: 1_500 });
  cards = createCards({ stripe, db, publicUrl: PUBLIC_URL, log: SILENT });
  payments = createStripePayments({ stripe, db, publicUrl: PUBLIC_URL, log: SILENT });
});
afterEach(() => standIn.control.reset());
afterAll(async () => {
  await standIn.close();
  await database.close();
});

type Kind = 'auto_top_up' | 'saved_card';

async function opened(kind: Kind = 'auto_top_up', stripePaymentMethod = 'pm_card_visa') {
  const { id: teamId } = await newTeam(database.db);
  const card = await saveCard(cards, teamId, stripePaymentMethod);
  const depositId = await newDeposit(database.db, { teamId, kind, paymentMethodId: card.id });
  return { teamId, card, depositId };
}

const intentsOf = (depositId: string) =>
  standIn.control.paymentIntents().filter(({ metadata }) => metadata.deposit === depositId);

/** Charges that took money. */
const takenFor = (depositId: string) => {
  const ids = intentsOf(depositId).map(({ id }) => id);
  return standIn.control.charges().filter((charge) => charge.paid && ids.includes(String(charge.payment_intent)));
};

/** The card as the deposit's row has it: no outcome carries one into a workflow's history. */
async function cardSeen(depositId: string) {
  const { cardBrand, cardLast4 } = await getDeposit(database.db, depositId);
  return { brand: cardBrand, last4: cardLast4 };
}

/** What the deposit workflow does, each step tried until it is answered. */
async function pay(depositId: string): Promise<{ outcome: PaymentOutcome; failures: unknown[] }> {
  const created = await untilAnswered(() => payments.createIntent({ depositId }));
  if ('failureCode' in created.answer) throw new Error(`not created: ${created.answer.failureCode}`);
  const { intentId } = created.answer;
  await updateDeposit(database.db, depositId, { stripeIntentId: intentId });
  const confirmed = await untilAnswered(() => payments.confirmIntent({ depositId, intentId }));
  return { outcome: confirmed.answer, failures: [...created.failures, ...confirmed.failures] };
}

describe('a charge of a saved card', () => {
  it('is created unconfirmed, so that no money moves before its id is stored', async () => {
    const { depositId, teamId } = await opened();
    await payments.createIntent({ depositId });
    expect(intentsOf(depositId)).toMatchObject([
      {
        status: 'requires_confirmation',
        amount: 10_000,
        currency: 'usd',
        description: 'Auto Top-Up',
        metadata: { deposit: depositId, team: teamId },
      },
    ]);
    expect(takenFor(depositId)).toEqual([]);
  });

  it('succeeds with its receipt and its card', async () => {
    const { depositId } = await opened();
    const { outcome } = await pay(depositId);
    expect(outcome).toEqual({
      status: 'succeeded',
      intentId: intentsOf(depositId)[0]?.id,
      receiptUrl: expect.stringContaining('http'),
    });
    expect(await cardSeen(depositId)).toEqual({ brand: 'visa', last4: '4242' });
    expect(await payments.fetchOutcome({ depositId })).toEqual(outcome);
  });

  it('is the existing charge of the deposit', async () => {
    const { depositId } = await opened();
    await updateDeposit(database.db, depositId, { stripeIntentId: 'pi_known' });
    expect(await payments.createIntent({ depositId })).toEqual({ intentId: 'pi_known' });
  });

  it('is "processing" until the bank has decided', async () => {
    const { depositId, card } = await opened();
    standIn.control.cards.leaveProcessing({ paymentMethod: card.stripePaymentMethodId });
    const { outcome } = await pay(depositId);
    expect(outcome).toMatchObject({ status: 'processing' });
    standIn.control.settlePayment(intentsOf(depositId)[0]?.id ?? '', 'succeeded');
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ status: 'succeeded' });
  });
});

describe('one charge is the result, without a decline, of', () => {
  // The client itself repeats a call whose connection was closed, once and under the same key: two drops make it fail.
  const faults: Array<[string, string, Parameters<StripeStandIn['control']['faults']['add']>[0]['kind'], number]> = [
    ['a 500 kept under the key of the creation', CREATE, 'error', 1],
    ['a 500 for a creation that took effect', CREATE, 'error_after_effect', 1],
    ['a connection dropped before the creation', CREATE, 'drop', 2],
    ['a connection dropped after the creation', CREATE, 'drop_after_effect', 1],
    ['a creation that was never answered', CREATE, 'hang_after_effect', 1],
    ['a 429 for the creation', CREATE, 'rate_limit', 1],
    ['a 500 kept under the key of the confirmation', CONFIRM, 'error', 1],
    ['a 500 for a confirmation that took effect', CONFIRM, 'error_after_effect', 1],
    ['a connection dropped before the confirmation', CONFIRM, 'drop', 2],
    ['a connection dropped after the confirmation', CONFIRM, 'drop_after_effect', 1],
    ['a confirmation that hangs', CONFIRM, 'hang', 1],
    ['a confirmation that hangs after it took effect', CONFIRM, 'hang_after_effect', 1],
    ['a 429 for the confirmation', CONFIRM, 'rate_limit', 1],
  ];
  it.each(faults)('%s', async (_name, on, kind, times) => {
    const { depositId } = await opened();
    standIn.control.faults.add({ on, kind, times });
    const { outcome } = await pay(depositId);
    expect(outcome).toMatchObject({ status: 'succeeded' });
    expect(await cardSeen(depositId)).toMatchObject({ last4: '4242' });
    expect(takenFor(depositId)).toHaveLength(1);
    expect(standIn.control.faults.pending()).toEqual([]);
  });

  it('a confirmation that is still in progress at the next try', async () => {
    const { depositId } = await opened();
    standIn.control.faults.add({ on: CONFIRM, kind: 'slow', ms: 2_400 });
    const { outcome } = await pay(depositId);
    expect(outcome).toMatchObject({ status: 'succeeded' });
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(takenFor(depositId)).toHaveLength(1);
  });

  it.each(['error', 'drop', 'hang', 'rate_limit'] as const)('an outage (%s) that ends', async (kind) => {
    const { depositId } = await opened();
    standIn.control.faults.beginOutage(kind);
    const created = await untilAnswered(
      () => payments.createIntent({ depositId }),
      (failures) => {
        if (failures === 3) standIn.control.faults.endOutage();
      },
    );
    expect(created.failures).toHaveLength(3);
    for (const failure of created.failures) {
      expect(failure).toBeInstanceOf(ApplicationFailure);
      expect(failure).toMatchObject({ type: 'stripe_unavailable', nonRetryable: false });
    }
    expect((await pay(depositId)).outcome).toMatchObject({ status: 'succeeded' });
    expect(takenFor(depositId)).toHaveLength(1);
  });

  it('our wrong key, which is retried until an operator corrects it', async () => {
    const { depositId } = await opened();
    const { db } = database;
    const stripe = createStripe({ secretKey: 'wrong', apiBase: standIn.url });
    const unauthorized = createStripePayments({ stripe, db, publicUrl: PUBLIC_URL, log: SILENT });
    await expect(unauthorized.createIntent({ depositId })).rejects.toMatchObject({ nonRetryable: false });
  });

  it('an earlier try whose intent is found among many, even if search lags', async () => {
    const { depositId, teamId } = await opened();
    standIn.control.setSearchLag(3600);
    standIn.control.faults.add({ on: CREATE, kind: 'error_after_effect' });
    await untilAnswered(
      () => payments.createIntent({ depositId }),
      async () => {
        const card = await saveCard(cards, teamId, 'pm_card_mastercard');
        for (let other = 0; other < 105; other++) {
          const otherId = await newDeposit(database.db, { teamId, kind: 'saved_card', paymentMethodId: card.id });
          await payments.createIntent({ depositId: otherId });
        }
      },
    );
    expect(intentsOf(depositId)).toHaveLength(1);
  });
});

describe('a card that cannot be charged', () => {
  it.each([
    ['insufficient_funds', 'insufficient_funds'],
    ['expired_card', 'card_expired'],
    ['card_not_supported', 'card_not_supported'],
    ['incorrect_cvc', 'incorrect_details'],
    ['authentication_required', 'authentication_required'],
    ['generic_decline', 'declined'],
    ['lost_card', 'declined'],
  ])('declined by its bank for %s fails with %s, and can never succeed later', async (declineCode, failureCode) => {
    const { depositId, card } = await opened();
    standIn.control.cards.decline({ paymentMethod: card.stripePaymentMethodId, declineCode });
    const { outcome } = await pay(depositId);
    const intentId = intentsOf(depositId)[0]?.id;
    expect(outcome).toEqual({ status: 'failed', intentId, failureCode });
    expect(await cardSeen(depositId)).toEqual({ brand: 'visa', last4: '4242' });
    expect(intentsOf(depositId)).toMatchObject([{ status: 'canceled' }]);
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ status: 'failed', failureCode });
    expect(takenFor(depositId)).toEqual([]);
  });

  it.each(['drop_after_effect', 'error_after_effect', 'hang_after_effect'] as const)(
    'is known to be declined when the answer was lost (%s)',
    async (kind) => {
      const { depositId, card } = await opened();
      standIn.control.cards.decline({ paymentMethod: card.stripePaymentMethodId, declineCode: 'insufficient_funds' });
      standIn.control.faults.add({ on: CONFIRM, kind });
      const { outcome } = await pay(depositId);
      expect(outcome).toMatchObject({ status: 'failed', failureCode: 'insufficient_funds' });
      expect(
        standIn.control.charges().filter((charge) => charge.payment_intent === intentsOf(depositId)[0]?.id),
      ).toHaveLength(1);
    },
  );

  it('keeps its reason through an outage between the decline and the cancellation', async () => {
    const { depositId, card } = await opened();
    standIn.control.cards.decline({ paymentMethod: card.stripePaymentMethodId, declineCode: 'expired_card' });
    standIn.control.faults.add({ on: 'POST /v1/payment_intents/:id/cancel', kind: 'rate_limit' });
    expect((await pay(depositId)).outcome).toMatchObject({ status: 'failed', failureCode: 'card_expired' });
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ status: 'failed', failureCode: 'card_expired' });
    expect(intentsOf(depositId)).toMatchObject([{ status: 'canceled' }]);
  });

  it('and was removed here has no intent created', async () => {
    const { depositId, teamId, card } = await opened();
    await removePaymentMethod(database.db, teamId, card.id, NOW);
    expect(await payments.createIntent({ depositId })).toEqual({ failureCode: 'card_removed' });
    expect(intentsOf(depositId)).toEqual([]);
  });

  it('and does not exist fails as removed', async () => {
    const { id: teamId } = await newTeam(database.db);
    const depositId = await newDeposit(database.db, { teamId, kind: 'auto_top_up' });
    expect(await payments.createIntent({ depositId })).toEqual({ failureCode: 'card_removed' });
  });

  it('and was detached at Stripe before the creation of the intent fails as removed', async () => {
    const { depositId, card } = await opened();
    await createStripe({ secretKey: 'sk_test_x', apiBase: standIn.url }).paymentMethods.detach(
      card.stripePaymentMethodId,
    );
    const { answer } = await untilAnswered(() => payments.createIntent({ depositId }));
    if ('intentId' in answer) {
      const confirmed = await payments.confirmIntent({ depositId, intentId: answer.intentId });
      expect(confirmed).toMatchObject({ status: 'failed', failureCode: 'card_removed' });
    } else expect(answer).toEqual({ failureCode: 'card_removed' });
    expect(takenFor(depositId)).toEqual([]);
  });

  it('and was detached at Stripe between creation and confirmation fails as removed', async () => {
    const { depositId, card } = await opened();
    const { answer } = await untilAnswered(() => payments.createIntent({ depositId }));
    await createStripe({ secretKey: 'sk_test_x', apiBase: standIn.url }).paymentMethods.detach(
      card.stripePaymentMethodId,
    );
    const { intentId } = answer as { intentId: string };
    expect(await payments.confirmIntent({ depositId, intentId })).toMatchObject({
      status: 'failed',
      failureCode: 'card_removed',
    });
    expect(intentsOf(depositId)).toMatchObject([{ status: 'canceled', metadata: { failure: 'card_removed' } }]);
    await updateDeposit(database.db, depositId, { stripeIntentId: intentId });
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ failureCode: 'card_removed' });
  });

  it('is not the reason when Stripe refuses the payment itself', async () => {
    const { teamId, card } = await opened();
    const depositId = await newDeposit(database.db, {
      teamId,
      kind: 'auto_top_up',
      paymentMethodId: card.id,
      amountMicros: 10_000 as never,
    });
    expect(await payments.createIntent({ depositId })).toEqual({ failureCode: 'provider_rejected' });
  });
});

describe('a bank that asks for authentication', () => {
  it('fails an auto top-up, because no person is present', async () => {
    const { depositId } = await opened('auto_top_up', 'pm_card_authenticationRequired');
    const { outcome } = await pay(depositId);
    expect(outcome).toMatchObject({ status: 'failed', failureCode: 'authentication_required' });
    expect(intentsOf(depositId)).toMatchObject([{ status: 'canceled' }]);
  });

  it('sends a person to its page, and the payment succeeds after the authentication', async () => {
    const { depositId } = await opened('saved_card', 'pm_card_authenticationRequired');
    const { outcome } = await pay(depositId);
    expect(outcome).toMatchObject({ status: 'requires_action', actionUrl: expect.stringContaining('3d_secure') });
    const intentId = intentsOf(depositId)[0]?.id ?? '';
    expect(
      standIn.control.paymentIntents().find(({ id }) => id === intentId)?.next_action?.redirect_to_url?.return_url,
    ).toBe(`${PUBLIC_URL}/return?deposit=${depositId}`);
    standIn.control.authenticate(intentId, 'complete');
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ status: 'succeeded' });
    expect(takenFor(depositId)).toHaveLength(1);
  });

  it('fails the deposit of a person who fails the authentication', async () => {
    const { depositId } = await opened('saved_card', 'pm_card_authenticationRequired');
    await pay(depositId);
    standIn.control.authenticate(intentsOf(depositId)[0]?.id ?? '', 'fail');
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({
      status: 'failed',
      failureCode: 'authentication_required',
    });
    expect(intentsOf(depositId)).toMatchObject([{ status: 'canceled' }]);
  });
});

describe('a Checkout page', () => {
  async function page(saveCard = false) {
    const { id: teamId } = await newTeam(database.db);
    const depositId = await newDeposit(database.db, { teamId, kind: 'checkout', saveCard });
    return { teamId, depositId };
  }
  const sessionsOf = (depositId: string) =>
    standIn.control.checkoutSessions().filter((session) => session.client_reference_id === depositId);

  async function openedPage(saveCard = false) {
    const { teamId, depositId } = await page(saveCard);
    const { answer } = await untilAnswered(() => openPage(payments, depositId));
    await updateDeposit(database.db, depositId, { stripeSessionId: answer.sessionId });
    return { teamId, depositId, ...answer };
  }

  it('offers Link beside cards, and saves no card without a request', async () => {
    const { teamId, depositId, sessionId } = await openedPage();
    expect(sessionsOf(depositId)).toMatchObject([{ payment_method_types: ['card', 'link'] }]);
    standIn.control.submitCheckout(sessionId);
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ status: 'succeeded' });
    expect(await listPaymentMethods(database.db, teamId)).toEqual([]);
    expect(intentsOf(depositId)).toMatchObject([{ setup_future_usage: null }]);
  });

  it('saves its card on request, once after the payment, and the card can be charged later', async () => {
    const { teamId, depositId, sessionId } = await openedPage(true);
    await payments.fetchOutcome({ depositId });
    expect(await listPaymentMethods(database.db, teamId)).toEqual([]);
    standIn.control.submitCheckout(sessionId);
    for (let look = 0; look < 3; look++) await payments.fetchOutcome({ depositId });
    const [card, ...others] = await listPaymentMethods(database.db, teamId);
    expect([card?.last4, card?.isDefault, others]).toEqual(['4242', true, []]);
    expect(intentsOf(depositId)).toMatchObject([{ setup_future_usage: 'off_session' }]);
    const topUp = await newDeposit(database.db, { teamId, kind: 'auto_top_up', paymentMethodId: card?.id ?? '' });
    expect((await pay(topUp)).outcome).toMatchObject({ status: 'succeeded' });
  });

  it('gives the already saved card, and leaves no second card at Stripe', async () => {
    const { teamId, depositId, sessionId } = await openedPage(true);
    standIn.control.submitCheckout(sessionId, { cardExpiry: '12 / 34' });
    await payments.fetchOutcome({ depositId });
    const saved = await listPaymentMethods(database.db, teamId);
    const again = await newDeposit(database.db, { teamId, kind: 'checkout', saveCard: true });
    const { answer } = await untilAnswered(() => openPage(payments, again));
    await updateDeposit(database.db, again, { stripeSessionId: answer.sessionId });
    standIn.control.submitCheckout(answer.sessionId, { cardExpiry: '12 / 34' });
    expect(await payments.fetchOutcome({ depositId: again })).toMatchObject({ status: 'succeeded' });
    expect(await listPaymentMethods(database.db, teamId)).toEqual(saved);
    const customer = standIn.control.customers().find(({ metadata }) => metadata.team === teamId)?.id;
    expect(standIn.control.paymentMethods().filter((method) => method.customer === customer)).toHaveLength(1);
  });

  it('opens for the amount, makes the team a customer, and is open until it is paid', async () => {
    const { depositId, sessionId, checkoutUrl } = await openedPage();
    expect(checkoutUrl).toContain(standIn.url);
    expect(sessionsOf(depositId)).toMatchObject([
      {
        amount_total: 10_000,
        success_url: `${PUBLIC_URL}/return?deposit=${depositId}`,
        metadata: { deposit: depositId },
      },
    ]);
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ status: 'processing' });
    standIn.control.submitCheckout(sessionId);
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({
      status: 'succeeded',
      receiptUrl: expect.stringContaining('http'),
    });
    expect(await cardSeen(depositId)).toEqual({ brand: 'visa', last4: '4242' });
    expect(intentsOf(depositId)).toHaveLength(1);
  });

  it('stays open after a decline, for another card', async () => {
    const { depositId, sessionId } = await openedPage();
    expect(() => standIn.control.submitCheckout(sessionId, { cardNumber: '4000000000000002' })).toThrow();
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ status: 'processing' });
    standIn.control.submitCheckout(sessionId);
    expect(await payments.fetchOutcome({ depositId })).toMatchObject({ status: 'succeeded' });
    expect(takenFor(depositId)).toHaveLength(1);
  });

  it('expires', async () => {
    const { depositId, sessionId } = await openedPage();
    await createStripe({ secretKey: 'sk_test_x', apiBase: standIn.url }).checkout.sessions.expire(sessionId);
    expect(await payments.fetchOutcome({ depositId })).toEqual({ status: 'expired' });
  });

  it.each(['error', 'error_after_effect', 'drop_after_effect', 'hang_after_effect'] as const)(
    'is one page after a fault (%s)',
    async (kind) => {
      standIn.control.faults.add({ on: 'POST /v1/checkout/sessions', kind });
      const { depositId } = await openedPage();
      expect(sessionsOf(depositId)).toHaveLength(1);
    },
  );

  it('creates one customer of a team after a first answer of 500', async () => {
    standIn.control.faults.add({ on: 'POST /v1/customers', kind: 'error' });
    const { teamId, depositId } = await page();
    await untilAnswered(() => openPage(payments, depositId));
    expect(standIn.control.customers().filter(({ metadata }) => metadata.team === teamId)).toHaveLength(1);
  });
});

it('a deposit without a payment has no outcome to fetch', async () => {
  const { depositId } = await opened();
  await expect(payments.fetchOutcome({ depositId })).rejects.toMatchObject({ nonRetryable: true, type: 'no_payment' });
  const unknown = { depositId: `dep_${randomUUID()}` };
  await expect(payments.fetchOutcome(unknown)).rejects.toMatchObject({ nonRetryable: true, type: 'not_found' });
});
