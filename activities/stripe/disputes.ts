/**
 * Disputes at Stripe. Source: https://docs.stripe.com/disputes/how-disputes-work, https://docs.stripe.com/api/disputes
 */
import type Stripe from 'stripe';
import { disputeIdOf } from '../../billing/ids.ts';
import { fromCents, ZERO } from '../../billing/money.ts';
import type { Db } from '../../prisma/client.ts';
import { type Dispute, findDispute } from '../../prisma/disputes.ts';
import { orNull, withStripe } from '../failures.ts';
import type { DisputeSeen, Disputes } from '../providers.ts';
import type { Log } from '../world.ts';

export interface DisputesWorld {
  stripe: Stripe;
  db: Db;
  log: Log;
}

export const createStripeDisputes = (world: DisputesWorld): Disputes => ({
  fetchDispute: ({ stripeDisputeId }) => withStripe(() => fetchDispute(world, stripeDisputeId)),
});

async function fetchDispute({ stripe, db, log }: DisputesWorld, stripeDisputeId: string): Promise<DisputeSeen> {
  const dispute = await orNull(() => stripe.disputes.retrieve(stripeDisputeId));
  if (dispute !== null)
    return { status: statusOf(dispute.status), amountMicros: fromCents(dispute.amount), reason: dispute.reason };
  log.error({ stripeDisputeId }, 'Stripe no longer has a dispute');
  return asRecorded(await findDispute(db, disputeIdOf(stripeDisputeId)));
}

/**
 * The state of a dispute that Stripe no longer has. The dispute belongs to another account or mode and goes on there,
 * so the held amount stays held. Nothing is held for a dispute that was never recorded.
 */
const asRecorded = (recorded: Dispute | null): DisputeSeen =>
  recorded === null
    ? { status: 'withdrawn', amountMicros: ZERO, reason: 'unknown' }
    : { status: recorded.status, amountMicros: recorded.amountMicros, reason: recorded.reason };

function statusOf(status: Stripe.Dispute.Status): DisputeSeen['status'] {
  switch (status) {
    case 'won':
      return 'won';
    case 'lost':
      return 'lost';
    case 'warning_needs_response':
    case 'warning_under_review':
      return 'inquiry';
    case 'warning_closed':
    case 'prevented':
      return 'withdrawn';
    default:
      return 'open';
  }
}
