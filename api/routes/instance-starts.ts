/** Starts of instances: a new one, and one with the configuration of an ended instance. */
import type { Micros } from '../../billing/money.ts';
import { checkHourly, listMicrosOf, PRICINGS } from '../../billing/prices.ts';
import { keepDetails, NO_DETAILS } from '../../prisma/call-details.ts';
import type { Db } from '../../prisma/client.ts';
import {
  findInstance,
  getInstance,
  type Instance as InstanceRow,
  type InstanceSpec,
  runningOfChain,
} from '../../prisma/instances.ts';
import { gpuPriceAt } from '../../prisma/prices.ts';
import { segmentsOf } from '../../prisma/segments.ts';
import { getTeam } from '../../prisma/teams.ts';
import { readRecorded } from '../engine/recorded.ts';
import { createEarlyRefusals, type UnlessRefused } from '../engine/refused-early.ts';
import { hashOfSpec, startInstance } from '../engine/starting.ts';
import type { Wakes } from '../engine/wakes.ts';
import { type Call, newId } from '../http/calls.ts';
import { DetailedError } from '../http/errors.ts';
import { NewMetadata } from '../http/metadata.ts';
import { type Route, route } from '../http/route.ts';
import { Dollars, Id, PathId, text, z } from '../http/schemas.ts';
import { withGpuNames } from '../http/suggestions.ts';
import { Instance, readInstance } from '../views/instance.ts';
import type { ApiWorld } from '../world.ts';

const MAX_SHED_ORDER = 1_000_000;

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

/** Starts the instance and returns the instance in its present state. */
const startAndShow = async (
  world: ApiWorld,
  wake: Wakes,
  unlessRefused: UnlessRefused,
  call: Call,
  asked: Omit<InstanceSpec, 'requestHash'>,
) => {
  if (asked.hourlyMicros !== null) checkHourly(asked.hourlyMicros);
  const listPrice = asked.hourlyMicros === null ? await gpuPriceAt(world.db, asked, call.receivedSecond) : null;
  const pricedAt = asked.hourlyMicros ?? (listPrice && listMicrosOf(listPrice, asked.pricing));
  const spec = { ...asked, requestHash: hashOfSpec(asked) };
  const isResumed = async () =>
    spec.resumedFrom !== null && (await runningOfChain(world.db, spec.resumedFrom)).length > 0;
  const goesOn = async () =>
    pricedAt === null || (await isResumed()) || (await findInstance(world.db, spec.id)) !== null;
  const row = await unlessRefused(call, { teamId: spec.teamId, goesOn }, () =>
    withGpuNames(world.db, asked, call.receivedSecond, () => startInstance(world, wake, call, spec, pricedAt)),
  );
  return { status: 201, body: await readRecorded(world, call, () => readInstance(world, row.id, call.receivedSecond)) };
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
      'budget_met',
      'burn_limit',
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

const resume = (world: ApiWorld, wake: Wakes, unlessRefused: UnlessRefused): Route =>
  route({
    method: 'post',
    path: '/v1/instances/{id}/resume',
    tag: 'Instances',
    summary: 'Start a new instance with the configuration of an ended one, at today’s price',
    who: 'platform',
    params: z.object({ id: PathId }),
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
      'budget_met',
      'burn_limit',
      'team_suspended',
      'team_archived',
      'price_not_found',
      'no_reservation',
      'engine_unavailable',
    ],
    handle: async ({ params, body, call }) => {
      const ended = await getInstance(world.db, params.id);
      if ((await readInstance(world, ended.id, call.receivedSecond)).status === 'active')
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

/** Both refuse early what would be refused under the lock of the team. */
export function instanceStarts(world: ApiWorld, wake: Wakes): { start: Route; resume: Route } {
  const unlessRefused = createEarlyRefusals(world);
  return { start: start(world, wake, unlessRefused), resume: resume(world, wake, unlessRefused) };
}
