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
  const method = await orNull(() => stripe.paymentMethods.retrieve(stripePaymentMethodId));
  const team = typeof method?.customer === 'string' ? await findTeamByStripeCustomer(db, method.customer) : null;
  if (method === null || team === null || !method.card) return null;
  const usableCard = await findUsableCard({ stripe, db }, team.id, method, saving.nowSecond);
  if (usableCard === null) return saveCard(db, team.id, method, saving);
  if (usableCard.stripePaymentMethodId !== method.id) await detachDouble(stripe, method.id);
  return usableCard;
}

/**
 * The saved card with the number and the expiry of a given card. A saved card that Stripe can no longer charge is
 * removed.
 */
export async function findUsableCard(
  { stripe, db }: { stripe: Stripe; db: Db },
  teamId: string,
  method: Stripe.PaymentMethod,
  nowSecond: number,
): Promise<PaymentMethod | null> {
  const sameCard = await findSameCard(db, teamId, cardOf(method));
  if (sameCard === null) return null;
  const { stripePaymentMethodId } = sameCard;
  const attachedMethod =
    stripePaymentMethodId === method.id
      ? method
      : await orNull(() => stripe.paymentMethods.retrieve(stripePaymentMethodId));
  const { stripeCustomerId } = await getTeam(db, teamId);
  if (attachedMethod?.customer && attachedMethod.customer === stripeCustomerId) return sameCard;
  await removePaymentMethod(db, teamId, sameCard.id, nowSecond);
  return findUsableCard({ stripe, db }, teamId, method, nowSecond);
}

/** A double detached before is gone all the same. */
async function detachDouble(stripe: Stripe, id: string): Promise<void> {
  try {
    await stripe.paymentMethods.detach(id);
  } catch (error) {
    if (stripeFault(error).kind !== 'refused') throw error;
  }
}

export const saveCard = (db: Db, teamId: string, method: Stripe.PaymentMethod, { nowSecond, newId }: Saving) => {
  const card = {
    id: newId,
    teamId,
    stripePaymentMethodId: method.id,
    ...cardOf(method),
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
