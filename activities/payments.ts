/**
 * The card provider's payments, as deposits use the provider. Each call touches the outside and may be retried.
 * stripe-payments.ts implements the interface for Stripe.
 */
import type { PaymentFailure } from '../billing/failure-reasons.ts';

/** The reason of a failed charge. An expired page is a separate outcome. */
export type ChargeFailure = Exclude<PaymentFailure, 'expired'>;

/** The provider's state of a payment. For an unknown state the activity fails and is retried. */
export type PaymentOutcome =
  | { status: 'succeeded'; intentId: string; receiptUrl: string | null }
  | { status: 'failed'; intentId: string | null; failureCode: ChargeFailure }
  | { status: 'requires_action'; intentId: string; actionUrl: string | null }
  | { status: 'processing'; intentId: string | null }
  | { status: 'expired' };

/** The page on which a person pays. Without a page, the provider refuses to open any. */
export type CheckoutPage = { sessionId: string; checkoutUrl: string } | { failureCode: ChargeFailure };

export interface Payments {
  /** Creates the payment, unconfirmed, or finds the payment of an earlier try. No money moves. */
  createIntent(input: { depositId: string }): Promise<{ intentId: string } | { failureCode: ChargeFailure }>;
  /** Confirms the payment, or reads its outcome. Only a known outcome is returned. */
  confirmIntent(input: { depositId: string; intentId: string }): Promise<PaymentOutcome>;
  /** The outcome of the payment, by its intent or its Checkout page. */
  fetchOutcome(input: { depositId: string }): Promise<PaymentOutcome>;
  /** Opens a Checkout page on which a person pays. */
  createCheckout(input: { depositId: string }): Promise<CheckoutPage>;
  /** Copies a team's name and address to its customer at the provider, for a notice. */
  copyCustomer(input: { noticeId: string; nowSecond: number }): Promise<void>;
}
