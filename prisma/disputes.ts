/** Disputes: deposits that a cardholder contests at the bank. An open dispute holds credit. */
import type { Contest } from '../billing/account.ts';
import type { DepositDispute, DisputeStatus } from '../billing/credited-deposit.ts';
import { disputeShares } from '../billing/disputes.ts';
import { BillingError } from '../billing/errors.ts';
import { type Micros, subtract, ZERO } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond, toSecondOrNull } from './columns.ts';
import { creditedMicros } from './deposits.ts';
import type { Dispute as DisputeRow } from './generated/client.ts';

export type { DisputeStatus };

export interface Dispute {
  id: string;
  teamId: string;
  depositId: string;
  stripeDisputeId: string;
  /** The contested amount by the bank. */
  amountMicros: Micros;
  /** Held from the team's credit while the dispute is open; the last held amount when closed. */
  heldMicros: Micros;
  /** Posted as lost, from credit or as owed, less the amount that was given back. */
  takenMicros: Micros;
  /** Counts decisions and postings. */
  turn: number;
  lostReference: string | null;
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
  takenMicros: toMicros(row.takenMicros),
  status: row.status as DisputeStatus,
  openedSecond: toSecond(row.openedSecond),
  closedSecond: toSecondOrNull(row.closedSecond),
});

/** Inserted before the first hold is known. The account's effects write the hold. */
export const insertDispute = async (
  tx: Tx,
  dispute: Pick<
    Dispute,
    'id' | 'teamId' | 'depositId' | 'stripeDisputeId' | 'amountMicros' | 'reason' | 'openedSecond'
  >,
): Promise<void> => {
  await tx.dispute.create({ data: { ...dispute, heldMicros: 0n, status: 'open' } });
};

/** A closed dispute keeps the amount held at its end. */
export const saveHeld = async (
  tx: Tx,
  { disputeId, heldMicros }: Contest,
  { teamId, second }: { teamId: string; second: number },
): Promise<void> => {
  await tx.disputeHold.create({ data: { disputeId, teamId, second, heldMicros } });
  await tx.dispute.updateMany({ where: { id: disputeId, status: 'open' }, data: { heldMicros } });
};

export const updateDispute = async (
  tx: Tx,
  id: string,
  change: Partial<Pick<Dispute, 'status' | 'amountMicros' | 'heldMicros' | 'takenMicros' | 'closedSecond'>>,
): Promise<void> => {
  await tx.dispute.updateMany({ where: { id }, data: change });
};

export const saveDisputeTurn = async (
  tx: Tx,
  { disputeId, ...change }: Pick<DepositDispute, 'disputeId' | 'takenMicros' | 'turn' | 'lostReference'>,
): Promise<void> => {
  await tx.dispute.updateMany({ where: { id: disputeId }, data: change });
};

export const toDepositDispute = ({
  id: disputeId,
  amountMicros: claimedMicros,
  status,
  takenMicros,
  turn,
  lostReference,
}: Dispute): DepositDispute => ({ disputeId, status, claimedMicros, takenMicros, turn, lostReference });

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

/**
 * The open disputes of teams, for their accounts. The held amount of each depends on the other disputes over its
 * deposit.
 */
export async function contestsOf(tx: Tx, teamIds: string[]): Promise<Array<Contest & { teamId: string }>> {
  const open = await tx.dispute.findMany({
    where: { teamId: { in: teamIds }, status: 'open' },
    orderBy: { openedOrder: 'asc' },
  });
  const depositIds = [...new Set(open.map(({ depositId }) => depositId))];
  const deposits = await tx.deposit.findMany({ where: { id: { in: depositIds } } });
  const all = await tx.dispute.findMany({
    where: { depositId: { in: depositIds } },
    orderBy: { openedOrder: 'asc' },
  });
  const shares = new Map(
    deposits.flatMap((deposit) => {
      const paidMicros = creditedMicros({
        amountMicros: toMicros(deposit.amountMicros),
        receivedMicros: deposit.receivedMicros === null ? null : toMicros(deposit.receivedMicros),
      });
      const leftMicros = subtract(paidMicros, toMicros(deposit.refundedMicros));
      const disputes = all.filter(({ depositId }) => depositId === deposit.id).map(toDispute);
      return [...disputeShares(leftMicros, disputes.map(toDepositDispute))];
    }),
  );
  return open.map(toDispute).map(({ id: disputeId, teamId, depositId, amountMicros: claimedMicros, heldMicros }) => ({
    ...{ teamId, disputeId, depositId, claimedMicros, heldMicros },
    amountMicros: shares.get(disputeId) ?? ZERO,
  }));
}
