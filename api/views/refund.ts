/** The JSON form of a refund for the operator. A team sees its refunds in the history of deposits. */
import { formatSecond } from '../../billing/time.ts';
import { type Refund as RefundRow, sentMicros } from '../../prisma/refunds.ts';
import { Amount, amount, Time, z } from '../http/schemas.ts';

export const Refund = z
  .object({
    id: z.string(),
    deposit: z.string(),
    at: Time.openapi({
      description: 'the time of the outcome; before the outcome, the time at which the credit was taken',
    }),
    amount: Amount,
    status: z.enum(['pending', 'succeeded', 'failed']).openapi({
      description: 'pending: taken from credit, without an outcome at the card provider yet',
    }),
  })
  .openapi('Refund');

export const viewRefund = (row: RefundRow): z.input<typeof Refund> => ({
  id: row.id,
  deposit: row.depositId,
  at: formatSecond(row.closedSecond ?? row.openedSecond),
  amount: amount(sentMicros(row)),
  status: row.status,
});
