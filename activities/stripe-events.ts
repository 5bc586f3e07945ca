/** Webhooks from Stripe: never believed, only taken as hints of what to fetch. Source: docs.stripe.com/webhooks#verify-events */
import Stripe from 'stripe';
import { BillingError } from '../billing/errors.ts';

/** What an event is about, as ids. `depositId` is our own, from the metadata. */
export interface StripeHint {
  eventId: string;
  type: string;
  depositId?: string;
  intentId?: string;
  sessionId?: string;
  customerId?: string;
  /** Stripe's own ids of what the event is about. */
  refundId?: string;
  disputeId?: string;
  /** Our own id of the refund, from its metadata. */
  namedRefundId?: string;
  /** True for a charge of which something was refunded: which, its list of refunds says. */
  refunded?: true;
  /** A saved card that was changed or taken away at Stripe. */
  paymentMethodId?: string;
  /** True for a Checkout page on which a card was saved, to be adopted. */
  setup?: true;
}

/** What Stripe is to tell of. Payments are polled for as well; of disputes, and of refunds made at Stripe, only these tell. */
export const STRIPE_EVENTS = [
  'payment_intent.succeeded',
  'payment_intent.payment_failed',
  'payment_intent.canceled',
  'payment_intent.requires_action',
  'checkout.session.completed',
  'checkout.session.expired',
  'payment_method.detached',
  'payment_method.updated',
  'payment_method.automatically_updated',
  'charge.refunded',
  'refund.updated',
  'refund.failed',
  'charge.dispute.created',
  'charge.dispute.updated',
  'charge.dispute.closed',
] as const;

const TOLERANCE_SECONDS = 300;

/** The fields that are read of whatever object an event carries. */
interface EventObject {
  id?: string;
  object?: string;
  mode?: string;
  customer?: string | { id: string } | null;
  payment_intent?: string | { id: string } | null;
  metadata?: Record<string, string> | null;
}

/**
 * Checks the signature and its age, and answers what the event is about.
 * @param rawBody the body as it came: parsed and written again, it would be signed no more
 * @throws BillingError `webhook_invalid`
 */
export function verifyStripeEvent(rawBody: Buffer | string, signature: string, secret: string): StripeHint {
  try {
    return hintOf(Stripe.webhooks.constructEvent(rawBody, signature, secret, TOLERANCE_SECONDS));
  } catch {
    throw new BillingError('webhook_invalid', 'the signature of the event does not fit, or is too old');
  }
}

function hintOf(event: Stripe.Event): StripeHint {
  const about = event.data.object as EventObject;
  const intentId = about.object === 'payment_intent' ? about.id : idOf(about.payment_intent);
  const customerId = about.object === 'customer' ? about.id : idOf(about.customer);
  const is = (object: string) => about.object === object && about.id !== undefined;
  const isSession = about.object === 'checkout.session';
  const depositId = about.metadata?.deposit;
  return {
    eventId: event.id,
    type: event.type,
    ...(depositId !== undefined && { depositId }),
    ...(intentId !== undefined && { intentId }),
    ...(isSession && about.id !== undefined && { sessionId: about.id }),
    ...(customerId !== undefined && { customerId }),
    ...(is('refund') && { refundId: about.id as string }),
    ...(is('refund') && about.metadata?.refund !== undefined && { namedRefundId: about.metadata.refund }),
    ...(is('dispute') && { disputeId: about.id as string }),
    ...(event.type === 'charge.refunded' && { refunded: true as const }),
    ...(about.object === 'payment_method' && about.id !== undefined && { paymentMethodId: about.id }),
    ...(isSession && about.mode === 'setup' && { setup: true as const }),
  };
}

const idOf = (named: string | { id: string } | null | undefined): string | undefined =>
  typeof named === 'object' ? named?.id : named;
