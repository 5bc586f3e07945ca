/** The JSON form of a receipt: one payment of a deposit. */
import { receiptLink } from '../../activities/links.ts';
import type { ReceivedPayment } from '../../activities/papers/receipts.ts';
import { formatSecond } from '../../billing/time.ts';
import type { Deposit } from '../../prisma/deposits.ts';
import { Amount, amount, Time, z } from '../http/schemas.ts';

export const Receipt = z
  .object({
    number: z.string().openapi({ example: 'acme-000001' }),
    at: Time.openapi({ description: 'the time of the credit' }),
    amount: Amount.openapi({ description: 'the amount of this payment alone' }),
    url: z.string().openapi({ description: 'the receipt as PDF; the same bytes at each download' }),
    transactions: z
      .array(z.object({ hash: z.string(), output: z.number().int(), chain: z.string(), currency: z.string() }))
      .openapi({ description: 'crypto: the transactions of the receipt; empty for a card' }),
  })
  .openapi('PaymentReceipt');

/** @param publicUrl the address of this service, without a slash at the end */
export const viewReceipt = (
  { number, second, amountMicros, coins }: ReceivedPayment,
  deposit: Pick<Deposit, 'id' | 'teamId'>,
  publicUrl: string,
): z.input<typeof Receipt> => ({
  number,
  at: formatSecond(second),
  amount: amount(amountMicros),
  url: receiptLink(publicUrl, deposit, number),
  transactions: coins.map(({ transactionHash: hash, output, chain, currency }) => ({ hash, output, chain, currency })),
});
