/** The ledger's rows: appended, listed, summed. */
import { v7 as uuidv7 } from 'uuid';
import type { Transfer } from '../billing/ledger.ts';
import type { Micros } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { orNull, toMicros, toSecond } from './columns.ts';
import { Prisma, type Transfer as TransferRow } from './generated/client.ts';
import type { Also } from './reading.ts';
import type { Write } from './statements.ts';

/**
 * Appends any number of transfers in one write: the end of a large team's credit must fit into one transaction.
 * Ids are time-ordered, so rows lie on disk in the order of their making.
 */
export function transferWrites(teamId: string, causedBy: string, transfers: readonly Transfer[]): Write[] {
  if (transfers.length === 0) return [];
  const all = <T>(column: (transfer: Transfer) => T): T[] => transfers.map(column);
  const sql = Prisma.sql`
    INSERT INTO transfers (id, team_id, caused_by, debit_account, credit_account, amount_micros, code, reference, second,
      instance_id, reservation_id, deposit_id, corrects_reference, model, project)
    SELECT id, ${teamId}, ${causedBy}, debit, credit, amount, code, reference, second, instance, reservation, deposit,
      corrects, model, project
    FROM unnest(
      ${all(() => uuidv7())}::uuid[], ${all((transfer) => transfer.debitAccount)}::text[],
      ${all((transfer) => transfer.creditAccount)}::text[], ${all((transfer) => transfer.amountMicros)}::bigint[],
      ${all((transfer) => transfer.code)}::text[], ${all((transfer) => transfer.reference)}::text[],
      ${all((transfer) => transfer.second)}::bigint[], ${all((transfer) => orNull(transfer.instanceId))}::text[],
      ${all((transfer) => orNull(transfer.reservationId))}::text[], ${all((transfer) => orNull(transfer.depositId))}::text[],
      ${all((transfer) => orNull(transfer.correctsReference))}::text[], ${all((transfer) => orNull(transfer.model))}::text[],
      ${all((transfer) => orNull(transfer.project))}::text[]
    ) AS rows (id, debit, credit, amount, code, reference, second, instance, reservation, deposit, corrects, model, project)`;
  return [{ as: 'transferred', sql }];
}

/** The reference of the last posting for an instance, which a correction names. Null before the first. */
export const lastPostingOf = (instanceId: string): Also<string | null> => ({
  sql: Prisma.sql`
    SELECT to_json(reference) FROM transfers WHERE instance_id = ${instanceId} AND code = 'instance_usage'
    ORDER BY second DESC, id DESC LIMIT 1`,
  of: (reference) => reference as string | null,
});

/**
 * The transfers under a reference and under references made from it, oldest first. `fromSecond`: no transfer is older.
 */
export async function transfersUnder(
  tx: Tx,
  { teamId, reference, fromSecond }: { teamId: string; reference: string; fromSecond: number },
): Promise<Array<{ code: string; amountMicros: Micros; second: number }>> {
  const rows = await tx.transfer.findMany({
    where: {
      teamId,
      second: { gte: fromSecond },
      OR: [{ reference }, { reference: { startsWith: `${reference}/` } }],
    },
    orderBy: [{ second: 'asc' }, { id: 'asc' }],
  });
  return rows.map(({ code, amountMicros, second }) => ({
    code,
    amountMicros: toMicros(amountMicros),
    second: toSecond(second),
  }));
}

/** A row of the ledger. `code`: of a later release, perhaps. */
export interface RecordedTransfer {
  id: string;
  teamId: string;
  debitAccount: string;
  creditAccount: string;
  amountMicros: Micros;
  code: string;
  reference: string;
  second: number;
  instanceId: string | null;
  reservationId: string | null;
  depositId: string | null;
  correctsReference: string | null;
  causedBy: string;
  model: string | null;
  project: string | null;
}

export const toTransfer = (row: TransferRow): RecordedTransfer => ({
  ...row,
  amountMicros: toMicros(row.amountMicros),
  second: toSecond(row.second),
});

export interface TrialBalance {
  balanced: boolean;
  /** Over all accounts; zero unless a row was lost. */
  sumMicros: bigint;
  /** Teams whose stored credit or debt differs from the sum of their transfers, or is negative. */
  differences: Array<{ teamId: string; account: 'credit' | 'owed'; storedMicros: bigint; summedMicros: bigint }>;
}

/**
 * Sums every account from the transfers and compares the sums with the stored balances. Source:
 * docs/rules.md#the-ledger.
 */
export async function trialBalance(tx: Tx): Promise<TrialBalance> {
  const [total] = await tx.$queryRaw<
    Array<{ sum: bigint }>
  >`SELECT COALESCE(SUM(balance_micros), 0)::bigint AS sum FROM balances`;
  const differences = await tx.$queryRaw<TrialBalance['differences']>`
    SELECT team_id AS "teamId", kind AS "account", stored AS "storedMicros", COALESCE(balance_micros, 0)::bigint AS "summedMicros"
    FROM (
      SELECT team_id, 'credit' AS kind, posted_micros AS stored, 'team/' || team_id || '/credit' AS account FROM accounts
      UNION ALL
      SELECT team_id, 'owed', -owed_micros, 'team/' || team_id || '/owed' FROM accounts
    ) AS stored LEFT JOIN balances USING (account)
    WHERE stored <> COALESCE(balance_micros, 0) OR (kind = 'credit' AND stored < 0)`;
  const sumMicros = total?.sum ?? 0n;
  return { balanced: sumMicros === 0n && differences.length === 0, sumMicros, differences };
}
