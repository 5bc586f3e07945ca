/** Instances: started, watched, re-priced, stopped, resumed. */

import { BillingError } from '../../billing/errors.ts';
import type { Micros } from '../../billing/money.ts';
import { checkHourly, listMicrosOf, PRICINGS } from '../../billing/prices.ts';
import { SECONDS_PER_DAY } from '../../billing/time.ts';
import { readAccount } from '../../prisma/accounts.ts';
import { keepDetails, NO_DETAILS } from '../../prisma/call-details.ts';
import type { Db } from '../../prisma/client.ts';
import {
  findInstance,
  getInstance,
  type Instance as InstanceRow,
  type InstanceSpec,
  listInstances,
  runningOfChain,
} from '../../prisma/instances.ts';
import { gpuPriceAt } from '../../prisma/prices.ts';
import { segmentsOf } from '../../prisma/segments.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { getTeam } from '../../prisma/teams.ts';
import { readRecorded } from '../engine/recorded.ts';
import { createEarlyRefusals, type UnlessRefused } from '../engine/refused-early.ts';
import { hashOfSpec, startInstance } from '../engine/starting.ts';
import type { Wakes } from '../engine/wakes.ts';
import { type Call, mustSee, newId } from '../http/calls.ts';
import { DetailedError } from '../http/errors.ts';
import { NewMetadata } from '../http/metadata.ts';
import { type Route, route } from '../http/route.ts';
import { Dollars, Id, listOf, PathId, pageQuery, pageRequest, Second, text, z } from '../http/schemas.ts';
import { withGpuNames } from '../http/suggestions.ts';
import {
  Instance,
  type InstanceView,
  ReceiptBody,
  readInstance,
  readInstances,
  STATUSES,
  viewReceipt,
} from '../views/instance.ts';
import { standingOf } from '../views/standing.ts';
import type { ApiWorld } from '../world.ts';

const InstancePath = z.object({ id: PathId });
const MAX_SHED_ORDER = 1_000_000;
/** The notice before a reclaim if the platform names no time. */
const USUAL_NOTICE_SECONDS = 120;
const LONGEST_NOTICE_SECONDS = 30 * SECONDS_PER_DAY;

const NewInstance = z.object({
  id: Id.optional(),
  team: Id,
  project: text(100).optional(),
  gpuType: text(100).openapi({ example: 'h100-80gb' }),
  region: text(100).openapi({ example: 'eu-west-1' }),
  pricing: z.enum(PRICINGS),
  hourly: Dollars.optional(),
  shedOrder: z.int().min(0).max(MAX_SHED_ORDER).optional(),
  metadata: NewMetadata.optional(),
});

/** A given price resumes at the last given price; a list price resumes at today's list price. */
async function givenHourlyOf(db: Db, { id, hourlyMicros }: InstanceRow): Promise<Micros | null> {
  const last = (await segmentsOf(db, [id])).at(-1);
  if (!last) return hourlyMicros;
  return last.priced.given ? last.priced.listMicrosPerHour : null;
}

const viewOf = ({ db, terms }: ApiWorld, { id }: Pick<InstanceRow, 'id'>, second: number): Promise<InstanceView> =>
  inSnapshot(db, (tx) => readInstance(tx, terms, id, second));

const seen = async ({ db }: ApiWorld, id: string, call: Call): Promise<InstanceRow> => {
  const row = await getInstance(db, id);
  mustSee(call, row.teamId, 'instance', 'id');
  return row;
};

/** Starts the instance and returns the instance in its present state. */
const startAndShow = async (
  world: ApiWorld,
  wake: Wakes,
  unlessRefused: UnlessRefused,
  call: Call,
  asked: Omit<InstanceSpec, 'requestHash'>,
) => {
  if (asked.hourlyMicros !== null) checkHourly(asked.hourlyMicros);
  const listed = asked.hourlyMicros === null ? await gpuPriceAt(world.db, asked, call.receivedSecond) : null;
  const pricedAt = asked.hourlyMicros ?? (listed && listMicrosOf(listed, asked.pricing));
  const spec = { ...asked, requestHash: hashOfSpec(asked) };
  const isResumed = async () =>
    spec.resumedFrom !== null && (await runningOfChain(world.db, spec.resumedFrom)).length > 0;
  const goesOn = async () =>
    pricedAt === null || (await isResumed()) || (await findInstance(world.db, spec.id)) !== null;
  const row = await unlessRefused(call, { teamId: spec.teamId, goesOn }, () =>
    withGpuNames(world.db, asked, call.receivedSecond, () => startInstance(world, wake, call, spec, pricedAt)),
  );
  return { status: 201, body: await readRecorded(world, call, () => viewOf(world, row, call.receivedSecond)) };
};

const start = (world: ApiWorld, wake: Wakes, unlessRefused: UnlessRefused): Route =>
  route({
    method: 'post',
    path: '/v1/instances',
    tag: 'Instances',
    summary: 'Start an instance; the same id and body again is the same instance',
    who: 'platform',
    body: NewInstance,
    answer: { status: 201, schema: Instance },
    fails: [
      'insufficient_credit',
      'team_suspended',
      'team_archived',
      'id_taken',
      'price_not_found',
      'no_reservation',
      'amount_out_of_range',
      'engine_unavailable',
    ],
    handle: async ({ body, call }) => {
      await getTeam(world.db, body.team);
      const detailsHash = await keepDetails(world.db, { ...NO_DETAILS, metadata: body.metadata ?? {} });
      return startAndShow(world, wake, unlessRefused, call, {
        id: body.id ?? newId(call, 'inst'),
        teamId: body.team,
        project: body.project ?? null,
        gpuType: body.gpuType,
        region: body.region,
        pricing: body.pricing,
        hourlyMicros: body.hourly ?? null,
        shedOrder: body.shedOrder ?? null,
        resumedFrom: null,
        ...(detailsHash !== null && { detailsHash }),
      });
    },
  });

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
      body: await viewOf(world, await seen(world, params.id, call), call.receivedSecond),
    }),
  });

const list = ({ db, terms }: ApiWorld): Route =>
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
      const teamId = call.caller.kind === 'key' ? call.caller.teamId : team;
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
          standingOf(await readAccount(tx, teamId, { throughSecond: second }), terms, second).ended.size > 0;
        const rowStatus = status !== undefined && !(status === 'terminated' && late) ? { status } : {};
        const page = await listInstances(tx, { ...filter, ...rowStatus }, pageRequest(query));
        const views = await readInstances(tx, terms, page.data, second);
        const data = views.filter((view) => status === undefined || view.status === status);
        return { status: 200, body: { data, nextCursor: page.nextCursor } };
      });
    },
  });

const stop = ({ ledger }: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/instances/{id}/stop',
    tag: 'Instances',
    summary: 'Stop an instance and get its final receipt; a repeat returns the same receipt',
    who: 'platform',
    params: InstancePath,
    body: z.object({
      at: Second.optional().openapi({ description: 'an earlier second, but not before the start' }),
      reason: z.enum(['stopped', 'spot_reclaimed', 'operator']).default('stopped'),
    }),
    answer: { status: 200, schema: ReceiptBody },
    fails: ['at_out_of_range'],
    handle: async ({ params, body, call }) => {
      const stop = {
        instanceId: params.id,
        reason: body.reason,
        nowSecond: call.receivedSecond,
        platformAsked: true,
        ...(body.at !== undefined && { atSecond: body.at }),
      };
      const receipt = await ledger.stopInstance(stop, call.requestId);
      await wake({ what: 'instance', id: params.id }, { what: 'watch', id: receipt.teamId });
      return { status: 200, body: viewReceipt(receipt) };
    },
  });

const resume = (world: ApiWorld, wake: Wakes, unlessRefused: UnlessRefused): Route =>
  route({
    method: 'post',
    path: '/v1/instances/{id}/resume',
    tag: 'Instances',
    summary: 'Start a new instance with the configuration of an ended one, at today’s price',
    who: 'platform',
    params: InstancePath,
    body: z.object({
      id: Id.optional().openapi({
        description: 'the id of the new instance; the same id again is the same instance',
        example: 'train-1b',
      }),
    }),
    answer: { status: 201, schema: Instance },
    fails: [
      'instance_active',
      'id_taken',
      'insufficient_credit',
      'team_suspended',
      'team_archived',
      'price_not_found',
      'no_reservation',
      'engine_unavailable',
    ],
    handle: async ({ params, body, call }) => {
      const ended = await seen(world, params.id, call);
      if ((await viewOf(world, ended, call.receivedSecond)).status === 'active')
        throw new DetailedError('instance_active', 'the instance is still running', { instance: ended.id });
      const { teamId, project, gpuType, region, pricing, shedOrder, detailsHash } = ended;
      return startAndShow(world, wake, unlessRefused, call, {
        id: body.id ?? newId(call, 'inst'),
        ...(detailsHash !== undefined && { detailsHash }),
        teamId,
        project,
        gpuType,
        region,
        pricing,
        shedOrder,
        hourlyMicros: await givenHourlyOf(world.db, ended),
        resumedFrom: ended.id,
      });
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
      return { status: 200, body: await viewOf(world, params, nowSecond) };
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
      return { status: 200, body: await viewOf(world, row, call.receivedSecond) };
    },
  });

export function instances(world: ApiWorld, wake: Wakes): Route[] {
  const unlessRefused = createEarlyRefusals(world);
  return [
    start(world, wake, unlessRefused),
    get(world),
    list(world),
    stop(world, wake),
    resume(world, wake, unlessRefused),
    reclaim(world, wake),
    reprice(world, wake),
  ];
}
