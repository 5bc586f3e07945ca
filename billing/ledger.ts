/**
 * The ledger's words: accounts, transfer codes, and the reference that makes the same cause the same row.
 * A transfer moves a positive amount from its debit to its credit account; an account's balance is credits − debits, so
 * that all balances sum to zero. Source: docs/rules.md#the-ledger.
 */
import type { Micros } from './money.ts';

/** What a team may spend: never negative. */
export const creditAccount = (teamId: string) => `team/${teamId}/credit`;
/** What a team has used and no credit was left for: its balance is minus what is owed. */
export const owedAccount = (teamId: string) => `team/${teamId}/owed`;
export const REVENUE = 'platform/revenue';
export const GRANTS = 'platform/grants';
export const STRIPE = 'platform/stripe';
export const COPPERX = 'platform/copperx';

/** Why a transfer was made. */
export type TransferCode =
  | 'deposit'
  | 'auto_top_up'
  | 'grant'
  | 'instance_usage'
  | 'instance_correction'
  | 'reservation_usage'
  | 'token_usage'
  | 'owed_usage'
  | 'owed_collected'
  /** Taken from credit before the provider is asked; given back if it refuses. */
  | 'refund'
  | 'refund_returned'
  | 'dispute_lost'
  /** A lost dispute that was won after all, opened again, or lost over less: credit again. */
  | 'dispute_reinstated'
  /** The part of a loss that no credit was left for. */
  | 'owed_dispute'
  | 'owed_refund'
  /** A grant taken back; the part that no credit was left for is owed. */
  | 'grant_revoked'
  | 'owed_revocation'
  /** A correction of what was credited for a payment; the part that no credit was left for is owed. */
  | 'deposit_correction'
  | 'owed_correction';

export interface Transfer {
  debitAccount: string;
  creditAccount: string;
  amountMicros: Micros;
  code: TransferCode;
  /** Unique over the ledger, made from the cause alone. */
  reference: string;
  /** The second of the fact, not of the writing. */
  second: number;
  instanceId?: string;
  reservationId?: string;
  depositId?: string;
  /** Token usage of one model, and for one project: which. Absent where the events of a row are of several. */
  model?: string;
  project?: string;
  /** For a correction: the reference of the row that it answers. */
  correctsReference?: string;
}

export const referenceOf = {
  /** A meter's posting: what it had cost through a second. Segments tile, so no two of an instance reach the same second with a charge. */
  instanceThrough: (instanceId: string, second: number) => `instance/${instanceId}/through/${second}`,
  /** The correction at an end that lies before what was posted; an instance ends once. */
  instanceEnd: (instanceId: string, second: number) => `instance/${instanceId}/end/${second}`,
  /** A reservation's posting. Its terms tile as segments do. */
  reservationThrough: (reservationId: string, second: number) => `reservation/${reservationId}/through/${second}`,
  /** What a hold lets go; its part that pays what is owed names it. */
  holdVoided: (holdId: string) => `hold/${holdId}/voided`,
  holdsExpired: (teamId: string, second: number) => `holds/${teamId}/expired/${second}`,
  deposit: (depositId: string) => `deposit/${depositId}`,
  /** What arrived of a crypto deposit: one credit for each output of a transaction, in whatever case its hash is written. */
  cryptoReceipt: (depositId: string, outputKey: string) => `deposit/${depositId}/${outputKey}`,
  grant: (grantId: string) => `grant/${grantId}`,
  /** A grant is taken back once, and whole. */
  grantRevoked: (grantId: string) => `grant/${grantId}/revoked`,
  correction: (correctionId: string) => `correction/${correctionId}`,
  refund: (refundId: string) => `refund/${refundId}`,
  /** A refund that the provider refused or the bank sent back. The second turn of a refund is mostly its return. */
  refundReturned: (refundId: string, turn: number) => `refund/${refundId}/returned${turn > 2 ? `/${turn}` : ''}`,
  /** A refund that was sent after it had come back, or that was raised. */
  refundTakenAgain: (refundId: string, turn: number) => `refund/${refundId}/taken/${turn}`,
  /** A turn of a dispute: a decision, or a change of what it can claim. */
  dispute: ({ disputeId, status, turn }: { disputeId: string; status: string; turn: number }) => {
    const first = status === 'lost' ? `dispute/${disputeId}` : `dispute/${disputeId}/${status}`;
    return turn > 1 ? `dispute/${disputeId}/${status}/${turn}` : first;
  },
  /** Token usage that was recorded together, named by its first event: an event is accepted once. */
  usage: (teamId: string, eventId: string) => `usage/${teamId}/${eventId}`,
  /** The part of a usage that no credit was left for. */
  owed: (causeReference: string) => `${causeReference}/owed`,
  /** What an arriving credit paid of the debt: one collection for each credit. */
  collected: (causeReference: string) => `${causeReference}/collects`,
};
