/** Webhooks from Stripe: never believed, only taken as hints of what to fetch. Source: https://docs.stripe.com/webhooks#verify-events */
import Stripe from 'stripe';
import { z } from 'zod';
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
  /** True for a customer that was deleted at Stripe, with its cards. */
  customerDeleted?: true;
  /** True for an event of live mode where our key is for test mode, or the other way round. */
  otherMode?: true;
}

/** What Stripe is to tell of. Payments are polled for as well; of disputes, and of refunds made at Stripe, only these tell. */
export const STRIPE_EVENTS = [
  'payment_intent.succeeded',
  'payment_intent.payment_failed',
  'payment_intent.canceled',
  'payment_intent.requires_action',
  'checkout.session.completed',
  'checkout.session.expired',
  'checkout.session.async_payment_succeeded',
  'checkout.session.async_payment_failed',
  'customer.deleted',
  'payment_method.detached',
  'payment_method.updated',
  'payment_method.automatically_updated',
  'charge.refunded',
  'refund.updated',
  'refund.failed',
  'charge.dispute.created',
  'charge.dispute.updated',
  'charge.dispute.closed',
  'charge.dispute.funds_withdrawn',
  'charge.dispute.funds_reinstated',
] as const;

const TOLERANCE_SECONDS = 300;

/** An id of Stripe's or ours. No other character can be stored, or sent in the path of a call. */
const ID = z.string().regex(/^[\w-]{1,255}$/);
const anId = ID.optional().catch(undefined);
/** A reference, as an id or with its object in the place of the id. */
const aReference = z
  .union([ID, z.object({ id: ID }).transform(({ id }) => id)])
  .optional()
  .catch(undefined);
const aWord = z.string().max(255).optional().catch(undefined);

/** The fields that are read of the object of an event. A field of an odd shape is left out: the event is only a hint. */
const eventObject = z.object({
  id: anId,
  object: aWord,
  mode: aWord,
  customer: aReference,
  payment_intent: aReference,
  metadata: z.object({ deposit: anId, refund: anId }).catch({ deposit: undefined, refund: undefined }),
});

/** What every event has. Without it, a body cannot be read as an event. */
const event = z.object({
  id: ID,
  type: z.string().regex(/^[\w.]{1,255}$/),
  livemode: z.boolean().optional().catch(undefined),
  data: z.object({ object: eventObject }),
});

/**
 * Checks the signature and its age, and answers what the event is about.
 * @param rawBody the body as it came: parsed and written again, it would be signed no more
 * @param live whether our key is for live mode; null where it does not say
 * @throws BillingError `webhook_invalid`
 */
export function verifyStripeEvent(
  rawBody: Buffer | string,
  signature: string,
  secret: string,
  live: boolean | null = null,
): StripeHint {
  let body: unknown;
  try {
    body = Stripe.webhooks.constructEvent(rawBody, signature, secret, TOLERANCE_SECONDS);
  } catch {
    throw new BillingError('webhook_invalid', 'the signature of the event does not fit, or is too old');
  }
  const parsed = event.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new BillingError('webhook_invalid', `the event cannot be read: ${issue?.path.join('.') || 'its body'}`);
  }
  return hintOf(parsed.data, live);
}

/** The mode of a secret key. Null for a key that does not name its mode. */
export function isLiveKey(secretKey: string): boolean | null {
  const mode = /^[a-z]+_(live|test)_/.exec(secretKey)?.[1];
  return mode === undefined ? null : mode === 'live';
}

function hintOf({ id: eventId, type, livemode, data }: z.output<typeof event>, live: boolean | null): StripeHint {
  if (live !== null && livemode !== undefined && livemode !== live) return { eventId, type, otherMode: true };
  const { id, object, mode, customer, payment_intent, metadata } = data.object;
  const intentId = object === 'payment_intent' ? id : payment_intent;
  const customerId = object === 'customer' ? id : customer;
  return {
    eventId,
    type,
    ...(metadata.deposit !== undefined && { depositId: metadata.deposit }),
    ...(intentId !== undefined && { intentId }),
    ...(object === 'checkout.session' && id !== undefined && { sessionId: id }),
    ...(customerId !== undefined && { customerId }),
    ...(object === 'refund' && id !== undefined && { refundId: id }),
    ...(object === 'refund' && metadata.refund !== undefined && { namedRefundId: metadata.refund }),
    ...(object === 'dispute' && id !== undefined && { disputeId: id }),
    ...(type === 'charge.refunded' && { refunded: true as const }),
    ...(type === 'customer.deleted' && { customerDeleted: true as const }),
    ...(object === 'payment_method' && id !== undefined && { paymentMethodId: id }),
    ...(object === 'checkout.session' && mode === 'setup' && { setup: true as const }),
  };
}
