/**
 * Saved cards. The api calls this while a caller waits, so it refuses in our own words: `card_declined`,
 * `payment_method_invalid`, `provider_unavailable`. Card data never comes here; Stripe's form or page takes it.
 */
import type Stripe from 'stripe';
import { BillingError } from '../billing/errors.ts';
import { DECLINE_IN_WORDS } from '../billing/top-up.ts';
import type { Db } from '../prisma/client.ts';
import {
  findPaymentMethod,
  findSameCard,
  type PaymentMethod,
  removePaymentMethod,
  savePaymentMethod,
} from '../prisma/payment-methods.ts';
import { findTeamByStripeCustomer, getTeam } from '../prisma/teams.ts';
import { inCodes, isStripeError, stripeFault } from './failures.ts';
import { billingPage, setupReturn } from './links.ts';
import { ensureCustomer } from './stripe-customers.ts';
import type { Log } from './world.ts';

export interface CardsWorld {
  stripe: Stripe;
  db: Db;
  publicUrl: string;
  log: Log;
}

/** What a card is saved with; `newId` is its id if it turns out to be new. */
interface Saving {
  nowSecond: number;
  newId: string;
}

export interface Cards {
  /**
   * Saves a card that Stripe's form made; the same card again (number and expiry) is the one that exists.
   * @throws BillingError `card_declined`, `payment_method_invalid`, `provider_unavailable`, `not_found`
   */
  attach(input: { teamId: string; stripePaymentMethod: string } & Saving): Promise<PaymentMethod>;
  /**
   * Opens Stripe's page for saving a card.
   * @throws BillingError `provider_unavailable`, `not_found`
   */
  setupCheckout(teamId: string): Promise<{ checkoutUrl: string }>;
  /**
   * Saves the card of a page that was completed; again changes nothing. Null when there is nothing to save: not a setup
   * page, not completed, or the card was removed since.
   * @throws BillingError `provider_unavailable`
   */
  adoptFromSetup(input: { sessionId: string } & Saving): Promise<PaymentMethod | null>;
  /**
   * Takes a card away, first at Stripe, so that a card which is gone here can't be charged there.
   * @throws BillingError `not_found`, `provider_unavailable`
   */
  detach(input: { teamId: string; paymentMethodId: string; nowSecond: number }): Promise<void>;
}

export const createCards = (world: CardsWorld): Cards => ({
  attach: (input) => refusing(world, () => attach(world, input)),
  setupCheckout: (teamId) => refusing(world, () => setupCheckout(world, teamId)),
  adoptFromSetup: (input) => refusing(world, () => adoptFromSetup(world, input)),
  detach: (input) => refusing(world, () => detach(world, input)),
});

async function attach(
  world: CardsWorld,
  { teamId, stripePaymentMethod, ...saving }: Parameters<Cards['attach']>[0],
): Promise<PaymentMethod> {
  const { stripe, db } = world;
  const team = await getTeam(db, teamId);
  // Looked at before it is attached: the same card again is then left as it is, and the call can be repeated.
  const given = await stripe.paymentMethods.retrieve(stripePaymentMethod);
  const known = await findSameCard(db, teamId, cardOf(given));
  if (known) return known;
  const customer = await ensureCustomer(world, team);
  const attached = await stripe.paymentMethods.attach(given.id, { customer });
  return save(db, teamId, attached, saving);
}

async function setupCheckout(world: CardsWorld, teamId: string): Promise<{ checkoutUrl: string }> {
  const { stripe, db, publicUrl } = world;
  const customer = await ensureCustomer(world, await getTeam(db, teamId));
  const { url } = await stripe.checkout.sessions.create({
    mode: 'setup',
    customer,
    allowed_payment_method_types: ['card'],
    client_reference_id: teamId,
    metadata: { team: teamId },
    success_url: setupReturn(publicUrl),
    cancel_url: billingPage(publicUrl),
  });
  if (url === null) throw new BillingError('provider_unavailable', 'the page for saving a card could not be opened');
  return { checkoutUrl: url };
}

async function adoptFromSetup(
  { stripe, db }: CardsWorld,
  { sessionId, ...saving }: Parameters<Cards['adoptFromSetup']>[0],
): Promise<PaymentMethod | null> {
  const session = await stripe.checkout.sessions.retrieve(sessionId, { expand: ['setup_intent'] });
  const intent = typeof session.setup_intent === 'object' ? session.setup_intent : null;
  if (session.status !== 'complete' || typeof intent?.payment_method !== 'string') return null;
  const made = await stripe.paymentMethods.retrieve(intent.payment_method);
  const team = typeof made.customer === 'string' ? await findTeamByStripeCustomer(db, made.customer) : null;
  if (team === null) return null;
  const known = await findSameCard(db, team.id, cardOf(made));
  if (known === null) return save(db, team.id, made, saving);
  if (known.stripePaymentMethodId !== made.id) await stripe.paymentMethods.detach(made.id);
  return known;
}

async function detach({ stripe, db }: CardsWorld, input: Parameters<Cards['detach']>[0]): Promise<void> {
  const { teamId, paymentMethodId, nowSecond } = input;
  const card = await findPaymentMethod(db, teamId, paymentMethodId);
  if (card === null) throw new BillingError('not_found', 'no such payment method', 'paymentMethod');
  try {
    await stripe.paymentMethods.detach(card.stripePaymentMethodId);
  } catch (error) {
    // Refused: it was detached before, there or by an earlier try.
    if (stripeFault(error).kind !== 'refused') throw error;
  }
  await removePaymentMethod(db, teamId, paymentMethodId, nowSecond);
}

const save = (db: Db, teamId: string, made: Stripe.PaymentMethod, { nowSecond, newId }: Saving) =>
  savePaymentMethod(db, {
    id: newId,
    teamId,
    stripePaymentMethodId: made.id,
    ...cardOf(made),
    createdSecond: nowSecond,
  });

function cardOf({ card }: Stripe.PaymentMethod) {
  if (!card)
    throw new BillingError('payment_method_invalid', 'the payment method is not a card', 'stripePaymentMethod');
  const { brand, last4, exp_month: expMonth, exp_year: expYear, fingerprint } = card;
  return { brand, last4, expMonth, expYear, fingerprint: fingerprint ?? null };
}

/** Turns Stripe's errors into refusals. */
async function refusing<T>({ log }: CardsWorld, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isStripeError(error)) throw error;
    const fault = stripeFault(error);
    if (fault.kind === 'declined')
      throw new BillingError('card_declined', `the card was declined: ${DECLINE_IN_WORDS[fault.reason].why}`);
    if (fault.kind === 'refused')
      throw new BillingError(
        'payment_method_invalid',
        'Stripe does not take this payment method',
        'stripePaymentMethod',
      );
    log.warn({ error: inCodes(error) }, 'Stripe could not be asked about a card');
    throw new BillingError('provider_unavailable', 'the card provider does not answer; please try again');
  }
}
