/** The rows that a comparison of a day reads from the ledger and from the providers, and the rows of its report. */

import type { DifferenceClass } from '../differences.ts';
import type { Micros } from '../money.ts';

export type Provider = 'stripe' | 'copperx';

// ── rows of the ledger ──────────────────────────────────────────────────────────────────────────────────────────

export interface LedgerDeposit {
  depositId: string;
  teamId: string;
  provider: Provider;
  status: 'open' | 'credited' | 'failed';
  /** The amount that is, or would be, credited for the deposit. */
  amountMicros: Micros;
  openedSecond: number;
  /** Credited or failed. */
  closedSecond: number | null;
  /** The provider's ids of the payment and the page of the deposit. */
  providerIds: string[];
  /** The provider's id of the team. */
  customerId: string | null;
  /** The transfers of the deposit's money into the team's credit. */
  postings: Posting[];
  /** Amounts that later corrections credited (positive) or took back (negative). */
  corrections: Correction[];
}

export interface Correction {
  teamId: string;
  amountMicros: Micros;
}

export interface Posting {
  reference: string;
  teamId: string;
  amountMicros: Micros;
  second: number;
}

export interface StrayPosting extends Posting {
  /** The deposit that the credit names and the ledger has no row of. */
  depositId: string | null;
  /** The sum of the corrections of the credit. */
  correctedMicros: Micros;
}

export interface LedgerRefund {
  refundId: string;
  depositId: string;
  teamId: string;
  providerId: string | null;
  /** The amount that the refund or dispute has taken, corrections included. */
  amountMicros: Micros;
  status: 'open' | 'succeeded' | 'failed';
  openedSecond: number;
}

export interface LedgerDispute {
  disputeId: string;
  depositId: string;
  teamId: string;
  providerId: string;
  amountMicros: Micros;
  status: DisputeStanding;
  openedSecond: number;
}

export type DisputeStanding = 'open' | 'won' | 'lost';

/** A credited output of a crypto transaction, corrections included. */
export interface LedgerOutput {
  outputId: string;
  depositId: string;
  teamId: string;
  amountMicros: Micros;
  second: number;
}

export interface LedgerRows {
  deposits: LedgerDeposit[];
  /** Credits from a provider for a deposit that the ledger lacks. */
  strayPostings: StrayPosting[];
  refunds: LedgerRefund[];
  disputes: LedgerDispute[];
  outputs: LedgerOutput[];
}

// ── rows of the providers ───────────────────────────────────────────────────────────────────────────────────────

export interface ProviderRow {
  provider: Provider;
  /** Our deposit id from the metadata; null on payments of other programs on the same account. */
  depositId: string | null;
  amountMicros: Micros;
  currency: string;
  /** When the provider moved the money, or last learnt that no money will move. */
  second: number;
}

export interface ProviderPayment extends ProviderRow {
  paymentId: string;
  /** The page of the payment, if known. */
  pageId: string | null;
  teamId: string | null;
  customerId: string | null;
  refundedMicros: Micros;
  status: 'open' | 'succeeded' | 'failed';
}

export interface ProviderRefund extends ProviderRow {
  providerId: string;
  /** Our refund id from the metadata, if the refund was requested here. */
  refundId: string | null;
  paymentId: string | null;
  status: 'open' | 'succeeded' | 'failed';
}

export interface ProviderDispute extends ProviderRow {
  providerId: string;
  paymentId: string | null;
  /** An inquiry is only a question: no money has moved, and none may have to. */
  status: DisputeStanding | 'inquiry';
}

export interface ProviderOutput extends ProviderRow {
  outputId: string;
}

export interface ProviderRows {
  payments: ProviderPayment[];
  refunds: ProviderRefund[];
  disputes: ProviderDispute[];
  outputs: ProviderOutput[];
}

export const NO_PROVIDER_ROWS: ProviderRows = { payments: [], refunds: [], disputes: [], outputs: [] };

// ── the result ──────────────────────────────────────────────────────────────────────────────────────────────────

export interface Difference {
  class: DifferenceClass;
  day: string;
  depositId: string | null;
  teamId: string | null;
  providerId: string | null;
  ledgerMicros: Micros | null;
  providerMicros: Micros | null;
  sentence: string;
  whatToDo: string;
}

/** A line of the comparison: the values of both sides, and their differences. */
export interface ComparedRow {
  kind: 'payment' | 'refund' | 'dispute' | 'output' | 'credit';
  provider: Provider | null;
  second: number;
  depositId: string | null;
  teamId: string | null;
  providerId: string | null;
  ledgerMicros: Micros | null;
  providerMicros: Micros | null;
  differences: DifferenceClass[];
}

/** A payment on the provider's account without our metadata. */
export interface ForeignRow {
  kind: 'payment' | 'refund' | 'dispute' | 'output';
  provider: Provider;
  providerId: string;
  second: number;
  amountMicros: Micros;
  currency: string;
}

export interface Comparison {
  day: string;
  rows: ComparedRow[];
  differences: Difference[];
  foreign: ForeignRow[];
  /** Rows of one side, too young to have a counterpart on the other side. A later comparison reports them. */
  underWay: number;
}
