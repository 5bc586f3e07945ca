/** What Stripe tells of refunds and disputes: which of ours it is about, and its workflow woken or begun. */
import type { StripeHint } from '../activities/stripe-events.ts';
import { disputeIdOf, foundRefundId } from '../billing/ids.ts';
import { type Deposit, findDeposit, findDepositByStripeId } from '../prisma/deposits.ts';
import { findRefund, findRefundByStripeId } from '../prisma/refunds.ts';
import type { Call } from './calls.ts';
import { engineUnavailable } from './engine.ts';
import type { ApiWorld } from './world.ts';

/** A Checkout page's payment may be known to us by its metadata only. */
async function depositOfIntent({ db, stripeLooks }: ApiWorld, intentId: string): Promise<Deposit | null> {
  const known = await findDepositByStripeId(db, intentId);
  if (known) return known;
  const depositId = await stripeLooks.depositOfIntent(intentId);
  return depositId === null ? null : findDeposit(db, depositId);
}

/**
 * Wakes what the event is about, if it is about a refund or a dispute. What concerns no deposit of ours is logged.
 * @throws BillingError `engine_unavailable`, `provider_unavailable`: it was not taken in, and Stripe sends it again
 */
export async function takeInMoneyBack(world: ApiWorld, call: Call, hint: StripeHint): Promise<void> {
  const { refundId, disputeId, refunded, intentId } = hint;
  if (refundId === undefined && disputeId === undefined && !refunded) return;
  const deposit = intentId === undefined ? null : await depositOfIntent(world, intentId);
  if (deposit === null || intentId === undefined) {
    call.log.warn(
      { event: hint.eventId, type: hint.type },
      'Stripe tells of money back for a payment that is not ours',
    );
    return;
  }
  const { stripeIntentId } = deposit;
  if (stripeIntentId !== null && stripeIntentId !== intentId) {
    // Such as a second charge that is refunded: it was never credited, so nothing can be taken back for it.
    call.log.warn(
      { event: hint.eventId, depositId: deposit.id },
      'Stripe tells of money back for a payment that was not credited',
    );
    return;
  }
  if (disputeId !== undefined) return tellDispute(world, deposit, disputeId);
  // An event names one refund; a charge's list has those of which no event came.
  const refunds = refunded
    ? await world.stripeLooks.refundsOfIntent(intentId)
    : [{ stripeRefundId: refundId as string, namedRefundId: hint.namedRefundId ?? null }];
  for (const refund of refunds) await tellRefund(world, deposit, refund);
}

async function tellDispute({ engine }: ApiWorld, deposit: Deposit, stripeDisputeId: string): Promise<void> {
  const disputeId = disputeIdOf(stripeDisputeId);
  const dispute = { disputeId, teamId: deposit.teamId, depositId: deposit.id, stripeDisputeId };
  await accepted(engine.tell.dispute(dispute));
}

async function tellRefund(
  { db, engine }: ApiWorld,
  { id: depositId, teamId }: Deposit,
  { stripeRefundId, namedRefundId }: { stripeRefundId: string; namedRefundId: string | null },
): Promise<void> {
  const named = namedRefundId === null ? null : await findRefund(db, namedRefundId);
  const known = (await findRefundByStripeId(db, stripeRefundId)) ?? named;
  const refundId = known?.id ?? foundRefundId(stripeRefundId);
  await accepted(engine.tell.refund({ refundId, teamId, depositId, stripeRefundId }));
}

const accepted = (telling: Promise<void>): Promise<void> =>
  telling.catch((error) => {
    throw engineUnavailable(error);
  });
