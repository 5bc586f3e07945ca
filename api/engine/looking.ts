/** An operator's look at one payment: the provider is asked now, also about payments that ended long ago. */

import { disputeIdOf, foundRefundId } from '../../billing/ids.ts';
import { type Deposit, findDeposit, getDeposit, wasCredited } from '../../prisma/deposits.ts';
import { disputesOfDeposit } from '../../prisma/disputes.ts';
import type { Payment } from '../../prisma/history.ts';
import { refundsOfDeposit } from '../../prisma/refunds.ts';
import type { Call } from '../http/calls.ts';
import type { ApiWorld } from '../world.ts';

/** Each look waits for a provider. A slow answer is found by a later call. */
const LOOK_WITHIN_MS = 9_000;

/**
 * Asks the provider about a deposit with its refunds and disputes, including those that only the provider knows, and
 * returns all of them as recorded afterwards, the deposit first.
 * @throws BillingError `outcome_unknown`, `provider_unavailable`
 */
export async function lookAtPayment(world: ApiWorld, call: Call, deposit: Deposit): Promise<Payment[]> {
  const { engine, db } = world;
  const { id: depositId, teamId, kind } = deposit;
  const deadlineMs = call.receivedMs + LOOK_WITHIN_MS;
  // A credited card payment changes only by refunds and disputes; a crypto deposit can still receive coins.
  if (deposit.method === 'crypto' || !wasCredited(deposit))
    await engine.lookAt.deposit({ depositId, teamId, kind }, deadlineMs);
  const now = await getDeposit(db, depositId);
  if (wasCredited(now) && now.method === 'card') {
    const [refunds, disputes] = await Promise.all([refundsToLookAt(world, now), disputesToLookAt(world, now)]);
    await Promise.all([
      ...refunds.map((refund) => engine.lookAt.refund({ ...refund, teamId, depositId }, deadlineMs)),
      ...disputes.map((dispute) => engine.lookAt.dispute({ ...dispute, teamId, depositId }, deadlineMs)),
    ]);
  }
  return paymentsOf(world, depositId);
}

async function refundsToLookAt({ db, stripeLooks }: ApiWorld, { id, stripeIntentId }: Deposit) {
  const savedRefunds = await refundsOfDeposit(db, id);
  const foundRefunds = stripeIntentId === null ? [] : await stripeLooks.refundsOfIntent(stripeIntentId);
  const isKnown = ({ stripeRefundId, namedRefundId }: (typeof foundRefunds)[number]) =>
    savedRefunds.some((refund) => refund.stripeRefundId === stripeRefundId || refund.id === namedRefundId);
  return [
    ...savedRefunds.map(({ id: refundId, stripeRefundId }) => ({
      refundId,
      ...(stripeRefundId !== null && { stripeRefundId }),
    })),
    ...foundRefunds
      .filter((refund) => !isKnown(refund))
      .map(({ stripeRefundId }) => ({ refundId: foundRefundId(stripeRefundId), stripeRefundId })),
  ];
}

async function disputesToLookAt({ db, stripeLooks }: ApiWorld, { id, stripeIntentId }: Deposit) {
  const savedIds = (await disputesOfDeposit(db, id)).map(({ stripeDisputeId }) => stripeDisputeId);
  const foundIds = stripeIntentId === null ? [] : await stripeLooks.disputesOfIntent(stripeIntentId);
  return [...new Set([...savedIds, ...foundIds])].map((stripeDisputeId) => ({
    disputeId: disputeIdOf(stripeDisputeId),
    stripeDisputeId,
  }));
}

/** A deposit with its refunds and disputes, as recorded. */
export async function paymentsOf({ db }: ApiWorld, depositId: string): Promise<Payment[]> {
  const deposit = await findDeposit(db, depositId);
  if (deposit === null) return [];
  const refunds = await refundsOfDeposit(db, depositId);
  const disputes = await disputesOfDeposit(db, depositId);
  return [
    { kind: 'deposit', deposit },
    ...refunds.map((refund): Payment => ({ kind: 'refund', refund, deposit })),
    ...disputes.map((dispute): Payment => ({ kind: 'dispute', dispute, deposit })),
  ];
}
