/** The payments of crypto deposits: a row for each credited output, so no output is credited twice. */
import { type CryptoOutput, outputKey } from '../billing/crypto.ts';
import type { Micros } from '../billing/money.ts';
import type { Tx } from './client.ts';
import { toMicros, toMicrosOrNull, toSecond } from './columns.ts';
import type { CryptoReceipt as CryptoReceiptRow } from './generated/client.ts';

export interface CryptoReceipt extends CryptoOutput {
  depositId: string;
  teamId: string;
  creditedSecond: number;
  /** Null for a payment credited under the receipt of the whole deposit, before each payment had a receipt. */
  receiptNumber: string | null;
  /** The total that had arrived for the deposit with this payment. Null where `receiptNumber` is. */
  totalMicros: Micros | null;
}

const toReceipt = (row: CryptoReceiptRow): CryptoReceipt => ({
  ...row,
  amountMicros: toMicros(row.amountMicros),
  creditedSecond: toSecond(row.creditedSecond),
  totalMicros: toMicrosOrNull(row.totalMicros),
});

/** Hashes are stored in lower case, so the key is the same for every notation. */
const keptHash = (hash: string): string => hash.toLowerCase();

/** The keys of the outputs credited before, to any deposit. */
export async function creditedOutputs(tx: Tx, outputs: readonly CryptoOutput[]): Promise<Set<string>> {
  const hashes = [...new Set(outputs.map(({ transactionHash }) => keptHash(transactionHash)))];
  if (hashes.length === 0) return new Set();
  const rows = await tx.cryptoReceipt.findMany({ where: { transactionHash: { in: hashes } } });
  return new Set(rows.map(outputKey));
}

/**
 * Stores the credited outputs, in the transaction of the credit. If another deposit is credited with an output at the
 * same moment, this transaction fails; the retry sees the other credit.
 */
export async function insertCryptoReceipts(tx: Tx, receipts: readonly CryptoReceipt[]): Promise<void> {
  await tx.cryptoReceipt.createMany({
    data: receipts.map((receipt) => ({ ...receipt, transactionHash: keptHash(receipt.transactionHash) })),
  });
}

/** The payments of deposits, by deposit, in the order of their credits. */
export async function cryptoReceiptsOf(tx: Tx, depositIds: string[]): Promise<Map<string, CryptoReceipt[]>> {
  if (depositIds.length === 0) return new Map();
  const rows = await tx.cryptoReceipt.findMany({
    where: { depositId: { in: depositIds } },
    // Within a second, the total shows the order of the credits.
    orderBy: [
      { creditedSecond: 'asc' },
      { totalMicros: { sort: 'asc', nulls: 'first' } },
      { transactionHash: 'asc' },
      { output: 'asc' },
    ],
  });
  const receipts = new Map<string, CryptoReceipt[]>();
  for (const row of rows) receipts.set(row.depositId, [...(receipts.get(row.depositId) ?? []), toReceipt(row)]);
  return receipts;
}

/** A receipt. Null for an output that was never credited. */
export async function findCryptoReceipt(
  tx: Tx,
  { transactionHash, output }: Pick<CryptoOutput, 'transactionHash' | 'output'>,
): Promise<CryptoReceipt | null> {
  const row = await tx.cryptoReceipt.findUnique({
    where: { transactionHash_output: { transactionHash: keptHash(transactionHash), output } },
  });
  return row && toReceipt(row);
}
