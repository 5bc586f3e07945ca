/**
 * Crypto payments: what a deposit needs of a provider of hosted crypto pages, each a touch of the outside that may be tried
 * again. Implemented by CopperX in copperx-payments.ts.
 */
import type { CryptoOutput } from '../billing/crypto.ts';
import { passing } from './failures.ts';

/** The page on which a person pays, or the word that the provider will not make one, whatever is tried. */
export type CryptoPage =
  | {
      sessionId: string;
      checkoutUrl: string;
      /** True when an earlier try may have made a page of its own, which then is to be looked at too. */
      maybeSeveral: boolean;
    }
  | { failureCode: 'provider_rejected' };

/** A credited output, and what it is worth now. */
export type CryptoChange = Pick<CryptoOutput, 'transactionHash' | 'output' | 'amountMicros'>;

/** What has arrived for a deposit and is not in the ledger yet. */
export interface CryptoSeen {
  /** Has the configured confirmations: to be credited. */
  confirmed: CryptoOutput[];
  /** How many outputs are on a chain and not confirmed yet. */
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
  /** Opens the page, or finds the one that an earlier try opened. */
  createCryptoPage(input: { depositId: string }): Promise<CryptoPage>;
  /** What has come, by its page; by every page that names the deposit when there may be several. */
  fetchCrypto(input: { depositId: string; everyPage: boolean }): Promise<CryptoSeen>;
}

/** Where no provider is configured none is offered; a deposit that was opened before waits for it to come back. */
export const withoutCrypto: Crypto = {
  createCryptoPage: async () => {
    throw passing('copperx', 'is not configured');
  },
  fetchCrypto: async () => {
    throw passing('copperx', 'is not configured');
  },
};
