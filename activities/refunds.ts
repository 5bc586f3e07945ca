/** Refunds: what giving money back needs of a card provider. Implemented by Stripe in stripe-refunds.ts. */
import type { Micros } from '../billing/money.ts';

/** What a provider says of a refund. What is not known is no outcome: the activity fails, and is tried again. */
export type RefundOutcome =
  | { status: 'succeeded' | 'pending'; stripeRefundId: string }
  /** Refused, or sent back by the bank. No id: the provider made none. */
  | { status: 'failed'; stripeRefundId: string | null; failureCode: string };

/** A refund as it is fetched. */
export type RefundSeen = RefundOutcome & {
  amountMicros: Micros;
  /** The refund of ours that made it; null for one that was made at the provider. */
  namedRefundId: string | null;
};

export interface Refunds {
  /** Has the provider make the refund, or finds the one that it made: once, however often it is tried. */
  createRefund(input: { refundId: string }): Promise<RefundOutcome>;
  /** What has become of a refund. */
  fetchRefund(input: { stripeRefundId: string }): Promise<RefundSeen>;
}
