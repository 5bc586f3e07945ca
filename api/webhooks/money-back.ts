/** Refunds and disputes from Stripe's webhooks: finds the object and wakes or starts its workflow. */
import type { StripeHint } from '../../activities/stripe/events.ts';
import { disputeIdOf, foundRefundId } from '../../billing/ids.ts';
import { type Deposit, findDeposit, findDepositByStripeId } from '../../prisma/deposits.ts';
import { findRefund, findRefundByStripeId } from '../../prisma/refunds.ts';
import { engineUnavailable } from '../engine/engine.ts';
import type { Call } from '../http/calls.ts';
import type { ApiWorld } from '../world.ts';

/** The payment of a Checkout page may be known by its metadata only. */
async function depositOfIntent({ db, stripeLooks }: ApiWorld, intentId: string): Promise<Deposit | null> {
  const savedDeposit = await findDepositByStripeId(db, intentId);
  if (savedDeposit) return savedDeposit;
  const depositId = await stripeLooks.depositOfIntent(intentId);
  return depositId === null ? null : findDeposit(db, depositId);
}

/**
 * Wakes the refund or dispute of an event. Events about payments of other systems are logged.
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
    // For example a refunded second charge: the charge was never credited, so nothing can be taken back.
    call.log.warn(
      { event: hint.eventId, depositId: deposit.id },
      'Stripe tells of money back for a payment that was not credited',
    );
    return;
  }
  if (disputeId !== undefined) return wakeDispute(world, deposit, disputeId);
  // An event names one refund. The charge's list also has refunds without an event.
  const refunds = refunded
    ? await world.stripeLooks.refundsOfIntent(intentId)
    : [{ stripeRefundId: refundId as string, namedRefundId: hint.namedRefundId ?? null }];
  for (const refund of refunds) await wakeRefund(world, deposit, refund);
}

async function wakeDispute({ engine }: ApiWorld, deposit: Deposit, stripeDisputeId: string): Promise<void> {
  const disputeId = disputeIdOf(stripeDisputeId);
  const dispute = { disputeId, teamId: deposit.teamId, depositId: deposit.id, stripeDisputeId };
  await accepted(engine.wake.dispute(dispute));
}

async function wakeRefund(
  { db, engine }: ApiWorld,
  { id: depositId, teamId }: Deposit,
  { stripeRefundId, namedRefundId }: { stripeRefundId: string; namedRefundId: string | null },
): Promise<void> {
  const namedRefund = namedRefundId === null ? null : await findRefund(db, namedRefundId);
  const savedRefund = (await findRefundByStripeId(db, stripeRefundId)) ?? namedRefund;
  const refundId = savedRefund?.id ?? foundRefundId(stripeRefundId);
  await accepted(engine.wake.refund({ refundId, teamId, depositId, stripeRefundId }));
}

const accepted = (wake: Promise<void>): Promise<void> =>
  wake.catch((error) => {
    throw engineUnavailable(error);
  });
