/** Sums of a team's usage, and the figures at the heads of a team's pages. */
import { BillingError } from '../../billing/errors.ts';
import { isTimeZone } from '../../billing/time-zones.ts';
import { GROUPED_BY, type GroupedBy } from '../../billing/usage-groups.ts';
import { WHOLE } from '../http/messages.ts';
import { didYouMean, orList } from '../http/nearest.ts';
import { type Route, route } from '../http/route.ts';
import { Second, TeamPath, z } from '../http/schemas.ts';
import { readSummary, Summary } from '../views/summary.ts';
import { readUsageSums, UsageSums } from '../views/usage-sums.ts';
import type { ApiWorld } from '../world.ts';

const MOST_GROUPINGS = 2;

const isGrouping = (name: string): name is GroupedBy => (GROUPED_BY as readonly string[]).includes(name);

/** The fault of groupings in words, or null. */
function faultOf(names: readonly string[]): string | null {
  const wrong = names.find((name) => !isGrouping(name));
  if (wrong !== undefined) return `must be ${orList(GROUPED_BY)}${didYouMean(wrong, GROUPED_BY)}`;
  if (names.length > MOST_GROUPINGS) return `is sent ${names.length} times: send it once or twice`;
  return new Set(names).size < names.length ? `must not name ${names[0]} twice` : null;
}

/** One or two groupings: `by=day` or `by=day&by=gpuType`. */
const By = z
  .union([z.string(), z.array(z.string())])
  .transform((said, context): GroupedBy[] => {
    const names = [said].flat();
    const message = faultOf(names);
    if (message === null) return names.filter(isGrouping);
    context.addIssue({ code: 'custom', message, params: WHOLE });
    return z.NEVER;
  })
  .openapi({
    type: 'array',
    items: { type: 'string', enum: [...GROUPED_BY] },
    minItems: 1,
    maxItems: MOST_GROUPINGS,
    example: ['day', 'gpuType'],
  });

const TimeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'must be the name of a time zone such as "Europe/Berlin"')
  .openapi({ example: 'Europe/Berlin', default: 'UTC' });

const usageSum = ({ db, settings }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/usage',
    tag: 'Usage',
    summary: 'Get sums of a team’s usage by one or two groupings, in the days of a time zone',
    who: 'read',
    params: TeamPath,
    query: z.object({
      by: By,
      from: Second.optional().openapi({ description: 'by default the creation of the team' }),
      to: Second.optional().openapi({ description: 'the first second after the range; by default the present' }),
      timeZone: TimeZone.optional(),
    }),
    answer: { status: 200, schema: UsageSums },
    fails: ['too_many_groups'],
    handle: async ({ params, query, call }) => {
      const { by, from: fromSecond, to: toSecond, timeZone = 'UTC' } = query;
      if (fromSecond !== undefined && toSecond !== undefined && fromSecond >= toSecond)
        throw new BillingError('invalid_request', 'to must be later than from', 'to');
      const team = { teamId: params.team, nowSecond: call.receivedSecond };
      const body = await readUsageSums(db, settings, team, { by, fromSecond, toSecond, timeZone });
      return { status: 200, body };
    },
  });

const summary = ({ db, settings }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/summary',
    tag: 'Usage',
    summary: 'Get the figures at the heads of a team’s pages: balance, spending, and numbers of instances',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: Summary },
    handle: async ({ params, call }) => ({
      status: 200,
      body: await readSummary(db, settings, params.team, call.receivedSecond),
    }),
  });

export const usageSums = (world: ApiWorld): Route[] => [usageSum(world), summary(world)];
