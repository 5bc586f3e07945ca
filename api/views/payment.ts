/**
 * The JSON form of a row of a team's payment history. Refunds and disputes have the same fields as deposits. Their
 * amount is negative, because they take from the team, and `deposit` names the deposit.
 */
import { REFUND_FAILURES, refundFailure } from '../../billing/failure-reasons.ts';
import { inSentences, refundFailureWords } from '../../billing/failure-words.ts';
import { micros } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import { type CallDetails, NO_DETAILS } from '../../prisma/call-details.ts';
import type { CryptoReceipt } from '../../prisma/crypto-receipts.ts';
import type { Payment as PaymentRow } from '../../prisma/history.ts';
import { sentMicros } from '../../prisma/refunds.ts';
import type { CsvColumn } from '../http/csv.ts';
import { Amount, amount, z } from '../http/schemas.ts';
import { DEPOSIT_STATUSES, Deposit, viewDeposit } from './deposit.ts';

export const Payment = z
  .object({
    ...Deposit.shape,
    amount: Amount.openapi({ description: 'negative for a refund and a dispute', example: '-20.000000' }),
    label: z.enum(['Deposit', 'Auto Top-Up', 'Refund', 'Dispute']),
    status: z
      .enum([...DEPOSIT_STATUSES, 'open', 'won', 'lost'])
      .openapi({ description: 'for a refund: pending, succeeded, failed; for a dispute: open, won, lost' }),
    failureCode: z
      .string()
      .nullable()
      .openapi({
        description: `Why it failed; of a refund: ${REFUND_FAILURES.join(', ')}`,
        example: 'insufficient_funds',
      }),
    deposit: z.string().nullable().openapi({ description: 'for a refund or a dispute: its deposit' }),
  })
  .openapi('Payment');

export const paymentAsCells = ({ card, transactions = [], ...payment }: z.input<typeof Payment>) => ({
  ...payment,
  card: card === null ? '' : `${card.brand} ${card.last4}`,
  transactions: transactions.map(({ hash }) => hash).join(' '),
  // For crypto that was paid in parts, the receipt of each part.
  receiptNumber: [
    ...new Set([payment.receiptNumber, ...transactions.map(({ receiptNumber }) => receiptNumber)].filter(Boolean)),
  ].join(' '),
});

/** The columns of the history as a file; a card is its brand and last four. New columns are added at the end. */
export const PAYMENT_COLUMNS: ReadonlyArray<CsvColumn<ReturnType<typeof paymentAsCells>>> = [
  { key: 'id', kind: 'text' },
  { key: 'at', kind: 'time' },
  { key: 'amount', kind: 'number' },
  { key: 'method', kind: 'text' },
  { key: 'card', kind: 'text' },
  { key: 'label', kind: 'text' },
  { key: 'status', kind: 'text' },
  { key: 'refunded', kind: 'number' },
  { key: 'deposit', kind: 'text' },
  { key: 'receiptNumber', kind: 'text' },
  { key: 'failureCode', kind: 'text' },
  { key: 'openedAt', kind: 'time' },
  { key: 'received', kind: 'number' },
  { key: 'transactions', kind: 'text' },
  { key: 'failureMessage', kind: 'text' },
];

const failureOf = (code: string | null) => ({
  failureCode: code === null ? null : refundFailure(code),
  failureMessage: code === null ? null : inSentences(refundFailureWords(code)),
});

/** @param publicUrl the address of this service, without a slash at the end */
export function viewPayment(
  row: PaymentRow,
  publicUrl: string,
  receipts: CryptoReceipt[] = [],
  details: CallDetails = NO_DETAILS,
): z.input<typeof Payment> {
  if (row.kind === 'deposit') return { ...viewDeposit(row.deposit, publicUrl, receipts, details), deposit: null };
  const { id, status, openedSecond, closedSecond } = row.kind === 'refund' ? row.refund : row.dispute;
  const amountMicros = row.kind === 'refund' ? sentMicros(row.refund) : row.dispute.amountMicros;
  const { method, paymentMethod, card } = viewDeposit(row.deposit, publicUrl);
  return {
    id,
    team: row.deposit.teamId,
    at: formatSecond(closedSecond ?? openedSecond),
    amount: amount(micros(-amountMicros)),
    method,
    label: row.kind === 'refund' ? 'Refund' : 'Dispute',
    status,
    refunded: amount(micros(0)),
    receiptUrl: null,
    receiptNumber: null,
    providerReceiptUrl: null,
    openedAt: formatSecond(openedSecond),
    returnUrl: null,
    metadata: {},
    paymentMethod,
    card,
    ...failureOf(row.kind === 'refund' ? row.refund.failureCode : null),
    deposit: row.deposit.id,
  };
}
