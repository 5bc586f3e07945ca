/** The JSON form of a refund for the operator. A team sees its refunds in the history of deposits. */
import { formatSecond } from '../../billing/time.ts';
import { type Refund as RefundRow, sentMicros } from '../../prisma/refunds.ts';
import { Amount, amount, Time, z } from '../schemas.ts';

export const Refund = z
  .object({
    id: z.string(),
    deposit: z.string(),
    at: Time.openapi({ description: 'when its outcome became known; until then, when it was taken from credit' }),
    amount: Amount,
    status: z.enum(['pending', 'succeeded', 'failed']).openapi({
      description: 'pending: taken from credit, and the card provider has not yet said what became of it',
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
