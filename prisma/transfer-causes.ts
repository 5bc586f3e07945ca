/**
 * The causes of ledger rows, for people: the instance, reservation, payment or grant of each row, for a page of rows at
 * a time.
 */
import { outputKey } from '../billing/crypto.ts';
import { referenceOf } from '../billing/ledger.ts';
import type { Tx } from './client.ts';
import type { RecordedTransfer } from './transfers.ts';

export interface TransferCause {
  instance?: { gpuType: string; region: string; pricing: string; project: string | null };
  reservation?: { gpuType: string; region: string; count: number; term: string };
  payment?: { method: string; cardBrand: string | null; cardLast4: string | null; receiptNumber: string | null };
  grantNote?: string;
  correctionNote?: string;
}

const GRANT = /^grant\/([^/]+)$/;
const CORRECTION = /^correction\/([^/]+)(\/owed)?$/;

const causeOf = (
  rows: readonly RecordedTransfer[],
  of: (row: RecordedTransfer) => string | null | undefined,
): string[] => [...new Set(rows.map(of).filter((id) => typeof id === 'string'))];

/** The cause of each row, in order. */
export async function causesOf(tx: Tx, rows: readonly RecordedTransfer[]): Promise<TransferCause[]> {
  const grantId = (row: RecordedTransfer) => GRANT.exec(row.correctsReference ?? row.reference)?.[1];
  const correctionId = (row: RecordedTransfer) => CORRECTION.exec(row.reference)?.[1];
  const instances = await tx.instance.findMany({ where: { id: { in: causeOf(rows, (row) => row.instanceId) } } });
  const reservations = await tx.reservation.findMany({
    where: { id: { in: causeOf(rows, (row) => row.reservationId) } },
  });
  const depositIds = causeOf(rows, (row) => row.depositId);
  const deposits = await tx.deposit.findMany({ where: { id: { in: depositIds } } });
  const parts = await tx.cryptoReceipt.findMany({ where: { depositId: { in: depositIds } } });
  const grants = await tx.grant.findMany({ where: { id: { in: causeOf(rows, grantId) } } });
  const corrections = await tx.depositCorrection.findMany({ where: { id: { in: causeOf(rows, correctionId) } } });

  const instanceById = new Map(instances.map((row) => [row.id, row]));
  const reservationById = new Map(reservations.map((row) => [row.id, row]));
  const depositById = new Map(deposits.map((row) => [row.id, row]));
  const noteById = new Map(grants.map((row) => [row.id, row.note]));
  const correctionNoteById = new Map(corrections.map((row) => [row.id, row.note]));
  const receiptByReference = new Map(
    parts.map((part) => [referenceOf.cryptoReceipt(part.depositId, outputKey(part)), part.receiptNumber]),
  );
  return rows.map((row): TransferCause => {
    const instance = instanceById.get(row.instanceId ?? '');
    const reservation = reservationById.get(row.reservationId ?? '');
    const payment = depositById.get(row.depositId ?? '');
    const grantNote = noteById.get(grantId(row) ?? '');
    const correctionNote = correctionNoteById.get(correctionId(row) ?? '');
    return {
      ...(instance && { instance }),
      ...(reservation && { reservation }),
      ...(payment && {
        payment: { ...payment, receiptNumber: receiptByReference.get(row.reference) ?? payment.receiptNumber },
      }),
      ...(grantNote !== undefined && { grantNote }),
      ...(correctionNote !== undefined && { correctionNote }),
    };
  });
}
