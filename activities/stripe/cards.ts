/**
 * Saved cards. The api calls this interface while a caller waits, so refusals are in our own codes: `card_declined`,
 * `payment_method_invalid`, `provider_unavailable`. Card data never comes here; Stripe's form or page takes the data.
 */

import type Stripe from 'stripe';
import { BillingError } from '../../billing/errors.ts';
import { paymentFailureWords } from '../../billing/failure-words.ts';
import { SECONDS_PER_DAY } from '../../billing/time.ts';
import type { Db } from '../../prisma/client.ts';
import {
  findByStripeId,
  findPaymentMethod,
  listPaymentMethods,
  type PaymentMethod,
  removePaymentMethod,
  updatePaymentMethod,
} from '../../prisma/payment-methods.ts';
import { findTeamByStripeCustomer, getTeam } from '../../prisma/teams.ts';
import { inCodes, isMissing, isOfOurKey, isStripeError, orNull, stripeFault } from '../failures.ts';
import { setupReturns } from '../links.ts';
import type { Log } from '../world.ts';
import { adoptCard, adoptedId, cardOf, findUsableCard, type Saving, saveCard } from './card-adoption.ts';
import { withCustomer } from './customers.ts';

export interface CardsWorld {
  stripe: Stripe;
  db: Db;
  publicUrl: string;
  log: Log;
}

/** A page is valid for a day. Slightly longer, because a bank may delay the saving of a card. */
const PAGES_SINCE_SECONDS = 2 * SECONDS_PER_DAY;

export interface Cards {
  /**
   * Saves a card that Stripe's form made. If the same card (number and expiry) is saved already, the saved card is
   * returned.
   * @throws BillingError `card_declined`, `payment_method_invalid`, `provider_unavailable`, `not_found`
   */
  attach(input: { teamId: string; stripePaymentMethod: string } & Saving): Promise<PaymentMethod>;
  /**
   * Opens Stripe's page for saving a card. `detailsHash` names the row with the address to return to.
   * @throws BillingError `provider_unavailable`, `not_found`
   */
  setupCheckout(teamId: string, detailsHash?: string | null): Promise<{ checkoutUrl: string }>;
  /**
   * Saves the card of a page that was completed; again changes nothing. Null when there is nothing to save: not a setup
   * page, not completed, or the card was removed since.
   * @throws BillingError `provider_unavailable`
   */
  adoptFromSetup(input: { sessionId: string } & Saving): Promise<PaymentMethod | null>;
  /**
   * Saves the cards of a team's completed pages without a webhook: a lost webhook, or a closed page.
   * @throws BillingError `provider_unavailable`
   */
  adoptCompleted(input: { teamId: string; nowSecond: number }): Promise<void>;
  /**
   * Reads a saved card from Stripe: the expiry may have been renewed, or the card may have been removed there. Returns
   * the team of the card; null without a team.
   * @throws BillingError `provider_unavailable`
   */
  refresh(input: { stripePaymentMethodId: string; nowSecond: number }): Promise<{ teamId: string } | null>;
  /**
   * Reads all saved cards of the team of a customer deleted at Stripe. Null without a team.
   * @throws BillingError `provider_unavailable`
   */
  refreshOfCustomer(input: { stripeCustomerId: string; nowSecond: number }): Promise<{ teamId: string } | null>;
  /**
   * Removes a card, first at Stripe, so a card that is gone here can't be charged there.
   * @throws BillingError `not_found`, `provider_unavailable`
   */
  detach(input: { teamId: string; paymentMethodId: string; nowSecond: number }): Promise<{ usedByAutoTopUp: boolean }>;
}

export const createCards = (world: CardsWorld): Cards => ({
  attach: (input) => refusing(world, () => attach(world, input), NOT_THIS_CARD),
  setupCheckout: (teamId, detailsHash = null) => refusing(world, () => setupCheckout(world, teamId, detailsHash)),
  adoptFromSetup: (input) => refusing(world, () => adoptFromSetup(world, input)),
  adoptCompleted: (input) => refusing(world, () => adoptCompleted(world, input)),
  refresh: (input) => refusing(world, () => refresh(world, input)),
  refreshOfCustomer: (input) => refusing(world, () => refreshOfCustomer(world, input)),
  detach: (input) => refusing(world, () => detach(world, input)),
});

async function attach(
  world: CardsWorld,
  { teamId, stripePaymentMethod, ...saving }: Parameters<Cards['attach']>[0],
): Promise<PaymentMethod> {
  const { stripe, db } = world;
  await getTeam(db, teamId);
  // Read before the attaching, so an attached card stays as it is and the call can be repeated.
  const method = await stripe.paymentMethods.retrieve(stripePaymentMethod);
  const usableCard = await findUsableCard(world, teamId, method, saving.nowSecond);
  if (usableCard) return usableCard;
  const attached = await withCustomer(world, teamId, (customer) =>
    stripe.paymentMethods.attach(method.id, { customer }),
  );
  return saveCard(db, teamId, attached, saving);
}

async function setupCheckout(
  world: CardsWorld,
  teamId: string,
  detailsHash: string | null,
): Promise<{ checkoutUrl: string }> {
  const back = setupReturns(world.publicUrl, detailsHash);
  const { url } = await withCustomer(world, teamId, (customer) =>
    world.stripe.checkout.sessions.create({
      mode: 'setup',
      customer,
      allowed_payment_method_types: ['card'],
      client_reference_id: teamId,
      metadata: { team: teamId },
      success_url: back.saved,
      cancel_url: back.left,
    }),
  );
  if (url === null) throw new BillingError('provider_unavailable', 'the page for saving a card could not be opened');
  return { checkoutUrl: url };
}

async function adoptFromSetup(
  { stripe, db }: CardsWorld,
  { sessionId, ...saving }: Parameters<Cards['adoptFromSetup']>[0],
): Promise<PaymentMethod | null> {
  const session = await orNull(() => stripe.checkout.sessions.retrieve(sessionId, { expand: ['setup_intent'] }));
  const intent = typeof session?.setup_intent === 'object' ? session.setup_intent : null;
  if (session?.status !== 'complete' || typeof intent?.payment_method !== 'string') return null;
  return adoptCard({ stripe, db }, intent.payment_method, saving);
}

async function adoptCompleted(
  { stripe, db }: CardsWorld,
  { teamId, nowSecond }: Parameters<Cards['adoptCompleted']>[0],
): Promise<void> {
  const { stripeCustomerId: customer } = await getTeam(db, teamId);
  if (customer === null) return;
  const created = { gte: nowSecond - PAGES_SINCE_SECONDS };
  const pages = await orNull(() =>
    stripe.checkout.sessions.list({
      customer,
      status: 'complete',
      created,
      limit: 20,
      expand: ['data.setup_intent'],
    }),
  );
  if (pages === null) return;
  for (const { mode, setup_intent: intent } of pages.data) {
    if (mode !== 'setup' || intent === null || typeof intent === 'string') continue;
    const method = intent.payment_method;
    if (typeof method !== 'string' || (await findByStripeId(db, method))) continue;
    await adoptCard({ stripe, db }, method, { nowSecond, newId: adoptedId(method) });
  }
}

async function refresh(
  { stripe, db }: CardsWorld,
  { stripePaymentMethodId, nowSecond }: Parameters<Cards['refresh']>[0],
): Promise<{ teamId: string } | null> {
  const card = await findByStripeId(db, stripePaymentMethodId);
  if (card === null || card.removedSecond !== null) return null;
  const { id, teamId } = card;
  const method = await attached(stripe, stripePaymentMethodId);
  if (method === null) await removePaymentMethod(db, teamId, id, nowSecond);
  else await updatePaymentMethod(db, id, cardOf(method));
  return { teamId };
}

async function refreshOfCustomer(
  world: CardsWorld,
  { stripeCustomerId, nowSecond }: Parameters<Cards['refreshOfCustomer']>[0],
): Promise<{ teamId: string } | null> {
  const team = await findTeamByStripeCustomer(world.db, stripeCustomerId);
  if (team === null) return null;
  for (const { stripePaymentMethodId } of await listPaymentMethods(world.db, team.id))
    await refresh(world, { stripePaymentMethodId, nowSecond });
  return { teamId: team.id };
}

/** Null when the card belongs to no customer any more. */
async function attached(stripe: Stripe, id: string): Promise<Stripe.PaymentMethod | null> {
  const method = await orNull(() => stripe.paymentMethods.retrieve(id));
  return method === null || method.customer === null ? null : method;
}

async function detach(
  { stripe, db }: CardsWorld,
  input: Parameters<Cards['detach']>[0],
): Promise<{ usedByAutoTopUp: boolean }> {
  const { teamId, paymentMethodId, nowSecond } = input;
  const card = await findPaymentMethod(db, teamId, paymentMethodId);
  if (card === null) throw new BillingError('not_found', 'no such payment method', 'paymentMethod');
  try {
    await stripe.paymentMethods.detach(card.stripePaymentMethodId);
  } catch (error) {
    // Refused because the card was detached before, there or by an earlier try. A card that is still attached must not
    // be removed here.
    const isGone = isMissing(error) || (await attached(stripe, card.stripePaymentMethodId)) === null;
    if (stripeFault(error).kind !== 'refused' || !isGone) throw error;
  }
  return { usedByAutoTopUp: await removePaymentMethod(db, teamId, paymentMethodId, nowSecond) };
}

const NOT_THIS_CARD = () =>
  new BillingError('payment_method_invalid', 'Stripe does not take this payment method', 'stripePaymentMethod');

const NOT_THIS_REQUEST = () =>
  new BillingError(
    'provider_rejected',
    'the card provider did not accept our request; the cause is not the card, and nothing was saved',
  );

/** Turns Stripe's errors into refusals. @param refused the refusal of a request that Stripe refuses */
async function refusing<T>({ log }: CardsWorld, work: () => Promise<T>, refused = NOT_THIS_REQUEST): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isStripeError(error)) throw error;
    const fault = stripeFault(error);
    if (fault.kind === 'declined')
      throw new BillingError(
        'card_declined',
        `the card was declined: ${paymentFailureWords(fault.reason, 'card').why}`,
      );
    if (fault.kind === 'refused') {
      log.warn({ error: inCodes(error) }, 'Stripe refuses a request about a card');
      throw refused();
    }
    if (isOfOurKey(error)) {
      log.error({ error: inCodes(error) }, 'Stripe does not accept our key');
      throw new BillingError('provider_unavailable', 'the card provider does not accept our key; nothing was saved');
    }
    log.warn({ error: inCodes(error) }, 'a card could not be fetched from Stripe');
    throw new BillingError('provider_unavailable', 'the card provider does not answer; please try again');
  }
}
