/** A hold as callers see it: expired from its second on, whether or not that is recorded yet. */
import { formatSecond } from '../../billing/time.ts';
import { asOf, type HoldOfTeam } from '../../prisma/holds.ts';
import { Amount, amount, Time, timeOrNull, z } from '../schemas.ts';

export const Hold = z
  .object({
    id: z.string().openapi({ example: 'hold_0a1b2c' }),
    team: z.string(),
    model: z.string(),
    maxInputTokens: z.int(),
    maxOutputTokens: z.int(),
    amount: Amount.openapi({ description: 'set aside: the most that the request can cost, rounded up' }),
    placedAt: Time,
    expiresAt: Time.openapi({ description: 'from this second on nothing is held' }),
    status: z.enum(['pending', 'settled', 'voided', 'expired']),
    closedAt: Time.nullable(),
    settledBy: z.string().nullable().openapi({ description: 'the usage event that named it' }),
  })
  .openapi('Hold');

export function viewHold(row: HoldOfTeam, second: number): z.input<typeof Hold> {
  const hold = asOf(row, second);
  return {
    id: hold.holdId,
    team: hold.teamId,
    model: hold.model,
    maxInputTokens: hold.maxInputTokens,
    maxOutputTokens: hold.maxOutputTokens,
    amount: amount(hold.amountMicros),
    placedAt: formatSecond(hold.placedSecond),
    expiresAt: formatSecond(hold.expiresSecond),
    status: hold.status,
    closedAt: timeOrNull(hold.closedSecond),
    settledBy: hold.settledBy,
  };
}
