/** Disputes: deposits that a cardholder contests at the bank. An open one holds credit back. */
import type { Contest } from '../billing/account.ts';
import { BillingError } from '../billing/errors.ts';
import { type Micros, smaller, subtract } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond, toSecondOrNull } from './columns.ts';
import { creditedMicros } from './deposits.ts';
import type { Dispute as DisputeRow } from './generated/client.ts';

export type DisputeStatus = 'open' | 'won' | 'lost';

export interface Dispute {
  id: string;
  teamId: string;
  depositId: string;
  stripeDisputeId: string;
  /** What the bank says is contested. */
  amountMicros: Micros;
  /** Held back from the team's credit while it is open; as it was held in the end when it is closed. */
  heldMicros: Micros;
  /** The bank's word for why, such as `fraudulent`. */
  reason: string;
  status: DisputeStatus;
  openedSecond: number;
  closedSecond: number | null;
}

export const toDispute = ({ openedOrder: _, ...row }: DisputeRow): Dispute => ({
  ...row,
  amountMicros: toMicros(row.amountMicros),
  heldMicros: toMicros(row.heldMicros),
  status: row.status as DisputeStatus,
  openedSecond: toSecond(row.openedSecond),
  closedSecond: toSecondOrNull(row.closedSecond),
});

/** Before its first hold is known: that is written with the account's. */
export const insertDispute = async (
  tx: Tx,
  dispute: Omit<Dispute, 'heldMicros' | 'status' | 'closedSecond'>,
): Promise<void> => {
  await tx.dispute.create({ data: { ...dispute, heldMicros: 0n, status: 'open' } });
};

/** What was held at the end stays on the row of a dispute that is closed. */
export const saveHeld = async (tx: Tx, { disputeId, heldMicros }: Contest): Promise<void> => {
  await tx.dispute.updateMany({ where: { id: disputeId, status: 'open' }, data: { heldMicros } });
};

export const closeDisputeRow = async (
  tx: Tx,
  id: string,
  status: Exclude<DisputeStatus, 'open'>,
  closedSecond: number,
): Promise<void> => {
  await tx.dispute.updateMany({ where: { id, status: 'open' }, data: { status, closedSecond } });
};

export async function findDispute(tx: Tx, id: string): Promise<Dispute | null> {
  const row = await tx.dispute.findUnique({ where: { id } });
  return row && toDispute(row);
}

/** @throws BillingError `not_found` */
export async function getDispute(tx: Tx, id: string): Promise<Dispute> {
  const dispute = await findDispute(tx, id);
  if (!dispute) throw new BillingError('not_found', 'no such dispute', 'id');
  return dispute;
}

/** All disputes over a deposit, oldest first. */
export async function disputesOfDeposit(tx: Tx, depositId: string): Promise<Dispute[]> {
  const rows = await tx.dispute.findMany({ where: { depositId }, orderBy: { openedOrder: 'asc' } });
  return rows.map(toDispute);
}

/** The open disputes of teams, as their accounts know them. */
export async function contestsOf(tx: Tx, teamIds: string[]): Promise<Array<Contest & { teamId: string }>> {
  const rows = await tx.dispute.findMany({
    where: { teamId: { in: teamIds }, status: 'open' },
    orderBy: { openedOrder: 'asc' },
  });
  const deposits = await tx.deposit.findMany({ where: { id: { in: rows.map(({ depositId }) => depositId) } } });
  return rows.map(toDispute).map(({ id: disputeId, teamId, depositId, amountMicros: claimedMicros, heldMicros }) => {
    const deposit = deposits.find((row) => row.id === depositId);
    if (!deposit) throw new Error(`dispute ${disputeId} is over no deposit`);
    const paid = creditedMicros({
      amountMicros: toMicros(deposit.amountMicros),
      receivedMicros: deposit.receivedMicros === null ? null : toMicros(deposit.receivedMicros),
    });
    const amountMicros = smaller(claimedMicros, subtract(paid, toMicros(deposit.refundedMicros)));
    return { teamId, disputeId, depositId, claimedMicros, amountMicros, heldMicros };
  });
}
