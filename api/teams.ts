/** Teams: whom credit belongs to. */
import { BillingError } from '../billing/errors.ts';
import { formatSecond } from '../billing/time.ts';
import { createTeam, getTeam, type Team as TeamRow, updateTeam } from '../prisma/teams.ts';
import { newId } from './calls.ts';
import { type Route, route } from './route.ts';
import { Id, TeamPath, Time, text, z } from './schemas.ts';
import type { ApiWorld } from './world.ts';

const MAX_EMAIL = 254;

const Name = text(200).openapi({ example: 'Acme Robotics' });
const Email = z.email('expected an e-mail address').max(MAX_EMAIL).openapi({ example: 'billing@acme.example' });

const Team = z.object({ id: z.string(), name: z.string(), email: z.string(), createdAt: Time }).openapi('Team');

const view = ({ id, name, email, createdSecond }: TeamRow): z.input<typeof Team> => ({
  id,
  name,
  email,
  createdAt: formatSecond(createdSecond),
});

export const teams = ({ db }: ApiWorld): Route[] => [
  route({
    method: 'post',
    path: '/v1/teams',
    tag: 'Teams',
    summary: 'Make a team; the same id, name and address again is the same team',
    who: 'platform',
    body: z.object({ id: Id.optional(), name: Name, email: Email }),
    answer: { status: 201, schema: Team },
    fails: ['id_taken'],
    handle: async ({ body: { id, name, email }, call }) => {
      const { team } = await createTeam(db, { id: id ?? newId(call, 'team'), name, email }, call.receivedSecond);
      return { status: 201, body: view(team) };
    },
  }),
  route({
    method: 'get',
    path: '/v1/teams/{team}',
    tag: 'Teams',
    summary: 'A team',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: Team },
    handle: async ({ params }) => ({ status: 200, body: view(await getTeam(db, params.team)) }),
  }),
  route({
    method: 'patch',
    path: '/v1/teams/{team}',
    tag: 'Teams',
    summary: 'Change a team’s name or the address that its mails go to',
    who: 'platform',
    params: TeamPath,
    body: z.object({ name: Name.optional(), email: Email.optional() }),
    answer: { status: 200, schema: Team },
    handle: async ({ params, body: { name, email } }) => {
      if (name === undefined && email === undefined)
        throw new BillingError('invalid_request', 'send a name, an email, or both', 'name');
      const change = { ...(name !== undefined && { name }), ...(email !== undefined && { email }) };
      return { status: 200, body: view(await updateTeam(db, params.team, change)) };
    },
  }),
];
