/**
 * The running meters of a team as few groups, with the remainders of all meters together: for a balance, whose time must not
 * grow with the number of classes. The database keeps the sums beside the segments, like meter-sums.ts.
 */
import {
  type KnownRemainders,
  type MeterGroup,
  type MeterSums,
  meterSums,
  type RemainderCount,
} from '../billing/meter-sums.ts';
import { type InJson, toMicros, toSecond } from './columns.ts';
import { isCountable } from './meter-sums.ts';

interface TotalRow {
  kind: string;
  list_micros_per_hour: bigint;
  discount_basis_points: number;
  count: bigint;
  rate_micros_per_hour: string;
  rate_times_start: string;
  hour_remainders: bigint;
}
type TotalOfTeam = InJson<TotalRow & { posted_micros: string }>;
type TotalOfDay = InJson<TotalRow & { day_second: bigint }>;

const COLUMNS = `kind, list_micros_per_hour, discount_basis_points, count, rate_micros_per_hour::text, rate_times_start::text,
      hour_remainders`;

/** The totals of a team as a JSON value. The arguments are how the statement names their values. */
export const totalsInJson = (teamId: string): string => `
  SELECT json_agg(row_to_json(totals)) FROM (
    SELECT ${COLUMNS}, posted_micros::text FROM meter_totals WHERE meter_totals.team_id = ${teamId} AND count > 0
  ) AS totals`;

/** The sums of the days from a second on. */
export const daysInJson = (teamId: string, fromSecond: string): string => `
  SELECT json_agg(row_to_json(days)) FROM (
    SELECT ${COLUMNS}, day_second FROM meter_days
    WHERE meter_days.team_id = ${teamId} AND day_second >= ${fromSecond} AND count > 0
  ) AS days`;

/**
 * Σ of the remainders at a second. Twin of `remaindersOf` in billing/meter-sums.ts.
 * @param secondOfHour the second mod 3600, an integer
 */
export const remaindersAt = (teamId: string, secondOfHour: string): string => `
  SELECT SUM(count * ((rate_remainder * ${secondOfHour} + 3600 - start_remainder) % 3600))::text
  FROM meter_remainders WHERE meter_remainders.team_id = ${teamId}`;

/** Rates in whole cents have fewer different remainders. */
const FEW = 100;

/** True if the counts by remainder are as few as a single row costs. */
export const areRemaindersFew = (teamId: string): string => `
  (SELECT COUNT(1) FROM (SELECT FROM meter_remainders WHERE meter_remainders.team_id = ${teamId} LIMIT ${FEW + 1}) AS counted) <= ${FEW}`;

export const remainderCountsInJson = (teamId: string): string => `
  SELECT COALESCE(json_agg(json_build_array(rate_remainder, start_remainder, count)), '[]')
  FROM meter_remainders WHERE meter_remainders.team_id = ${teamId}`;

export const toRemainderCounts = (value: unknown): RemainderCount[] =>
  (value as Array<[number, number, number]>).map(([rateRemainder, startRemainder, count]) => ({
    ...{ rateRemainder, startRemainder, count },
  }));

/**
 * The sums of a team's running meters, null where none run. Undefined where the sums alone do not show how rates may change.
 * @param days of the meters that started on the day of a certain second, or later
 */
export function sumsFromJson(
  { totals, days }: { totals: unknown; days: unknown },
  startedBySecond: number,
  knownRemainders: KnownRemainders,
): MeterSums | null | undefined {
  const rows = (totals ?? []) as TotalOfTeam[];
  if (rows.some(({ kind }) => kind === 'covered')) return undefined;
  const ofDays = (days ?? []) as TotalOfDay[];
  const groups = rows.flatMap((row) =>
    groupsOf(
      row,
      ofDays.filter((day) => isSameKind(day, row)),
    ),
  );
  return isCountable(groups) ? meterSums(groups, startedBySecond, knownRemainders) : undefined;
}

const isSameKind = (a: TotalOfDay, b: TotalOfTeam): boolean =>
  a.kind === b.kind &&
  a.list_micros_per_hour === b.list_micros_per_hour &&
  a.discount_basis_points === b.discount_basis_points;

/** One group for each day, and one for all days before. The discount of all changes at once, so one group has all postings. */
function groupsOf(total: TotalOfTeam, days: readonly TotalOfDay[]): MeterGroup[] {
  const before = toGroup(total, 0);
  const later = days.map((day) => toGroup(day, toSecond(day.day_second)));
  for (const group of later) {
    before.count -= group.count;
    before.rateMicrosPerHour -= group.rateMicrosPerHour;
    before.rateTimesStart -= group.rateTimesStart;
    before.hourRemainders -= group.hourRemainders;
  }
  const groups = before.count > 0 ? [before, ...later] : later;
  return groups.map((group, index) => ({ ...group, postedMicros: index === 0 ? Number(total.posted_micros) : 0 }));
}

const toGroup = (row: InJson<TotalRow>, daySecond: number): MeterGroup => ({
  daySecond,
  isDiscountable: row.kind === 'listed',
  listMicrosPerHour: toMicros(row.list_micros_per_hour),
  discountBasisPoints: row.discount_basis_points,
  count: Number(row.count),
  rateMicrosPerHour: Number(row.rate_micros_per_hour),
  rateTimesStart: BigInt(row.rate_times_start),
  postedMicros: 0,
  hourRemainders: Number(row.hour_remainders),
});
