/** Saves a card that Stripe has attached to a team's customer, on a page for saving or for paying. */

import type Stripe from 'stripe';
import { BillingError } from '../../billing/errors.ts';
import { prefixedId } from '../../billing/ids.ts';
import { type Db, inTransaction } from '../../prisma/client.ts';
import { digest128 } from '../../prisma/digest.ts';
import {
  findSameCard,
  type PaymentMethod,
  removePaymentMethod,
  savePaymentMethod,
} from '../../prisma/payment-methods.ts';
import { findTeamByStripeCustomer, getTeam } from '../../prisma/teams.ts';
import { orNull, stripeFault } from '../failures.ts';

/** The values for saving a card. `newId` is the id of a new card. */
export interface Saving {
  nowSecond: number;
  newId: string;
}

/** The id of a card without a call: made from Stripe's id, so every process that finds the card makes the same id. */
export const adoptedId = (stripePaymentMethodId: string): string => prefixedId('pm', digest128(stripePaymentMethodId));

/**
 * Saves the card for the team of the card's customer. If the same card (number and expiry) is saved already, the saved
 * card stays and the double is detached. Null when Stripe does not have the card, when the card is no team's, or for a
 * wallet such as Link.
 */
export async function adoptCard(
  { stripe, db }: { stripe: Stripe; db: Db },
  stripePaymentMethodId: string,
  saving: Saving,
): Promise<PaymentMethod | null> {
  const made = await orNull(() => stripe.paymentMethods.retrieve(stripePaymentMethodId));
  const team = typeof made?.customer === 'string' ? await findTeamByStripeCustomer(db, made.customer) : null;
  if (made === null || team === null || !made.card) return null;
  const known = await findUsableCard({ stripe, db }, team.id, made, saving.nowSecond);
  if (known === null) return saveCard(db, team.id, made, saving);
  if (known.stripePaymentMethodId !== made.id) await detachDouble(stripe, made.id);
  return known;
}

/**
 * The saved card with the number and the expiry of a given card. A saved card that Stripe can no longer charge is
 * removed.
 */
export async function findUsableCard(
  { stripe, db }: { stripe: Stripe; db: Db },
  teamId: string,
  given: Stripe.PaymentMethod,
  nowSecond: number,
): Promise<PaymentMethod | null> {
  const known = await findSameCard(db, teamId, cardOf(given));
  if (known === null) return null;
  const { stripePaymentMethodId } = known;
  const found =
    stripePaymentMethodId === given.id
      ? given
      : await orNull(() => stripe.paymentMethods.retrieve(stripePaymentMethodId));
  const { stripeCustomerId } = await getTeam(db, teamId);
  if (found?.customer && found.customer === stripeCustomerId) return known;
  await removePaymentMethod(db, teamId, known.id, nowSecond);
  return findUsableCard({ stripe, db }, teamId, given, nowSecond);
}

/** A double detached before is gone all the same. */
async function detachDouble(stripe: Stripe, id: string): Promise<void> {
  try {
    await stripe.paymentMethods.detach(id);
  } catch (error) {
    if (stripeFault(error).kind !== 'refused') throw error;
  }
}

export const saveCard = (db: Db, teamId: string, made: Stripe.PaymentMethod, { nowSecond, newId }: Saving) => {
  const card = {
    id: newId,
    teamId,
    stripePaymentMethodId: made.id,
    ...cardOf(made),
    createdSecond: nowSecond,
  };
  return inTransaction(db, (tx) => savePaymentMethod(tx, card));
};

/** @throws BillingError `payment_method_invalid` */
export function cardOf({ card }: Stripe.PaymentMethod) {
  if (!card)
    throw new BillingError('payment_method_invalid', 'the payment method is not a card', 'stripePaymentMethod');
  const { brand, last4, exp_month: expMonth, exp_year: expYear, fingerprint } = card;
  return { brand, last4, expMonth, expYear, fingerprint: fingerprint ?? null };
}
