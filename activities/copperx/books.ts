/**
 * CopperX's books: the outputs on our pages with enough confirmations. Coins can arrive long after a page has expired,
 * so pages are read from well before the day. Source: https://copperx.readme.io/reference
 */
import { outputKey } from '../../billing/crypto.ts';
import { NO_PROVIDER_ROWS, type ProviderOutput } from '../../billing/reconciliation/rows.ts';
import { SECONDS_PER_DAY, secondOf } from '../../billing/time.ts';
import type { ProviderBooks } from '../reconciliation/provider-books.ts';
import type { Copperx, CopperxSession } from './client.ts';
import { readOutput } from './payments.ts';

/** Slightly longer than a deposit waits for late coins. */
const PAGES_DAYS = 40;

export const createCopperxBooks = (copperx: Copperx, confirmations: number): ProviderBooks => ({
  read: async (day, onProgress) => {
    const sinceMs = (day.fromSecond - PAGES_DAYS * SECONDS_PER_DAY) * 1000;
    const pages = await copperx.sessionsSince(sinceMs, onProgress);
    return { ...NO_PROVIDER_ROWS, outputs: pages.flatMap((page) => outputsOf(page, confirmations)) };
  },
  /** For outputs missing from the pages already read, every page of their deposit is fetched. */
  lookUp: async (ledger, seen, onProgress) => {
    const knownIds = new Set(seen.outputs.map(({ outputId }) => outputId));
    const missing = ledger.outputs.filter(({ outputId }) => !knownIds.has(outputId));
    const outputs: ProviderOutput[] = [];
    for (const depositId of new Set(missing.map((output) => output.depositId))) {
      const pages = await copperx.sessionsOf(depositId, 0);
      outputs.push(...pages.flatMap((page) => outputsOf(page, confirmations)));
      onProgress();
    }
    return { ...NO_PROVIDER_ROWS, outputs: outputs.filter(({ outputId }) => !knownIds.has(outputId)) };
  },
});

/** Each output once, even if reported twice. An output without enough confirmations is no money yet. */
function outputsOf(page: CopperxSession, confirmations: number): ProviderOutput[] {
  const outputsById = new Map<string, ProviderOutput>();
  for (const transaction of page.paymentIntent?.transactions ?? []) {
    const { output, confirmed } = readOutput(page, transaction);
    if (output === null || !confirmed(confirmations)) continue;
    const outputId = outputKey(output);
    outputsById.set(outputId, {
      provider: 'copperx',
      outputId,
      depositId: page.clientReferenceId ?? null,
      amountMicros: output.amountMicros,
      currency: 'usd',
      second: secondOf(Date.parse(transaction.createdAt ?? page.createdAt)),
    });
  }
  return [...outputsById.values()];
}
