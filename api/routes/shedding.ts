/** The order in which a team's instances end at the end of credit. Instances without a place end last. */
import { readAccount } from '../../prisma/accounts.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import type { Wakes } from '../engine/wakes.ts';
import { type Route, route } from '../http/route.ts';
import { Id, TeamPath, z } from '../http/schemas.ts';
import { standingOf } from '../views/standing.ts';
import type { ApiWorld } from '../world.ts';

const MOST_PLACES = 10_000;

const Order = z
  .object({
    order: z
      .array(Id)
      .max(MOST_PLACES)
      .refine((ids) => new Set(ids).size === ids.length, 'names an instance twice')
      .openapi({
        description: 'running instances; the first ends first, and instances outside the list end last, together',
      }),
  })
  .openapi('Shedding');

/**
 * The present order, without instances that a crossing has ended. Instances with equal places are sorted by age,
 * oldest first.
 */
const answer = ({ db, settings }: ApiWorld, teamId: string, second: number) =>
  inSnapshot(db, async (tx) => {
    const { account } = standingOf(await readAccount(tx, teamId, { throughSecond: second }), settings, second);
    const placed = account.meters
      .flatMap(({ shedOrder: place, ...meter }) => (place === null ? [] : [{ ...meter, place }]))
      .sort((a, b) => a.place - b.place || a.instanceStartSecond - b.instanceStartSecond);
    return { status: 200, body: { order: placed.map(({ instanceId }) => instanceId) } };
  });

const get = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/shedding',
    tag: 'Instances',
    summary: 'Get the order in which running instances end when credit runs out',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: Order },
    handle: ({ params, call }) => answer(world, params.team, call.receivedSecond),
  });

const put = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'put',
    path: '/v1/teams/{team}/shedding',
    tag: 'Instances',
    summary: 'Set the order in which running instances end when credit runs out; replaces the previous order',
    who: 'billing',
    params: TeamPath,
    body: Order,
    answer: { status: 200, schema: Order },
    handle: async ({ params: { team: teamId }, body: { order: instanceIds }, call }) => {
      await world.ledger.setShedOrder({ teamId, instanceIds, nowSecond: call.receivedSecond }, call.requestId);
      await wake({ what: 'watch', id: teamId });
      return answer(world, teamId, call.receivedSecond);
    },
  });

export const shedding = (world: ApiWorld, wake: Wakes): Route[] => [get(world), put(world, wake)];
