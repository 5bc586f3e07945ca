/** Corrections of credited payments, and withdrawals of refunds and disputes that the provider does not have. */
import { outputKey } from '../billing/crypto.ts';
import { referenceOf } from '../billing/ledger.ts';
import { add, type Micros, micros, ZERO } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond } from './columns.ts';
import type { DepositCorrection as Row } from './generated/client.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';

export interface DepositCorrection {
  id: string;
  depositId: string;
  teamId: string;
  /** Positive: credited. Negative: taken back. */
  amountMicros: Micros;
  /** The part that credit received or paid; the rest became owed. */
  creditMicros: Micros;
  correctsReference: string;
  note: string;
  actor: string;
  second: number;
}

const toCorrection = (row: Row): DepositCorrection => ({
  ...row,
  amountMicros: toMicros(row.amountMicros),
  creditMicros: toMicros(row.creditMicros),
  second: toSecond(row.second),
});

export const insertCorrection = async (tx: Tx, correction: DepositCorrection): Promise<void> => {
  await tx.depositCorrection.create({ data: correction });
};

export async function findCorrection(tx: Tx, id: string): Promise<DepositCorrection | null> {
  const row = await tx.depositCorrection.findUnique({ where: { id } });
  return row && toCorrection(row);
}

/** The corrections of a deposit, newest first. */
export async function listCorrections(tx: Tx, depositId: string, page: PageRequest): Promise<Page<DepositCorrection>> {
  const { data, nextCursor } = await pageOf(page, 'second', (where, take) =>
    tx.depositCorrection.findMany({
      where: { depositId, ...where },
      orderBy: [{ second: 'desc' }, { id: 'desc' }],
      take,
    }),
  );
  return { data: data.map(toCorrection), nextCursor };
}

export async function correctionsOf(tx: Tx, depositId: string): Promise<DepositCorrection[]> {
  return (await tx.depositCorrection.findMany({ where: { depositId } })).map(toCorrection);
}

export interface Credit {
  reference: string;
  teamId: string;
  amountMicros: Micros;
}

/**
 * The transfers that credited a deposit. Such transfers may exist without the deposit, and several may have the same
 * deposit id.
 */
export async function creditsOf(tx: Tx, depositId: string): Promise<Credit[]> {
  const reference = referenceOf.deposit(depositId);
  const rows = await tx.transfer.findMany({
    where: {
      code: { in: ['deposit', 'auto_top_up'] },
      OR: [
        { depositId },
        { depositId: null, reference },
        { depositId: null, reference: { startsWith: `${reference}/` } },
      ],
    },
    orderBy: [{ second: 'asc' }, { id: 'asc' }],
  });
  return rows.map((row) => ({
    reference: row.reference,
    teamId: row.teamId,
    amountMicros: toMicros(row.amountMicros),
  }));
}

/** True for a correction of the credited amount, false for a correction of a refund's taken amount. */
export const isOfCredit = ({ correctsReference }: Pick<DepositCorrection, 'correctsReference'>): boolean =>
  !correctsReference.startsWith('refund/');

/** The credit of a team for a deposit, corrections included. */
export async function netCreditMicros(tx: Tx, depositId: string, teamId: string): Promise<Micros> {
  const corrections = (await correctionsOf(tx, depositId)).filter(isOfCredit);
  const amounts = [...(await creditsOf(tx, depositId)), ...corrections].filter((row) => row.teamId === teamId);
  return add(ZERO, ...amounts.map(({ amountMicros }) => amountMicros));
}

export interface CreditedOutput {
  transactionHash: string;
  output: number;
  /** The credited amount, corrections included. */
  amountMicros: Micros;
  /** The reference of the credit in the ledger. */
  reference: string;
  /** The number of corrections. */
  corrections: number;
}

/** The credited amount of each output of a crypto deposit. */
export async function creditedByOutput(tx: Tx, depositId: string): Promise<CreditedOutput[]> {
  const receipts = await tx.cryptoReceipt.findMany({ where: { depositId } });
  const corrections = await correctionsOf(tx, depositId);
  return receipts.map((receipt) => {
    const reference = referenceOf.cryptoReceipt(depositId, outputKey(receipt));
    const own = corrections.filter(({ correctsReference }) => correctsReference === reference);
    const { transactionHash, output } = receipt;
    const amountMicros = micros(own.reduce((sum, each) => sum + each.amountMicros, Number(receipt.amountMicros)));
    return { transactionHash, output, reference, amountMicros, corrections: own.length };
  });
}

export interface Withdrawal {
  /** The refund or the dispute. */
  subjectId: string;
  depositId: string;
  teamId: string;
  note: string;
  actor: string;
  second: number;
}

export const insertWithdrawal = async (tx: Tx, withdrawal: Withdrawal): Promise<void> => {
  await tx.withdrawal.create({ data: withdrawal });
};
