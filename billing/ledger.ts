/**
 * The accounts, transfer codes and references of the ledger. The reference is made from the cause, so the same cause is
 * the same row. A transfer moves a positive amount from its debit to its credit account. An account's balance is
 * credits − debits, so all balances sum to zero. Source: docs/rules.md#the-ledger.
 */
import type { Micros } from './money.ts';

/** The account of a team's credit. Its balance is never negative. */
export const creditAccount = (teamId: string) => `team/${teamId}/credit`;
/** The account of a team's owed amounts. The balance is minus the owed amount. */
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
  /** Taken from credit before the provider is asked; given back if the provider refuses. */
  | 'refund'
  | 'refund_returned'
  | 'dispute_lost'
  /** Credit again after a lost dispute: the dispute was won later, opened again, or reduced. */
  | 'dispute_reinstated'
  /** The part of a lost dispute that credit could not pay. */
  | 'owed_dispute'
  | 'owed_refund'
  /** A revoked grant; the part that credit could not pay is owed. */
  | 'grant_revoked'
  | 'owed_revocation'
  /** A correction of a credited payment; the part that credit could not pay is owed. */
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
  /** The model and the project of token usage. Absent where the events of a row differ. */
  model?: string;
  project?: string;
  /** For a correction: the reference of the corrected row. */
  correctsReference?: string;
}

export const referenceOf = {
  /**
   * A posting of a meter: the cost through a second. Segments do not overlap, so two segments of an instance never post
   * a charge for the same second.
   */
  instanceThrough: (instanceId: string, second: number) => `instance/${instanceId}/through/${second}`,
  /** The correction for an end before the last posting. An instance ends once. */
  instanceEnd: (instanceId: string, second: number) => `instance/${instanceId}/end/${second}`,
  /**
   * The posting of a reservation's cost through a second. The second identifies the term, because terms do not overlap.
   */
  reservationThrough: (reservationId: string, second: number) => `reservation/${reservationId}/through/${second}`,
  /** The release of a hold. The transfer that pays owed amounts from the released credit names this reference. */
  holdVoided: (holdId: string) => `hold/${holdId}/voided`,
  holdsExpired: (teamId: string, second: number) => `holds/${teamId}/expired/${second}`,
  deposit: (depositId: string) => `deposit/${depositId}`,
  /** A received crypto payment: one credit for each output of a transaction, whatever the case of the hash. */
  cryptoReceipt: (depositId: string, outputKey: string) => `deposit/${depositId}/${outputKey}`,
  grant: (grantId: string) => `grant/${grantId}`,
  /** A grant is taken back once, and whole. */
  grantRevoked: (grantId: string) => `grant/${grantId}/revoked`,
  correction: (correctionId: string) => `correction/${correctionId}`,
  refund: (refundId: string) => `refund/${refundId}`,
  /** A refund that the provider refused or the bank sent back. The second turn of a refund is usually its return. */
  refundReturned: (refundId: string, turn: number) => `refund/${refundId}/returned${turn > 2 ? `/${turn}` : ''}`,
  /** A refund sent again after a return, or raised. */
  refundTakenAgain: (refundId: string, turn: number) => `refund/${refundId}/taken/${turn}`,
  /** A turn of a dispute: a decision, or a change of its claim. */
  dispute: ({ disputeId, status, turn }: { disputeId: string; status: string; turn: number }) => {
    const first = status === 'lost' ? `dispute/${disputeId}` : `dispute/${disputeId}/${status}`;
    return turn > 1 ? `dispute/${disputeId}/${status}/${turn}` : first;
  },
  /** Token usage recorded together, named by its first event, since an event is accepted once. */
  usage: (teamId: string, eventId: string) => `usage/${teamId}/${eventId}`,
  /** The part of a charge that credit could not pay. */
  owed: (causeReference: string) => `${causeReference}/owed`,
  /** The owed amount paid by an arriving credit: a collection for each credit. */
  collected: (causeReference: string) => `${causeReference}/collects`,
};
