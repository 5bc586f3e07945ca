/** What the api looks up at Stripe to know which of our deposits an event is about. */
import type Stripe from 'stripe';
import { BillingError } from '../billing/errors.ts';
import { isStripeError, stripeFault } from './failures.ts';

export interface StripeLooks {
  /**
   * The deposit that a payment's metadata names; null for a payment that is not ours.
   * @throws BillingError `provider_unavailable`
   */
  depositOfIntent(intentId: string): Promise<string | null>;
  /**
   * All refunds of a payment, with the refund of ours that each names.
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
      const found: Awaited<ReturnType<StripeLooks['refundsOfIntent']>> = [];
      for await (const { id, metadata } of stripe.refunds.list({ payment_intent: intentId, limit: 100 }))
        found.push({ stripeRefundId: id, namedRefundId: metadata?.refund ?? null });
      return found;
    }),
  disputesOfIntent: (intentId) =>
    looking([], async () => {
      const found: string[] = [];
      for await (const { id } of stripe.disputes.list({ payment_intent: intentId, limit: 100 })) found.push(id);
      return found;
    }),
  isKnown: (id) =>
    looking(false, async () => {
      if (/^(du|dp)_/.test(id)) await stripe.disputes.retrieve(id);
      else await stripe.refunds.retrieve(id);
      return true;
    }),
});

/** What Stripe does not have is nothing of ours; what it can't say now is asked again when it sends the event again. */
async function looking<T>(nothing: T, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!isStripeError(error)) throw error;
    if (stripeFault(error).kind === 'refused') return nothing;
    throw Object.assign(new BillingError('provider_unavailable', 'Stripe cannot be asked just now'), { cause: error });
  }
}
