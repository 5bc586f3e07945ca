/** Teams: whom credit belongs to. */
import { AS_RECORDED, lockAccount } from '../../prisma/accounts.ts';
import { inTransaction } from '../../prisma/client.ts';
import { reopenRefusedMails } from '../../prisma/notices.ts';
import { createTeam, getTeam, getTeamWithState, listTeams, updateTeam } from '../../prisma/teams.ts';
import type { Wakes } from '../engine/wakes.ts';
import { newId, random128 } from '../http/calls.ts';
import { InvalidRequest } from '../http/messages.ts';
import { MetadataChange, mergeMetadata, NewMetadata } from '../http/metadata.ts';
import { type Route, route } from '../http/route.ts';
import { Id, listOf, pageQuery, pageRequest, TeamPath, text, viewPage, visible, z } from '../http/schemas.ts';
import { TEAM_STATUSES, Team, viewTeam } from '../views/team.ts';
import type { ApiWorld } from '../world.ts';

const MAX_EMAIL = 254;

const Name = text(200).openapi({ example: 'Acme Robotics' });
const Email = z
  .email('must be an e-mail address such as "billing@acme.example"')
  .max(MAX_EMAIL)
  .openapi({ example: 'billing@acme.example' });

const create = ({ db }: ApiWorld): Route =>
  route({
    method: 'post',
    path: '/v1/teams',
    tag: 'Teams',
    summary: 'Create a team; the same id and body again is the same team',
    who: 'platform',
    body: z.object({ id: Id.optional(), name: Name, email: Email, metadata: NewMetadata.optional() }),
    answer: { status: 201, schema: Team },
    fails: ['id_taken'],
    handle: async ({ body: { id, name, email, metadata }, call }) => {
      const input = { id: id ?? newId(call, 'team'), name, email, ...(metadata !== undefined && { metadata }) };
      const { team } = await createTeam(db, input, call.receivedSecond);
      return { status: 201, body: viewTeam(await getTeamWithState(db, team.id)) };
    },
  });

const list = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams',
    tag: 'Teams',
    summary: 'List teams, newest first; archived teams only if status includes them',
    who: 'platform',
    query: pageQuery().extend({
      search: visible(200)
        .optional()
        .openapi({ description: 'a part of the name, the id or the e-mail address, in any case', example: 'acme' }),
      status: z.enum([...TEAM_STATUSES, 'all']).optional(),
    }),
    answer: { status: 200, schema: listOf(Team) },
    handle: async ({ query }) => {
      const { search, status } = query;
      const filter = { ...(search !== undefined && { search }), ...(status !== undefined && { status }) };
      return { status: 200, body: viewPage(await listTeams(db, filter, pageRequest(query)), viewTeam) };
    },
  });

const get = ({ db }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}',
    tag: 'Teams',
    summary: 'Get a team',
    who: 'read',
    params: TeamPath,
    answer: { status: 200, schema: Team },
    handle: async ({ params }) => ({ status: 200, body: viewTeam(await getTeamWithState(db, params.team)) }),
  });

const change = ({ db }: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'patch',
    path: '/v1/teams/{team}',
    tag: 'Teams',
    summary: 'Change a team’s name, the address of its mails, or its metadata',
    who: 'platform',
    params: TeamPath,
    body: z.object({ name: Name.optional(), email: Email.optional(), metadata: MetadataChange.optional() }),
    answer: { status: 200, schema: Team },
    archivedToo: true,
    handle: async ({ params: { team }, body: { name, email, metadata }, call }) => {
      if (name === undefined && email === undefined && metadata === undefined)
        throw new InvalidRequest([{ param: 'name', message: 'name, email or metadata is required' }]);
      await inTransaction(db, async (tx) => {
        // Two simultaneous changes of metadata are merged one after the other.
        await lockAccount(tx, team, AS_RECORDED);
        const change = {
          ...(name !== undefined && { name }),
          ...(email !== undefined && { email }),
          ...(metadata !== undefined && { metadata: mergeMetadata((await getTeam(tx, team)).metadata, metadata) }),
        };
        await updateTeam(tx, team, change, { second: call.receivedSecond, copyId: random128() });
        if (email !== undefined) await reopenRefusedMails(tx, team);
      });
      // The watch sends the copy for the card provider, and the mails that the old address could not receive.
      await wake({ what: 'watch', id: team });
      return { status: 200, body: viewTeam(await getTeamWithState(db, team)) };
    },
  });

export const teams = (world: ApiWorld, wake: Wakes): Route[] => [
  create(world),
  list(world),
  get(world),
  change(world, wake),
];
