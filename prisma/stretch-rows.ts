/** The segments of instances and the terms of reservations that ran in a range, as stretches with their dimensions. */
import type { Micros } from '../billing/money.ts';
import type { DimensionValues } from '../billing/usage-groups.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond, toSecondOrNull } from './columns.ts';

/** A segment or a term as recorded: `endSecond` is null while it runs. */
export interface RecordedStretch {
  of: 'instance' | 'reservation';
  /** The instance or the reservation, and the number of the segment or the term. */
  id: string;
  number: number;
  rateMicrosPerHour: Micros;
  startSecond: number;
  endSecond: number | null;
  values: DimensionValues;
}

interface StretchRow {
  id: string;
  number: number;
  rate: bigint;
  started: bigint;
  ended: bigint | null;
  gpu_type: string;
  region: string;
}

/** The segments of a team with seconds in `[fromSecond, toSecond)`. */
export async function segmentStretches(
  tx: Tx,
  teamId: string,
  fromSecond: number,
  toSecond: number,
): Promise<RecordedStretch[]> {
  const rows = await tx.$queryRaw<
    Array<StretchRow & { pricing: string; project: string | null; covered_by: string | null }>
  >`
    SELECT instance_id AS id, segment AS number, rate_micros_per_hour AS rate, segments.start_second AS started,
      segments.end_second AS ended, gpu_type, region, pricing, project, covered_by
    FROM segments JOIN instances ON instances.id = segments.instance_id
    WHERE segments.team_id = ${teamId} AND segments.start_second < ${toSecond}
      AND (segments.end_second IS NULL OR segments.end_second > ${fromSecond})`;
  return rows.map(({ gpu_type: gpuType, region, pricing, project, covered_by: reservation, ...row }) => ({
    of: 'instance',
    ...toStretch(row),
    values: { gpuType, region, pricing, project, instance: row.id, reservation },
  }));
}

/** The terms of a team's reservations with seconds in `[fromSecond, toSecond)`. */
export async function termStretches(
  tx: Tx,
  teamId: string,
  fromSecond: number,
  toSecond: number,
): Promise<RecordedStretch[]> {
  const rows = await tx.$queryRaw<StretchRow[]>`
    SELECT reservation_id AS id, term_number AS number, rate_micros_per_hour AS rate, terms.start_second AS started,
      terms.closed_second AS ended, gpu_type, region
    FROM reservation_terms AS terms JOIN reservations ON reservations.id = terms.reservation_id
    WHERE terms.team_id = ${teamId} AND terms.start_second < ${toSecond}
      AND (terms.closed_second IS NULL OR terms.closed_second > ${fromSecond})`;
  return rows.map(({ gpu_type: gpuType, region, ...row }) => ({
    of: 'reservation',
    ...toStretch(row),
    values: { gpuType, region, pricing: 'reserved', reservation: row.id },
  }));
}

const toStretch = ({ id, number, rate, started, ended }: Omit<StretchRow, 'gpu_type' | 'region'>) => ({
  ...{ id, number },
  rateMicrosPerHour: toMicros(rate),
  startSecond: toSecond(started),
  endSecond: toSecondOrNull(ended),
});
