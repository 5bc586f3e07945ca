/**
 * All values of a team's balance by one prepared statement, which is its own snapshot of the database. The work does not grow
 * with the number of running instances.
 */
import type { Account } from '../billing/account.ts';
import { BillingError } from '../billing/errors.ts';
import { trailingFrom } from '../billing/spending.ts';
import { ACCOUNT, accountOf } from './account-row.ts';
import { hasBudgets } from './alerts.ts';
import type { Db } from './client.ts';
import { type InJson, toSecond } from './columns.ts';
import { Prisma } from './generated/client.ts';
import { holdExpiriesFromJson, holdExpiriesInJson } from './holds.ts';
import { hasOthers } from './meter-sums.ts';
import {
  areRemaindersFew,
  daysInJson,
  remainderCountsInJson,
  remaindersAt,
  sumsFromJson,
  toRemainderCounts,
  totalsInJson,
} from './meter-totals.ts';
import { type Prepared, runPrepared } from './prepared.ts';
import { selectSpentByDay, toSpentByDay } from './spending.ts';
import { sumOfCosts } from './usage-sums.ts';

const TEAM = 'account.team_id';
const column = (name: string): Prisma.Sql => Prisma.raw(`account.${name}`);
const costOf = (end: string): Prisma.Sql => sumOfCosts(Prisma.raw(end), column('from_second'), column('to_second'));

const spentByDay = selectSpentByDay({
  teamId: column('team_id'),
  fromSecond: column('trailing_second'),
  throughSecond: column('now_second'),
});
const spentByDayInJson = `SELECT COALESCE(json_agg(row_to_json(by_day)), '[]') FROM (${spentByDay.text}) AS by_day`;

interface Variant {
  /** `now`: the remainders are read as one sum at the second of the balance, except where few counts give all seconds. */
  remaindersAt: 'now' | 'all seconds';
  /** Whether the spending by day is read where the team's discount changes rates. */
  withSpending: boolean;
}

/** The parameters reach the plan through a table only, so one plan serves all values. */
function statementOf({ remaindersAt: at, withSpending }: Variant): Prepared {
  const isDiscountable = `EXISTS (SELECT FROM meter_totals WHERE team_id = accounts.team_id AND kind = 'listed' AND count > 0)`;
  const isCounted = at === 'now' ? areRemaindersFew('accounts.team_id') : 'TRUE';
  const text = `
  WITH account AS MATERIALIZED (
    SELECT ${ACCOUNT}, GREATEST(as_of_second, $2::bigint) AS now_second, $3::bigint AS from_second, $4::bigint AS to_second,
      (GREATEST(as_of_second, $2::bigint) % 3600)::integer AS second_of_hour,
      as_of_second - as_of_second % 86400 + (${trailingFrom(0)}) AS trailing_second,
      ${withSpending ? isDiscountable : 'FALSE'} AS has_spending,
      ${isCounted} AS is_counted
    FROM accounts WHERE team_id = $1::text
  )
  SELECT row_to_json(read) AS read FROM (SELECT ${ACCOUNT.replaceAll('accounts.', 'account.')}, now_second,
    ${hasOthers(TEAM)} AS has_others,
    (${totalsInJson(TEAM)}) AS totals,
    (${daysInJson(TEAM, 'CASE WHEN has_spending THEN LEAST(from_second, trailing_second) ELSE from_second END')}) AS days,
    CASE WHEN NOT is_counted THEN (${remaindersAt(TEAM, 'second_of_hour')}) END AS remainders,
    CASE WHEN is_counted THEN (${remainderCountsInJson(TEAM)}) END AS remainder_counts,
    CASE WHEN held_micros > 0 THEN (${holdExpiriesInJson(TEAM)}) END AS holds,
    ${withSpending ? `CASE WHEN has_spending THEN (${spentByDayInJson}) END` : 'NULL::json'} AS spent,
    (SELECT ${costOf('end_second').text}::text FROM segments
      WHERE segments.team_id = ${TEAM} AND end_second > from_second AND start_second < to_second) AS of_segments,
    (SELECT ${costOf('closed_second').text}::text FROM reservation_terms
      WHERE reservation_terms.team_id = ${TEAM} AND closed_second > from_second AND start_second < to_second) AS of_terms,
    (SELECT COALESCE(SUM(micros), 0)::text FROM token_days
      WHERE token_days.team_id = ${TEAM} AND day_second >= from_second AND day_second < to_second) AS of_tokens
  FROM account) AS read`;
  return { name: `balance, ${at}${withSpending ? ', spending' : ''}`, text };
}

const STATEMENTS = {
  now: [
    statementOf({ remaindersAt: 'now', withSpending: false }),
    statementOf({ remaindersAt: 'now', withSpending: true }),
  ],
  'all seconds': [
    statementOf({ remaindersAt: 'all seconds', withSpending: false }),
    statementOf({ remaindersAt: 'all seconds', withSpending: true }),
  ],
} as const;

interface BalanceRow {
  now_second: bigint;
  as_of_second: bigint;
  stands_at_second: bigint | null;
  alerts: unknown;
  open_disputes: number;
  running_reservations: number;
  has_others: boolean;
  totals: unknown;
  days: unknown;
  remainders: string | null;
  remainder_counts: unknown;
  holds: unknown;
  spent: unknown;
  of_segments: string;
  of_terms: string;
  of_tokens: string;
}

export interface ForBalance extends Variant {
  teamId: string;
  second: number;
  /** The range of the usage: whole days. */
  fromSecond: number;
  toSecond: number;
}

export interface ReadForBalance {
  account: Account;
  /** The cost in the range of all stretches of running that have ended, and of tokens. */
  endedMicros: bigint;
}

/**
 * Reads a team's account with sums of all its running meters, and its usage. Null where the account has parts that the
 * statement does not read: reservations, open disputes, budgets, money that stands at an earlier second, and instances
 * that the sums do not show.
 * @throws BillingError `not_found`
 */
export async function readForBalance(db: Db, query: ForBalance): Promise<ReadForBalance | null> {
  const statement = STATEMENTS[query.remaindersAt][query.withSpending ? 1 : 0];
  const values = [query.teamId, query.second, query.fromSecond, query.toSecond];
  const [result] = await runPrepared<{ read: InJson<BalanceRow> }>(db, statement, values);
  if (!result) throw new BillingError('not_found', 'no such team', 'team');
  const row = result.read;
  const isPlain =
    row.stands_at_second === null && row.open_disputes === 0 && row.running_reservations === 0 && !row.has_others;
  if (!isPlain || hasBudgets(row.alerts)) return null;
  const totalsAreKnown =
    row.remainder_counts === null
      ? { second: toSecond(row.now_second), remainders: Number(row.remainders) }
      : toRemainderCounts(row.remainder_counts);
  const summed = sumsFromJson(row, toSecond(row.as_of_second), totalsAreKnown);
  if (summed === undefined) return null;
  const account = accountOf(row, {
    ...{ meters: [], summed, contests: [], reservations: [], holdExpiries: holdExpiriesFromJson(row.holds) },
    spentByDay: row.spent === null ? null : toSpentByDay(row.spent as Parameters<typeof toSpentByDay>[0]),
  });
  return { account, endedMicros: BigInt(row.of_segments) + BigInt(row.of_terms) + BigInt(row.of_tokens) };
}
