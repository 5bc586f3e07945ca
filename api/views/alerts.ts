/** The JSON form of a team's alerts: low-balance levels, budgets with their spend, and the limit of burn. */
import type { BillingSettings } from '../../billing/account.ts';
import { BUDGET_ACTIONS, BUDGET_PERIODS, type Budget as BudgetOfAccount } from '../../billing/alerts.ts';
import { budgetAt, budgetsOf, effectSecond, meetingOf, periodEnd, spendMicros } from '../../billing/budgets.ts';
import { lowLevelsOf } from '../../billing/crossings.ts';
import { UNSET_VERSION } from '../../billing/setting-alerts.ts';
import { formatSecond } from '../../billing/time.ts';
import { bySums, readAccount } from '../../prisma/accounts.ts';
import type { Tx } from '../../prisma/client.ts';
import { Amount, amount, amountOrNull, Time, timeOrNull, z } from '../http/schemas.ts';
import { type Standing, standingOf } from './standing.ts';

const Budget = z
  .object({
    project: z.string().nullable().openapi({ description: 'null: the whole team' }),
    period: z.enum(BUDGET_PERIODS),
    amount: Amount,
    action: z.enum(BUDGET_ACTIONS),
    spend: Amount.openapi({ description: 'the spend of the scope since the start of the period' }),
    periodStart: Time,
    periodEnd: Time.openapi({ description: 'the first second of the next period' }),
    met: z.boolean().openapi({ description: 'true from the second at which the budget was met until the period ends' }),
    metAt: Time.nullable().openapi({
      description:
        'the second at which the budget was met or, at the present burn, will be met in this period; null if it will not',
    }),
  })
  .openapi('Budget');

export const Alerts = z
  .object({
    lowBalance: z.array(Amount).openapi({ description: 'the levels of the low-balance mail, highest first' }),
    budgets: z.array(Budget),
    burnPerHourLimit: Amount.nullable(),
    version: z.int().openapi({ description: '0 if nobody has set the alerts', example: 3 }),
  })
  .openapi('Alerts');

function viewBudget({ account, moneySecond }: Standing, given: BudgetOfAccount): z.input<typeof Budget> {
  const budget = budgetAt(given, moneySecond);
  const { project, period, action, amountMicros, periodStartSecond, metSecond } = budget;
  const meeting = metSecond === null ? meetingOf(account, budget, moneySecond) : null;
  return {
    ...{ project, period, action },
    amount: amount(amountMicros),
    spend: amount(spendMicros(account, budget, moneySecond)),
    periodStart: formatSecond(periodStartSecond),
    periodEnd: formatSecond(periodEnd(budget)),
    met: metSecond !== null,
    metAt: timeOrNull(metSecond ?? (meeting && effectSecond(budget, meeting))),
  };
}

/** @param tx a snapshot */
export const readAlerts = (
  tx: Tx,
  settings: BillingSettings,
  teamId: string,
  second: number,
): Promise<z.input<typeof Alerts>> =>
  bySums([], async (named) => {
    const account = await readAccount(tx, teamId, { throughSecond: second, ...named });
    const standing = standingOf(account, settings, second);
    const { alerts } = standing.account;
    return {
      lowBalance: lowLevelsOf(standing.account, settings).map(({ levelMicros }) => amount(levelMicros)),
      budgets: budgetsOf(standing.account).map((budget) => viewBudget(standing, budget)),
      burnPerHourLimit: amountOrNull(alerts?.burnLimitMicros ?? null),
      version: alerts?.version ?? UNSET_VERSION,
    };
  });
