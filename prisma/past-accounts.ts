/**
 * A team's account as it stood at a second of the past: from the rows that were recorded through the second. Source:
 * docs/rules.md#the-past.
 */
import { type Account, emptyAccount, type HoldExpiry } from '../billing/account.ts';
import { LONGEST_HOLD_SECONDS } from '../billing/holds.ts';
import { add, micros } from '../billing/money.ts';
import type { Stretch } from '../billing/usage-groups.ts';
import type { Tx } from './client.ts';
import { toMicros, toSecond } from './columns.ts';
import { postedThrough } from './past-balances.ts';
import { termsOf } from './reservations.ts';
import { segmentsOf } from './segments.ts';

/** A segment or a term, with the end that was known. */
interface KnownRow {
  id: string;
  number: number;
  rate: bigint;
  started: bigint;
  /** Null: running, as far as was known. */
  ended: bigint | null;
}

export interface PastAccount {
  /** Without discounts, prices and a policy: only what its balance line needs. */
  account: Account;
  /** What ran in the range, through the second at the most, with the ends that were known. */
  stretches: Array<Pick<Stretch, 'rateMicrosPerHour' | 'startSecond' | 'endSecond'>>;
}

/**
 * The segments of a team that ran after a second. A segment whose end was recorded later ran until the next segment, or was
 * running.
 */
const knownSegments = (tx: Tx, teamId: string, fromSecond: number, second: number): Promise<KnownRow[]> =>
  tx.$queryRaw<KnownRow[]>`
    SELECT instance_id AS id, segment AS number, rate_micros_per_hour AS rate, start_second AS started,
      CASE WHEN COALESCE(end_recorded_second, end_second) <= ${second} THEN end_second
        ELSE LEAD(start_second) OVER (PARTITION BY instance_id ORDER BY segment) END AS ended
    FROM segments
    WHERE team_id = ${teamId} AND start_second <= ${second}
      AND (end_second IS NULL OR end_second > ${fromSecond} OR end_recorded_second > ${fromSecond})`;

const knownTerms = (tx: Tx, teamId: string, fromSecond: number, second: number): Promise<KnownRow[]> =>
  tx.$queryRaw<KnownRow[]>`
    SELECT reservation_id AS id, term_number AS number, rate_micros_per_hour AS rate, start_second AS started,
      CASE WHEN closed_second <= ${second} THEN closed_second END AS ended
    FROM reservation_terms
    WHERE team_id = ${teamId} AND start_second <= ${second} AND (closed_second IS NULL OR closed_second > ${fromSecond})`;

/** The posted amounts of running meters: the rows through the second that post a cost after the start of the meter. */
async function postedOf(
  tx: Tx,
  column: 'instance_id' | 'reservation_id',
  running: readonly KnownRow[],
  second: number,
): Promise<Map<string, bigint>> {
  if (running.length === 0) return new Map();
  const [ids, starts] = [running.map(({ id }) => id), running.map(({ started }) => started)];
  const rows = await tx.$queryRawUnsafe<Array<{ id: string; posted: string }>>(
    `SELECT meters.id, COALESCE(SUM(amount_micros), 0)::text AS posted
     FROM unnest($1::text[], $2::bigint[]) AS meters (id, started) JOIN transfers ON transfers.${column} = meters.id
     WHERE code IN ('instance_usage', 'reservation_usage') AND second <= $3::bigint
       AND split_part(reference, '/', 4)::bigint > started
     GROUP BY meters.id`,
    ids,
    starts,
    second,
  );
  return new Map(rows.map(({ id, posted }) => [id, BigInt(posted)]));
}

/** The holds for requests under way at a second, by second of release, soonest first. */
async function heldForRequests(tx: Tx, teamId: string, second: number): Promise<HoldExpiry[]> {
  const rows = await tx.$queryRaw<Array<{ expires: bigint; held: bigint }>>`
    SELECT expires_second AS expires, SUM(amount_micros)::bigint AS held FROM holds
    WHERE team_id = ${teamId} AND placed_second <= ${second} AND placed_second >= ${second - LONGEST_HOLD_SECONDS}
      AND expires_second > ${second} AND (closed_second IS NULL OR closed_second > ${second}) AND amount_micros > 0
    GROUP BY expires_second ORDER BY expires_second`;
  return rows.map(({ expires, held }) => ({ second: toSecond(expires), micros: toMicros(held) }));
}

/** What open disputes held at a second. */
async function heldByDisputes(tx: Tx, teamId: string, second: number): Promise<bigint> {
  const [row] = await tx.$queryRaw<Array<{ held: string }>>`
    SELECT COALESCE(SUM(held_micros), 0)::text AS held FROM (
      SELECT DISTINCT ON (dispute_id) held_micros FROM dispute_holds
      WHERE team_id = ${teamId} AND second <= ${second} ORDER BY dispute_id, id DESC
    ) AS latest`;
  return BigInt(row?.held ?? 0);
}

const keyOf = (id: string, number: number): string => `${number}/${id}`;

/** The account of a team after all facts that were recorded through a second. @param tx a snapshot */
export async function readPastAccount(
  tx: Tx,
  teamId: string,
  { fromSecond, second }: { fromSecond: number; second: number },
): Promise<PastAccount> {
  const segments = await knownSegments(tx, teamId, fromSecond, second);
  const terms = await knownTerms(tx, teamId, fromSecond, second);
  const isRunning = ({ ended }: KnownRow) => ended === null;
  const [runningSegments, runningTerms] = [segments.filter(isRunning), terms.filter(isRunning)];
  const postedOfInstance = await postedOf(tx, 'instance_id', runningSegments, second);
  const postedOfTerm = await postedOf(tx, 'reservation_id', runningTerms, second);
  const segmentRows = await segmentsOf(
    tx,
    runningSegments.map(({ id }) => id),
  );
  const termRows = await termsOf(
    tx,
    runningTerms.map(({ id }) => id),
  );
  const running = new Set([...runningSegments, ...runningTerms].map(({ id, number }) => keyOf(id, number)));
  const holdExpiries = await heldForRequests(tx, teamId, second);
  const { postedMicros, owedMicros } = await postedThrough(tx, teamId, second);
  const account: Account = {
    ...emptyAccount(teamId, second),
    postedMicros: micros(postedMicros),
    owedMicros: micros(owedMicros),
    heldMicros: add(micros(await heldByDisputes(tx, teamId, second)), ...holdExpiries.map((each) => each.micros)),
    holdExpiries,
    // The rates stay as they were: a forecast from here changes none.
    meters: segmentRows
      .filter(({ instanceId, segment }) => running.has(keyOf(instanceId, segment)))
      .map(({ endSecond: _, ...meter }) => ({
        ...meter,
        priced: { ...meter.priced, given: true },
        postedMicros: micros(postedOfInstance.get(meter.instanceId) ?? 0),
        reclaimSecond: null,
      })),
    reservations: termRows
      .filter(({ reservationId, termNumber }) => running.has(keyOf(reservationId, termNumber)))
      .map(({ closedSecond: _, ...meter }) => ({
        ...meter,
        postedMicros: micros(postedOfTerm.get(meter.reservationId) ?? 0),
        renew: false,
      })),
  };
  const stretches = [...segments, ...terms].map(({ rate, started, ended }) => ({
    rateMicrosPerHour: toMicros(rate),
    startSecond: toSecond(started),
    endSecond: ended === null ? second : toSecond(ended),
  }));
  return { account, stretches };
}
