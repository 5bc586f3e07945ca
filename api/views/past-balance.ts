/** The JSON form of a team's balance as it stood at a second of the past. Source: docs/rules.md#the-past. */
import type { BillingSettings } from '../../billing/account.ts';
import { BillingError } from '../../billing/errors.ts';
import { larger, total, ZERO } from '../../billing/money.ts';
import { availableMicros } from '../../billing/runway.ts';
import { monthStart } from '../../billing/time.ts';
import { clippedCostMicros } from '../../billing/usage-groups.ts';
import { asOfSecondOf } from '../../prisma/accounts.ts';
import type { Db, Tx } from '../../prisma/client.ts';
import { readPastAccount } from '../../prisma/past-accounts.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { getTeam } from '../../prisma/teams.ts';
import { tokenSumsIn } from '../../prisma/token-quarters.ts';
import { amount, type z } from '../http/schemas.ts';
import { type Balance, balanceBySums, balanceOf } from './balance.ts';

type BalanceView = z.input<typeof Balance>;

/**
 * The balance after all facts that were recorded through a second.
 * @throws BillingError `not_found`; `at_out_of_range` before the team's creation and in the future
 */
export const readPastBalance = (
  db: Db,
  settings: BillingSettings,
  teamId: string,
  { atSecond, nowSecond }: { atSecond: number; nowSecond: number },
): Promise<BalanceView> =>
  inSnapshot(db, async (tx) => {
    const { createdSecond } = await getTeam(tx, teamId);
    if (atSecond < createdSecond || atSecond > nowSecond)
      throw new BillingError('at_out_of_range', 'at must lie between the creation of the team and now', 'at');
    // Nothing was recorded after that second, so the present arithmetic gives the balance.
    if (atSecond >= (await asOfSecondOf(tx, teamId))) return balanceBySums(tx, settings, teamId, atSecond);
    return pastBalance(tx, settings, teamId, atSecond);
  });

async function pastBalance(tx: Tx, settings: BillingSettings, teamId: string, second: number): Promise<BalanceView> {
  const fromSecond = monthStart(second);
  const { account, stretches } = await readPastAccount(tx, teamId, { fromSecond, second });
  const ran = stretches.map((stretch) => clippedCostMicros(stretch, fromSecond, second));
  const boundarySeconds = [fromSecond, second + 1];
  const tokens = await tokenSumsIn(tx, { teamId, boundarySeconds, by: { model: false, project: false } });
  const monthMicros = total(...ran, ...tokens.map(({ chargeMicros }) => chargeMicros));
  const standing = { account, nowSecond: second, moneySecond: second, ended: new Map(), effects: [] };
  // While a charge in flight keeps an exhaustion open, money stands at X, and nothing can be spent.
  const availableThen = larger(availableMicros(account, second), ZERO);
  return { ...balanceOf(standing, settings, monthMicros), available: amount(availableThen) };
}
