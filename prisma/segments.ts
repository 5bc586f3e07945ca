/** The segments of instances: those that run are the team's meters. */
import type { ClosedSegment } from '../billing/facts.ts';
import type { Meter } from '../billing/usage.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond, toSecondOrNull } from './columns.ts';
import type { Segment as SegmentRow } from './generated/client.ts';

export type SegmentOfInstance = Meter & { endSecond: number | null };

const toSegment = (row: SegmentRow): SegmentOfInstance => ({
  instanceId: row.instanceId,
  segment: row.segment,
  rateMicrosPerHour: toMicros(row.rateMicrosPerHour),
  startSecond: toSecond(row.startSecond),
  endSecond: toSecondOrNull(row.endSecond),
  postedMicros: toMicros(row.postedMicros),
});

/** A team's running meters, oldest first. */
export const runningMeters = async (tx: Tx, teamId: string): Promise<Meter[]> =>
  (await runningMetersOf(tx, [teamId])).get(teamId) ?? [];

/** The running meters of several teams, for lists. */
export async function runningMetersOf(tx: Tx, teamIds: string[]): Promise<Map<string, Meter[]>> {
  const rows = await tx.segment.findMany({
    where: { teamId: { in: teamIds }, endSecond: null },
    orderBy: [{ startSecond: 'asc' }, { instanceId: 'asc' }],
  });
  const meters = new Map<string, Meter[]>();
  for (const row of rows) {
    const { endSecond: _, ...meter } = toSegment(row);
    const ofTeam = meters.get(row.teamId);
    if (ofTeam) ofTeam.push(meter);
    else meters.set(row.teamId, [meter]);
  }
  return meters;
}

export async function segmentsOf(tx: Tx, instanceIds: string[]): Promise<SegmentOfInstance[]> {
  const rows = await tx.segment.findMany({
    where: { instanceId: { in: instanceIds } },
    orderBy: [{ instanceId: 'asc' }, { segment: 'asc' }],
  });
  return rows.map(toSegment);
}

export const closedSegmentsOf = async (tx: Tx, instanceId: string): Promise<ClosedSegment[]> =>
  (await segmentsOf(tx, [instanceId])).flatMap((segment) =>
    segment.endSecond === null ? [] : [{ ...segment, endSecond: segment.endSecond }],
  );

/** All segments of a team that ran at any time in `[fromSecond, toSecond)`, for sums over a stretch of time. */
export async function segmentsBetween(
  tx: Tx,
  teamId: string,
  fromSecond: number,
  toSecond: number,
): Promise<SegmentOfInstance[]> {
  const rows = await tx.segment.findMany({
    where: {
      teamId,
      startSecond: { lt: toSecond },
      OR: [{ endSecond: null }, { endSecond: { gt: fromSecond } }],
    },
  });
  return rows.map(toSegment);
}

export async function openSegments(tx: Tx, teamId: string, meters: Meter[]): Promise<void> {
  if (meters.length > 0) await tx.segment.createMany({ data: meters.map((meter) => ({ ...meter, teamId })) });
}

/** Keeps what was posted for segments and, where they closed, their end. The last word on a segment wins. */
export async function saveSegments(tx: Tx, segments: Array<Meter & { endSecond?: number }>): Promise<void> {
  const last = new Map(segments.map((segment) => [`${segment.instanceId}/${segment.segment}`, segment]));
  if (last.size === 0) return;
  const rows = [...last.values()];
  await tx.$executeRaw`
    UPDATE segments SET posted_micros = changed.posted, end_second = COALESCE(changed.ended, end_second)
    FROM unnest(
      ${rows.map((row) => row.instanceId)}::text[], ${rows.map((row) => row.segment)}::int[],
      ${rows.map((row) => row.postedMicros)}::bigint[], ${rows.map((row) => row.endSecond ?? null)}::bigint[]
    ) AS changed (instance_id, segment, posted, ended)
    WHERE segments.instance_id = changed.instance_id AND segments.segment = changed.segment`;
}
