/** Instances: their starts, reads, prices and ends. */
import { BillingError } from '../../billing/errors.ts';
import { checkHourly } from '../../billing/prices.ts';
import { SECONDS_PER_DAY } from '../../billing/time.ts';
import { readAccount } from '../../prisma/accounts.ts';
import { getInstance, type Instance as InstanceRow, listInstances } from '../../prisma/instances.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { getTeam } from '../../prisma/teams.ts';
import type { Wakes } from '../engine/wakes.ts';
import { type Call, mustSee, sessionOf, teamOfCaller } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import { Dollars, Id, listOf, PathId, pageQuery, pageRequest, Second, text, z } from '../http/schemas.ts';
import { Instance, ReceiptBody, readInstance, readInstances, STATUSES, viewReceipt } from '../views/instance.ts';
import { standingOf } from '../views/standing.ts';
import type { ApiWorld } from '../world.ts';
import { instanceStarts } from './instance-starts.ts';

const InstancePath = z.object({ id: PathId });
/** The notice before a reclaim if the platform names no time. */
const USUAL_NOTICE_SECONDS = 120;
const LONGEST_NOTICE_SECONDS = 30 * SECONDS_PER_DAY;

const instanceSeenBy = async ({ db }: ApiWorld, id: string, call: Call): Promise<InstanceRow> => {
  const row = await getInstance(db, id);
  mustSee(call, row.teamId, 'instance', 'id');
  return row;
};

const get = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/instances/{id}',
    tag: 'Instances',
    summary: 'Get an instance; the cost of a running instance is calculated for the second of the call',
    who: 'read',
    params: InstancePath,
    answer: { status: 200, schema: Instance },
    handle: async ({ params, call }) => ({
      status: 200,
      body: await readInstance(world, (await instanceSeenBy(world, params.id, call)).id, call.receivedSecond),
    }),
  });

const list = ({ db, settings }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/instances',
    tag: 'Instances',
    summary: 'List instances, newest first',
    who: 'read',
    query: pageQuery().extend({
      team: Id.optional(),
      status: z.enum(STATUSES).optional(),
      project: text(100).optional().openapi({ example: 'vision' }),
      gpuType: text(100).optional().openapi({ example: 'h100-80gb' }),
    }),
    answer: { status: 200, schema: listOf(Instance) },
    handle: async ({ query, call }) => {
      const { team, status, project, gpuType } = query;
      const second = call.receivedSecond;
      if (team !== undefined) mustSee(call, team, 'team', 'team');
      const teamId = teamOfCaller(call.caller) ?? team;
      if (teamId !== undefined) await getTeam(db, teamId);
      const filter = {
        ...(teamId !== undefined && { teamId }),
        ...(project !== undefined && { project }),
        ...(gpuType !== undefined && { gpuType }),
      };
      return inSnapshot(db, async (tx) => {
        // An instance that a crossing has ended reads as ended before any row says so. The filter "terminated" of
        // such a team therefore reads open rows too.
        const late =
          teamId !== undefined &&
          standingOf(await readAccount(tx, teamId, { throughSecond: second }), settings, second).ended.size > 0;
        const rowStatus = status !== undefined && !(status === 'terminated' && late) ? { status } : {};
        const page = await listInstances(tx, { ...filter, ...rowStatus }, pageRequest(query));
        const views = await readInstances(tx, settings, page.data, second);
        const data = views.filter((view) => status === undefined || view.status === status);
        return { status: 200, body: { data, nextCursor: page.nextCursor } };
      });
    },
  });

/**
 * A member of a team stops an instance now. The earlier second and the reason of an end are the platform's to say.
 * @throws BillingError `not_found`, `forbidden`
 */
async function mustMayStop({ db }: ApiWorld, call: Call, id: string, said: { at?: unknown; reason: string }) {
  if (call.caller.kind !== 'session') return;
  mustSee(call, (await getInstance(db, id)).teamId, 'instance', 'id');
  if (said.at !== undefined) throw new BillingError('forbidden', 'only the platform may send at: leave it out', 'at');
  if (said.reason !== 'stopped')
    throw new BillingError('forbidden', 'only the platform may send another reason: leave it out', 'reason');
}

const stop = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/instances/{id}/stop',
    tag: 'Instances',
    summary: 'Stop an instance and get its final receipt; a repeat returns the same receipt',
    who: 'team_billing',
    params: InstancePath,
    body: z.object({
      at: Second.optional().openapi({ description: 'an earlier second, but not before the start' }),
      reason: z.enum(['stopped', 'spot_reclaimed', 'operator']).default('stopped'),
    }),
    answer: { status: 200, schema: ReceiptBody },
    fails: ['at_out_of_range'],
    handle: async ({ params, body, call }) => {
      await mustMayStop(world, call, params.id, body);
      const stop = {
        instanceId: params.id,
        reason: body.reason,
        nowSecond: call.receivedSecond,
        // The platform does not know of the end that a person orders here, and must stop the machine.
        platformAsked: sessionOf(call.caller) === null,
        ...(body.at !== undefined && { atSecond: body.at }),
      };
      const receipt = await world.ledger.stopInstance(stop, call.requestId);
      await wake({ what: 'instance', id: params.id }, { what: 'watch', id: receipt.teamId });
      return { status: 200, body: viewReceipt(receipt) };
    },
  });

const reclaim = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/instances/{id}/reclaim',
    tag: 'Instances',
    summary: 'Announce the reclaim of a spot instance: it ends automatically at that second, and the team gets a mail',
    who: 'platform',
    params: InstancePath,
    body: z.object({
      at: Second.optional().openapi({ description: 'at most 30 days ahead; default: in 120 seconds' }),
    }),
    answer: { status: 200, schema: Instance },
    fails: ['not_spot', 'instance_ended', 'at_out_of_range'],
    handle: async ({ params, body, call }) => {
      const nowSecond = call.receivedSecond;
      const reclaimSecond = body.at ?? nowSecond + USUAL_NOTICE_SECONDS;
      if (reclaimSecond > nowSecond + LONGEST_NOTICE_SECONDS)
        throw new BillingError('at_out_of_range', 'at must not lie more than 30 days ahead', 'at');
      const { teamId } = await getInstance(world.db, params.id);
      await world.ledger.announceReclaim({ instanceId: params.id, reclaimSecond, nowSecond }, call.requestId);
      await wake({ what: 'watch', id: teamId }, { what: 'instance', id: params.id });
      return { status: 200, body: await readInstance(world, params.id, nowSecond) };
    },
  });

const reprice = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/instances/{id}/reprice',
    tag: 'Instances',
    summary: 'Change the price of a running instance: one segment ends, the next begins',
    who: 'platform',
    params: InstancePath,
    body: z.object({
      hourly: Dollars,
      at: Second.optional().openapi({ description: 'not before the team’s last recorded fact' }),
    }),
    answer: { status: 200, schema: Instance },
    fails: ['instance_ended', 'at_out_of_range', 'amount_out_of_range'],
    handle: async ({ params, body, call }) => {
      checkHourly(body.hourly);
      const row = await getInstance(world.db, params.id);
      const reprice = {
        instanceId: params.id,
        rateMicrosPerHour: body.hourly,
        nowSecond: call.receivedSecond,
        ...(body.at !== undefined && { atSecond: body.at }),
      };
      await world.ledger.repriceInstance(reprice, call.requestId);
      await wake({ what: 'watch', id: row.teamId }, { what: 'instance', id: params.id });
      return { status: 200, body: await readInstance(world, row.id, call.receivedSecond) };
    },
  });

export function instances(world: ApiWorld, wake: Wakes): Route[] {
  const { start, resume } = instanceStarts(world, wake);
  return [start, get(world), list(world), stop(world, wake), resume, reclaim(world, wake), reprice(world, wake)];
}
