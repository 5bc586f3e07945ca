/**
 * Refunds through Stripe, each once. A repeat uses the same idempotency key, so a try that is still under way can't
 * become a second refund. Only a failure that Stripe replays is known to be over. Then another key is used, after a
 * read of the existing refunds. Another key is also used where the key belongs to another request. Source:
 * https://docs.stripe.com/api/refunds, https://docs.stripe.com/api/idempotent_requests
 */

import type Stripe from 'stripe';
import { refundFailure } from '../../billing/failure-reasons.ts';
import { stripeKey } from '../../billing/ids.ts';
import { fromCents, toCents, ZERO } from '../../billing/money.ts';
import type { Db } from '../../prisma/client.ts';
import { type Deposit, getDeposit } from '../../prisma/deposits.ts';
import { findRefundByStripeId, getRefund, type Refund } from '../../prisma/refunds.ts';
import { inCodes, isMissing, isStripeError, orNull, stripeFault, withStripe } from '../failures.ts';
import type { RefundOutcome, RefundSeen, Refunds } from '../providers.ts';
import type { Log } from '../world.ts';

export interface RefundsWorld {
  stripe: Stripe;
  db: Db;
  log: Log;
}

/** The number of stored failures to skip in one try. The next try of the activity continues after the last. */
const MOST_KEYS = 20;

export const createStripeRefunds = (world: RefundsWorld): Refunds => ({
  createRefund: ({ refundId }) => withStripe(() => createRefund(world, refundId)),
  fetchRefund: ({ stripeRefundId }) => withStripe(() => fetchRefund(world, stripeRefundId)),
});

async function createRefund(world: RefundsWorld, refundId: string): Promise<RefundOutcome> {
  const { stripe, db, log } = world;
  const refund = await getRefund(db, refundId);
  if (refund.stripeRefundId !== null) return fetchRefund(world, refund.stripeRefundId);
  const intentId = await intentOf(stripe, await getDeposit(db, refund.depositId));
  if (intentId === null) return { status: 'failed', stripeRefundId: null, failureCode: 'no_payment' };
  for (let key = 1; ; key++) {
    try {
      const earlierRefund = await findRefund(stripe, intentId, refundId);
      return seenOf(earlierRefund ?? (await ask(stripe, intentId, refund, key)));
    } catch (error) {
      if (isMissing(error)) {
        log.error({ refundId, intentId, error: inCodes(error) }, 'Stripe no longer has the payment of a refund');
        return { status: 'failed', stripeRefundId: null, failureCode: 'payment_missing' };
      }
      if (stripeFault(error).kind === 'refused') {
        log.warn({ refundId, error: inCodes(error) }, 'Stripe refuses a refund');
        const failureCode = refundFailure(isStripeError(error) ? (error.code ?? null) : null);
        return { status: 'failed', stripeRefundId: null, failureCode };
      }
      if (!(isReplayed(error) || isKeyOfAnother(error)) || key === MOST_KEYS) throw error;
    }
  }
}

/**
 * A refund that Stripe no longer has belongs to another account or mode. The money may have left there, so the recorded
 * state stays. A refund that was never recorded has not moved credit.
 */
async function fetchRefund({ stripe, db, log }: RefundsWorld, stripeRefundId: string): Promise<RefundSeen> {
  const refund = await orNull(() => stripe.refunds.retrieve(stripeRefundId));
  if (refund !== null) return seenOf(refund);
  log.error({ stripeRefundId }, 'Stripe no longer has a refund');
  const savedRefund = await findRefundByStripeId(db, stripeRefundId);
  if (savedRefund === null || savedRefund.status === 'failed')
    return {
      status: 'failed',
      stripeRefundId,
      failureCode: 'payment_missing',
      amountMicros: savedRefund?.amountMicros ?? ZERO,
      namedRefundId: savedRefund?.id ?? null,
    };
  const { id: namedRefundId, status, amountMicros } = savedRefund;
  return { status, stripeRefundId, amountMicros, namedRefundId };
}

const ask = (stripe: Stripe, intentId: string, refund: Refund, key: number): Promise<Stripe.Refund> =>
  stripe.refunds.create(
    {
      payment_intent: intentId,
      amount: toCents(refund.amountMicros),
      reason: 'requested_by_customer',
      metadata: { refund: refund.id, deposit: refund.depositId, team: refund.teamId },
    },
    { idempotencyKey: stripeKey.createRefund(refund.id, key) },
  );

/** True for a failure from Stripe's store of answers: the call is over and will have no later effect. */
const isReplayed = (error: unknown): boolean =>
  isStripeError(error) && error.headers?.['idempotent-replayed'] === 'true';

/**
 * The key was used for a request of other content, such as a deposit under the same id: this request was not carried
 * out.
 */
const isKeyOfAnother = (error: unknown): boolean =>
  isStripeError(error) && error.type === 'StripeIdempotencyError' && error.statusCode === 400;

/** The refunded payment. For a Checkout page only Stripe may know the payment. */
async function intentOf(stripe: Stripe, { stripeIntentId, stripeSessionId }: Deposit): Promise<string | null> {
  if (stripeIntentId !== null || stripeSessionId === null) return stripeIntentId;
  const page = await orNull(() => stripe.checkout.sessions.retrieve(stripeSessionId));
  const intent = page?.payment_intent ?? null;
  return typeof intent === 'string' ? intent : (intent?.id ?? null);
}

/** The refund of an earlier try. Lists are up to date where Stripe's search lags. */
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
