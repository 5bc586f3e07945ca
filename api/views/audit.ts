/** The audit of an object: from a ledger row to its cause and its workflow, and back. Source: docs/rules.md#the-ledger. */
import { formatDollars } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import type { LinkedTransfers } from '../../prisma/audit.ts';
import type { Tx } from '../../prisma/client.ts';
import type { Deposit } from '../../prisma/deposits.ts';
import type { Instance } from '../../prisma/instances.ts';
import type { Notice } from '../../prisma/notices.ts';
import { causesOf } from '../../prisma/transfer-causes.ts';
import type { RecordedTransfer } from '../../prisma/transfers.ts';
import { workflowId } from '../../workflows/messages.ts';
import { Time, timeOrNull, z } from '../http/schemas.ts';
import { Explanation } from './explanation.ts';
import { describeTransfer } from './transaction-words.ts';

export const AUDITED = [
  ...[
    'transaction',
    'deposit',
    'instance',
    'reservation',
    'refund',
    'dispute',
    'grant',
    'notice',
    'workflow',
    'request',
  ],
] as const;

export const AuditLink = z
  .object({
    kind: z.string().openapi({ example: 'transaction' }),
    id: z.string().openapi({ description: 'the id for another call, except of a request' }),
    at: Time.nullable(),
    text: z.string(),
  })
  .openapi('AuditLink');
export type Link = z.input<typeof AuditLink>;

export const Audit = z
  .object({
    kind: z.string().openapi({ description: AUDITED.join(', '), example: 'transaction' }),
    id: z.string(),
    team: z.string().nullable(),
    at: Time.nullable(),
    text: z.string(),
    workflow: z
      .string()
      .nullable()
      .openapi({ description: 'the id of the workflow that wrote the object, or drives it' }),
    causes: z.array(AuditLink).openapi({ description: 'where the object comes from' }),
    effects: z.array(AuditLink).openapi({ description: 'what the object led to, newest first' }),
    hasMore: z.boolean().openapi({ description: 'further, older effects are left out' }),
    explanation: Explanation.nullable(),
  })
  .openapi('Audit');
export type AuditView = z.input<typeof Audit>;

const link = (kind: (typeof AUDITED)[number], id: string, text: string, second: number | null = null): Link => ({
  ...{ kind, id, text },
  at: timeOrNull(second),
});

/** The workflow or the request that wrote a row. */
export function writerLink({ causedBy }: Pick<RecordedTransfer, 'causedBy'>): Link {
  const isWorkflow = causedBy.includes('/');
  return link(
    isWorkflow ? 'workflow' : 'request',
    causedBy,
    isWorkflow ? 'the workflow that wrote the row' : 'the call that wrote the row',
  );
}

export async function transactionLinks(tx: Tx, { rows }: Pick<LinkedTransfers, 'rows'>): Promise<Link[]> {
  const causes = await causesOf(tx, rows);
  return rows.map((row, index) =>
    link(
      'transaction',
      row.id,
      `${describeTransfer(row, causes[index] ?? {})}: $${formatDollars(row.amountMicros)}`,
      row.second,
    ),
  );
}

const stateOf = ({ sentSecond, refusedSecond, refusal }: Notice): string => {
  if (sentSecond !== null) return `sent at ${formatSecond(sentSecond)}`;
  return refusedSecond === null ? 'not sent yet' : `refused at ${formatSecond(refusedSecond)}: ${refusal}`;
};
export const noticeText = (notice: Notice): string =>
  `${notice.channel === 'mail' ? 'mail' : 'event'} ${notice.kind}, ${stateOf(notice)}`;
export const noticeLink = (notice: Notice): Link => link('notice', notice.id, noticeText(notice), notice.second);

export const depositText = ({ label, amountMicros, status }: Deposit): string =>
  `${label} of $${formatDollars(amountMicros)}, ${status}`;
export const depositLink = (deposit: Deposit): Link =>
  link('deposit', deposit.id, depositText(deposit), deposit.openedSecond);

export const instanceText = ({ gpuType, region, endSecond, reason }: Instance): string =>
  `instance on ${gpuType} in ${region}, ${endSecond === null ? 'running' : `ended at ${formatSecond(endSecond)}: ${reason}`}`;
export const instanceLink = (instance: Instance): Link =>
  link('instance', instance.id, instanceText(instance), instance.startSecond);

export const refundLink = (refund: { id: string; amountMicros: number; status: string; openedSecond: number }): Link =>
  link(
    'refund',
    refund.id,
    `refund of $${formatDollars(BigInt(refund.amountMicros))}, ${refund.status}`,
    refund.openedSecond,
  );
export const disputeLink = (one: { id: string; amountMicros: number; status: string; openedSecond: number }): Link =>
  link('dispute', one.id, `dispute over $${formatDollars(BigInt(one.amountMicros))}, ${one.status}`, one.openedSecond);
export const reservationLink = (one: { id: string; gpuType: string; count: number; startSecond: number }): Link =>
  link('reservation', one.id, `reservation of ${one.count} × ${one.gpuType}`, one.startSecond);
export const grantLink = (grant: { id: string; amountMicros: number; note: string; second: number }): Link =>
  link('grant', grant.id, `grant of $${formatDollars(BigInt(grant.amountMicros))}: ${grant.note}`, grant.second);
export const workflowLink = (id: string, text: string): Link => link('workflow', id, text);

/** Kinds of workflows, each with its prefix, which ends in a slash. */
export const PREFIXES = {
  instance: workflowId.instance(''),
  reservation: workflowId.reservation(''),
  deposit: workflowId.deposit(''),
  refund: workflowId.refund(''),
  dispute: workflowId.dispute(''),
  notice: workflowId.notice(''),
  balanceWatch: workflowId.balanceWatch(''),
  autoTopUp: workflowId.autoTopUp(''),
  reconciliation: workflowId.reconciliation(''),
} as const;
