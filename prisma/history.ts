/** A team's payments as one history, deposits, refunds and disputes. Their rows share one sequence of opening. */
import type { Tx } from './client.ts';
import { type Deposit, toDeposit } from './deposits.ts';
import { type Dispute, toDispute } from './disputes.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';
import { type Refund, toRefund } from './refunds.ts';

export type Payment =
  | { kind: 'deposit'; deposit: Deposit }
  | { kind: 'refund'; refund: Refund; deposit: Deposit }
  | { kind: 'dispute'; dispute: Dispute; deposit: Deposit };

interface Found {
  id: string;
  openedOrder: bigint;
  depositId: string;
  payment: (deposit: Deposit) => Payment;
}

const newestFirst = (a: Found, b: Found): number => {
  if (a.openedOrder !== b.openedOrder) return a.openedOrder > b.openedOrder ? -1 : 1;
  return a.id > b.id ? -1 : 1;
};

/** Newest first. Each of the three kinds is read for a whole page, because the page may have one kind only. */
export async function listPayments(tx: Tx, teamId: string, page: PageRequest): Promise<Page<Payment>> {
  const { data, nextCursor } = await pageOf(page, 'openedOrder', async (where, take): Promise<Found[]> => {
    const query = {
      where: { teamId, ...where },
      orderBy: [{ openedOrder: 'desc' as const }, { id: 'desc' as const }],
      take,
    };
    const deposits = await tx.deposit.findMany(query);
    const refunds = await tx.refund.findMany(query);
    const disputes = await tx.dispute.findMany(query);
    const kinds: Found[] = [
      ...deposits.map(({ id, openedOrder }) => ({
        id,
        openedOrder,
        depositId: id,
        payment: (deposit: Deposit): Payment => ({ kind: 'deposit', deposit }),
      })),
      ...refunds.map((row) => ({
        id: row.id,
        openedOrder: row.openedOrder,
        depositId: row.depositId,
        payment: (deposit: Deposit): Payment => ({ kind: 'refund', refund: toRefund(row), deposit }),
      })),
      ...disputes.map((row) => ({
        id: row.id,
        openedOrder: row.openedOrder,
        depositId: row.depositId,
        payment: (deposit: Deposit): Payment => ({ kind: 'dispute', dispute: toDispute(row), deposit }),
      })),
    ];
    return kinds.sort(newestFirst).slice(0, take);
  });
  const rows = await tx.deposit.findMany({ where: { id: { in: data.map(({ depositId }) => depositId) } } });
  const deposits = new Map(rows.map((row) => [row.id, toDeposit(row)]));
  return {
    data: data.flatMap(({ depositId, payment }) => {
      const deposit = deposits.get(depositId);
      return deposit ? [payment(deposit)] : [];
    }),
    nextCursor,
  };
}
