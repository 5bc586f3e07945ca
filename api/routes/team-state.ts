/** An operator's acts on a whole team: stop its instances, suspend, archive, and end either state. */

import { formatSecond } from '../../billing/time.ts';
import type { TeamStopped } from '../../ledger/team-state.ts';
import { getTeamWithState } from '../../prisma/teams.ts';
import type { Wakes } from '../engine/wakes.ts';
import { actorOf } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import { TeamPath, Time, text, z } from '../http/schemas.ts';
import { ReceiptBody, viewReceipt } from '../views/instance.ts';
import { Team, viewTeam } from '../views/team.ts';
import type { ApiWorld } from '../world.ts';

const Stopped = z
  .object({
    team: z.string(),
    project: z.string().nullable(),
    stoppedAt: Time,
    count: z.int().openapi({ description: 'the number of instances that this call ended', example: 3 }),
    receipts: z.array(ReceiptBody).openapi({ description: 'one for each of these instances, the oldest start first' }),
  })
  .openapi('TeamStopped');

const SuspendedTeam = z
  .object({
    ...Team.shape,
    receipts: z.array(ReceiptBody).openapi({ description: 'the receipts of the instances that the call ended' }),
  })
  .openapi('SuspendedTeam');

const receiptsOf = ({ ended }: TeamStopped) =>
  ended.map((instance) => viewReceipt({ ...instance, seconds: instance.endSecond - instance.startSecond }));

const viewOf = async ({ db }: ApiWorld, team: string) => viewTeam(await getTeamWithState(db, team));

/** The watch has the machines stopped; a top-up may be due. */
const wakeWatch = (wake: Wakes, team: string) => wake({ what: 'watch', id: team });

const stop = ({ ledger }: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/stop',
    tag: 'Operator',
    summary: 'Stop all running instances of a team, or those of one project, in one transaction',
    who: 'platform',
    params: TeamPath,
    body: z.object({
      project: text(100).optional().openapi({ description: 'without it, all instances', example: 'research' }),
    }),
    answer: { status: 200, schema: Stopped },
    archivedToo: true,
    handle: async ({ params: { team: teamId }, body: { project = null }, call }) => {
      const input = { teamId, project, nowSecond: call.receivedSecond };
      const stopped = await ledger.stopTeam(input, call.requestId);
      await wakeWatch(wake, teamId);
      const receipts = receiptsOf(stopped);
      const stoppedAt = formatSecond(stopped.second);
      return { status: 200, body: { team: teamId, project, stoppedAt, count: receipts.length, receipts } };
    },
  });

const suspend = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/suspend',
    tag: 'Operator',
    summary:
      'Suspend a team: refuse its starts, holds, reservations and top-ups; running instances continue unless stop is true',
    who: 'platform',
    params: TeamPath,
    body: z.object({
      note: text(500).optional().openapi({ example: 'chargeback under review' }),
      stop: z.boolean().default(false).openapi({ description: 'also stop all running instances' }),
    }),
    answer: { status: 200, schema: SuspendedTeam },
    fails: ['team_archived'],
    archivedToo: true,
    handle: async ({ params: { team: teamId }, body: { note = null, stop }, call }) => {
      const input = { teamId, note, stop, nowSecond: call.receivedSecond };
      const stopped = await world.ledger.suspendTeam(input, call.requestId);
      await wakeWatch(wake, teamId);
      return { status: 200, body: { ...(await viewOf(world, teamId)), receipts: receiptsOf(stopped) } };
    },
  });

const unsuspend = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/unsuspend',
    tag: 'Operator',
    summary: 'End the suspension of a team; a top-up that has become due is charged at once',
    who: 'platform',
    params: TeamPath,
    answer: { status: 200, schema: Team },
    archivedToo: true,
    handle: async ({ params: { team: teamId }, call }) => {
      await world.ledger.unsuspendTeam({ teamId, nowSecond: call.receivedSecond }, call.requestId);
      await wake({ what: 'watch', id: teamId }, { what: 'autoTopUp', id: teamId });
      return { status: 200, body: await viewOf(world, teamId) };
    },
  });

const archive = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/archive',
    tag: 'Operator',
    summary: 'Archive a team without running instances: it can be read, but is not listed, changed or charged',
    who: 'platform',
    params: TeamPath,
    body: z.object({
      keepBalance: z.boolean().default(false).openapi({ description: 'archive the team with its credit and its debt' }),
    }),
    answer: { status: 200, schema: Team },
    fails: ['team_in_use'],
    archivedToo: true,
    handle: async ({ params: { team: teamId }, body: { keepBalance: keepsBalance }, call }) => {
      const input = { teamId, keepsBalance, actor: actorOf(call), nowSecond: call.receivedSecond };
      await world.ledger.archiveTeam(input, call.requestId);
      await wake({ what: 'watch', id: teamId }, { what: 'autoTopUp', id: teamId });
      return { status: 200, body: await viewOf(world, teamId) };
    },
  });

const unarchive = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/teams/{team}/unarchive',
    tag: 'Operator',
    summary: 'End the archiving of a team; auto top-up stays off until it is switched on again',
    who: 'platform',
    params: TeamPath,
    answer: { status: 200, schema: Team },
    archivedToo: true,
    handle: async ({ params: { team: teamId }, call }) => {
      await world.ledger.unarchiveTeam({ teamId, nowSecond: call.receivedSecond }, call.requestId);
      await wakeWatch(wake, teamId);
      return { status: 200, body: await viewOf(world, teamId) };
    },
  });

export const teamState = (world: ApiWorld, wake: Wakes): Route[] => [
  stop(world, wake),
  suspend(world, wake),
  unsuspend(world, wake),
  archive(world, wake),
  unarchive(world, wake),
];
