/** The meaning of each transaction code. */
import type { TransferCode } from '../../billing/ledger.ts';

export const TRANSACTION_CODES: Record<TransferCode, string> = {
  deposit: 'a payment by card or crypto',
  auto_top_up: 'a charge of the saved card by auto top-up',
  grant: 'credit from an operator',
  grant_revoked: 'a revoked grant',
  owed_revocation: 'the part of a revoked grant that became owed, because the credit was spent',
  instance_usage: 'the cost of a running instance since the last posting',
  instance_correction: 'credit back after an instance was stopped at an earlier second',
  reservation_usage: 'the cost of a reservation since the last posting',
  token_usage: 'tokens of models',
  owed_usage: 'usage that became owed, because no credit was left',
  owed_collected: 'credit that paid an owed amount',
  refund: 'a refund, taken from credit',
  refund_returned: 'a refund that the provider refused, given back',
  owed_refund: 'the part of a refund that became owed, because the credit was spent',
  dispute_reinstated: 'a disputed payment that the bank returned after a later decision',
  dispute_lost: 'a disputed payment that the bank gave back to the cardholder',
  deposit_correction: 'a correction of the credited amount of a payment',
  owed_correction: 'the part of a correction that became owed, because the credit was spent',
  owed_dispute: 'the part of a lost dispute that became owed, because the credit was spent',
};
