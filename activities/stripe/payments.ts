/**
 * Payments through Stripe. Each charge once: the intent is created unconfirmed, its id is stored, then the intent is
 * confirmed. After any doubt the fetched intent decides and not the answer of a call, because Stripe replays even a
 * stored 500 under its key. Source: docs/rules.md#each-charge-once, https://docs.stripe.com/api/idempotent_requests.
 */

import type Stripe from 'stripe';
import { stripeKey } from '../../billing/ids.ts';
import { toCents } from '../../billing/money.ts';
import { daysBefore, secondOf } from '../../billing/time.ts';
import type { Db } from '../../prisma/client.ts';
import { type Deposit, getDeposit, updateDeposit } from '../../prisma/deposits.ts';
import { findPaymentMethod, removePaymentMethod } from '../../prisma/payment-methods.ts';
import { getTeam } from '../../prisma/teams.ts';
import { activityAttempt } from '../attempt.ts';
import { final, inCodes, isMissing, orNull, stripeFault, withStripe } from '../failures.ts';
import { depositReturn } from '../links.ts';
import type { ChargeFailure, PaymentOutcome, Payments } from '../providers.ts';
import { checkoutOutcome, createCheckout } from './checkout.ts';
import { copyCustomer } from './customers.ts';
import {
  creditName,
  findById,
  giveUp,
  isOffSession,
  keepCard,
  missing,
  outcomeOf,
  type StripeWorld,
} from './intents.ts';
import { WITH_CHARGE } from './outcome.ts';

export type { StripeWorld };

export const createStripePayments = (world: StripeWorld): Payments => ({
  createIntent: ({ depositId }) => withStripe(() => createIntent(world, depositId)),
  confirmIntent: ({ depositId, intentId }) => withStripe(() => confirmIntent(world, depositId, intentId)),
  fetchOutcome: ({ depositId }) => withStripe(() => fetchOutcome(world, depositId)),
  createCheckout: ({ depositId }) => withStripe(() => createCheckout(world, depositId)),
  copyCustomer: (input) => withStripe(() => copyCustomer(world, input)),
});

/** A retry looks for the intent of an earlier try, then asks under a key of its own: the first key may hold a 500 for a day. */
async function createIntent(world: StripeWorld, depositId: string) {
  const { stripe, db } = world;
  const deposit = await getDeposit(db, depositId);
  if (deposit.stripeIntentId !== null) return { intentId: deposit.stripeIntentId };
  const card = await cardToCharge(db, deposit);
  if (card === null) return { failureCode: 'card_removed' as const };
  const attempt = activityAttempt();
  if (attempt > 1) {
    const earlierIntent = await findIntent(stripe, card.customer, deposit);
    if (earlierIntent) return { intentId: earlierIntent.id };
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
        description: deposit.kind === 'auto_top_up' ? 'Auto Top-Up' : creditName(world),
        metadata: { deposit: deposit.id, team: deposit.teamId },
      },
      { idempotencyKey: stripeKey.createIntent(deposit.id, attempt) },
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
    const intent = await findById(world, intentId);
    if (intent === null) return missing(world, deposit, intentId);
    if (intent.status !== 'requires_confirmation') return outcomeOf(world, deposit, intent);
  }
  const presence = isOffSession(deposit) ? { off_session: true } : { return_url: depositReturn(publicUrl, depositId) };
  let confirmed: Stripe.PaymentIntent;
  try {
    confirmed = await stripe.paymentIntents.confirm(
      intentId,
      { ...presence, ...WITH_CHARGE },
      { idempotencyKey: stripeKey.confirmIntent(depositId, attempt) },
    );
  } catch (error) {
    const intent = await findById(world, intentId);
    if (intent === null) {
      // A first confirmation that names a missing payment has charged nothing.
      if (attempt === 1 && isMissing(error)) return { status: 'failed', intentId, failureCode: 'provider_rejected' };
      return missing(world, deposit, intentId);
    }
    if (intent.status !== 'requires_confirmation') return outcomeOf(world, deposit, intent);
    const fault = stripeFault(error);
    if (fault.kind === 'passing') throw error;
    const failureCode = fault.kind === 'declined' ? fault.reason : await whyRefused(world, deposit, error);
    await keepCard(db, deposit, intent);
    return giveUp(world, deposit, intent, failureCode);
  }
  return outcomeOf(world, deposit, confirmed);
}

/** Stripe's id of the card; null when the card is no longer saved. */
async function cardToCharge(db: Db, { teamId, paymentMethodId }: Deposit) {
  const card = paymentMethodId === null ? null : await findPaymentMethod(db, teamId, paymentMethodId);
  const { stripeCustomerId: customer } = await getTeam(db, teamId);
  return card === null || customer === null ? null : { customer, paymentMethod: card.stripePaymentMethodId };
}

/**
 * The payment that names the deposit, with `status` if given. Lists are up to date where Stripe's search lags. The
 * deposit's second may lie ahead of Stripe's clock, in skipped time. A customer that Stripe no longer has, has no
 * payments.
 */
const findIntent = (
  stripe: Stripe,
  customer: string,
  { id, openedSecond }: Deposit,
  status?: Stripe.PaymentIntent.Status,
) =>
  orNull(async () => {
    const since = daysBefore(Math.min(openedSecond, secondOf(Date.now())), 1);
    for await (const intent of stripe.paymentIntents.list({ customer, created: { gte: since }, limit: 100 }))
      if (intent.metadata.deposit === id && intent.status === (status ?? intent.status)) return intent;
    return null;
  });

/** Distinguishes a card that is gone at Stripe from a request that Stripe refuses. */
async function whyRefused({ stripe, db, log }: StripeWorld, deposit: Deposit, error: unknown): Promise<ChargeFailure> {
  const fault = stripeFault(error);
  if (fault.kind === 'declined') return fault.reason;
  const card = await cardToCharge(db, deposit);
  if (card === null) return 'card_removed';
  // The cards of a deleted customer are gone with the customer.
  if (isMissing(error, 'customer') || !(await isAttached(stripe, card))) {
    // The card was removed at Stripe without a webhook. The card is removed here too, and is offered no longer.
    if (deposit.paymentMethodId !== null)
      await removePaymentMethod(db, deposit.teamId, deposit.paymentMethodId, secondOf(Date.now()));
    return 'card_removed';
  }
  log.error({ depositId: deposit.id, error: inCodes(error) }, 'Stripe refuses a charge that should be possible');
  return 'provider_rejected';
}

async function isAttached(stripe: Stripe, card: { customer: string; paymentMethod: string }): Promise<boolean> {
  const method = await orNull(() => stripe.paymentMethods.retrieve(card.paymentMethod));
  return method?.customer === card.customer;
}

async function fetchOutcome(world: StripeWorld, depositId: string): Promise<PaymentOutcome> {
  const { db } = world;
  const deposit = await getDeposit(db, depositId);
  if (deposit.status === 'failed' || deposit.status === 'expired') return outcomeOfFailed(world, deposit);
  if (deposit.kind === 'checkout') return checkoutOutcome(world, deposit);
  const intentId = deposit.stripeIntentId ?? (await intentOfTeam(world, deposit));
  if (intentId === null) throw final('stripe', `deposit ${depositId} has no payment yet`, 'no_payment');
  const intent = await findById(world, intentId);
  return intent === null ? missing(world, deposit, intentId) : outcomeOf(world, deposit, intent);
}

/**
 * A deposit that failed here may have been paid since: by its own intent, its page, or another intent that names the
 * deposit.
 */
async function outcomeOfFailed(world: StripeWorld, deposit: Deposit): Promise<PaymentOutcome> {
  const { stripe, db } = world;
  if (deposit.kind === 'checkout' && deposit.stripeSessionId !== null) {
    const ofCheckout = await checkoutOutcome(world, deposit);
    if (ofCheckout.status === 'succeeded' || ofCheckout.status === 'processing') return ofCheckout;
  }
  if (deposit.stripeIntentId !== null) {
    const intent = await findById(world, deposit.stripeIntentId);
    if (intent?.status === 'succeeded' || intent?.status === 'processing') return outcomeOf(world, deposit, intent);
  }
  const { stripeCustomerId } = await getTeam(db, deposit.teamId);
  const paidIntent = stripeCustomerId && (await findIntent(stripe, stripeCustomerId, deposit, 'succeeded'));
  if (!paidIntent) return { status: 'failed', intentId: deposit.stripeIntentId, failureCode: 'provider_rejected' };
  // Refunds and disputes name the payment that was made.
  await updateDeposit(db, deposit.id, { stripeIntentId: paidIntent.id });
  return outcomeOf(world, deposit, (await findById(world, paidIntent.id)) ?? paidIntent);
}

async function intentOfTeam({ stripe, db }: StripeWorld, deposit: Deposit): Promise<string | null> {
  const { stripeCustomerId } = await getTeam(db, deposit.teamId);
  return stripeCustomerId === null ? null : ((await findIntent(stripe, stripeCustomerId, deposit))?.id ?? null);
}
