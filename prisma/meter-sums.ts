/** The running meters of teams as sums, stored by the database beside the segments: see billing/meter-sums.ts. */
import type { MeterClass } from '../billing/meter-sums.ts';
import { textColumn } from './arrays.ts';
import type { Db, Tx } from './client.ts';
import { toMicros, toSecond } from './columns.ts';
import { runPrepared } from './prepared.ts';

interface MeterSumRow {
  team_id: string;
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

const METER_SUMS = {
  name: 'meter-sums',
  text: `SELECT team_id, day_second, kind, list_micros_per_hour, discount_basis_points, rate_remainder, start_remainder, count,
      rate_micros_per_hour::text, rate_times_start::text, posted_micros::text,
      EXISTS (SELECT FROM instances WHERE instances.team_id = meter_sums.team_id AND end_second IS NULL
        AND (pricing = 'reserved' OR (pricing = 'spot' AND hourly_micros IS NULL) OR reclaim_second IS NOT NULL)) AS has_others
    FROM meter_sums WHERE team_id = ANY($1::text[]) AND count > 0`,
};

/**
 * The classes of some teams' running meters. A team without running meters is missing. A team is null where its sums
 * alone do not show how its rates may change: its meters are then read singly.
 */
export async function meterClassesOf(tx: Tx, teamIds: readonly string[]): Promise<Map<string, MeterClass[] | null>> {
  return byTeam(await tx.$queryRawUnsafe<MeterSumRow[]>(METER_SUMS.text, teamIds));
}

/** The same, prepared. */
export const preparedMeterClassesOf = async (
  db: Db,
  teamIds: readonly string[],
): Promise<Map<string, MeterClass[] | null>> =>
  byTeam(await runPrepared<MeterSumRow>(db, METER_SUMS, [textColumn(teamIds, (teamId) => teamId)]));

function byTeam(rows: readonly MeterSumRow[]): Map<string, MeterClass[] | null> {
  const classes = new Map<string, MeterClass[] | null>();
  for (const row of rows) {
    const ofTeam = classes.get(row.team_id);
    if (ofTeam === null) continue;
    if (row.has_others || row.kind === 'covered') classes.set(row.team_id, null);
    else if (ofTeam) ofTeam.push(toClass(row));
    else classes.set(row.team_id, [toClass(row)]);
  }
  for (const [teamId, ofTeam] of classes) if (ofTeam && !isCountable(ofTeam)) classes.set(teamId, null);
  return classes;
}

/** Whether the sums over all classes are exact as numbers. */
const isCountable = (classes: readonly MeterClass[]): boolean =>
  Number.isSafeInteger(classes.reduce((sum, { rateMicrosPerHour }) => sum + rateMicrosPerHour, 0)) &&
  Number.isSafeInteger(classes.reduce((sum, { postedMicros }) => sum + postedMicros, 0));

const toClass = (row: MeterSumRow): MeterClass => ({
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
