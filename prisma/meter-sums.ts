/** The running meters of teams as sums, stored by the database beside the segments: see billing/meter-sums.ts. */
import type { MeterClass, MeterGroup } from '../billing/meter-sums.ts';
import { type InJson, toMicros, toSecond } from './columns.ts';

interface MeterSumRow {
  /** Some running instance of the team is spot from the list, reserved, or about to be reclaimed. */
  has_others: boolean;
  day_second: bigint;
  kind: string;
  list_micros_per_hour: bigint;
  discount_basis_points: number;
  rate_remainder: number;
  start_remainder: number;
  count: bigint;
  rate_micros_per_hour: string;
  rate_times_start: string;
  posted_micros: string;
}

/** @param teamId how the statement names the team */
export const hasOthers = (teamId: string): string => `
  EXISTS (SELECT FROM instances WHERE instances.team_id = ${teamId} AND end_second IS NULL
    AND (pricing = 'reserved' OR (pricing = 'spot' AND hourly_micros IS NULL) OR reclaim_second IS NOT NULL))`;

const COLUMNS = `day_second, kind, list_micros_per_hour, discount_basis_points, rate_remainder, start_remainder, count,
      rate_micros_per_hour::text, rate_times_start::text, posted_micros::text,
      ${hasOthers('meter_sums.team_id')} AS has_others`;

/** The classes of the running meters of one team as a JSON value. @param teamId how the statement names the team */
export const meterClassesInJson = (teamId: string): string => `
  SELECT json_agg(row_to_json(sums))
  FROM (SELECT ${COLUMNS} FROM meter_sums WHERE meter_sums.team_id = ${teamId} AND count > 0) AS sums`;

/**
 * An empty list where no instance runs. Null where the sums alone do not show how rates may change: the meters are then read
 * singly.
 */
export function meterClassesFromJson(value: unknown): MeterClass[] | null {
  const rows = (value ?? []) as Array<InJson<MeterSumRow>>;
  if (rows.some((row) => row.has_others || row.kind === 'covered')) return null;
  const classes = rows.map(toClass);
  return isCountable(classes) ? classes : null;
}

/** Whether the sums over all classes are exact as numbers. */
export const isCountable = (classes: ReadonlyArray<MeterClass | MeterGroup>): boolean =>
  Number.isSafeInteger(classes.reduce((sum, { rateMicrosPerHour }) => sum + rateMicrosPerHour, 0)) &&
  Number.isSafeInteger(classes.reduce((sum, { postedMicros }) => sum + postedMicros, 0));

const toClass = (row: InJson<MeterSumRow>): MeterClass => ({
  daySecond: toSecond(row.day_second),
  isDiscountable: row.kind === 'listed',
  listMicrosPerHour: toMicros(row.list_micros_per_hour),
  discountBasisPoints: row.discount_basis_points,
  rateRemainder: row.rate_remainder,
  startRemainder: row.start_remainder,
  count: Number(row.count),
  rateMicrosPerHour: Number(row.rate_micros_per_hour),
  rateTimesStart: BigInt(row.rate_times_start),
  postedMicros: Number(row.posted_micros),
});
