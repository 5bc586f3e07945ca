/**
 * Refunds through Stripe, each once. A repeat goes out under the same idempotency key, so that a try which is still on its
 * way can't become a second refund; only a failure that Stripe replays is known to be over, and then another key is taken,
 * after a look at what there is. Source: docs.stripe.com/api/refunds, docs.stripe.com/api/idempotent_requests
 */
import type Stripe from 'stripe';
import { refundFailure } from '../billing/failure-reasons.ts';
import { fromCents, toCents } from '../billing/money.ts';
import type { Db } from '../prisma/client.ts';
import { type Deposit, getDeposit } from '../prisma/deposits.ts';
import { getRefund, type Refund } from '../prisma/refunds.ts';
import { inCodes, isStripeError, stripeFault, withStripe } from './failures.ts';
import type { RefundOutcome, RefundSeen, Refunds } from './refunds.ts';
import type { Log } from './world.ts';

export interface RefundsWorld {
  stripe: Stripe;
  db: Db;
  log: Log;
}

/** Stored failures that are stepped over in one try; the next try of the activity goes on where they end. */
const MOST_KEYS = 20;

export const createStripeRefunds = (world: RefundsWorld): Refunds => ({
  createRefund: ({ refundId }) => withStripe(() => createRefund(world, refundId)),
  fetchRefund: ({ stripeRefundId }) =>
    withStripe(async () => seenOf(await world.stripe.refunds.retrieve(stripeRefundId))),
});

async function createRefund(world: RefundsWorld, refundId: string): Promise<RefundOutcome> {
  const { stripe, db, log } = world;
  const refund = await getRefund(db, refundId);
  if (refund.stripeRefundId !== null) return seenOf(await stripe.refunds.retrieve(refund.stripeRefundId));
  const intentId = await intentOf(stripe, await getDeposit(db, refund.depositId));
  if (intentId === null) return { status: 'failed', stripeRefundId: null, failureCode: 'no_payment' };
  for (let key = 1; ; key++) {
    const made = await findRefund(stripe, intentId, refundId);
    if (made) return seenOf(made);
    try {
      return seenOf(await ask(stripe, intentId, refund, key));
    } catch (error) {
      if (stripeFault(error).kind === 'refused') {
        log.warn({ refundId, error: inCodes(error) }, 'Stripe refuses a refund');
        const failureCode = refundFailure(isStripeError(error) ? (error.code ?? null) : null);
        return { status: 'failed', stripeRefundId: null, failureCode };
      }
      if (!isReplayed(error) || key === MOST_KEYS) throw error;
    }
  }
}

const ask = (stripe: Stripe, intentId: string, refund: Refund, key: number): Promise<Stripe.Refund> =>
  stripe.refunds.create(
    {
      payment_intent: intentId,
      amount: toCents(refund.amountMicros),
      reason: 'requested_by_customer',
      metadata: { refund: refund.id, deposit: refund.depositId, team: refund.teamId },
    },
    { idempotencyKey: `${refund.id}/create/${key}` },
  );

/** A failure that comes from Stripe's store of answers: its call is over, and will never take effect any more. */
const isReplayed = (error: unknown): boolean =>
  isStripeError(error) && error.headers?.['idempotent-replayed'] === 'true';

/** The payment that is refunded. A Checkout page's may be known to Stripe only. */
async function intentOf(stripe: Stripe, { stripeIntentId, stripeSessionId }: Deposit): Promise<string | null> {
  if (stripeIntentId !== null || stripeSessionId === null) return stripeIntentId;
  const { payment_intent } = await stripe.checkout.sessions.retrieve(stripeSessionId);
  return typeof payment_intent === 'string' ? payment_intent : (payment_intent?.id ?? null);
}

/** What an earlier try has made. Lists are up to date where Stripe's search lags. */
async function findRefund(stripe: Stripe, intentId: string, refundId: string): Promise<Stripe.Refund | null> {
  for await (const refund of stripe.refunds.list({ payment_intent: intentId, limit: 100 }))
    if (refund.metadata?.refund === refundId) return refund;
  return null;
}

function seenOf(refund: Stripe.Refund): RefundSeen {
  const seen = { amountMicros: fromCents(refund.amount), namedRefundId: refund.metadata?.refund ?? null };
  const stripeRefundId = refund.id;
  switch (refund.status) {
    case 'succeeded':
      return { ...seen, status: 'succeeded', stripeRefundId };
    case 'failed':
    case 'canceled':
      return {
        ...seen,
        status: 'failed',
        stripeRefundId,
        failureCode: refundFailure(refund.failure_reason ?? refund.status),
      };
    default:
      return { ...seen, status: 'pending', stripeRefundId };
  }
}
