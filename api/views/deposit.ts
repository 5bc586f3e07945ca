/** The JSON form of a deposit. */

import { receiptLink } from '../../activities/links.ts';
import { isOpen } from '../../billing/deposits.ts';
import { PAYMENT_FAILURES, paymentFailure } from '../../billing/failure-reasons.ts';
import { inSentences, paymentFailureWords } from '../../billing/failure-words.ts';
import { ZERO } from '../../billing/money.ts';
import { formatSecond } from '../../billing/time.ts';
import { type CallDetails, NO_DETAILS } from '../../prisma/call-details.ts';
import type { CryptoReceipt } from '../../prisma/crypto-receipts.ts';
import type { Deposit as DepositRow } from '../../prisma/deposits.ts';
import { Metadata } from '../http/metadata.ts';
import { Amount, amount, Time, z } from '../http/schemas.ts';

export const DEPOSIT_STATUSES = [
  'pending',
  'requires_action',
  'succeeded',
  'failed',
  'expired',
  'refunded',
  'disputed',
] as const;

export const Deposit = z
  .object({
    id: z.string(),
    team: z.string(),
    at: Time.openapi({ description: 'the time of the credit or the failure; before that, the time of the request' }),
    amount: Amount,
    method: z.enum(['card', 'crypto']),
    label: z.enum(['Deposit', 'Auto Top-Up']),
    status: z.enum(DEPOSIT_STATUSES),
    refunded: Amount.openapi({
      description: 'the refunded amount, including refunds on their way',
      example: '0.000000',
    }),
    receiptUrl: z.string().nullable().openapi({
      description: 'the receipt as PDF; for crypto in parts, the receipt of the first part; null before the credit',
    }),
    receiptNumber: z.string().nullable().openapi({ example: 'acme-000001' }),
    providerReceiptUrl: z.string().nullable().openapi({ description: 'the card provider’s page about the charge' }),
    checkoutUrl: z.string().optional().openapi({ description: 'the payment page, while it is open' }),
    openedAt: Time,
    paymentMethod: z.string().nullable(),
    card: z.object({ brand: z.string(), last4: z.string() }).nullable(),
    received: Amount.optional().openapi({
      description: 'crypto: the amount that has arrived and is credited, which may differ from amount',
    }),
    transactions: z
      .array(
        z.object({
          hash: z.string(),
          output: z.number().int(),
          chain: z.string(),
          amount: Amount,
          at: Time,
          receiptNumber: z.string().nullable(),
          receiptUrl: z.string().nullable(),
        }),
      )
      .optional()
      .openapi({ description: 'crypto: each credited payment, with its own receipt' }),
    returnUrl: z.string().nullable().openapi({ description: 'the address to which the person returns after the page' }),
    metadata: Metadata,
    failureCode: z
      .string()
      .nullable()
      .openapi({
        description: `Why it failed: ${PAYMENT_FAILURES.join(', ')}`,
        example: 'insufficient_funds',
      }),
    failureMessage: z.string().nullable().openapi({
      description: 'the failure, the reason and the remedy, in sentences; null if the deposit has not failed',
    }),
  })
  .openapi('Deposit');

/** A payment from before each payment had its own receipt is under the deposit's receipt. */
function viewPayment(row: DepositRow, receipt: CryptoReceipt, publicUrl: string) {
  const { transactionHash: hash, output, chain, amountMicros, creditedSecond } = receipt;
  const receiptNumber = receipt.receiptNumber ?? row.receiptNumber;
  return {
    hash,
    output,
    chain,
    amount: amount(amountMicros),
    at: formatSecond(creditedSecond),
    receiptNumber,
    receiptUrl: receiptNumber === null ? null : receiptLink(publicUrl, row, receiptNumber),
  };
}

/** @param publicUrl the address of this service, without a slash at the end */
export const viewDeposit = (
  row: DepositRow,
  publicUrl: string,
  receipts: CryptoReceipt[] = [],
  { metadata, returnUrl }: CallDetails = NO_DETAILS,
): z.input<typeof Deposit> => ({
  id: row.id,
  team: row.teamId,
  at: formatSecond(row.closedSecond ?? row.openedSecond),
  amount: amount(row.amountMicros),
  method: row.method,
  label: row.label,
  status: row.status,
  refunded: amount(row.refundedMicros),
  receiptUrl: row.receiptNumber === null ? null : receiptLink(publicUrl, row),
  receiptNumber: row.receiptNumber,
  providerReceiptUrl: row.receiptUrl,
  ...(row.checkoutUrl !== null && isOpen(row.status) && { checkoutUrl: row.checkoutUrl }),
  openedAt: formatSecond(row.openedSecond),
  paymentMethod: row.paymentMethodId,
  card: row.cardLast4 === null ? null : { brand: row.cardBrand ?? 'card', last4: row.cardLast4 },
  ...(row.method === 'crypto' && {
    received: amount(row.receivedMicros ?? ZERO),
    transactions: receipts.map((receipt) => viewPayment(row, receipt, publicUrl)),
  }),
  returnUrl,
  metadata: { ...metadata },
  failureCode: row.failureCode === null ? null : paymentFailure(row.failureCode),
  failureMessage: row.failureCode === null ? null : inSentences(paymentFailureWords(row.failureCode, row.method)),
});
