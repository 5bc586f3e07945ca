/**
 * The provider of hosted crypto pages, as deposits use the provider. Each call touches the outside and may be retried.
 * copperx-payments.ts implements the interface for CopperX.
 */
import type { CryptoChange, CryptoOutput } from '../billing/crypto.ts';
import { passing } from './failures.ts';

/** The page on which a person pays, or a final refusal of the provider. */
export type CryptoPage =
  | {
      sessionId: string;
      checkoutUrl: string;
      /** True when an earlier try may have made another page, which must be read too. */
      maybeSeveral: boolean;
    }
  | { failureCode: 'provider_rejected' };

/** The payments of a deposit that are not in the ledger yet. */
export interface CryptoSeen {
  /** Has the configured confirmations: to be credited. */
  confirmed: CryptoOutput[];
  /** The number of outputs on a chain without enough confirmations. */
  awaiting: number;
  /**
   * Outputs that were credited and are worth another amount at the provider now: nothing, where the transaction has left the
   * chain. Absent where there are none.
   */
  changed?: CryptoChange[];
  /** No page can be paid on any more. */
  expired: boolean;
  /** The provider has no page of the deposit any more. */
  missing?: boolean;
  /** When the last of the pages expires, or did. */
  expiresSecond: number;
}

export interface Crypto {
  /** Opens the page, or finds the page of an earlier try. */
  createCryptoPage(input: { depositId: string }): Promise<CryptoPage>;
  /** The payments on the stored page, or on every page of the deposit if several may exist. */
  fetchCrypto(input: { depositId: string; everyPage: boolean }): Promise<CryptoSeen>;
}

/** Without a configured provider, crypto is not offered. Earlier deposits wait until a provider is configured again. */
export const withoutCrypto: Crypto = {
  createCryptoPage: async () => {
    throw passing('copperx', 'is not configured');
  },
  fetchCrypto: async () => {
    throw passing('copperx', 'is not configured');
  },
};
