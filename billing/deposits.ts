/** The states of a deposit. */

export type DepositStatus =
  | 'pending'
  | 'requires_action'
  | 'succeeded'
  | 'failed'
  | 'expired'
  | 'refunded'
  | 'disputed';

/** True until the deposit is credited or has failed. */
export const isOpen = (status: DepositStatus): boolean => status === 'pending' || status === 'requires_action';
