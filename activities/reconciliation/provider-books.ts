/**
 * A provider's books: the payments of a day, and the payments that the ledger names. Each provider has an
 * implementation (Stripe in stripe/books.ts), and a comparison gets all implementations.
 */

import type { LedgerRows, ProviderRows } from '../../billing/reconciliation/rows.ts';
import type { Day } from '../../billing/time.ts';

export interface ProviderBooks {
  /** Every payment, refund, dispute or output of a day, with a margin, so rows on both sides of midnight meet. */
  read(day: Day, onProgress: () => void): Promise<ProviderRows>;
  /**
   * The state of the ledger's rows that `seen` does not have, of any day. Rows that the provider does not have are left
   * out.
   */
  lookUp(ledger: LedgerRows, seen: ProviderRows, onProgress: () => void): Promise<ProviderRows>;
}
