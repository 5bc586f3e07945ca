/** The answer to a usage call: a result for each event, and the balances of the teams. */

import type { BillingSettings } from '../../billing/account.ts';
import type { UsageResult } from '../../billing/usage-batch.ts';
import type { TeamAfterUsage } from '../../ledger/usage.ts';
import { Amount, amount, z } from '../http/schemas.ts';
import { shownAvailableMicros, standingOf } from './standing.ts';

const EventAnswer = z
  .object({
    id: z.string().nullable().openapi({ description: 'null if the event has no valid id' }),
    status: z.enum(['accepted', 'duplicate', 'conflict', 'invalid']),
    cost: Amount.optional().openapi({
      description:
        'the amount that the event added to the team’s posted usage; for a duplicate, the amount of the first time',
    }),
    error: z.object({ code: z.string(), message: z.string(), param: z.string().optional() }).optional(),
  })
  .openapi('UsageEvent');
export type EventView = z.input<typeof EventAnswer>;
export type EventError = NonNullable<EventView['error']>;

export const UsageAnswer = z
  .object({
    events: z.array(EventAnswer).openapi({ description: 'the results, in the order of the call' }),
    balances: z.record(z.string(), z.object({ available: Amount, owed: Amount })),
  })
  .openapi('UsageAnswer');
export type UsageView = z.input<typeof UsageAnswer>;

const CONFLICT: EventError = { code: 'id_taken', message: 'another event was recorded under this id', param: 'id' };

export const viewInvalid = (id: string | null, error: EventError): EventView => ({ id, status: 'invalid', error });

export function viewResult(id: string, result: UsageResult): EventView {
  if (result.status === 'conflict') return { id, status: 'conflict', error: CONFLICT };
  if (result.status !== 'invalid') return { id, status: result.status, cost: amount(result.chargeMicros) };
  const { code, message, param } = result;
  return viewInvalid(id, { code, message, ...(param !== undefined && { param }) });
}

export const viewBalances = (
  teams: ReadonlyMap<string, TeamAfterUsage>,
  settings: BillingSettings,
  second: number,
): UsageView['balances'] =>
  Object.fromEntries(
    [...teams].map(([teamId, { account }]) => {
      const standing = standingOf(account, settings, second);
      const { owedMicros } = standing.account;
      return [teamId, { available: amount(shownAvailableMicros(standing)), owed: amount(owedMicros) }];
    }),
  );
