/** Grants with team and note, and revocations. */
import type { Micros } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { fieldsOf, type InJson, toMicros, toSecond } from './columns.ts';
import { type Grant as GrantRow, Prisma, type GrantRevocation as RevocationRow } from './generated/client.ts';
import { type Metadata, toMetadata } from './metadata.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';
import type { Also } from './reading.ts';
import type { Write } from './statements.ts';

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

const toGrant = (row: InJson<GrantRow>, revoked: InJson<RevocationRow> | undefined): Grant => ({
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

export const grantInsert = ({ id, teamId, amountMicros, note, second, metadata }: Grant): Write => ({
  as: 'granted',
  sql: Prisma.sql`
    INSERT INTO grants (id, team_id, amount_micros, note, second, metadata)
    VALUES (${id}, ${teamId}, ${amountMicros}, ${note}, ${second}, ${JSON.stringify(metadata)}::jsonb)`,
});

export const grantRevocationInsert = ({
  grantId,
  teamId,
  second,
  note,
  creditMicros,
}: GrantRevocation & { grantId: string; teamId: string }): Write => ({
  as: 'revoked',
  sql: Prisma.sql`
    INSERT INTO grant_revocations (grant_id, team_id, second, note, credit_micros)
    VALUES (${grantId}, ${teamId}, ${second}, ${note}, ${creditMicros})`,
});

const GRANT = fieldsOf(Prisma.GrantScalarFieldEnum, 'grants');
const REVOCATION = fieldsOf(Prisma.GrantRevocationScalarFieldEnum, 'grant_revocations');

/** A grant, of whichever team; null where there is none. */
export const grantById = (id: string): Also<Grant | null> => ({
  sql: Prisma.sql`
    SELECT json_build_object('row', row_to_json(found), 'revoked', (
      SELECT row_to_json(taken) FROM (
        SELECT ${Prisma.raw(REVOCATION)} FROM grant_revocations WHERE grant_id = found.id
      ) AS taken
    )) FROM (SELECT ${Prisma.raw(GRANT)} FROM grants WHERE id = ${id}) AS found`,
  of: (value) => {
    const grantWithRevocation = value as { row: InJson<GrantRow>; revoked: InJson<RevocationRow> | null } | null;
    return grantWithRevocation && toGrant(grantWithRevocation.row, grantWithRevocation.revoked ?? undefined);
  },
});

export async function findGrant(tx: Tx, id: string): Promise<Grant | null> {
  const { sql, of } = grantById(id);
  const [row] = await tx.$queryRaw<Array<{ value: unknown }>>`SELECT (${sql}) AS value`;
  return of(row?.value ?? null);
}

/** A team's grants, newest first. */
export async function listGrants(tx: Tx, teamId: string, page: PageRequest): Promise<Page<Grant>> {
  const { data, nextCursor } = await pageOf(page, 'second', (where, take) =>
    tx.grant.findMany({ where: { teamId, ...where }, orderBy: [{ second: 'desc' }, { id: 'desc' }], take }),
  );
  return { data: await withRevocations(tx, data), nextCursor };
}
