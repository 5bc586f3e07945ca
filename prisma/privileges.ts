/**
 * The privileges of the runtime role, the role of the api and the workers, on each table. The tables belong to another
 * role, the owner, which runs the migrations. The runtime role therefore cannot switch off a trigger, drop a table or
 * change a row of the ledger, whatever a fault of the software or a stolen address attempts.
 *
 * A new table needs a line here (test/prisma/privileges.test.ts fails without one). Until then, its rows can be read,
 * inserted and updated, and not deleted. A new column of a table can be updated unless named here.
 */
import pg from 'pg';
import type { Tx } from './client.ts';

/**
 * `read`: only triggers write the table. `append`: rows are inserted and never changed. Otherwise rows are updated,
 * except for the `fixed` columns, which keep the inserted value, and are deleted where `deletes` says so.
 */
export type Use = 'read' | 'append' | { fixed: readonly string[]; deletes?: true };

const INSTANCE = ['id', 'team_id', 'project', 'gpu_type', 'region', 'pricing', 'hourly_micros', 'request_hash'];
const PRICED = ['list_micros_per_hour', 'given', 'discount_basis_points', 'discount_kind', 'covered_by'];
const RESERVATION = ['id', 'team_id', 'gpu_type', 'region', 'count', 'term', 'request_hash', 'start_second'];
const HOLD = ['id', 'team_id', 'model', 'project', 'max_input_tokens', 'max_output_tokens', 'amount_micros'];
const SESSION = ['id', 'team_id', 'role', 'user_id', 'user_name', 'user_email'];

export const USES: Readonly<Record<string, Use>> = {
  _prisma_migrations: 'read',
  abandoned_calls: { fixed: ['call_id'] },
  account_hours: 'read',
  accounts: { fixed: ['team_id'] },
  api_keys: { fixed: ['id', 'team_id', 'hash', 'created_second'] },
  billing_details: 'append',
  call_details: 'append',
  consents: 'append',
  crypto_receipts: 'append',
  deposit_corrections: 'append',
  deposits: {
    fixed: [
      ...['id', 'team_id', 'kind', 'method', 'label', 'amount_micros', 'attempt', 'opened_second', 'opened_order'],
      ...['request_hash', 'details_hash'],
    ],
  },
  discounts: 'append',
  dispute_holds: 'append',
  disputes: { fixed: ['id', 'team_id', 'deposit_id', 'stripe_dispute_id', 'opened_second', 'opened_order'] },
  exhaustions: { fixed: ['team_id', 'number', 'second', 'instance_ids'] },
  gpu_prices: 'append',
  grant_revocations: 'append',
  grants: { fixed: ['id', 'team_id', 'amount_micros', 'note', 'second', 'metadata'] },
  holds: { fixed: [...HOLD, 'placed_second', 'expires_second'] },
  idempotent_calls: { fixed: ['scope', 'path', 'key'], deletes: true },
  instances: { fixed: [...INSTANCE, 'start_second', 'resumed_from', 'details_hash'] },
  meter_days: 'read',
  meter_remainders: 'read',
  meter_sums: 'read',
  meter_totals: 'read',
  model_prices: 'append',
  notices: { fixed: ['id', 'team_id', 'kind', 'channel', 'second', 'data', 'written_order'] },
  paper_files: 'append',
  papers: 'append',
  payment_methods: { fixed: ['id', 'team_id', 'created_second'] },
  provider_events: 'append',
  readiness: { fixed: ['id'] },
  reconciliations: { fixed: ['day'] },
  refunds: {
    fixed: ['id', 'team_id', 'deposit_id', 'origin', 'actor', 'opened_second', 'opened_order'],
  },
  reservation_terms: {
    fixed: ['reservation_id', 'term_number', 'team_id', 'rate_micros_per_hour', 'start_second', 'end_second'],
  },
  reservations: { fixed: RESERVATION },
  segments: { fixed: ['instance_id', 'segment', 'team_id', 'rate_micros_per_hour', 'start_second', ...PRICED] },
  sessions: { fixed: [...SESSION, 'link_hash', 'link_expires_second', 'created_second'], deletes: true },
  team_stops: { fixed: ['id', 'team_id', 'second', 'instance_ids'] },
  teams: { fixed: ['id', 'created_second'] },
  token_days: 'read',
  token_quarters: 'read',
  transfers: 'append',
  usage_events: 'append',
  withdrawals: 'append',
};

const UNDECIDED: Use = { fixed: [] };

interface Relation {
  name: string;
  kind: 'table' | 'view' | 'sequence';
  columns: string[];
}

const RELATIONS = `
  SELECT relname AS name,
    CASE WHEN relkind IN ('r', 'p') THEN 'table' WHEN relkind = 'S' THEN 'sequence' ELSE 'view' END AS kind,
    COALESCE((SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
      WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped), '{}') AS columns
  FROM pg_class
  WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
  ORDER BY relname`;

/** The privileges on a relation, in the notation of GRANT. */
function granted({ name, kind, columns }: Relation): string[] {
  if (kind === 'view') return ['SELECT'];
  // The role has no UPDATE on sequences, so the role cannot set a sequence back.
  if (kind === 'sequence') return ['USAGE'];
  const use = USES[name] ?? UNDECIDED;
  if (use === 'read') return ['SELECT'];
  if (use === 'append') return ['SELECT', 'INSERT'];
  const updated = columns.filter((column) => !use.fixed.includes(column)).map(pg.escapeIdentifier);
  return [
    'SELECT',
    'INSERT',
    ...(updated.length > 0 ? [`UPDATE (${updated.join(', ')})`] : []),
    ...(use.deletes ? ['DELETE'] : []),
  ];
}

/**
 * Gives `role` its privileges on every relation of the schema and revokes every other privilege. A repeat changes
 * nothing. Runs as the owner of the relations.
 * @throws Error with one sentence when there is no such role
 */
export async function grantRuntime(client: pg.Client, role: string): Promise<void> {
  const existingRole = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
  if (existingRole.rowCount === 0)
    throw new Error(
      `the database has no role ${role}, as which DATABASE_URL connects: create it with CREATE ROLE ${pg.escapeIdentifier(role)} LOGIN PASSWORD '…'`,
    );
  const { rows: relations } = await client.query<Relation>(RELATIONS);
  const { rows } = await client.query<{ schema: string }>('SELECT current_schema() AS schema');
  const schema = pg.escapeIdentifier(rows[0]?.schema ?? 'public');
  const to = pg.escapeIdentifier(role);
  const statements = relations.flatMap((relation) => {
    const type = relation.kind === 'sequence' ? 'SEQUENCE' : 'TABLE';
    const on = `ON ${type} ${schema}.${pg.escapeIdentifier(relation.name)}`;
    return [`REVOKE ALL ${on} FROM ${to}`, `GRANT ${granted(relation).join(', ')} ${on} TO ${to}`];
  });
  await client.query('BEGIN');
  try {
    await client.query([`GRANT USAGE ON SCHEMA ${schema} TO ${to}`, ...statements].join(';\n'));
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw new Error(`the privileges of ${role} could not be granted: ${(error as Error).message}`, { cause: error });
  }
}

/** True if the role of this connection may change rows of the ledger: the role owns the tables, or is a superuser. */
export async function mayChangeLedger(tx: Tx): Promise<boolean> {
  const [row] = await tx.$queryRaw<Array<{ may: boolean }>>`
    SELECT has_table_privilege('transfers', 'UPDATE') OR has_table_privilege('transfers', 'DELETE')
      OR has_table_privilege('transfers', 'TRUNCATE') AS may`;
  return row?.may ?? false;
}
