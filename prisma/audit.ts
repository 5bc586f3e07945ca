/** The rows that belong to an object, for the audit: ledger rows, notices, events, each newest first. */
import type { RecordedUsage } from '../billing/usage-batch.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond, toSecondOrNull } from './columns.ts';
import { findNotice, type Notice } from './notices.ts';
import { type RecordedTransfer, toTransfer } from './transfers.ts';

/** The most rows of one kind in an answer. */
export const MOST_LINKED = 100;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NEWEST_FIRST = [{ second: 'desc' as const }, { id: 'desc' as const }];

/** A ledger row by its id or its reference. */
export async function findTransfer(tx: Tx, name: string): Promise<RecordedTransfer | null> {
  const row = await tx.transfer.findUnique({ where: UUID.test(name) ? { id: name } : { reference: name } });
  return row && toTransfer(row);
}

export interface LinkedTransfers {
  rows: RecordedTransfer[];
  /** There are further, older rows. */
  hasMore: boolean;
}

type Where = Partial<Pick<RecordedTransfer, 'teamId' | 'instanceId' | 'reservationId' | 'depositId' | 'causedBy'>> & {
  correctsReference?: string;
  reference?: { startsWith: string };
};

/** The newest ledger rows that fit. */
export async function transfersWhere(tx: Tx, where: Where): Promise<LinkedTransfers> {
  const rows = await tx.transfer.findMany({ where, orderBy: NEWEST_FIRST, take: MOST_LINKED + 1 });
  return { rows: rows.slice(0, MOST_LINKED).map(toTransfer), hasMore: rows.length > MOST_LINKED };
}

/** All postings of an instance or a reservation through a row, the row excluded, oldest first. */
export async function postingsBefore(
  tx: Tx,
  { instanceId, reservationId, second, id }: RecordedTransfer,
): Promise<RecordedTransfer[]> {
  const rows = await tx.transfer.findMany({
    where: {
      ...(instanceId === null ? { reservationId } : { instanceId }),
      code: { in: ['instance_usage', 'reservation_usage'] },
      OR: [{ second: { lt: second } }, { second, id: { lt: id } }],
    },
    orderBy: [{ second: 'asc' }, { id: 'asc' }],
  });
  return rows.map(toTransfer);
}

export type AuditedEvent = RecordedUsage & { eventId: string; second: number; cost: bigint };

/** The token events of a ledger row. */
export async function eventsOfTransfer(
  tx: Tx,
  { teamId, reference, second }: RecordedTransfer,
): Promise<AuditedEvent[]> {
  const chargedWith = reference.split('/')[2] ?? '';
  const rows = await tx.usageEvent.findMany({ where: { teamId, second, chargedWith }, orderBy: { eventId: 'asc' } });
  return rows.map((row) => ({
    eventId: row.eventId,
    second: toSecond(row.second),
    cost: BigInt(row.cost.toFixed()),
    chargeMicros: toMicros(row.chargeMicros),
    event: {
      ...{ model: row.model, project: row.project, holdId: row.holdId },
      inputTokens: Number(row.inputTokens),
      outputTokens: Number(row.outputTokens),
      atSecond: toSecondOrNull(row.atSecond),
    },
  }));
}

/** The notices about an object: the data name the object, or the id is made of it. */
export async function noticesAbout(
  tx: Tx,
  teamId: string,
  about:
    | { key: 'depositId' | 'instanceId' | 'reservationId' | 'refundId' | 'disputeId'; id: string }
    | { cause: string },
): Promise<Notice[]> {
  const rows =
    'cause' in about
      ? await tx.$queryRaw<Array<{ id: string }>>`
          SELECT id FROM notices WHERE team_id = ${teamId} AND split_part(id, '/', 1) = kind
            AND substr(id, length(kind) + 2) = ${about.cause} ORDER BY written_order DESC LIMIT ${MOST_LINKED}`
      : await tx.$queryRaw<Array<{ id: string }>>`
          SELECT id FROM notices WHERE team_id = ${teamId} AND data->>${about.key} = ${about.id}
          ORDER BY written_order DESC LIMIT ${MOST_LINKED}`;
  const found = await Promise.all(rows.map(({ id }) => findNotice(tx, id)));
  return found.filter((notice) => notice !== null);
}
