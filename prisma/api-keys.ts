/** A team's keys. Only a digest of the secret is stored, and the secret is shown once. */
import { BillingError } from '../billing/errors.ts';
import type { Tx } from './client.ts';
import { toSecond, toSecondOrNull } from './columns.ts';
import type { ApiKey as ApiKeyRow } from './generated/client.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';

export type KeyScope = 'read' | 'billing' | 'usage';

export interface ApiKey {
  id: string;
  teamId: string;
  name: string | null;
  scopes: KeyScope[];
  /** The last characters of the secret, by which a person distinguishes keys. */
  hint: string;
  createdSecond: number;
  revokedSecond: number | null;
}

const toApiKey = ({ hash: _, ...row }: ApiKeyRow): ApiKey => ({
  ...row,
  scopes: row.scopes as KeyScope[],
  createdSecond: toSecond(row.createdSecond),
  revokedSecond: toSecondOrNull(row.revokedSecond),
});

/** @param hash SHA-256 of the secret, in hex */
export async function insertApiKey(tx: Tx, key: Omit<ApiKey, 'revokedSecond'>, hash: string): Promise<ApiKey> {
  return toApiKey(await tx.apiKey.create({ data: { ...key, hash } }));
}

/** The key whose secret has this digest, unless revoked. */
export async function findApiKey(tx: Tx, hash: string): Promise<ApiKey | null> {
  const row = await tx.apiKey.findUnique({ where: { hash } });
  return row && row.revokedSecond === null ? toApiKey(row) : null;
}

export async function listApiKeys(tx: Tx, teamId: string, page: PageRequest): Promise<Page<ApiKey>> {
  const { data, nextCursor } = await pageOf(page, 'createdSecond', (where, take) =>
    tx.apiKey.findMany({ where: { teamId, ...where }, orderBy: [{ createdSecond: 'desc' }, { id: 'desc' }], take }),
  );
  return { data: data.map(toApiKey), nextCursor };
}

/** Revokes the key with this id if the key exists, and returns whether the key exists. */
export async function revokeIfMade(tx: Tx, id: string, second: number): Promise<boolean> {
  await tx.apiKey.updateMany({ where: { id, revokedSecond: null }, data: { revokedSecond: second } });
  return (await tx.apiKey.count({ where: { id } })) > 0;
}

/**
 * Revokes a key. A revoked key stays revoked.
 * @throws BillingError `not_found`
 */
export async function revokeApiKey(tx: Tx, teamId: string, id: string, second: number): Promise<ApiKey> {
  await tx.apiKey.updateMany({ where: { id, teamId, revokedSecond: null }, data: { revokedSecond: second } });
  const row = await tx.apiKey.findFirst({ where: { id, teamId } });
  if (!row) throw new BillingError('not_found', 'no such key', 'key');
  return toApiKey(row);
}
