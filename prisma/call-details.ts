/**
 * What a caller adds to an instance or a deposit: metadata, and where a person returns to. Workflow payloads must not
 * carry it, so a row keeps it under the digest of its content and payloads carry the digest. A row is never changed.
 */
import { createHash } from 'node:crypto';
import type { Tx } from './client.ts';
import type { Metadata } from './metadata.ts';

export interface CallDetails {
  metadata: Metadata;
  returnUrl: string | null;
}

export const NO_DETAILS: CallDetails = { metadata: {}, returnUrl: null };

/** The digest that names the details, or null when there are none. The order of the keys does not matter. */
function hashOf({ metadata, returnUrl }: CallDetails): string | null {
  const entries = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0 && returnUrl === null) return null;
  return createHash('sha256')
    .update(JSON.stringify([entries, returnUrl]))
    .digest('hex');
}

/** Keeps the details and answers their digest; null when there are none. */
export async function keepDetails(tx: Tx, details: CallDetails): Promise<string | null> {
  const hash = hashOf(details);
  if (hash !== null)
    await tx.callDetails.createMany({ data: [{ hash, details: { ...details } }], skipDuplicates: true });
  return hash;
}

/** The details of several digests. */
export async function detailsOf(tx: Tx, hashes: ReadonlyArray<string | null>): Promise<Map<string, CallDetails>> {
  const wanted = [...new Set(hashes.filter((hash) => hash !== null))];
  if (wanted.length === 0) return new Map();
  const rows = await tx.callDetails.findMany({ where: { hash: { in: wanted } } });
  return new Map(rows.map(({ hash, details }) => [hash, details as unknown as CallDetails]));
}
