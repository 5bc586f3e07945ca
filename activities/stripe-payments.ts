/**
 * Payments through Stripe. Each charge once: the intent is created unconfirmed, its id is kept, then it is confirmed; after
 * any doubt the truth is what the fetched intent says, not what a call answered, since Stripe replays even a stored 500
 * under its key. Source: rules.md, "Each charge once"; docs.stripe.com/api/idempotent_requests.
 */
import type Stripe from 'stripe';
import { toCents } from '../billing/money.ts';
import { secondOf } from '../billing/time.ts';
import type { Db } from '../prisma/client.ts';
import { type Deposit, getDeposit, updateDeposit } from '../prisma/deposits.ts';
import { findByStripeId, findPaymentMethod, removePaymentMethod } from '../prisma/payment-methods.ts';
import { getTeam } from '../prisma/teams.ts';
import { activityAttempt } from './attempt.ts';
import { final, inCodes, passing, stripeFault, withStripe } from './failures.ts';
import { depositReturn } from './links.ts';
import type { ChargeFailure, PaymentOutcome, Payments } from './payments.ts';
import { adoptCard, adoptedId } from './stripe-card-adoption.ts';
import { ensureCustomer } from './stripe-customers.ts';
import { cardOf, failureOf, receiptOf, WITH_CHARGE } from './stripe-outcome.ts';
import type { Log } from './world.ts';

export interface StripeWorld {
  stripe: Stripe;
  db: Db;
  /** Where people come back to, without a slash at its end. */
  publicUrl: string;
  log: Log;
}

const DAY_SECONDS = 24 * 3600;

export const createStripePayments = (world: StripeWorld): Payments => ({
  createIntent: ({ depositId }) => withStripe(() => createIntent(world, depositId)),
  confirmIntent: ({ depositId, intentId }) => withStripe(() => confirmIntent(world, depositId, intentId)),
  fetchOutcome: ({ depositId }) => withStripe(() => fetchOutcome(world, depositId)),
  createCheckout: ({ depositId }) => withStripe(() => createCheckout(world, depositId)),
});

// ── a saved card ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A retry looks for the intent of an earlier try, then asks under a key of its own: the first key may hold a 500 for a day. */
async function createIntent(world: StripeWorld, depositId: string) {
  const { stripe, db } = world;
  const deposit = await getDeposit(db, depositId);
  if (deposit.stripeIntentId !== null) return { intentId: deposit.stripeIntentId };
  const card = await cardToCharge(db, deposit);
  if (card === null) return { failureCode: 'card_removed' as const };
  const attempt = activityAttempt();
  if (attempt > 1) {
    const known = await findIntent(stripe, card.customer, deposit);
    if (known) return { intentId: known.id };
  }
  try {
    const { id } = await stripe.paymentIntents.create(
      {
        amount: toCents(deposit.amountMicros),
        currency: 'usd',
        customer: card.customer,
        payment_method: card.paymentMethod,
        // The card is named, so nothing is left to choose; a redirect can only be its bank's, for a person who is there.
        automatic_payment_methods: { enabled: true, allow_redirects: isOffSession(deposit) ? 'never' : 'always' },
        description: deposit.kind === 'auto_top_up' ? 'Auto Top-Up' : 'Burnrate credit',
        metadata: { deposit: deposit.id, team: deposit.teamId },
      },
      { idempotencyKey: `${deposit.id}/create/${attempt}` },
    );
    return { intentId: id };
  } catch (error) {
    if (stripeFault(error).kind === 'passing') throw error;
    return { failureCode: await whyRefused(world, deposit, error) };
  }
}

async function confirmIntent(world: StripeWorld, depositId: string, intentId: string): Promise<PaymentOutcome> {
  const { stripe, db, publicUrl } = world;
  const deposit = await getDeposit(db, depositId);
  const attempt = activityAttempt();
  if (attempt > 1) {
    const intent = await stripe.paymentIntents.retrieve(intentId, WITH_CHARGE);
    if (intent.status !== 'requires_confirmation') return outcomeOf(world, deposit, intent);
  }
  const presence = isOffSession(deposit) ? { off_session: true } : { return_url: depositReturn(publicUrl, depositId) };
  let confirmed: Stripe.PaymentIntent;
  try {
    confirmed = await stripe.paymentIntents.confirm(
      intentId,
      { ...presence, ...WITH_CHARGE },
      { idempotencyKey: `${depositId}/confirm/${attempt}` },
    );
  } catch (error) {
    const intent = await stripe.paymentIntents.retrieve(intentId, WITH_CHARGE);
    if (intent.status !== 'requires_confirmation') return outcomeOf(world, deposit, intent);
    const fault = stripeFault(error);
    if (fault.kind === 'passing') throw error;
    const failureCode = fault.kind === 'declined' ? fault.reason : await whyRefused(world, deposit, error);
    await keepCard(db, deposit, intent);
    return giveUp(world, deposit, intent, failureCode);
  }
  return outcomeOf(world, deposit, confirmed);
}

const isOffSession = ({ kind }: Deposit): boolean => kind === 'auto_top_up';

/** The card as Stripe names it; null when it is saved no longer. */
async function cardToCharge(db: Db, { teamId, paymentMethodId }: Deposit) {
  const card = paymentMethodId === null ? null : await findPaymentMethod(db, teamId, paymentMethodId);
  const { stripeCustomerId: customer } = await getTeam(db, teamId);
  return card === null || customer === null ? null : { customer, paymentMethod: card.stripePaymentMethodId };
}

/** Lists are up to date where Stripe's search lags. The deposit's second may lie ahead of Stripe's clock, in skipped time. */
async function findIntent(stripe: Stripe, customer: string, { id, openedSecond }: Deposit) {
  const since = Math.min(openedSecond, secondOf(Date.now())) - DAY_SECONDS;
  for await (const intent of stripe.paymentIntents.list({ customer, created: { gte: since }, limit: 100 }))
    if (intent.metadata.deposit === id) return intent;
  return null;
}

/** Tells a card that is gone at Stripe, however it was taken away, from a request that Stripe will not have. */
async function whyRefused({ stripe, db, log }: StripeWorld, deposit: Deposit, error: unknown): Promise<ChargeFailure> {
  const fault = stripeFault(error);
  if (fault.kind === 'declined') return fault.reason;
  const card = await cardToCharge(db, deposit);
  if (card === null) return 'card_removed';
  if (!(await isAttached(stripe, card))) {
    // Taken away at Stripe, and nobody told: so it is gone here too, and is offered no longer.
    if (deposit.paymentMethodId !== null)
      await removePaymentMethod(db, deposit.teamId, deposit.paymentMethodId, secondOf(Date.now()));
    return 'card_removed';
  }
  log.error({ depositId: deposit.id, error: inCodes(error) }, 'Stripe refuses a charge that should be possible');
  return 'provider_rejected';
}

async function isAttached(stripe: Stripe, card: { customer: string; paymentMethod: string }): Promise<boolean> {
  try {
    const { customer } = await stripe.paymentMethods.retrieve(card.paymentMethod);
    return customer === card.customer;
  } catch (error) {
    if (stripeFault(error).kind === 'refused') return false;
    throw error;
  }
}

// ── what became of it ────────────────────────────────────────────────────────────────────────────────────────────

async function fetchOutcome(world: StripeWorld, depositId: string): Promise<PaymentOutcome> {
  const { stripe, db } = world;
  const deposit = await getDeposit(db, depositId);
  if (deposit.kind === 'checkout') return checkoutOutcome(world, deposit);
  const intentId = deposit.stripeIntentId ?? (await intentOfTeam(world, deposit));
  if (intentId === null) throw final('stripe', `deposit ${depositId} has no payment yet`, 'no_payment');
  return outcomeOf(world, deposit, await stripe.paymentIntents.retrieve(intentId, WITH_CHARGE));
}

async function intentOfTeam({ stripe, db }: StripeWorld, deposit: Deposit): Promise<string | null> {
  const { stripeCustomerId } = await getTeam(db, deposit.teamId);
  return stripeCustomerId === null ? null : ((await findIntent(stripe, stripeCustomerId, deposit))?.id ?? null);
}

async function outcomeOf(world: StripeWorld, deposit: Deposit, intent: Stripe.PaymentIntent): Promise<PaymentOutcome> {
  const intentId = intent.id;
  await keepCard(world.db, deposit, intent);
  // Of a Checkout page, known only now: what refunds and disputes are about.
  if (deposit.stripeIntentId === null) await updateDeposit(world.db, deposit.id, { stripeIntentId: intentId });
  switch (intent.status) {
    case 'succeeded':
      if (deposit.saveCard) await adoptPaidCard(world, deposit, intent);
      return { status: 'succeeded', intentId, receiptUrl: receiptOf(intent) };
    case 'canceled':
      return { status: 'failed', intentId, failureCode: failureOf(intent) };
    case 'requires_payment_method':
      return giveUp(world, deposit, intent, failureOf(intent));
    case 'requires_action':
      // Nobody is there to act on an auto top-up, and nobody came back to a deposit within a day.
      if (isOffSession(deposit) || secondOf(Date.now()) > intent.created + DAY_SECONDS)
        return giveUp(world, deposit, intent, 'authentication_required');
      return { status: 'requires_action', intentId, actionUrl: intent.next_action?.redirect_to_url?.url ?? null };
    default:
      return { status: 'processing', intentId };
  }
}

/** The card of a page is saved by whoever finds the page paid, so that a lost webhook loses no card. */
async function adoptPaidCard(
  { stripe, db, log }: StripeWorld,
  deposit: Deposit,
  { payment_method: made }: Stripe.PaymentIntent,
): Promise<void> {
  if (typeof made !== 'string' || (await findByStripeId(db, made))) return;
  try {
    await adoptCard({ stripe, db }, made, { nowSecond: secondOf(Date.now()), newId: adoptedId(made) });
  } catch (error) {
    if (stripeFault(error).kind === 'passing') throw error;
    // Taken away since: the payment counts all the same.
    log.warn({ depositId: deposit.id, error: inCodes(error) }, 'the card of a paid page could not be saved');
  }
}

/** The card that was charged or refused is kept on the deposit's row from here: it has no place in a workflow's history. */
async function keepCard(db: Db, { id }: Deposit, intent: Stripe.PaymentIntent): Promise<void> {
  const card = cardOf(intent);
  if (card) await updateDeposit(db, id, { cardBrand: card.brand, cardLast4: card.last4 });
}

/**
 * Cancels a payment and answers its failure. A failure is told only once the payment can no longer succeed; after a
 * decline that is so anyway, as the intent has forgotten its card, so there an outage does not keep the team waiting.
 */
async function giveUp(
  world: StripeWorld,
  deposit: Deposit,
  intent: Stripe.PaymentIntent,
  failureCode: ChargeFailure,
): Promise<PaymentOutcome> {
  const { stripe, log } = world;
  const failed: PaymentOutcome = { status: 'failed', intentId: intent.id, failureCode };
  try {
    await stripe.paymentIntents.update(intent.id, { metadata: { failure: failureCode } });
    await stripe.paymentIntents.cancel(intent.id, { cancellation_reason: 'abandoned' });
    return failed;
  } catch (error) {
    if (intent.status === 'requires_payment_method') {
      log.warn({ depositId: deposit.id, error: inCodes(error) }, 'a declined payment could not be cancelled');
      return failed;
    }
    if (stripeFault(error).kind === 'passing') throw error;
    const current = await stripe.paymentIntents.retrieve(intent.id, WITH_CHARGE);
    if (current.status === 'succeeded' || current.status === 'canceled') return outcomeOf(world, deposit, current);
    throw error;
  }
}

// ── a Checkout page ──────────────────────────────────────────────────────────────────────────────────────────────

/** Opens the page. It is good for 24 hours, Stripe's own limit; naming a time would give each retry other parameters. */
async function createCheckout(world: StripeWorld, depositId: string) {
  const { stripe, db, publicUrl } = world;
  const deposit = await getDeposit(db, depositId);
  const { stripeSessionId: sessionId, checkoutUrl, amountMicros, teamId } = deposit;
  if (sessionId !== null && checkoutUrl !== null) return { sessionId, checkoutUrl };
  const customer = await ensureCustomer(world, await getTeam(db, teamId));
  const attempt = activityAttempt();
  const known = attempt > 1 ? await findSession(stripe, customer, depositId) : null;
  const metadata = { deposit: depositId, team: teamId };
  const back = depositReturn(publicUrl, depositId);
  const session =
    known ??
    (await stripe.checkout.sessions.create(
      {
        mode: 'payment',
        customer,
        client_reference_id: depositId,
        // A filter on what the account offers: Link appears where it is switched on there.
        allowed_payment_method_types: ['card', 'link'],
        line_items: [
          {
            price_data: {
              currency: 'usd',
              unit_amount: toCents(amountMicros),
              product_data: { name: 'Burnrate credit' },
            },
            quantity: 1,
          },
        ],
        metadata,
        payment_intent_data: {
          metadata,
          description: 'Burnrate credit',
          // Stripe keeps the card with the customer, with the person's leave to be charged in their absence.
          ...(deposit.saveCard && { setup_future_usage: 'off_session' as const }),
        },
        success_url: back,
        cancel_url: back,
      },
      { idempotencyKey: `${depositId}/checkout/${attempt}` },
    ));
  return { sessionId: session.id, checkoutUrl: session.url ?? back };
}

/** The page that an earlier try opened: if any of them was paid, that one. */
async function findSession(stripe: Stripe, customer: string, depositId: string) {
  let open: Stripe.Checkout.Session | null = null;
  for await (const session of stripe.checkout.sessions.list({ customer, limit: 100 })) {
    if (session.client_reference_id !== depositId) continue;
    if (session.status === 'complete') return session;
    if (session.status === 'open') open = session;
  }
  return open;
}

async function checkoutOutcome(world: StripeWorld, deposit: Deposit): Promise<PaymentOutcome> {
  const { stripe } = world;
  if (deposit.stripeSessionId === null) throw final('stripe', `deposit ${deposit.id} has no page yet`, 'no_payment');
  const session = await stripe.checkout.sessions.retrieve(deposit.stripeSessionId);
  if (session.status === 'expired') return { status: 'expired' };
  const intentId = typeof session.payment_intent === 'string' ? session.payment_intent : null;
  if (session.status !== 'complete' || session.payment_status !== 'paid') return { status: 'processing', intentId };
  if (intentId === null) throw passing('stripe', `session ${session.id} is paid without a payment`);
  const intent = await stripe.paymentIntents.retrieve(intentId, WITH_CHARGE);
  if (intent.status === 'succeeded') return outcomeOf(world, deposit, intent);
  return { status: 'processing', intentId };
}
