/**
 * The interfaces of the neighbours, as workflows use them: payments by card and in crypto, refunds, disputes, mails and
 * events. Each call touches the outside and may be retried. The folders stripe/, copperx/, mail/ and platform/
 * implement the interfaces.
 */
import type { CryptoChange, CryptoOutput } from '../billing/crypto.ts';
import type { PaymentFailure } from '../billing/failure-reasons.ts';
import type { Micros } from '../billing/money.ts';
import type { NoticeAt } from '../ledger/notices.ts';
import { passing } from './failures.ts';

// ── Payments by card ──────────────────────────────────────────────────────────────────────────────────────────────

/** The reason of a failed charge. An expired page is a separate outcome. */
export type ChargeFailure = Exclude<PaymentFailure, 'expired'>;

/** The provider's state of a payment. For an unknown state the activity fails and is retried. */
export type PaymentOutcome =
  | { status: 'succeeded'; intentId: string; receiptUrl: string | null }
  | { status: 'failed'; intentId: string | null; failureCode: ChargeFailure }
  | { status: 'requires_action'; intentId: string; actionUrl: string | null }
  | { status: 'processing'; intentId: string | null }
  | { status: 'expired' };

/** The page on which a person pays. Without a page, the provider refuses to open any. */
export type CheckoutPage = { sessionId: string; checkoutUrl: string } | { failureCode: ChargeFailure };

export interface Payments {
  /** Creates the payment, unconfirmed, or finds the payment of an earlier try. No money moves. */
  createIntent(input: { depositId: string }): Promise<{ intentId: string } | { failureCode: ChargeFailure }>;
  /** Confirms the payment, or reads its outcome. Only a known outcome is returned. */
  confirmIntent(input: { depositId: string; intentId: string }): Promise<PaymentOutcome>;
  /** The outcome of the payment, by its intent or its Checkout page. */
  fetchOutcome(input: { depositId: string }): Promise<PaymentOutcome>;
  /** Opens a Checkout page on which a person pays. */
  createCheckout(input: { depositId: string }): Promise<CheckoutPage>;
  /** Copies a team's name and address to its customer at the provider, for a notice. */
  copyCustomer(input: { noticeId: string; nowSecond: number }): Promise<void>;
}

// ── Refunds ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** The provider's state of a refund. For an unknown state the activity fails and is retried. */
export type RefundOutcome =
  | { status: 'succeeded' | 'pending'; stripeRefundId: string }
  /** Refused, or sent back by the bank. No id: the provider made none. */
  | { status: 'failed'; stripeRefundId: string | null; failureCode: string };

/** A refund as fetched. */
export type RefundSeen = RefundOutcome & {
  amountMicros: Micros;
  /**
   * The id of Burnrate's refund, from the metadata at the provider. Null for a refund that was made at the provider.
   */
  namedRefundId: string | null;
};

export interface Refunds {
  /** Has the provider make the refund, or finds the refund of an earlier try: once, for any number of tries. */
  createRefund(input: { refundId: string }): Promise<RefundOutcome>;
  /** The present state of a refund. */
  fetchRefund(input: { stripeRefundId: string }): Promise<RefundSeen>;
}

// ── Disputes ──────────────────────────────────────────────────────────────────────────────────────────────────────

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

// ── Payments in crypto ────────────────────────────────────────────────────────────────────────────────────────────

/** The page on which a person pays, or a final refusal of the provider. */
export type CryptoPage =
  | {
      sessionId: string;
      checkoutUrl: string;
      /** True when an earlier try may have made another page, which must be read too. */
      maybeSeveral: boolean;
    }
  | { failureCode: 'provider_rejected' };

/** The payments of a deposit that are not in the ledger yet. */
export interface CryptoSeen {
  /** Has the configured confirmations: to be credited. */
  confirmed: CryptoOutput[];
  /** The number of outputs on a chain without enough confirmations. */
  awaiting: number;
  /**
   * Credited outputs whose amount at the provider has changed. The amount is 0 if the transaction is no longer on the
   * chain. Absent if no amount has changed.
   */
  changed?: CryptoChange[];
  /** True if the person can no longer pay on any page. */
  expired: boolean;
  /** The provider has no page of the deposit any more. */
  missing?: boolean;
  /** When the last of the pages expires, or did. */
  expiresSecond: number;
}

export interface Crypto {
  /** Opens the page, or finds the page of an earlier try. */
  createCryptoPage(input: { depositId: string }): Promise<CryptoPage>;
  /** The payments on the stored page, or on every page of the deposit if several may exist. */
  fetchCrypto(input: { depositId: string; everyPage: boolean }): Promise<CryptoSeen>;
}

/** Without a configured provider, crypto is not offered. Earlier deposits wait until a provider is configured again. */
export const withoutCrypto: Crypto = {
  createCryptoPage: async () => {
    throw passing('copperx', 'is not configured');
  },
  fetchCrypto: async () => {
    throw passing('copperx', 'is not configured');
  },
};

// ── Mails and outgoing events ─────────────────────────────────────────────────────────────────────────────────────

export interface Mailer {
  /**
   * Sends the mail of a notice under the notice's Message-ID. Resolves when the mail server has accepted the mail.
   * Marks nothing.
   */
  deliverMail(input: NoticeAt): Promise<void>;
  /** Claims, sends and marks in a single activity: for notice workflows that began before these were three steps. */
  sendMail(input: NoticeAt): Promise<void>;
}

export interface Platform {
  /** Has the platform stop a machine. Resolves when the platform has confirmed with a 2xx. */
  terminateMachine(input: { instanceId: string }): Promise<void>;
  /**
   * Has the platform stop machines without a confirmation, and records each confirmation. A machine whose order fails
   * is left to the instance's own workflow, which orders the stop again until the platform confirms.
   */
  terminateMachines(input: { instanceIds: string[]; nowSecond: number }): Promise<void>;
  /** Sends the outgoing event of a notice. Resolves when the platform has answered 2xx. Marks nothing. */
  deliverEvent(input: NoticeAt): Promise<void>;
  /** Claims, sends and marks in a single activity: for notice workflows that began before these were three steps. */
  sendEvent(input: NoticeAt): Promise<void>;
}
