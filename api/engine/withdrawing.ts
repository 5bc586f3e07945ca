/** Withdraws a refund or a dispute that the ledger has and the provider lacks. */
import { BillingError } from '../../billing/errors.ts';
import type { Deposit } from '../../prisma/deposits.ts';
import { type Dispute, disputesOfDeposit } from '../../prisma/disputes.ts';
import type { Payment } from '../../prisma/history.ts';
import { type Refund, refundsOfDeposit } from '../../prisma/refunds.ts';
import { actorOf, type Call } from '../http/calls.ts';
import type { ApiWorld } from '../world.ts';
import { paymentsOf } from './looking.ts';

const refused = (message: string) => new BillingError('withdrawal_refused', message);

/**
 * Asks the provider for the refund or the dispute, and withdraws an absent one: the refund counts as failed and the
 * dispute as won, so the taken or held amount is credit again. A repeat changes nothing.
 * @throws BillingError `not_found` naming `id`, `withdrawal_refused`, `provider_unavailable`
 */
export async function withdraw(
  world: ApiWorld,
  call: Call,
  deposit: Deposit,
  { subjectId, note }: { subjectId: string; note: string },
): Promise<Payment[]> {
  const refund = (await refundsOfDeposit(world.db, deposit.id)).find(({ id }) => id === subjectId);
  const dispute = (await disputesOfDeposit(world.db, deposit.id)).find(({ id }) => id === subjectId);
  if (!refund && !dispute)
    throw new BillingError('not_found', 'the deposit has no refund and no dispute with this id', 'id');
  const of = { subjectId, note, depositId: deposit.id, teamId: deposit.teamId };
  const noted = { ...of, actor: actorOf(call), second: call.receivedSecond };
  if (refund && refund.status !== 'failed') {
    await checkNoRefund(world, deposit, refund);
    await world.ledger.noteWithdrawal(noted);
    await withdrawRefund(world, call, subjectId);
  }
  if (dispute && dispute.status !== 'won') {
    await checkNoDispute(world, dispute);
    await world.ledger.noteWithdrawal(noted);
    await withdrawDispute(world, call, subjectId);
  }
  return paymentsOf(world, deposit.id);
}

async function checkNoRefund({ stripeLooks }: ApiWorld, deposit: Deposit, refund: Refund): Promise<void> {
  const { stripeRefundId } = refund;
  const found =
    stripeRefundId !== null && (await stripeLooks.isKnown(stripeRefundId))
      ? stripeRefundId
      : deposit.stripeIntentId !== null &&
        (await stripeLooks.refundsOfIntent(deposit.stripeIntentId)).find(
          ({ namedRefundId }) => namedRefundId === refund.id,
        )?.stripeRefundId;
  if (found) throw refused(`Stripe has this refund, ${found}: look again at the deposit instead`);
}

async function checkNoDispute({ stripeLooks }: ApiWorld, { stripeDisputeId }: Dispute): Promise<void> {
  if (await stripeLooks.isKnown(stripeDisputeId))
    throw refused(`Stripe has this dispute, ${stripeDisputeId}: look again at the deposit instead`);
}

async function withdrawRefund({ ledger }: ApiWorld, call: Call, refundId: string): Promise<void> {
  const closed = { refundId, outcome: 'failed' as const, failureCode: 'withdrawn', nowSecond: call.receivedSecond };
  await ledger.closeRefund(closed, call.requestId);
}

async function withdrawDispute({ ledger }: ApiWorld, call: Call, disputeId: string): Promise<void> {
  const closed = { disputeId, outcome: 'won' as const, nowSecond: call.receivedSecond };
  const { status } = await ledger.closeDispute(closed, call.requestId);
  if (status !== 'won') throw refused('a refund of the deposit is under way: withdraw the dispute when it has ended');
}
