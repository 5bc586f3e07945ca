/** The world of the ledger's acts: the rows, and the configured billing terms. Tests use another world. */
import type { BillingSettings } from '../billing/account.ts';
import type { Db } from '../prisma/client.ts';

export interface LedgerWorld {
  db: Db;
  terms: BillingSettings;
}
