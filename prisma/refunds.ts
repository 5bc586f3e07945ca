/** Refunds: money sent back to a card, requested here or made at the provider and found later. */
import { BillingError } from '../billing/errors.ts';
import { type Micros, micros } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond, toSecondOrNull } from './columns.ts';
import type { Refund as RefundRow } from './generated/client.ts';

/** `failed`: refused by the provider or sent back by the bank; the taken amount is credit again. No status is final. */
export type RefundStatus = 'pending' | 'succeeded' | 'failed';

export interface Refund {
  id: string;
  teamId: string;
  depositId: string;
  amountMicros: Micros;
  status: RefundStatus;
  /** operator: asked for here; provider: made at the provider, and found out. */
  origin: 'operator' | 'provider';
  actor: string;
  stripeRefundId: string | null;
  failureCode: string | null;
  /** Posted as refunded, from credit or as owed, less the returned amount. */
  takenMicros: Micros;
  /** Counts postings. */
  turn: number;
  openedSecond: number;
  /** When the outcome became known. */
  closedSecond: number | null;
  /** The digest of the caller's request; null for a refund made at the provider. */
  requestHash: string | null;
}

export const toRefund = ({ openedOrder: _, workflowDueSecond: __, ...row }: RefundRow): Refund => ({
  ...row,
  amountMicros: toMicros(row.amountMicros),
  takenMicros: toMicros(row.takenMicros),
  status: row.status as RefundStatus,
  origin: row.origin as Refund['origin'],
  openedSecond: toSecond(row.openedSecond),
  closedSecond: toSecondOrNull(row.closedSecond),
});

/**
 * Keeps a refund whose amount is taken in the same transaction.
 * @param workflowDueSecond given where the refund's workflow has still to be started: see due-work.ts
 */
export const insertRefund = async (
  tx: Tx,
  refund: Omit<Refund, 'status' | 'failureCode' | 'closedSecond' | 'takenMicros' | 'turn' | 'requestHash'> &
    Partial<Pick<Refund, 'requestHash'>>,
  workflowDueSecond: number | null = null,
): Promise<void> => {
  await tx.refund.create({
    data: { ...refund, takenMicros: refund.amountMicros, status: 'pending', workflowDueSecond },
  });
};

export const updateRefund = async (
  tx: Tx,
  id: string,
  change: Partial<Pick<Refund, 'status' | 'stripeRefundId' | 'failureCode' | 'closedSecond' | 'takenMicros' | 'turn'>>,
): Promise<void> => {
  await tx.refund.updateMany({ where: { id }, data: change });
};

export async function findRefund(tx: Tx, id: string): Promise<Refund | null> {
  const row = await tx.refund.findUnique({ where: { id } });
  return row && toRefund(row);
}

/** @throws BillingError `not_found` */
export async function getRefund(tx: Tx, id: string): Promise<Refund> {
  const refund = await findRefund(tx, id);
  if (!refund) throw new BillingError('not_found', 'no such refund', 'id');
  return refund;
}

export async function findRefundByStripeId(tx: Tx, stripeRefundId: string): Promise<Refund | null> {
  const row = await tx.refund.findUnique({ where: { stripeRefundId } });
  return row && toRefund(row);
}

/** All refunds of a deposit, oldest first. */
export async function refundsOfDeposit(tx: Tx, depositId: string): Promise<Refund[]> {
  const rows = await tx.refund.findMany({ where: { depositId }, orderBy: { openedOrder: 'asc' } });
  return rows.map(toRefund);
}

/** The provider's amount, which can differ from the requested amount. A failed refund has taken nothing. */
export const sentMicros = ({ amountMicros, takenMicros }: Pick<Refund, 'amountMicros' | 'takenMicros'>): Micros =>
  takenMicros === 0 ? amountMicros : takenMicros;

export const sumMicros = (refunds: Refund[], status: RefundStatus): Micros =>
  micros(refunds.filter((refund) => refund.status === status).reduce((sum, refund) => sum + sentMicros(refund), 0));
