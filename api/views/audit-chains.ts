/** Builds the audit of each kind of object, with its causes and its effects. */
import { exhaustionCause } from '../../billing/ids.ts';
import { findTransfer, noticesAbout, transfersWhere } from '../../prisma/audit.ts';
import type { Tx } from '../../prisma/client.ts';
import { type Deposit, findDeposit } from '../../prisma/deposits.ts';
import { disputesOfDeposit, findDispute } from '../../prisma/disputes.ts';
import { findExhaustion } from '../../prisma/exhaustions.ts';
import { findGrant } from '../../prisma/grants.ts';
import { findInstance, findInstances, type Instance } from '../../prisma/instances.ts';
import type { Notice } from '../../prisma/notices.ts';
import { findRefund, refundsOfDeposit } from '../../prisma/refunds.ts';
import { findReservation } from '../../prisma/reservations.ts';
import { causesOf } from '../../prisma/transfer-causes.ts';
import type { RecordedTransfer } from '../../prisma/transfers.ts';
import { workflowId } from '../../workflows/messages.ts';
import { timeOrNull } from '../http/schemas.ts';
import {
  type AuditView,
  depositLink,
  depositText,
  disputeLink,
  grantLink,
  instanceLink,
  instanceText,
  type Link,
  noticeLink,
  noticeText,
  refundLink,
  reservationLink,
  transactionLinks,
  workflowLink,
  writerLink,
} from './audit.ts';
import { explainInstance, explainTransfer } from './explanation.ts';
import { describeTransfer } from './transaction-words.ts';

type Chain = Omit<AuditView, 'hasMore' | 'explanation'> & Partial<Pick<AuditView, 'hasMore' | 'explanation'>>;
const viewOf = (chain: Chain): AuditView => ({ hasMore: false, explanation: null, ...chain });

/** The objects that references and data name. */
interface Named {
  instanceId?: string | null | undefined;
  reservationId?: string | null | undefined;
  depositId?: string | null | undefined;
  refundId?: string | null | undefined;
  disputeId?: string | null | undefined;
  grantId?: string | null | undefined;
}

/** A link of each named object that exists. */
async function objectLinks(tx: Tx, named: Named): Promise<Link[]> {
  const found = async <T>(
    id: string | null | undefined,
    find: (id: string) => Promise<T | null>,
    view: (of: T) => Link,
  ) => {
    const row = typeof id === 'string' ? await find(id) : null;
    return row ? [view(row)] : [];
  };
  return [
    ...(await found(named.instanceId, (id) => findInstance(tx, id), instanceLink)),
    ...(await found(named.reservationId, (id) => findReservation(tx, id), reservationLink)),
    ...(await found(named.depositId, (id) => findDeposit(tx, id), depositLink)),
    ...(await found(named.refundId, (id) => findRefund(tx, id), refundLink)),
    ...(await found(named.disputeId, (id) => findDispute(tx, id), disputeLink)),
    ...(await found(named.grantId, (id) => findGrant(tx, id), grantLink)),
  ];
}

/** The object that a reference names: `refund/ref_1/returned`. */
function namedIn(reference: string): Named {
  const [kind, id] = reference.split('/');
  if (kind === 'refund') return { refundId: id };
  if (kind === 'dispute') return { disputeId: id };
  return kind === 'grant' ? { grantId: id } : {};
}

/** The reference of the row that led to a row: of the whole charge for its owed part, of the credit for a collection. */
const leadingReference = ({ reference }: RecordedTransfer): string | null =>
  /^(.+)\/(owed|collects)$/.exec(reference)?.[1] ?? null;

export async function auditTransfer(tx: Tx, row: RecordedTransfer): Promise<AuditView> {
  const { teamId, reference } = row;
  const names = [row.correctsReference, leadingReference(row)].filter((name) => name !== null);
  const corrected = (await Promise.all(names.map((name) => findTransfer(tx, name)))).filter((found) => found !== null);
  const { rows: correcting } = await transfersWhere(tx, { teamId, correctsReference: reference });
  const led = (
    await Promise.all([`${reference}/owed`, `${reference}/collects`].map((name) => findTransfer(tx, name)))
  ).filter((found) => found !== null);
  const [cause = {}] = await causesOf(tx, [row]);
  const text = describeTransfer(row, cause);
  return viewOf({
    ...{ kind: 'transaction', id: row.id, team: teamId, at: timeOrNull(row.second), text },
    workflow: row.causedBy.includes('/') ? row.causedBy : driverOf(row),
    causes: [
      writerLink(row),
      ...(await objectLinks(tx, { ...row, ...namedIn(reference) })),
      ...(await transactionLinks(tx, { rows: corrected })),
    ],
    effects: [
      ...(await transactionLinks(tx, { rows: [...correcting, ...led] })),
      ...(await noticesAbout(tx, teamId, { cause: reference })).map(noticeLink),
    ],
    explanation: await explainTransfer(tx, row, text),
  });
}

/** The workflow that drives the object of a row that a call wrote. */
function driverOf({ instanceId, reservationId, depositId, reference }: RecordedTransfer): string | null {
  const { refundId, disputeId } = namedIn(reference);
  if (refundId) return workflowId.refund(refundId);
  if (disputeId) return workflowId.dispute(disputeId);
  if (instanceId !== null) return workflowId.instance(instanceId);
  if (reservationId !== null) return workflowId.reservation(reservationId);
  return depositId === null ? null : workflowId.deposit(depositId);
}

export async function auditDeposit(tx: Tx, deposit: Deposit): Promise<AuditView> {
  const { id, teamId, attempt } = deposit;
  const { rows, hasMore } = await transfersWhere(tx, { depositId: id });
  return viewOf({
    ...{ kind: 'deposit', id, team: teamId, at: timeOrNull(deposit.openedSecond), text: depositText(deposit) },
    workflow: workflowId.deposit(id),
    causes: [
      workflowLink(workflowId.deposit(id), 'the workflow of the payment'),
      ...(attempt === null ? [] : [workflowLink(workflowId.autoTopUp(teamId), `attempt ${attempt} of auto top-up`)]),
    ],
    effects: [
      ...(await transactionLinks(tx, { rows })),
      ...(await refundsOfDeposit(tx, id)).map(refundLink),
      ...(await disputesOfDeposit(tx, id)).map(disputeLink),
      ...(await noticesAbout(tx, teamId, { key: 'depositId', id })).map(noticeLink),
    ],
    hasMore,
  });
}

export async function auditInstance(tx: Tx, instance: Instance, nowSecond: number): Promise<AuditView> {
  const { id, teamId, exhaustion, resumedFrom } = instance;
  const { rows, hasMore } = await transfersWhere(tx, { instanceId: id });
  const ended =
    exhaustion === null ? [] : await noticesAbout(tx, teamId, { cause: exhaustionCause(teamId, exhaustion) });
  return viewOf({
    ...{ kind: 'instance', id, team: teamId, at: timeOrNull(instance.startSecond), text: instanceText(instance) },
    workflow: workflowId.instance(id),
    causes: [
      workflowLink(workflowId.instance(id), 'the workflow of the instance'),
      ...(await objectLinks(tx, { instanceId: resumedFrom })),
    ],
    effects: [
      ...(await transactionLinks(tx, { rows })),
      ...ended.map(noticeLink),
      ...(await noticesAbout(tx, teamId, { key: 'instanceId', id })).map(noticeLink),
    ],
    hasMore,
    explanation: await explainInstance(tx, id, instance.endSecond ?? nowSecond),
  });
}

export async function auditNotice(tx: Tx, notice: Notice): Promise<AuditView> {
  const { id, teamId, kind, data } = notice;
  const row = await findTransfer(tx, id.slice(kind.length + 1));
  const exhausted = data.exhaustion === undefined ? null : await findExhaustion(tx, teamId, data.exhaustion);
  const ended = exhausted ? await findInstances(tx, exhausted.instanceIds) : [];
  return viewOf({
    ...{ kind: 'notice', id, team: teamId, at: timeOrNull(notice.second), text: noticeText(notice) },
    workflow: workflowId.notice(id),
    causes: [
      ...(row ? await transactionLinks(tx, { rows: [row] }) : []),
      ...(await objectLinks(tx, data)),
      ...ended.map(instanceLink),
      workflowLink(workflowId.balanceWatch(teamId), 'the workflow that hands the notices of the team on'),
    ],
    effects: [workflowLink(workflowId.notice(id), 'the workflow that sends the notice')],
  });
}

/** The audit of a refund, a dispute, a reservation or a grant; null where there is none with the id. */
export async function auditOther(tx: Tx, id: string): Promise<AuditView | null> {
  const refund = await findRefund(tx, id);
  const dispute = refund ? null : await findDispute(tx, id);
  const taken = refund ?? dispute;
  if (taken) {
    const kind = refund ? 'refund' : 'dispute';
    const { text } = refund ? refundLink(refund) : disputeLink(taken);
    const { rows, hasMore } = await transfersWhere(tx, {
      depositId: taken.depositId,
      reference: { startsWith: `${kind}/${id}` },
    });
    const about = await noticesAbout(tx, taken.teamId, { key: refund ? 'refundId' : 'disputeId', id });
    const { refund: ofRefund, dispute: ofDispute } = workflowId;
    return viewOf({
      ...{ kind, id, team: taken.teamId, at: timeOrNull(taken.openedSecond), text, hasMore },
      workflow: refund ? ofRefund(id) : ofDispute(id),
      causes: await objectLinks(tx, { depositId: taken.depositId }),
      effects: [...(await transactionLinks(tx, { rows })), ...about.map(noticeLink)],
    });
  }
  const reservation = await findReservation(tx, id);
  if (reservation) {
    const { rows, hasMore } = await transfersWhere(tx, { reservationId: id });
    const about = await noticesAbout(tx, reservation.teamId, { key: 'reservationId', id });
    const { at, text } = reservationLink(reservation);
    return viewOf({
      ...{ kind: 'reservation', id, team: reservation.teamId, at, text, hasMore },
      workflow: workflowId.reservation(id),
      causes: [workflowLink(workflowId.reservation(id), 'the workflow of the reservation')],
      effects: [...(await transactionLinks(tx, { rows })), ...about.map(noticeLink)],
    });
  }
  const grant = await findGrant(tx, id);
  if (!grant) return null;
  const { at, text } = grantLink(grant);
  const { rows, hasMore } = await transfersWhere(tx, {
    teamId: grant.teamId,
    reference: { startsWith: `grant/${id}` },
  });
  return viewOf({
    ...{ kind: 'grant', id, team: grant.teamId, at, text, hasMore, workflow: null },
    causes: rows.slice(-1).map(writerLink),
    effects: await transactionLinks(tx, { rows }),
  });
}
