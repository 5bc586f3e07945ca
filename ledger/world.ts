/** The world of the ledger's acts: the rows, and the billing settings. Tests use another world. */
import type { BillingSettings } from '../billing/account.ts';
import type { Db } from '../prisma/client.ts';

export interface LedgerWorld {
  db: Db;
  settings: BillingSettings;
}

/** An act in a world: the function without its first argument. */
export const actIn =
  <A extends unknown[], R>(world: LedgerWorld, act: (world: LedgerWorld, ...args: A) => R) =>
  (...args: A): R =>
    act(world, ...args);
