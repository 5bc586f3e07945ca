/** All workflows: what a worker bundles. */
export { autoTopUp } from './auto-top-up.ts';
export { balanceWatch } from './balance-watch.ts';
export { deposit } from './deposit.ts';
export { instance } from './instance.ts';
export { notice } from './notice.ts';
export { dailyReconciliation, reconciliation } from './reconciliation.ts';
