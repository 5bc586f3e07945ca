/** Keeping a card that Stripe has attached to a team's customer: on a page for saving it, or on one for paying. */
import { createHash } from 'node:crypto';
import type Stripe from 'stripe';
import { BillingError } from '../billing/errors.ts';
import { prefixedId } from '../billing/ids.ts';
import type { Db } from '../prisma/client.ts';
import { findSameCard, type PaymentMethod, savePaymentMethod } from '../prisma/payment-methods.ts';
import { findTeamByStripeCustomer } from '../prisma/teams.ts';

/** What a card is saved with; `newId` is its id if it turns out to be new. */
export interface Saving {
  nowSecond: number;
  newId: string;
}

/** The id of a card that nobody asked for by a call: made from Stripe's, so that whoever finds it first makes the same. */
export const adoptedId = (stripePaymentMethodId: string): string =>
  prefixedId('pm', createHash('sha256').update(stripePaymentMethodId).digest('hex').slice(0, 32));

/**
 * Keeps the card for the team whose customer has it. The same card again (number and expiry) is the one that exists, and
 * its double is let go of. Null when it is no team's, or no card: a wallet such as Link.
 */
export async function adoptCard(
  { stripe, db }: { stripe: Stripe; db: Db },
  stripePaymentMethodId: string,
  saving: Saving,
): Promise<PaymentMethod | null> {
  const made = await stripe.paymentMethods.retrieve(stripePaymentMethodId);
  const team = typeof made.customer === 'string' ? await findTeamByStripeCustomer(db, made.customer) : null;
  if (team === null || !made.card) return null;
  const known = await findSameCard(db, team.id, cardOf(made));
  if (known === null) return saveCard(db, team.id, made, saving);
  if (known.stripePaymentMethodId !== made.id) await stripe.paymentMethods.detach(made.id);
  return known;
}

export const saveCard = (db: Db, teamId: string, made: Stripe.PaymentMethod, { nowSecond, newId }: Saving) =>
  savePaymentMethod(db, {
    id: newId,
    teamId,
    stripePaymentMethodId: made.id,
    ...cardOf(made),
    createdSecond: nowSecond,
  });

/** @throws BillingError `payment_method_invalid` */
export function cardOf({ card }: Stripe.PaymentMethod) {
  if (!card)
    throw new BillingError('payment_method_invalid', 'the payment method is not a card', 'stripePaymentMethod');
  const { brand, last4, exp_month: expMonth, exp_year: expYear, fingerprint } = card;
  return { brand, last4, expMonth, expYear, fingerprint: fingerprint ?? null };
}
