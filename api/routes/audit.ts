/** The audit route: from a row to its cause and its workflow, and back. */
import { BillingError } from '../../billing/errors.ts';
import { findTransfer, transfersWhere } from '../../prisma/audit.ts';
import type { Tx } from '../../prisma/client.ts';
import { findDeposit } from '../../prisma/deposits.ts';
import { findInstance } from '../../prisma/instances.ts';
import { findNotice } from '../../prisma/notices.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { type Route, route } from '../http/route.ts';
import { UUID, z } from '../http/schemas.ts';
import { Audit, type AuditView, noticeLink, PREFIXES, transactionLinks } from '../views/audit.ts';
import { auditDeposit, auditInstance, auditNotice, auditOther, auditTransfer } from '../views/audit-chains.ts';
import type { ApiWorld } from '../world.ts';

/** Ids of notices and workflows have slashes, which a caller escapes as `%2F`. */
const AuditPath = z.object({
  id: z
    .string()
    .regex(/^[\x21-\x7e]{1,256}$/)
    .openapi({ description: 'with %2F for each slash of an id', example: 'instance%2Ftrain-1' }),
});

/** The audit of an object by its own id; null where there is none. */
async function auditObject(tx: Tx, id: string, nowSecond: number): Promise<AuditView | null> {
  const row = UUID.test(id) ? await findTransfer(tx, id) : null;
  if (row) return auditTransfer(tx, row);
  const notice = await findNotice(tx, id);
  if (notice) return auditNotice(tx, notice);
  const deposit = await findDeposit(tx, id);
  if (deposit) return auditDeposit(tx, deposit);
  const instance = await findInstance(tx, id);
  return instance ? auditInstance(tx, instance, nowSecond) : auditOther(tx, id);
}

/** The audit of a workflow: its object, and the rows that it wrote. Null where the workflow has no object. */
async function auditWorkflow(tx: Tx, id: string, nowSecond: number): Promise<AuditView | null> {
  const [kind, prefix] = Object.entries(PREFIXES).find(([, prefix]) => id.startsWith(prefix)) ?? [];
  if (kind === undefined || prefix === undefined) return null;
  const subject = id.slice(prefix.length);
  const isOfTeam = kind === 'balanceWatch' || kind === 'autoTopUp';
  const object = isOfTeam ? null : await auditObject(tx, subject, nowSecond);
  const team = isOfTeam ? ((await tx.team.findUnique({ where: { id: subject } }))?.id ?? null) : object?.team;
  if (team === null || team === undefined) return null;
  const { rows, hasMore } = await transfersWhere(tx, { teamId: team, causedBy: id });
  const notices = kind === 'balanceWatch' ? await latestNotices(tx, team) : [];
  return {
    ...{ kind: 'workflow', id, team, at: null, workflow: id, hasMore, explanation: null },
    text: object ? `the workflow of: ${object.text}` : `the workflow of the team ${team}`,
    causes: object ? [{ kind: object.kind, id: object.id, at: object.at ?? null, text: object.text }] : [],
    effects: [...(await transactionLinks(tx, { rows })), ...notices],
  };
}

/** The audit of a ledger row by its reference, which may be the id of a workflow too. */
async function auditReference(tx: Tx, reference: string): Promise<AuditView | null> {
  const row = await findTransfer(tx, reference);
  return row && auditTransfer(tx, row);
}

const MOST_NOTICES = 20;

/** The newest notices of a team, which its watch hands on. */
async function latestNotices(tx: Tx, teamId: string) {
  const ids = await tx.notice.findMany({
    ...{ where: { teamId }, orderBy: { writtenOrder: 'desc' as const }, take: MOST_NOTICES, select: { id: true } },
  });
  const found = await Promise.all(ids.map(({ id }) => findNotice(tx, id)));
  return found.flatMap((notice) => (notice ? [noticeLink(notice)] : []));
}

export const audit = ({ db }: ApiWorld): Route[] => [
  route({
    method: 'get',
    path: '/v1/audit/{id}',
    tag: 'Operator',
    summary: 'Get the chain of a ledger row, a deposit, an instance, a notice or a workflow, in both directions',
    who: 'platform',
    params: AuditPath,
    answer: { status: 200, schema: Audit },
    handle: ({ params: { id }, call: { receivedSecond: nowSecond } }) =>
      inSnapshot(db, async (tx) => {
        const found =
          (await auditObject(tx, id, nowSecond)) ??
          (await auditWorkflow(tx, id, nowSecond)) ??
          (await auditReference(tx, id));
        if (!found) throw new BillingError('not_found', 'no such row, object or workflow', 'id');
        return { status: 200, body: found };
      }),
  }),
];
