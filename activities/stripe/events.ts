/**
 * Webhooks from Stripe, used only as hints of the object to fetch. Source:
 * https://docs.stripe.com/webhooks#verify-events
 */
import Stripe from 'stripe';
import { z } from 'zod';
import { BillingError } from '../../billing/errors.ts';

/** The ids of an event's object. `depositId` is our own, from the metadata. */
export interface StripeHint {
  eventId: string;
  type: string;
  depositId?: string;
  intentId?: string;
  sessionId?: string;
  customerId?: string;
  /** Stripe's own ids of the object. */
  refundId?: string;
  disputeId?: string;
  /** Our own id of the refund, from its metadata. */
  namedRefundId?: string;
  /** Set for `charge.refunded`. The event does not name the refund: list the charge's refunds. */
  refunded?: true;
  /** A saved card that was changed or removed at Stripe. */
  paymentMethodId?: string;
  /** True for a Checkout page on which a card was saved. The card is then adopted. */
  setup?: true;
  /** True for a customer deleted at Stripe, with its cards. */
  customerDeleted?: true;
  /** True for an event of live mode where our key is for test mode, or the other way round. */
  otherMode?: true;
}

/**
 * The events that Stripe must send. Payments are polled as well; disputes, and refunds made at Stripe, are learnt only
 * from these events.
 */
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

/**
 * The fields that are read from the object of an event. A field with an unexpected type is ignored, because the event
 * is only a hint: the object itself is fetched from Stripe.
 */
const eventObject = z.object({
  id: anId,
  object: aWord,
  mode: aWord,
  customer: aReference,
  payment_intent: aReference,
  metadata: z.object({ deposit: anId, refund: anId }).catch({ deposit: undefined, refund: undefined }),
});

/** The common fields of all events. A body without these fields is refused. */
const event = z.object({
  id: ID,
  type: z.string().regex(/^[\w.]{1,255}$/),
  livemode: z.boolean().optional().catch(undefined),
  data: z.object({ object: eventObject }),
});

/**
 * Checks the signature and its age, and returns the ids of the event.
 * @param rawBody the body as received, because a body that was parsed and written again has another signature
 * @param live whether our key is for live mode; null where the key does not say
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
