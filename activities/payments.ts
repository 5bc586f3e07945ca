/**
 * Payments: what a deposit needs of a card provider, each a touch of the outside that may be tried again.
 * Implemented by Stripe in stripe-payments.ts.
 */
import type { PaymentFailure } from '../billing/failure-reasons.ts';

/** Why a charge failed. An expired page is an outcome of its own. */
export type ChargeFailure = Exclude<PaymentFailure, 'expired'>;

/** What a provider says of a payment. What is not known is no outcome: the activity fails, and is tried again. */
export type PaymentOutcome =
  | { status: 'succeeded'; intentId: string; receiptUrl: string | null }
  | { status: 'failed'; intentId: string | null; failureCode: ChargeFailure }
  | { status: 'requires_action'; intentId: string; actionUrl: string | null }
  | { status: 'processing'; intentId: string | null }
  | { status: 'expired' };

/** The page on which a person pays. Without one, the provider refuses to open it, whatever is tried. */
export type CheckoutPage = { sessionId: string; checkoutUrl: string } | { failureCode: ChargeFailure };

export interface Payments {
  /** Creates the payment, unconfirmed, or finds the one that was created: no money moves. */
  createIntent(input: { depositId: string }): Promise<{ intentId: string } | { failureCode: ChargeFailure }>;
  /** Confirms the payment, or finds out what became of it. Only a known outcome is answered. */
  confirmIntent(input: { depositId: string; intentId: string }): Promise<PaymentOutcome>;
  /** What the payment has come to, by its intent or its Checkout page. */
  fetchOutcome(input: { depositId: string }): Promise<PaymentOutcome>;
  /** Opens a Checkout page on which a person pays. */
  createCheckout(input: { depositId: string }): Promise<CheckoutPage>;
  /** Copies a team's name and address to its customer at the provider, as a notice asks. */
  copyCustomer(input: { noticeId: string; nowSecond: number }): Promise<void>;
}
