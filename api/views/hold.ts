/** The JSON form of a hold. A hold reads as expired from its second on, whether or not the expiry is recorded yet. */
import type { BillingSettings } from '../../billing/account.ts';
import { hasExpired } from '../../billing/holds.ts';
import { formatSecond } from '../../billing/time.ts';
import { readAccount } from '../../prisma/accounts.ts';
import type { Tx } from '../../prisma/client.ts';
import type { HoldOfTeam } from '../../prisma/holds.ts';
import { Amount, amount, Time, timeOrNull, z } from '../http/schemas.ts';
import { standingOf } from './standing.ts';

export const Hold = z
  .object({
    id: z.string().openapi({ example: 'hold_0a1b2c' }),
    team: z.string(),
    model: z.string(),
    project: z.string().nullable(),
    maxInputTokens: z.int(),
    maxOutputTokens: z.int(),
    amount: Amount.openapi({ description: 'the held amount: the most that the request can cost, rounded up' }),
    placedAt: Time,
    expiresAt: Time.openapi({ description: 'the second from which nothing is held' }),
    status: z.enum(['pending', 'settled', 'voided', 'expired']),
    closedAt: Time.nullable(),
    settledBy: z.string().nullable().openapi({ description: 'the id of the usage event that settled the hold' }),
  })
  .openapi('Hold');
export type HoldView = z.input<typeof Hold>;

export const viewHold = (hold: HoldOfTeam): HoldView => ({
  id: hold.holdId,
  team: hold.teamId,
  model: hold.model,
  project: hold.project,
  maxInputTokens: hold.maxInputTokens,
  maxOutputTokens: hold.maxOutputTokens,
  amount: amount(hold.amountMicros),
  placedAt: formatSecond(hold.placedSecond),
  expiresAt: formatSecond(hold.expiresSecond),
  status: hold.status,
  closedAt: timeOrNull(hold.closedSecond),
  settledBy: hold.settledBy,
});

/** Holds of one team as of a second. The account is read only where a hold may have expired. */
export async function readHolds(
  tx: Tx,
  settings: BillingSettings,
  holds: HoldOfTeam[],
  second: number,
): Promise<HoldView[]> {
  const late = holds.find(({ status, expiresSecond }) => status === 'pending' && expiresSecond <= second);
  if (!late) return holds.map(viewHold);
  const { account } = standingOf(await readAccount(tx, late.teamId, { throughSecond: second }), settings, second);
  return holds.map((hold) => {
    const isOver = hold.status === 'pending' && hasExpired(hold, account);
    return viewHold(isOver ? { ...hold, status: 'expired', closedSecond: hold.expiresSecond } : hold);
  });
}
