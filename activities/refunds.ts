/** The card provider's refunds. stripe-refunds.ts implements the interface for Stripe. */
import type { Micros } from '../billing/money.ts';

/** The provider's state of a refund. For an unknown state the activity fails and is retried. */
export type RefundOutcome =
  | { status: 'succeeded' | 'pending'; stripeRefundId: string }
  /** Refused, or sent back by the bank. No id: the provider made none. */
  | { status: 'failed'; stripeRefundId: string | null; failureCode: string };

/** A refund as fetched. */
export type RefundSeen = RefundOutcome & {
  amountMicros: Micros;
  /** The refund of ours in the metadata; null for a refund made at the provider. */
  namedRefundId: string | null;
};

export interface Refunds {
  /** Has the provider make the refund, or finds the refund of an earlier try: once, for any number of tries. */
  createRefund(input: { refundId: string }): Promise<RefundOutcome>;
  /** The present state of a refund. */
  fetchRefund(input: { stripeRefundId: string }): Promise<RefundSeen>;
}
