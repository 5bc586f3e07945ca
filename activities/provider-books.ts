/**
 * A provider's books: what it says of a day, and of what the ledger names. One implementation a provider (Stripe in
 * stripe-books.ts); a comparison is handed all of them.
 */
import type { Day, LedgerRows, ProviderRows } from '../billing/reconciliation.ts';

export interface ProviderBooks {
  /** Every payment, refund, dispute or output of a day, and a little around it, so that both sides of midnight meet. */
  read(day: Day, onProgress: () => void): Promise<ProviderRows>;
  /** What became of that which the ledger names and `seen` does not have, on whichever day it was; what is not there is left out. */
  lookUp(ledger: LedgerRows, seen: ProviderRows, onProgress: () => void): Promise<ProviderRows>;
}
