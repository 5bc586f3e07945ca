/** A team's balance, to the second: at present, or as it stood in the past. */
import { type Route, route } from '../http/route.ts';
import { Second, TeamPath, z } from '../http/schemas.ts';
import { Balance, readBalance } from '../views/balance.ts';
import { readPastBalance } from '../views/past-balance.ts';
import type { ApiWorld } from '../world.ts';

export const balance = ({ db, settings }: ApiWorld): Route[] => [
  route({
    method: 'get',
    path: '/v1/teams/{team}/balance',
    tag: 'Balance',
    summary: 'Get a team’s available credit, its burn per hour, and the second at which credit runs out',
    who: 'read',
    params: TeamPath,
    query: z.object({
      at: Second.optional().openapi({ description: 'a second of the past; by default the present' }),
    }),
    answer: { status: 200, schema: Balance },
    fails: ['at_out_of_range'],
    handle: async ({ params: { team }, query: { at: atSecond }, call: { receivedSecond: nowSecond } }) => ({
      status: 200,
      body:
        atSecond === undefined
          ? await readBalance(db, settings, team, nowSecond)
          : await readPastBalance(db, settings, team, { atSecond, nowSecond }),
    }),
  }),
];
