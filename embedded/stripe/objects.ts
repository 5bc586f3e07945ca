import type Stripe from 'stripe';

/**
 * The types are the SDK's own, with every reference stored as an id: Stripe's stored objects, and its answers without
 * expansion. If a version of the SDK adds a field, the type check fails here.
 */
type Unexpanded<T> = { [K in keyof T]: Exclude<T[K], { object: string }> };

export type Customer = Unexpanded<Stripe.Customer>;
export type PaymentMethod = Unexpanded<Stripe.PaymentMethod>;
export type SetupIntent = Unexpanded<Stripe.SetupIntent>;
export type PaymentIntent = Unexpanded<Stripe.PaymentIntent>;
export type Charge = Unexpanded<Stripe.Charge>;
export type Refund = Unexpanded<Stripe.Refund>;
export type Dispute = Unexpanded<Stripe.Dispute>;
export type BalanceTransaction = Unexpanded<Stripe.BalanceTransaction>;
export type CheckoutSession = Unexpanded<Stripe.Checkout.Session>;
export type LastPaymentError = Stripe.PaymentIntent.LastPaymentError;

export interface Event {
  id: string;
  object: 'event';
  api_version: string;
  created: number;
  data: { object: unknown; previous_attributes?: Record<string, unknown> };
  livemode: false;
  pending_webhooks: number;
  request: { id: string | null; idempotency_key: string | null };
  type: string;
}

export interface StripeList<T> {
  object: 'list';
  data: T[];
  has_more: boolean;
  url: string;
}

export interface SearchResult<T> {
  object: 'search_result';
  data: T[];
  has_more: boolean;
  next_page: string | null;
  url: string;
}
