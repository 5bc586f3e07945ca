/** Disputes as Stripe tells of them. Source: docs.stripe.com/disputes/how-disputes-work, docs.stripe.com/api/disputes */
import type Stripe from 'stripe';
import { fromCents } from '../billing/money.ts';
import type { DisputeSeen, Disputes } from './disputes.ts';
import { withStripe } from './failures.ts';

export const createStripeDisputes = ({ stripe }: { stripe: Stripe }): Disputes => ({
  fetchDispute: ({ stripeDisputeId }) =>
    withStripe(async () => {
      const { status, amount, reason } = await stripe.disputes.retrieve(stripeDisputeId);
      return { status: statusOf(status), amountMicros: fromCents(amount), reason };
    }),
});

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
