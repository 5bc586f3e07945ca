/** Instances: the request and the end. Their money is in their segments. */

import type { EndReason } from '../billing/change.ts';
import { BillingError } from '../billing/errors.ts';
import type { Micros } from '../billing/money.ts';
import type { Pricing } from '../billing/prices.ts';
import type { Tx } from './client.ts';
import { fieldsOf, type InJson, orNull, toMicrosOrNull, toSecond, toSecondOrNull } from './columns.ts';
import { type Instance as InstanceRow, Prisma } from './generated/client.ts';
import { type Page, type PageRequest, pageOf } from './pages.ts';
import type { Write } from './statements.ts';

/** The request of an instance, apart from time and money. */
export interface InstanceSpec {
  id: string;
  teamId: string;
  project: string | null;
  gpuType: string;
  region: string;
  pricing: Pricing;
  /** The rate that the platform gave; null for a rate from the price list. */
  hourlyMicros: Micros | null;
  shedOrder: number | null;
  resumedFrom: string | null;
  requestHash: string;
  /** Names the caller's metadata: see call-details.ts. Absent where there is none. */
  detailsHash?: string;
}

export interface Instance extends InstanceSpec {
  startSecond: number;
  endSecond: number | null;
  reason: EndReason | null;
  exhaustion: number | null;
  terminatedConfirmedSecond: number | null;
  /** The announced second at which the platform takes a spot instance back. */
  reclaimSecond: number | null;
}

const toInstance = (row: InJson<InstanceRow>): Instance => ({
  id: row.id,
  teamId: row.teamId,
  project: row.project,
  gpuType: row.gpuType,
  region: row.region,
  pricing: row.pricing as Pricing,
  hourlyMicros: toMicrosOrNull(row.hourlyMicros),
  shedOrder: row.shedOrder,
  requestHash: row.requestHash,
  resumedFrom: row.resumedFrom,
  ...(row.detailsHash !== null && { detailsHash: row.detailsHash }),
  startSecond: toSecond(row.startSecond),
  endSecond: toSecondOrNull(row.endSecond),
  reason: row.reason as EndReason | null,
  exhaustion: row.exhaustion === null ? null : Number(row.exhaustion),
  terminatedConfirmedSecond: toSecondOrNull(row.terminatedConfirmedSecond),
  reclaimSecond: toSecondOrNull(row.reclaimSecond),
});

export async function findInstance(tx: Tx, id: string): Promise<Instance | null> {
  const row = await tx.instance.findUnique({ where: { id } });
  return row && toInstance(row);
}

/** @throws BillingError `not_found` */
export async function getInstance(tx: Tx, id: string): Promise<Instance> {
  const instance = await findInstance(tx, id);
  if (!instance) throw new BillingError('not_found', 'no such instance', 'id');
  return instance;
}

/** The instances with the given ids that exist, oldest first. */
export async function findInstances(tx: Tx, ids: string[]): Promise<Instance[]> {
  const rows = await tx.instance.findMany({
    where: { id: { in: ids } },
    orderBy: [{ startSecond: 'asc' }, { id: 'asc' }],
  });
  return rows.map(toInstance);
}

const FIELDS = fieldsOf(Prisma.InstanceScalarFieldEnum, 'instances');

/** Some instances as a JSON value. */
export const instancesInJson = (ids: readonly string[]): Prisma.Sql => Prisma.sql`
  SELECT json_agg(row_to_json(named)) FROM (SELECT ${Prisma.raw(FIELDS)} FROM instances WHERE id = ANY(${ids})) AS named`;

export const instancesFromJson = (rows: unknown): Instance[] =>
  ((rows ?? []) as Array<InJson<InstanceRow>>).map(toInstance);

/** Inserts a running instance whose workflow has still to be started: see due-work.ts. */
export const instanceInsert = (spec: InstanceSpec, startSecond: number): Write => ({
  as: 'started',
  sql: Prisma.sql`
    INSERT INTO instances (id, team_id, project, gpu_type, region, pricing, hourly_micros, shed_order, resumed_from,
      request_hash, details_hash, start_second, workflow_due_second)
    VALUES (${spec.id}, ${spec.teamId}, ${spec.project}, ${spec.gpuType}, ${spec.region}, ${spec.pricing},
      ${spec.hourlyMicros}, ${spec.shedOrder}, ${spec.resumedFrom}, ${spec.requestHash}, ${orNull(spec.detailsHash)},
      ${startSecond}, ${startSecond})`,
});

/** An instance as it is right after its start. */
export const startedInstance = (spec: InstanceSpec, startSecond: number): Instance => ({
  ...spec,
  startSecond,
  endSecond: null,
  reason: null,
  exhaustion: null,
  terminatedConfirmedSecond: null,
  reclaimSecond: null,
});

export interface InstanceEnd {
  instanceId: string;
  endSecond: number;
  reason: EndReason;
  exhaustion?: number;
}

/** A mark on an instance beside its end. */
export interface InstanceMark {
  instanceId: string;
  /** The workflow of the instance has seen the instance as it is after the fact. */
  seen?: boolean;
  /** The second at which the platform confirmed that the machine is gone; an earlier confirmation counts. */
  confirmedSecond?: number;
}

/**
 * Ends instances, and marks one of them or another instance. An instance that has ended keeps its end. The workflow of
 * each ended instance is due to see the end. A machine that the platform takes back needs no confirmation.
 */
export function instanceWrites(ends: readonly InstanceEnd[], mark: InstanceMark | null): Write[] {
  const isMarked = ({ instanceId }: InstanceEnd) => instanceId === mark?.instanceId;
  const apart = mark !== null && !ends.some(isMarked) ? [{ as: 'marked', sql: marking(mark) }] : [];
  if (ends.length === 0) return apart;
  const sql = Prisma.sql`
    UPDATE instances SET end_second = ended.second, reason = ended.why, exhaustion = ended.number,
      terminated_confirmed_second = CASE WHEN ended.why = 'spot_reclaimed' THEN ended.second ELSE ended.confirmed END,
      workflow_due_second = CASE WHEN NOT ended.seen THEN COALESCE(workflow_due_second, ended.second) END
    FROM unnest(
      ${ends.map(({ instanceId }) => instanceId)}::text[], ${ends.map(({ endSecond }) => endSecond)}::bigint[],
      ${ends.map(({ reason }) => reason)}::text[], ${ends.map(({ exhaustion }) => exhaustion ?? null)}::bigint[],
      ${ends.map((end) => (isMarked(end) ? orNull(mark?.confirmedSecond) : null))}::bigint[],
      ${ends.map((end) => isMarked(end) && mark?.seen === true)}::boolean[]
    ) AS ended (id, second, why, number, confirmed, seen)
    WHERE instances.id = ended.id AND instances.end_second IS NULL`;
  return [...apart, { as: 'ended', sql }];
}

const marking = ({ instanceId, seen = false, confirmedSecond }: InstanceMark): Prisma.Sql => Prisma.sql`
  UPDATE instances SET
    terminated_confirmed_second = COALESCE(terminated_confirmed_second, ${orNull(confirmedSecond)}::bigint),
    workflow_due_second = CASE WHEN NOT ${seen} THEN workflow_due_second END
  WHERE id = ${instanceId} AND (
    (${seen} AND workflow_due_second IS NOT NULL)
    OR (${confirmedSecond !== undefined} AND terminated_confirmed_second IS NULL)
  )`;

export const saveReclaim = async (tx: Tx, id: string, reclaimSecond: number): Promise<void> => {
  await tx.instance.updateMany({ where: { id }, data: { reclaimSecond } });
};

export async function saveShedOrder(
  tx: Tx,
  places: Array<{ instanceId: string; shedOrder: number | null }>,
): Promise<void> {
  if (places.length === 0) return;
  await tx.$executeRaw`
    UPDATE instances SET shed_order = placed.place
    FROM unnest(
      ${places.map(({ instanceId }) => instanceId)}::text[], ${places.map(({ shedOrder }) => shedOrder)}::int[]
    ) AS placed (id, place)
    WHERE instances.id = placed.id`;
}

/** Records that the machines of instances are gone. The first confirmation counts. */
export const confirmTerminated = async (tx: Tx, ids: string[], second: number): Promise<void> => {
  if (ids.length === 0) return;
  await tx.instance.updateMany({
    where: { id: { in: ids }, terminatedConfirmedSecond: null },
    data: { terminatedConfirmedSecond: second },
  });
};

/** Filters the ids of instances whose machine stop the platform has not confirmed. */
export async function unconfirmedOf(tx: Tx, ids: string[]): Promise<string[]> {
  const rows = await tx.instance.findMany({
    where: { id: { in: ids }, terminatedConfirmedSecond: null },
    select: { id: true },
  });
  return rows.map(({ id }) => id);
}

/** The running instances of a chain of resumes: the instance, its predecessors and its successors, newest first. */
export async function runningOfChain(tx: Tx, id: string): Promise<string[]> {
  const rows = await tx.$queryRaw<Array<{ id: string }>>`
    WITH RECURSIVE earlier AS (
      SELECT id, resumed_from FROM instances WHERE id = ${id}
      UNION SELECT instances.id, instances.resumed_from FROM instances JOIN earlier ON instances.id = earlier.resumed_from
    ), chain AS (
      SELECT id FROM earlier WHERE resumed_from IS NULL
      UNION SELECT instances.id FROM instances JOIN chain ON instances.resumed_from = chain.id
    )
    SELECT id FROM instances WHERE id IN (SELECT id FROM chain) AND end_second IS NULL ORDER BY start_second DESC, id DESC`;
  return rows.map((row) => row.id);
}

/** The number of a team's instances, and of those that started at a second or later. */
export async function countInstances(
  tx: Tx,
  teamId: string,
  sinceSecond: number,
): Promise<{ all: number; since: number }> {
  const all = await tx.instance.count({ where: { teamId } });
  const since = await tx.instance.count({ where: { teamId, startSecond: { gte: sinceSecond } } });
  return { all, since };
}

export interface InstanceFilter {
  teamId?: string;
  status?: 'active' | 'terminated';
  project?: string;
  gpuType?: string;
}

export async function listInstances(tx: Tx, filter: InstanceFilter, page: PageRequest): Promise<Page<Instance>> {
  const { teamId, status, project, gpuType } = filter;
  const { data, nextCursor } = await pageOf(page, 'startSecond', (where, take) =>
    tx.instance.findMany({
      where: {
        ...(teamId !== undefined && { teamId }),
        ...(status && { endSecond: status === 'active' ? null : { not: null } }),
        ...(project !== undefined && { project }),
        ...(gpuType !== undefined && { gpuType }),
        AND: where,
      },
      orderBy: [{ startSecond: 'desc' }, { id: 'desc' }],
      take,
    }),
  );
  return { data: data.map(toInstance), nextCursor };
}
