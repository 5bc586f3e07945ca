/**
 * What Stripe accepts, by operation: the parameter types of the SDK, which Stripe generates from its published OpenAPI
 * document of the version in `stripe/OPENAPI_VERSION`. An operation that is not here fails the test: add it, with the call
 * that makes it.
 */
import type Stripe from 'stripe';

export interface Operations {
  'GET /v1/balance_transactions': Stripe.BalanceTransactionListParams;
  'GET /v1/charges': Stripe.ChargeListParams;
  'GET /v1/charges/:id': Stripe.ChargeRetrieveParams;
  'POST /v1/checkout/sessions': Stripe.Checkout.SessionCreateParams;
  'GET /v1/checkout/sessions': Stripe.Checkout.SessionListParams;
  'GET /v1/checkout/sessions/:id': Stripe.Checkout.SessionRetrieveParams;
  'POST /v1/checkout/sessions/:id/expire': Stripe.Checkout.SessionExpireParams;
  'POST /v1/customers': Stripe.CustomerCreateParams;
  'GET /v1/customers/:id': Stripe.CustomerRetrieveParams;
  'POST /v1/customers/:id': Stripe.CustomerUpdateParams;
  'GET /v1/disputes': Stripe.DisputeListParams;
  'GET /v1/disputes/:id': Stripe.DisputeRetrieveParams;
  'POST /v1/payment_intents': Stripe.PaymentIntentCreateParams;
  'GET /v1/payment_intents': Stripe.PaymentIntentListParams;
  'GET /v1/payment_intents/:id': Stripe.PaymentIntentRetrieveParams;
  'POST /v1/payment_intents/:id': Stripe.PaymentIntentUpdateParams;
  'POST /v1/payment_intents/:id/confirm': Stripe.PaymentIntentConfirmParams;
  'POST /v1/payment_intents/:id/cancel': Stripe.PaymentIntentCancelParams;
  'GET /v1/payment_methods': Stripe.PaymentMethodListParams;
  'GET /v1/payment_methods/:id': Stripe.PaymentMethodRetrieveParams;
  'POST /v1/payment_methods/:id/attach': Stripe.PaymentMethodAttachParams;
  'POST /v1/payment_methods/:id/detach': Stripe.PaymentMethodDetachParams;
  'POST /v1/refunds': Stripe.RefundCreateParams;
  'GET /v1/refunds': Stripe.RefundListParams;
  'GET /v1/refunds/:id': Stripe.RefundRetrieveParams;
  'GET /v1/setup_intents/:id': Stripe.SetupIntentRetrieveParams;
}

/** Each call of the SDK that the product may make, and the operation that it is. */
export const CALLS: Record<string, keyof Operations> = {
  'balanceTransactions.list': 'GET /v1/balance_transactions',
  'charges.list': 'GET /v1/charges',
  'charges.retrieve': 'GET /v1/charges/:id',
  'checkout.sessions.create': 'POST /v1/checkout/sessions',
  'checkout.sessions.list': 'GET /v1/checkout/sessions',
  'checkout.sessions.retrieve': 'GET /v1/checkout/sessions/:id',
  'checkout.sessions.expire': 'POST /v1/checkout/sessions/:id/expire',
  'customers.create': 'POST /v1/customers',
  'customers.retrieve': 'GET /v1/customers/:id',
  'customers.update': 'POST /v1/customers/:id',
  'disputes.list': 'GET /v1/disputes',
  'disputes.retrieve': 'GET /v1/disputes/:id',
  'paymentIntents.create': 'POST /v1/payment_intents',
  'paymentIntents.list': 'GET /v1/payment_intents',
  'paymentIntents.retrieve': 'GET /v1/payment_intents/:id',
  'paymentIntents.update': 'POST /v1/payment_intents/:id',
  'paymentIntents.confirm': 'POST /v1/payment_intents/:id/confirm',
  'paymentIntents.cancel': 'POST /v1/payment_intents/:id/cancel',
  'paymentMethods.list': 'GET /v1/payment_methods',
  'paymentMethods.retrieve': 'GET /v1/payment_methods/:id',
  'paymentMethods.attach': 'POST /v1/payment_methods/:id/attach',
  'paymentMethods.detach': 'POST /v1/payment_methods/:id/detach',
  'refunds.create': 'POST /v1/refunds',
  'refunds.list': 'GET /v1/refunds',
  'refunds.retrieve': 'GET /v1/refunds/:id',
  'setupIntents.retrieve': 'GET /v1/setup_intents/:id',
};

// ── as they are on the wire ──────────────────────────────────────────────────────────────────────────────────────

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** What the SDK adds to an enum that may grow. A request names what is published today. */
type NotYetPublished = string & Record<never, never>;

/**
 * A parameter as it is sent, form-encoded: numbers and booleans as their text, null as nothing. Everything else keeps its
 * exact type, so that an unknown name, a wrong type or a value outside of an enum is an error.
 */
export type Wire<T> = T extends string
  ? Same<T, NotYetPublished> extends true
    ? never
    : T
  : T extends number
    ? `${number}`
    : T extends boolean
      ? `${T}`
      : T extends null
        ? ''
        : T extends readonly (infer Item)[]
          ? Wire<Item>[]
          : T extends object
            ? { [Name in keyof T]: Wire<T[Name]> }
            : T;

export type Sent<Operation extends keyof Operations> = Wire<Operations[Operation]>;
