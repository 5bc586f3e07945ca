/** A team's discount: assigned by an operator, or earned by volume; the higher applies. */
import { inSnapshot } from '../../prisma/snapshot.ts';
import type { Wakes } from '../engine/wakes.ts';
import { actorOf } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import { Second, TeamPath, text, z } from '../http/schemas.ts';
import { readDiscount, TeamDiscount } from '../views/discount.ts';
import type { ApiWorld } from '../world.ts';

/** The JSON number is checked as text, because arithmetic could hide a third decimal. */
const TWO_DECIMALS = /^\d{1,3}(\.\d{1,2})?$/;
const Percent = z
  .number()
  .min(0)
  .max(100)
  .refine((percent) => TWO_DECIMALS.test(String(percent)), 'must have at most two decimals')
  .openapi({ multipleOf: 0.01, example: 12.5, description: 'percent; 0 removes the discount' });

const answer = async ({ db, settings }: ApiWorld, teamId: string, second: number) => ({
  status: 200,
  body: await inSnapshot(db, (tx) => readDiscount(tx, settings, teamId, second)),
});

const assign = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'put',
    path: '/v1/teams/{team}/discount',
    tag: 'Operator',
    summary: 'Assign a team’s discount; it also applies to running instances at a list price, from this second on',
    who: 'platform',
    params: TeamPath,
    body: z.object({
      percent: Percent,
      until: Second.optional().openapi({ description: 'the second from which the discount does not apply any more' }),
      note: text(500),
    }),
    answer: { status: 200, schema: TeamDiscount },
    fails: ['at_out_of_range'],
    handle: async ({ params: { team: teamId }, body: { percent, until, note }, call }) => {
      const order = {
        teamId,
        basisPoints: Math.round(percent * 100),
        untilSecond: until ?? null,
        note,
        actor: actorOf(call),
        nowSecond: call.receivedSecond,
      };
      await world.ledger.assignDiscount(order, call.requestId);
      await wake({ what: 'watch', id: teamId });
      return answer(world, teamId, call.receivedSecond);
    },
  });

const get = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/discount',
    tag: 'Prices',
    summary: 'Get a team’s discount, its spending of the last 30 days, and the next volume discount',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: TeamDiscount },
    handle: ({ params, call }) => answer(world, params.team, call.receivedSecond),
  });

export const discount = (world: ApiWorld, wake: Wakes): Route[] => [assign(world, wake), get(world)];
