/** The card provider's disputes. stripe-disputes.ts implements the interface for Stripe. */
import type { Micros } from '../billing/money.ts';

export interface DisputeSeen {
  /**
   * - `inquiry`: the bank only asks; no money has left, and none is held
   * - `open`: the money has been withdrawn until the bank decides
   * - `withdrawn`: an inquiry without a dispute, or a dispute that was prevented
   */
  status: 'inquiry' | 'open' | 'won' | 'lost' | 'withdrawn';
  amountMicros: Micros;
  /** The bank's word for why, such as `fraudulent`. */
  reason: string;
}

export interface Disputes {
  fetchDispute(input: { stripeDisputeId: string }): Promise<DisputeSeen>;
}
