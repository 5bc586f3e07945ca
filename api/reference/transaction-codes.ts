/** The meaning of each transaction code. */
import type { TransferCode } from '../../billing/ledger.ts';

export const TRANSACTION_CODES: Record<TransferCode, string> = {
  deposit: 'a payment by card or crypto',
  auto_top_up: 'a charge of the saved card by auto top-up',
  grant: 'credit that an operator gave',
  grant_revoked: 'a grant that was taken back',
  owed_revocation: 'the part of a revoked grant that no credit was left for',
  instance_usage: 'running instances, since the posting before',
  instance_correction: 'credit back after an instance was stopped at an earlier second',
  reservation_usage: 'a reservation, since the posting before',
  token_usage: 'tokens of models',
  owed_usage: 'usage that no credit was left for',
  owed_collected: 'credit that paid what was owed',
  refund: 'a refund, taken from credit',
  refund_returned: 'a refund that the provider refused, given back',
  owed_refund: 'the part of a refund that no credit was left for',
  dispute_reinstated: 'a disputed payment that the bank returned after a later decision',
  dispute_lost: 'a disputed payment that the bank gave back to the cardholder',
  deposit_correction: 'a correction of what was credited for a payment',
  owed_correction: 'the part of a correction that no credit was left for',
  owed_dispute: 'the part of a lost dispute that no credit was left for',
};
