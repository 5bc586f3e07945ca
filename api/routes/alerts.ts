/** A team's alerts: low-balance levels, budgets by day and month, and a limit of burn. */
import {
  type AlertTerms,
  BUDGET_ACTIONS,
  BUDGET_PERIODS,
  MOST_BUDGETS,
  MOST_LOW_LEVELS,
} from '../../billing/alerts.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import type { Wakes } from '../engine/wakes.ts';
import { type Route, route } from '../http/route.ts';
import { Dollars, TeamPath, text, Version, z } from '../http/schemas.ts';
import { Alerts, readAlerts } from '../views/alerts.ts';
import type { ApiWorld } from '../world.ts';

const NewBudget = z
  .object({
    project: text(100).nullish().openapi({ description: 'without it, the whole team', example: 'train' }),
    period: z.enum(BUDGET_PERIODS).openapi({ description: 'a UTC day or a UTC month' }),
    amount: Dollars,
    action: z.enum(BUDGET_ACTIONS).openapi({
      description:
        '`mail`: only a mail; `refuse`: nothing of the scope starts from then on; `stop`: the instances of the scope end too',
    }),
  })
  .strict();

const NewAlerts = z.object({
  lowBalance: z
    .array(Dollars)
    .max(MOST_LOW_LEVELS)
    .optional()
    .openapi({ description: 'the levels of the low-balance mail; without it, the level of the deployment' }),
  budgets: z.array(NewBudget).max(MOST_BUDGETS).optional(),
  burnPerHourLimit: Dollars.nullable()
    .optional()
    .openapi({ description: 'a start after which the burn would be above it is refused' }),
  version: Version,
});

const alertsOf = ({ lowBalance, budgets = [], burnPerHourLimit }: z.output<typeof NewAlerts>): AlertTerms => ({
  lowLevelsMicros: lowBalance ?? null,
  budgets: budgets.map(({ project, period, amount, action }) => ({
    ...{ period, action },
    project: project ?? null,
    amountMicros: amount,
  })),
  burnLimitMicros: burnPerHourLimit ?? null,
});

const answer = async ({ db, settings }: ApiWorld, teamId: string, second: number) => ({
  status: 200,
  body: await inSnapshot(db, (tx) => readAlerts(tx, settings, teamId, second)),
});

const getAlerts = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/alerts',
    tag: 'Alerts',
    summary: 'Get the low-balance levels, the budgets with their spend, and the limit of burn',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: Alerts },
    handle: async ({ params, call }) => answer(world, params.team, call.receivedSecond),
  });

const putAlerts = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'put',
    path: '/v1/teams/{team}/alerts',
    tag: 'Alerts',
    summary: 'Set the low-balance levels, the budgets and the limit of burn; a field that is left out is cleared',
    who: 'billing',
    params: TeamPath,
    body: NewAlerts,
    answer: { status: 200, schema: Alerts },
    fails: ['amount_out_of_range', 'version_conflict'],
    handle: async ({ params: { team }, body, call }) => {
      const { version } = body;
      const change = { teamId: team, ...alertsOf(body), nowSecond: call.receivedSecond };
      await world.ledger.setAlerts({ ...change, ...(version !== undefined && { version }) }, call.requestId);
      await wake({ what: 'watch', id: team });
      return answer(world, team, call.receivedSecond);
    },
  });

export const alerts = (world: ApiWorld, wake: Wakes): Route[] => [getAlerts(world), putAlerts(world, wake)];
