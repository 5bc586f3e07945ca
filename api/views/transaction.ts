/** The JSON form of a ledger row, signed from the team's side. */
import { creditAccount, owedAccount } from '../../billing/ledger.ts';
import { formatDollars, subtract, ZERO } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import type { TransferCause } from '../../prisma/transfer-causes.ts';
import type { RecordedTransfer } from '../../prisma/transfers.ts';
import type { CsvColumn, CsvTotals } from '../http/csv.ts';
import { Amount, Time, z } from '../http/schemas.ts';
import { describeTransfer, type Method } from './transaction-words.ts';

export const Transaction = z
  .object({
    id: z.string(),
    at: Time,
    amount: Amount.openapi({ description: 'credit is positive, debit negative', example: '-2.490000' }),
    account: z.enum(['credit', 'owed']).openapi({ description: 'the rows of "credit" sum to the posted balance' }),
    code: z.string().openapi({ example: 'instance_usage' }),
    status: z.literal('posted'),
    reference: z
      .string()
      .openapi({ description: 'unique, and made from the cause: the same cause never writes a second row' }),
    cause: z.string().openapi({ description: 'the workflow or the request that caused the row' }),
    instance: z.string().nullable(),
    reservation: z.string().nullable(),
    deposit: z.string().nullable(),
    corrects: z.string().nullable().openapi({ description: 'the reference of the corrected row' }),
    description: z
      .string()
      .openapi({ description: 'a description in words', example: 'Deposit by Visa ending in 4242' }),
    method: z.enum(['card', 'crypto']).nullable().openapi({ description: 'the payment method of the row’s deposit' }),
    receiptNumber: z
      .string()
      .nullable()
      .openapi({ description: 'the receipt number of the row’s payment', example: 'acme-000001' }),
    model: z.string().nullable().openapi({ description: 'the model of token usage; null for several models' }),
    project: z.string().nullable().openapi({ description: 'the project of usage; null for none or several' }),
    balance: Amount.openapi({ description: 'the posted credit after the row; filters leave it unchanged' }),
  })
  .openapi('Transaction');

/** New columns are added at the end, so programs that count columns go on working. */
export const TRANSACTION_COLUMNS: ReadonlyArray<CsvColumn<z.input<typeof Transaction>>> = [
  { key: 'id', kind: 'text' },
  { key: 'at', kind: 'time' },
  { key: 'amount', kind: 'number' },
  { key: 'account', kind: 'text' },
  { key: 'code', kind: 'text' },
  { key: 'status', kind: 'text' },
  { key: 'reference', kind: 'text' },
  { key: 'cause', kind: 'text' },
  { key: 'instance', kind: 'text' },
  { key: 'reservation', kind: 'text' },
  { key: 'deposit', kind: 'text' },
  { key: 'corrects', kind: 'text' },
  { key: 'description', kind: 'text' },
  { key: 'method', kind: 'text' },
  { key: 'receiptNumber', kind: 'text' },
  { key: 'model', kind: 'text' },
  { key: 'project', kind: 'text' },
  { key: 'balance', kind: 'number' },
];

/** The totals of a file: of the owed account, where the file has rows of it, and of the credit. */
export const TRANSACTION_TOTALS: CsvTotals<z.input<typeof Transaction>> = {
  ...{ of: 'amount', by: 'account', last: 'credit' },
};

/** @param balanceMicros the posted credit after the row */
export function viewTransaction(
  row: RecordedTransfer,
  cause: TransferCause,
  balanceMicros: bigint,
): z.input<typeof Transaction> {
  const credit = creditAccount(row.teamId);
  const account = row.debitAccount === credit || row.creditAccount === credit ? 'credit' : 'owed';
  const side = account === 'credit' ? credit : owedAccount(row.teamId);
  return {
    id: row.id,
    at: formatSecond(row.second),
    amount: formatDollars(row.creditAccount === side ? row.amountMicros : subtract(ZERO, row.amountMicros)),
    account,
    code: row.code,
    status: 'posted',
    reference: row.reference,
    cause: row.causedBy,
    instance: row.instanceId,
    reservation: row.reservationId,
    deposit: row.depositId,
    corrects: row.correctsReference,
    description: describeTransfer(row, cause),
    method: cause.payment === undefined ? null : (cause.payment.method as Method),
    receiptNumber: cause.payment?.receiptNumber ?? null,
    model: row.model,
    project: row.project ?? cause.instance?.project ?? null,
    balance: formatDollars(balanceMicros),
  };
}
