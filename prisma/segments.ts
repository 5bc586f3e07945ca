/** The segments of instances. Running segments are the team's meters. */
import type { DiscountKind } from '../billing/discounts.ts';
import type { ClosedSegment } from '../billing/instances.ts';
import type { Pricing } from '../billing/prices.ts';
import type { Meter } from '../billing/usage.ts';
import { textColumn } from './arrays.ts';
import type { Db, Tx } from './client.ts';
import { columnsOf, type InJson, toMicros, toSecond, toSecondOrNull } from './columns.ts';
import { Prisma } from './generated/client.ts';
import { runPrepared } from './prepared.ts';
import type { Write } from './statements.ts';
import { sumOfCosts } from './usage-sums.ts';

export type SegmentOfInstance = Meter & { endSecond: number | null };

/** A segment with the fields of its instance that decide on its price. */
interface SegmentRow {
  team_id: string;
  instance_id: string;
  segment: number;
  rate_micros_per_hour: bigint;
  start_second: bigint;
  end_second: bigint | null;
  posted_micros: bigint;
  list_micros_per_hour: bigint;
  given: boolean;
  discount_basis_points: number;
  discount_kind: string | null;
  covered_by: string | null;
  project: string | null;
  pricing: string;
  gpu_type: string;
  region: string;
  shed_order: number | null;
  reclaim_second: bigint | null;
  instance_start_second: bigint;
}

const SEGMENTS = Prisma.sql`
  SELECT ${Prisma.raw(columnsOf(Prisma.SegmentScalarFieldEnum, 'segments'))}, instances.project, instances.pricing, instances.gpu_type, instances.region, instances.shed_order, instances.reclaim_second,
    instances.start_second AS instance_start_second
  FROM segments JOIN instances ON instances.id = segments.instance_id`;

const toSegment = (row: InJson<SegmentRow>): SegmentOfInstance => ({
  instanceId: row.instance_id,
  ...(row.project !== null && { project: row.project }),
  segment: row.segment,
  rateMicrosPerHour: toMicros(row.rate_micros_per_hour),
  startSecond: toSecond(row.start_second),
  endSecond: toSecondOrNull(row.end_second),
  postedMicros: toMicros(row.posted_micros),
  priced: {
    pricing: row.pricing as Pricing,
    gpuType: row.gpu_type,
    region: row.region,
    listMicrosPerHour: toMicros(row.list_micros_per_hour),
    given: row.given,
    discountBasisPoints: row.discount_basis_points,
    discountKind: row.discount_kind as DiscountKind | null,
    coveredBy: row.covered_by,
  },
  instanceStartSecond: toSecond(row.instance_start_second),
  shedOrder: row.shed_order,
  reclaimSecond: toSecondOrNull(row.reclaim_second),
});

/** A team's running meters, oldest first. */
export const runningMeters = async (tx: Tx, teamId: string): Promise<Meter[]> =>
  (await runningMetersOf(tx, [teamId])).get(teamId) ?? [];

/** The running meters of several teams, for lists. */
export async function runningMetersOf(tx: Tx, teamIds: string[]): Promise<Map<string, Meter[]>> {
  const rows = await tx.$queryRaw<SegmentRow[]>`
    ${SEGMENTS} WHERE segments.team_id = ANY(${teamIds}) AND segments.end_second IS NULL
    ORDER BY segments.start_second, segments.instance_id`;
  return metersByTeam(rows);
}

const RUNNING_METERS = {
  name: 'running-meters',
  text: `${SEGMENTS.text} WHERE segments.team_id = ANY($1::text[]) AND segments.end_second IS NULL
    ORDER BY segments.start_second, segments.instance_id`,
};

/** The segments of some instances as a JSON value, in their order. */
export const segmentsInJson = (instanceIds: readonly string[]): Prisma.Sql => Prisma.sql`
  SELECT json_agg(row_to_json(named) ORDER BY named.instance_id, named.segment)
  FROM (${SEGMENTS} WHERE segments.instance_id = ANY(${instanceIds})) AS named`;

/** The running segments among some segments, as meters. */
export const runningOnes = (segments: readonly SegmentOfInstance[]): Meter[] =>
  segments.flatMap(({ endSecond, ...meter }) => (endSecond === null ? [meter] : []));

export const closedOnes = (segments: readonly SegmentOfInstance[]): ClosedSegment[] =>
  segments.flatMap(({ endSecond, ...meter }) => (endSecond === null ? [] : [{ ...meter, endSecond }]));

export const segmentsFromJson = (rows: unknown): SegmentOfInstance[] =>
  ((rows ?? []) as Array<InJson<SegmentRow>>).map(toSegment);

/** The running meters of several teams, prepared. */
export const preparedMetersOf = async (db: Db, teamIds: readonly string[]): Promise<Map<string, Meter[]>> =>
  metersByTeam(await runPrepared<SegmentRow>(db, RUNNING_METERS, [textColumn(teamIds, (teamId) => teamId)]));

function metersByTeam(rows: readonly SegmentRow[]): Map<string, Meter[]> {
  const meters = new Map<string, Meter[]>();
  for (const row of rows) {
    const { endSecond: _, ...meter } = toSegment(row);
    const ofTeam = meters.get(row.team_id);
    if (ofTeam) ofTeam.push(meter);
    else meters.set(row.team_id, [meter]);
  }
  return meters;
}

export async function segmentsOf(tx: Tx, instanceIds: string[]): Promise<SegmentOfInstance[]> {
  const rows = await tx.$queryRaw<SegmentRow[]>`
    ${SEGMENTS} WHERE segments.instance_id = ANY(${instanceIds}) ORDER BY segments.instance_id, segments.segment`;
  return rows.map(toSegment);
}

/** All segments of a team that ran at any time in `[fromSecond, toSecond)`, for sums over a range. */
export async function segmentsBetween(
  tx: Tx,
  teamId: string,
  fromSecond: number,
  toSecond: number,
): Promise<SegmentOfInstance[]> {
  const rows = await tx.$queryRaw<SegmentRow[]>`
    ${SEGMENTS} WHERE segments.team_id = ${teamId} AND segments.start_second < ${toSecond}
      AND (segments.end_second IS NULL OR segments.end_second > ${fromSecond})`;
  return rows.map(toSegment);
}

/** The cost of ended segments in `[fromSecond, toSecond)`. */
export async function closedSegmentsMicros(
  tx: Tx,
  teamId: string,
  fromSecond: number,
  toSecond: number,
): Promise<bigint> {
  const [from, to] = [Prisma.sql`${fromSecond}`, Prisma.sql`${toSecond}`];
  const [row] = await tx.$queryRaw<Array<{ spent: string }>>`
    SELECT ${sumOfCosts(Prisma.sql`end_second`, from, to)}::text AS spent
    FROM segments WHERE team_id = ${teamId} AND end_second > ${from} AND start_second < ${to}`;
  return BigInt(row?.spent ?? 0);
}

type SegmentAfter = Meter & { endSecond?: number; recordedSecond?: number };

const SAVED: Write['as'] = 'saved_segments';

/**
 * Writes the posted amount of segments, the end of segments that closed, and segments that opened. An instance has at most one
 * running segment, so earlier segments close before others open.
 */
export function segmentWrites(
  teamId: string,
  { changed, opened }: { changed: readonly SegmentAfter[]; opened: readonly SegmentAfter[] },
): Write[] {
  const saved = changed.length > 0 ? [{ as: SAVED, sql: saving(changed) }] : [];
  if (opened.length === 0) return saved;
  const order = changed.length > 0 ? Prisma.sql`WHERE (SELECT count(1) FROM ${Prisma.raw(SAVED)}) > 0` : Prisma.empty;
  return [...saved, { as: 'opened_segments', sql: Prisma.sql`${opening(teamId, opened)} ${order}` }];
}

const saving = (rows: readonly SegmentAfter[]): Prisma.Sql => Prisma.sql`
  UPDATE segments SET posted_micros = changed.posted, end_second = COALESCE(changed.ended, end_second),
    end_recorded_second = COALESCE(changed.recorded, end_recorded_second)
  FROM unnest(
    ${rows.map((row) => row.instanceId)}::text[], ${rows.map((row) => row.segment)}::int[],
    ${rows.map((row) => row.postedMicros)}::bigint[], ${rows.map((row) => row.endSecond ?? null)}::bigint[],
    ${rows.map((row) => row.recordedSecond ?? null)}::bigint[]
  ) AS changed (instance_id, segment, posted, ended, recorded)
  WHERE segments.instance_id = changed.instance_id AND segments.segment = changed.segment
  RETURNING segments.segment`;

const opening = (teamId: string, rows: readonly SegmentAfter[]): Prisma.Sql => Prisma.sql`
  INSERT INTO segments (team_id, instance_id, segment, rate_micros_per_hour, start_second, end_second,
    end_recorded_second, posted_micros, list_micros_per_hour, given, discount_basis_points, discount_kind, covered_by)
  SELECT ${teamId}, instance, segment, rate, started, ended, recorded, posted, list, given, discount, kind, cover
  FROM unnest(
    ${rows.map((row) => row.instanceId)}::text[], ${rows.map((row) => row.segment)}::int[],
    ${rows.map((row) => row.rateMicrosPerHour)}::bigint[], ${rows.map((row) => row.startSecond)}::bigint[],
    ${rows.map((row) => row.endSecond ?? null)}::bigint[], ${rows.map((row) => row.recordedSecond ?? null)}::bigint[],
    ${rows.map((row) => row.postedMicros)}::bigint[],
    ${rows.map(({ priced }) => priced.listMicrosPerHour)}::bigint[], ${rows.map(({ priced }) => priced.given)}::boolean[],
    ${rows.map(({ priced }) => priced.discountBasisPoints)}::int[],
    ${rows.map(({ priced }) => priced.discountKind)}::text[], ${rows.map(({ priced }) => priced.coveredBy)}::text[]
  ) AS opened (instance, segment, rate, started, ended, recorded, posted, list, given, discount, kind, cover)`;
