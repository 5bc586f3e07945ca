/** A ledger row as a team sees it: signed, from the team's side. */
import { creditAccount, owedAccount } from '../../billing/ledger.ts';
import { formatDollars } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import type { Transfer } from '../../prisma/generated/client.ts';
import { Amount, Time, z } from '../schemas.ts';

export const Transaction = z
  .object({
    id: z.string(),
    at: Time,
    amount: Amount.openapi({ description: 'credit is positive, debit negative', example: '-2.490000' }),
    account: z.enum(['credit', 'owed']).openapi({ description: 'the rows of "credit" sum to the posted balance' }),
    code: z.string().openapi({ example: 'instance_usage' }),
    status: z.literal('posted'),
    reference: z.string().openapi({ description: 'made from its cause; the same cause is never a second row' }),
    cause: z.string().openapi({ description: 'the workflow or the request that brought it about' }),
    instance: z.string().nullable(),
    reservation: z.string().nullable(),
    deposit: z.string().nullable(),
    corrects: z.string().nullable().openapi({ description: 'the reference of the row that it answers' }),
  })
  .openapi('Transaction');

export const TRANSACTION_COLUMNS = Object.keys(Transaction.shape);

export function viewTransaction(row: Transfer): z.input<typeof Transaction> {
  const credit = creditAccount(row.teamId);
  const account = row.debitAccount === credit || row.creditAccount === credit ? 'credit' : 'owed';
  const side = account === 'credit' ? credit : owedAccount(row.teamId);
  return {
    id: row.id,
    at: formatSecond(Number(row.second)),
    amount: formatDollars(row.creditAccount === side ? row.amountMicros : -row.amountMicros),
    account,
    code: row.code,
    status: 'posted',
    reference: row.reference,
    cause: row.causedBy,
    instance: row.instanceId,
    reservation: row.reservationId,
    deposit: row.depositId,
    corrects: row.correctsReference,
  };
}
