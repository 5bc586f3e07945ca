/** The JSON form of the figures at the heads of a team's pages. */
import type { BillingSettings } from '../../billing/account.ts';
import { monthStart } from '../../billing/time.ts';
import type { Db } from '../../prisma/client.ts';
import { countInstances } from '../../prisma/instances.ts';
import { z } from '../http/schemas.ts';
import { Balance, readBalance } from './balance.ts';

export const Summary = z
  .object({
    deployments: z.int().openapi({ description: 'the instances of all time' }),
    deploymentsThisMonth: z.int().openapi({ description: 'the instances that were started in this UTC month' }),
    ...Balance.shape,
  })
  .openapi('Summary');

/** @throws BillingError `not_found` */
export async function readSummary(
  db: Db,
  settings: BillingSettings,
  teamId: string,
  second: number,
): Promise<z.input<typeof Summary>> {
  const balance = await readBalance(db, settings, teamId, second);
  const { all, since } = await countInstances(db, teamId, monthStart(second));
  return { deployments: all, deploymentsThisMonth: since, ...balance };
}
