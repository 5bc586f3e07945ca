/** The state of a PaymentIntent, in our words. Pure: intents come fetched, with `latest_charge` expanded. */
import type Stripe from 'stripe';
import { declineReason, paymentFailure } from '../../billing/failure-reasons.ts';
import type { CardSeen } from '../../prisma/deposits.ts';
import type { ChargeFailure } from '../providers.ts';

/** Added to every call that returns an intent. */
export const WITH_CHARGE = { expand: ['latest_charge'] };

const chargeOf = ({ latest_charge }: Stripe.PaymentIntent): Stripe.Charge | null =>
  typeof latest_charge === 'object' ? latest_charge : null;

export const receiptOf = (intent: Stripe.PaymentIntent): string | null => chargeOf(intent)?.receipt_url ?? null;

/** Brand and last four of the charged or refused card. */
export function cardOf(intent: Stripe.PaymentIntent): CardSeen | null {
  const card = chargeOf(intent)?.payment_method_details?.card ?? intent.last_payment_error?.payment_method?.card;
  return card?.brand && card.last4 ? { brand: card.brand, last4: card.last4 } : null;
}

/**
 * The reason of an intent's failure. Written into the metadata when the intent is given up, because Stripe clears
 * `last_payment_error` with any later change; before, the error or the failed charge has the reason.
 */
export function failureOf(intent: Stripe.PaymentIntent): ChargeFailure {
  const stored = intent.metadata.failure ? paymentFailure(intent.metadata.failure) : null;
  if (stored !== null && stored !== 'expired') return stored;
  const error = intent.last_payment_error;
  if (error) return declineReason(error.code ?? '', error.decline_code ?? null);
  const charge = chargeOf(intent);
  return declineReason(charge?.failure_code ?? '', charge?.outcome?.reason ?? null);
}
