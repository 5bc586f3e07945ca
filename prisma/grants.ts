/** Grants with team and note, and revocations. */
import type { Micros } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond } from './columns.ts';
import type { Grant as GrantRow, GrantRevocation as RevocationRow } from './generated/client.ts';
import { type Metadata, toMetadata } from './metadata.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';

export interface GrantRevocation {
  second: number;
  note: string | null;
  /** The part that was taken from credit; the rest of the grant became owed. */
  creditMicros: Micros;
}

export interface Grant {
  id: string;
  teamId: string;
  amountMicros: Micros;
  note: string;
  second: number;
  metadata: Metadata;
  revocation: GrantRevocation | null;
}

const toGrant = (row: GrantRow, revoked: RevocationRow | undefined): Grant => ({
  ...row,
  amountMicros: toMicros(row.amountMicros),
  second: toSecond(row.second),
  metadata: toMetadata(row.metadata),
  revocation: revoked
    ? { second: toSecond(revoked.second), note: revoked.note, creditMicros: toMicros(revoked.creditMicros) }
    : null,
});

async function withRevocations(tx: Tx, rows: GrantRow[]): Promise<Grant[]> {
  const revoked = await tx.grantRevocation.findMany({ where: { grantId: { in: rows.map(({ id }) => id) } } });
  const byGrant = new Map(revoked.map((row) => [row.grantId, row]));
  return rows.map((row) => toGrant(row, byGrant.get(row.id)));
}

export const insertGrant = async (tx: Tx, { metadata, ...grant }: Omit<Grant, 'revocation'>): Promise<void> => {
  await tx.grant.create({ data: { ...grant, metadata: { ...metadata } } });
};

export const insertGrantRevocation = async (
  tx: Tx,
  revocation: GrantRevocation & { grantId: string; teamId: string },
): Promise<void> => {
  await tx.grantRevocation.create({ data: revocation });
};

export async function findGrant(tx: Tx, id: string): Promise<Grant | null> {
  const row = await tx.grant.findUnique({ where: { id } });
  if (!row) return null;
  const [grant] = await withRevocations(tx, [row]);
  return grant ?? null;
}

/** A team's grants, newest first. */
export async function listGrants(tx: Tx, teamId: string, page: PageRequest): Promise<Page<Grant>> {
  const { data, nextCursor } = await pageOf(page, 'second', (where, take) =>
    tx.grant.findMany({ where: { teamId, ...where }, orderBy: [{ second: 'desc' }, { id: 'desc' }], take }),
  );
  return { data: await withRevocations(tx, data), nextCursor };
}
