/** A team's balance, to the second. */
import { type Route, route } from '../http/route.ts';
import { TeamPath } from '../http/schemas.ts';
import { Balance, readBalance } from '../views/balance.ts';
import type { ApiWorld } from '../world.ts';

export const balance = ({ db, settings }: ApiWorld): Route[] => [
  route({
    method: 'get',
    path: '/v1/teams/{team}/balance',
    tag: 'Balance',
    summary: 'Get a team’s available credit, its burn per hour, and the second at which credit runs out',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: Balance },
    handle: async ({ params, call }) => ({
      status: 200,
      body: await readBalance(db, settings, params.team, call.receivedSecond),
    }),
  }),
];
