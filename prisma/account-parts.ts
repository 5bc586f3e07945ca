/** Assembles accounts: the row of an account, its running meters, and the parts that only some accounts have. */
import type { Account } from '../billing/account.ts';
import { hasDiscountable } from '../billing/calendar.ts';
import { type MeterClass, type MeterSums, meterSums, withoutMeters } from '../billing/meter-sums.ts';
import { trailingFrom } from '../billing/spending.ts';
import { dayStart } from '../billing/time.ts';
import type { Meter } from '../billing/usage.ts';
import { toAccount } from './account-row.ts';
import { hasProjectBudgets } from './alerts.ts';
import type { Db, Tx } from './client.ts';
import { toSecond } from './columns.ts';
import { contestsOf } from './disputes.ts';
import type { Account as AccountRow } from './generated/client.ts';
import { holdExpiriesOf } from './holds.ts';
import { gpuPricesFor } from './prices.ts';
import { runningTermsOf } from './reservations.ts';
import { preparedMetersOf, runningMeters } from './segments.ts';
import { readSpentByDay } from './spending.ts';

/** The reach of a reader's computation, which decides what to read with the account. */
export interface Reach {
  /** The second through which the account will be brought up to date. */
  throughSecond: number;
  /**
   * `start`: an instance is to be priced from the list, so the team's spending is read. `forecast`: the account is
   * followed beyond the second.
   */
  for?: 'start' | 'forecast';
  /**
   * The instances whose meters are needed singly; other meters are read as sums. Absent: all meters are needed. Where
   * sums do not decide, the computation throws `MetersNeeded`.
   */
  instanceIds?: readonly string[];
}

/** The account of a single row. */
export async function assembledOne(tx: Tx, row: AccountRow, reach: Reach, sums: Sums): Promise<Account> {
  const { teamId } = row;
  const running = new Map([[teamId, await runningOf(tx, row, reach, sums)]]);
  const account = (await assembled(tx, [row], running, reach)).get(teamId);
  if (!account) throw new Error(`the account of ${teamId} was not assembled`);
  return account;
}

/** Assembles accounts from their rows, their running meters, and the parts that only some accounts have. */
export async function assembled(
  tx: Tx,
  rows: readonly AccountRow[],
  running: ReadonlyMap<string, Running>,
  reach: Reach,
): Promise<Map<string, Account>> {
  const having = (has: (row: AccountRow) => boolean) => rows.filter(has).map(({ teamId }) => teamId);
  const disputed = having(({ openDisputes }) => openDisputes > 0);
  const reserving = having(({ runningReservations }) => runningReservations > 0);
  const holding = having(({ heldMicros }) => heldMicros > 0n);
  const contests = disputed.length > 0 ? await contestsOf(tx, disputed) : [];
  const reservations = reserving.length > 0 ? await runningTermsOf(tx, reserving) : new Map();
  const expiries = holding.length > 0 ? await holdExpiriesOf(tx, holding) : new Map();
  const accounts = new Map<string, Account>();
  for (const row of rows) {
    const { teamId } = row;
    const account = toAccount(row, {
      ...(running.get(teamId) ?? NOTHING_RUNS),
      contests: contests.filter((contest) => contest.teamId === teamId),
      reservations: reservations.get(teamId) ?? [],
      holdExpiries: expiries.get(teamId) ?? [],
    });
    accounts.set(teamId, await withPrices(tx, account, reach));
  }
  return accounts;
}

/** The running meters of a team: some singly, the others as sums. */
interface Running {
  meters: Meter[];
  summed: MeterSums | null;
}
const NOTHING_RUNS: Running = { meters: [], summed: null };

/** The classes of all meters of a team, null where classes do not decide; and the meters of named instances. */
interface Sums {
  classes: MeterClass[] | null;
  named: readonly Meter[];
}

async function runningOf(
  tx: Tx,
  { teamId, asOfSecond, standsAtSecond, alerts }: AccountRow,
  { instanceIds }: Reach,
  { classes, named }: Sums,
): Promise<Running> {
  // While an open exhaustion keeps the money at X, sums through the later as-of second do not apply. No sum is by project.
  if (instanceIds === undefined || standsAtSecond !== null || classes === null || hasProjectBudgets(alerts))
    return { meters: await runningMeters(tx, teamId), summed: null };
  return { meters: [...named], summed: meterSums(withoutMeters(classes, named), toSecond(asOfSecond)) };
}

/** The running meters of several teams, each of them singly. */
export const allRead = (metersOf: ReadonlyMap<string, Meter[]>): Map<string, Running> =>
  new Map([...metersOf].map(([teamId, meters]) => [teamId, { meters, summed: null }]));

/** The running meters of several teams, as sums wherever sums are enough. */
export async function preparedRunningOf(
  db: Db,
  rows: readonly AccountRow[],
  classesOf: ReadonlyMap<string, MeterClass[] | null>,
): Promise<Map<string, Running>> {
  const isSummed = ({ teamId, standsAtSecond, alerts }: AccountRow) =>
    standsAtSecond === null && classesOf.get(teamId) !== null && !hasProjectBudgets(alerts);
  const others = rows.filter((row) => !isSummed(row)).map(({ teamId }) => teamId);
  const running = allRead(others.length > 0 ? await preparedMetersOf(db, others) : new Map());
  for (const row of rows.filter(isSummed))
    running.set(row.teamId, {
      meters: [],
      summed: meterSums(classesOf.get(row.teamId) ?? [], toSecond(row.asOfSecond)),
    });
  return running;
}

/** Adds list prices and the last month's spending where these can change a rate. Most teams need neither. */
async function withPrices(tx: Tx, account: Account, reach: Reach): Promise<Account> {
  const { teamId, meters, reservations, datedThroughSecond } = account;
  const pairs = [
    ...meters.map(({ priced }) => priced).filter(({ pricing, given }) => pricing === 'spot' && !given),
    ...reservations.filter(({ renew }) => renew),
  ];
  const prices = pairs.length > 0 ? await gpuPricesFor(tx, pairs, datedThroughSecond) : [];

  const isMovable = hasDiscountable(account);
  // A fact's second is never before the as-of second, which may lie past a midnight before which money has stood.
  const throughSecond = Math.max(reach.throughSecond, account.asOfSecond);
  const newDay = dayStart(throughSecond) > dayStart(datedThroughSecond);
  const asks = reach.for === 'start' || (isMovable && (reach.for === 'forecast' || newDay));
  const spentByDay = asks ? await readSpentByDay(tx, teamId, trailingFrom(datedThroughSecond), throughSecond) : null;
  return { ...account, prices, spentByDay };
}
