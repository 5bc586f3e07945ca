/** All workflows, for the bundle of a worker. */
export { autoTopUp } from './auto-top-up.ts';
export { balanceWatch } from './balance-watch.ts';
export { deposit } from './deposit.ts';
export { dispute } from './dispute.ts';
export { instance } from './instance.ts';
export { notice } from './notice.ts';
export { dailyReconciliation, reconciliation } from './reconciliation.ts';
export { refund } from './refund.ts';
export { reservation } from './reservation.ts';
