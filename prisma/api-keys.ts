/** A team's keys. Only a digest of the secret is stored, and the secret is shown once. */
import { BillingError } from '../billing/errors.ts';
import type { Db, Tx } from './client.ts';
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
  /** To the minute; null before the first use. */
  lastUsedSecond: number | null;
}

const toApiKey = ({ hash: _, ...row }: ApiKeyRow): ApiKey => ({
  ...row,
  scopes: row.scopes as KeyScope[],
  createdSecond: toSecond(row.createdSecond),
  revokedSecond: toSecondOrNull(row.revokedSecond),
  lastUsedSecond: toSecondOrNull(row.lastUsedSecond),
});

/** @param hash SHA-256 of the secret, in hex */
export async function insertApiKey(
  tx: Tx,
  key: Omit<ApiKey, 'revokedSecond' | 'lastUsedSecond'>,
  hash: string,
): Promise<ApiKey> {
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

/**
 * Stores the last uses of keys. An earlier use changes nothing.
 * @param uses the second of the last use, by the id of the key
 */
export async function noteKeyUses(db: Db, uses: ReadonlyMap<string, number>): Promise<void> {
  const ids = [...uses.keys()];
  const seconds = [...uses.values()];
  await db.$executeRaw`
    UPDATE api_keys SET last_used_second = used.second
    FROM unnest(${ids}::text[], ${seconds}::bigint[]) AS used (id, second)
    WHERE api_keys.id = used.id AND COALESCE(last_used_second, -1) < used.second`;
}
