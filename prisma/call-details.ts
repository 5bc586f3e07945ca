/**
 * Details that a caller adds to an instance or a deposit: metadata, and the return address. Workflow payloads must not
 * carry details, so a row stores them under the digest of their content, and payloads carry the digest. A row is never
 * changed.
 */

import type { Tx } from './client.ts';
import { digestOf } from './digest.ts';
import type { Metadata } from './metadata.ts';

export interface CallDetails {
  metadata: Metadata;
  returnUrl: string | null;
}

export const NO_DETAILS: CallDetails = { metadata: {}, returnUrl: null };

/** The digest of the details, or null without details. The order of the keys does not matter. */
function hashOf({ metadata, returnUrl }: CallDetails): string | null {
  const entries = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0 && returnUrl === null) return null;
  return digestOf(JSON.stringify([entries, returnUrl]));
}

/** Stores the details and returns their digest; null without details. */
export async function keepDetails(tx: Tx, details: CallDetails): Promise<string | null> {
  const hash = hashOf(details);
  if (hash !== null)
    await tx.callDetails.createMany({ data: [{ hash, details: { ...details } }], skipDuplicates: true });
  return hash;
}

/** The details of several digests. */
export async function detailsOf(tx: Tx, hashes: ReadonlyArray<string | null>): Promise<Map<string, CallDetails>> {
  const distinctHashes = [...new Set(hashes.filter((hash) => hash !== null))];
  if (distinctHashes.length === 0) return new Map();
  const rows = await tx.callDetails.findMany({ where: { hash: { in: distinctHashes } } });
  return new Map(rows.map(({ hash, details }) => [hash, details as unknown as CallDetails]));
}
