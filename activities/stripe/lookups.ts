/** The api's reads at Stripe to find the deposit of an event. */
import type Stripe from 'stripe';
import { BillingError } from '../../billing/errors.ts';
import { isStripeError, stripeFault } from '../failures.ts';

export interface StripeLooks {
  /**
   * The deposit in a payment's metadata; null for a payment that is not ours.
   * @throws BillingError `provider_unavailable`
   */
  depositOfIntent(intentId: string): Promise<string | null>;
  /**
   * All refunds of a payment, each with the id of Burnrate's refund in its metadata.
   * @throws BillingError `provider_unavailable`
   */
  refundsOfIntent(intentId: string): Promise<Array<{ stripeRefundId: string; namedRefundId: string | null }>>;
  /**
   * The ids of all disputes over a payment.
   * @throws BillingError `provider_unavailable`
   */
  disputesOfIntent(intentId: string): Promise<string[]>;
  /**
   * True where Stripe has the refund or the dispute with this id.
   * @throws BillingError `provider_unavailable`
   */
  isKnown(id: string): Promise<boolean>;
}

export const createStripeLooks = (stripe: Stripe): StripeLooks => ({
  depositOfIntent: (intentId) =>
    looking(null, async () => (await stripe.paymentIntents.retrieve(intentId)).metadata.deposit ?? null),
  refundsOfIntent: (intentId) =>
    looking([], async () => {
      const refunds: Awaited<ReturnType<StripeLooks['refundsOfIntent']>> = [];
      for await (const { id, metadata } of stripe.refunds.list({ payment_intent: intentId, limit: 100 }))
        refunds.push({ stripeRefundId: id, namedRefundId: metadata?.refund ?? null });
      return refunds;
    }),
  disputesOfIntent: (intentId) =>
    looking([], async () => {
      const disputeIds: string[] = [];
      for await (const { id } of stripe.disputes.list({ payment_intent: intentId, limit: 100 })) disputeIds.push(id);
      return disputeIds;
    }),
  isKnown: (id) =>
    looking(false, async () => {
      if (/^(du|dp)_/.test(id)) await stripe.disputes.retrieve(id);
      else await stripe.refunds.retrieve(id);
      return true;
    }),
});

/**
 * An object that Stripe does not have is not ours. If Stripe cannot answer now, Stripe sends the event again, and the
 * read is repeated.
 */
async function looking<T>(nothing: T, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!isStripeError(error)) throw error;
    if (stripeFault(error).kind === 'refused') return nothing;
    throw Object.assign(new BillingError('provider_unavailable', 'Stripe cannot be asked just now'), { cause: error });
  }
}
