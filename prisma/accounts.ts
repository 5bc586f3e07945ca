/** The team's balance line: read, locked and stored as one row beside its running meters. */
import type { Account } from '../billing/account.ts';
import { hasDiscountable } from '../billing/calendar.ts';
import { BillingError } from '../billing/errors.ts';
import { type MeterClass, type MeterSums, MetersNeeded, meterSums, withoutMeters } from '../billing/meter-sums.ts';
import { trailingFrom } from '../billing/spending.ts';
import { dayStart } from '../billing/time.ts';
import type { Meter } from '../billing/usage.ts';
import { textColumn } from './arrays.ts';
import type { ClockProbe, Db, Tx } from './client.ts';
import { columnOf, columnsOf, toMicros, toMicrosOrNull, toSecond, toSecondOrNull } from './columns.ts';
import { contestsOf } from './disputes.ts';
import { type Account as AccountRow, Prisma } from './generated/client.ts';
import { holdExpiriesOf } from './holds.ts';
import { type Instance, instancesFromJson, instancesInJson } from './instances.ts';
import type { LookMarks } from './look-marks.ts';
import { meterClassesFromJson, meterClassesInJson } from './meter-sums.ts';
import { runPrepared } from './prepared.ts';
import { gpuPricesFor } from './prices.ts';
import type { Also } from './reading.ts';
import { runningTermsOf } from './reservations.ts';
import {
  preparedMetersOf,
  runningMeters,
  runningMetersOf,
  runningOnes,
  type SegmentOfInstance,
  segmentsFromJson,
  segmentsInJson,
} from './segments.ts';
import { readSpentByDay } from './spending.ts';
import type { Write } from './statements.ts';

export const ACCOUNT = columnsOf(Prisma.AccountScalarFieldEnum, 'accounts');
const LOCKED = columnsOf(Prisma.AccountScalarFieldEnum, 'locked');

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

/** The account as recorded, for callers that neither bring the account up to date nor use its meters. */
export const AS_RECORDED: Reach = { throughSecond: 0, instanceIds: [] };

/**
 * Acts with the meters of some instances and the sums of the others, and again with all meters where sums do not
 * decide.
 * @param act what it keeps in a transaction must be gone when it throws
 */
export async function bySums<T>(
  instanceIds: readonly string[],
  act: (named: Pick<Reach, 'instanceIds'>) => Promise<T>,
): Promise<T> {
  try {
    return await act({ instanceIds });
  } catch (error) {
    if (error instanceof MetersNeeded) return act({});
    throw error;
  }
}

/**
 * Takes the team's row lock and reads its account. The statement brings the database's time for `clock`.
 * @throws BillingError `not_found`, `clock_wrong`
 */
export async function lockAccount(tx: Tx, teamId: string, reach: Reach, clock?: ClockProbe | null): Promise<Account> {
  return (await lockForFact(tx, { ofTeam: teamId }, reach, clock)).account;
}

/** The values that one statement reads beside an account. */
export interface Asked<A = null> {
  /** Absent: the team of the first instance. */
  ofTeam?: string;
  /** Instances whose rows and segments are read. */
  instanceIds?: readonly string[];
  also?: Also<A>;
}

export interface Read<A = null> {
  instances: Instance[];
  /** Ordered by instance, then by number. */
  segments: SegmentOfInstance[];
  also: A;
}

export interface LockedAccount {
  account: Account;
  marks: LookMarks;
}

/**
 * Takes the team's row lock for a fact, and reads the values that the fact needs by the same statement. A statement that
 * waits for the lock sees all other rows as of a moment before the wait. Where another transaction has written the account's
 * row in between, as every fact does, the statement is sent again under the lock.
 * @throws BillingError `not_found`, `clock_wrong`
 */
export async function lockForFact<A = null>(
  tx: Tx,
  asked: Asked<A>,
  reach: Reach,
  clock?: ClockProbe | null,
): Promise<LockedAccount & { read: Read<A> }> {
  const statement = together(asked, reach, Prisma.sql`FOR UPDATE`);
  for (;;) {
    const hasTime = clock?.reading();
    const row = await firstOf(tx, statement, asked);
    hasTime?.(row.database_seconds * 1_000);
    if (row.is_current) return { marks: marksOf(toRow(row)), ...(await readFrom(tx, row, asked, reach)) };
  }
}

/**
 * Reads an account, and the values asked for beside the account by the same statement, without a lock: for answers, never
 * for a write.
 * @throws BillingError `not_found`
 */
export async function readWithAccount<A = null>(
  tx: Tx,
  asked: Asked<A>,
  reach: Reach,
): Promise<{ account: Account; read: Read<A> }> {
  return readFrom(tx, await firstOf(tx, together(asked, reach, Prisma.empty), asked), asked, reach);
}

/**
 * Reads an account without a lock: for answers, never for a write.
 * @throws BillingError `not_found`
 */
export async function readAccount(tx: Tx, teamId: string, reach: Reach): Promise<Account> {
  return (await readWithAccount(tx, { ofTeam: teamId }, reach)).account;
}

interface TogetherRow {
  database_seconds: number;
  /** Whether the other values are of the same moment as the account. */
  is_current: boolean;
  classes: unknown;
  instances: unknown;
  segments: unknown;
  also: unknown;
}

const NOT_ASKED = Prisma.sql`SELECT NULL::json`;
const CLASSES = Prisma.raw(meterClassesInJson('locked.team_id'));

function together({ ofTeam, instanceIds = [], also }: Asked<unknown>, reach: Reach, forUpdate: Prisma.Sql): Prisma.Sql {
  const isNaming = instanceIds.length > 0;
  const team = ofTeam === undefined ? Prisma.sql`(SELECT team_id FROM instances WHERE id = ${instanceIds[0]})` : ofTeam;
  return Prisma.sql`
    WITH locked AS MATERIALIZED (
      SELECT ${Prisma.raw(ACCOUNT)}, xmin AS version FROM accounts WHERE team_id = ${team} ${forUpdate}
    )
    SELECT ${Prisma.raw(LOCKED)}, extract(epoch FROM clock_timestamp())::float8 AS database_seconds,
      version = (SELECT xmin FROM accounts WHERE accounts.team_id = locked.team_id) AS is_current,
      (${reach.instanceIds === undefined ? NOT_ASKED : CLASSES}) AS classes,
      (${isNaming ? instancesInJson(instanceIds) : NOT_ASKED}) AS instances,
      (${isNaming ? segmentsInJson(instanceIds) : NOT_ASKED}) AS segments,
      (${also?.sql ?? NOT_ASKED}) AS also
    FROM locked`;
}

async function firstOf(tx: Tx, statement: Prisma.Sql, { ofTeam }: Asked<unknown>): Promise<TogetherRow> {
  const [row] = await tx.$queryRaw<TogetherRow[]>(statement);
  if (row) return row;
  throw ofTeam === undefined
    ? new BillingError('not_found', 'no such instance', 'id')
    : new BillingError('not_found', 'no such team', 'team');
}

async function readFrom<A>(
  tx: Tx,
  found: TogetherRow,
  { also }: Asked<A>,
  reach: Reach,
): Promise<{ account: Account; read: Read<A> }> {
  const row = toRow(found);
  const instances = instancesFromJson(found.instances);
  const segments = segmentsFromJson(found.segments);
  const ofTeam = new Set(instances.filter(({ teamId }) => teamId === row.teamId).map(({ id }) => id));
  const account = await onlyOf(tx, row, reach, {
    classes: meterClassesFromJson(found.classes),
    named: runningOnes(segments).filter(({ instanceId }) => ofTeam.has(instanceId)),
  });
  return { account, read: { instances, segments, also: also ? also.of(found.also) : (null as A) } };
}

const marksOf = (row: AccountRow): LookMarks => ({
  dueSecond: toSecondOrNull(row.lookDueSecond),
  wokenSecond: toSecondOrNull(row.wokenSecond),
  lastSecond: toSecondOrNull(row.lastLookSecond),
  plannedSecond: toSecondOrNull(row.plannedLookSecond),
});

/** The account of a single row. */
async function onlyOf(tx: Tx, row: AccountRow, reach: Reach, sums: Sums): Promise<Account> {
  const { teamId } = row;
  const running = new Map([[teamId, await runningOf(tx, row, reach, sums)]]);
  const account = (await assembled(tx, [row], running, reach)).get(teamId);
  if (!account) throw new Error(`the account of ${teamId} was not assembled`);
  return account;
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
  { teamId, asOfSecond, standsAtSecond }: AccountRow,
  { instanceIds }: Reach,
  { classes, named }: Sums,
): Promise<Running> {
  // Where money stands at an earlier second, sums through the as-of second are of no use.
  if (instanceIds === undefined || standsAtSecond !== null || classes === null)
    return { meters: await runningMeters(tx, teamId), summed: null };
  return { meters: [...named], summed: meterSums(withoutMeters(classes, named), toSecond(asOfSecond)) };
}

/** Reads the accounts of several teams without a lock, for lists. */
export async function readAccounts(tx: Tx, teamIds: string[], reach: Reach): Promise<Map<string, Account>> {
  const rows = await tx.account.findMany({ where: { teamId: { in: teamIds } } });
  return assembled(tx, rows, allRead(await runningMetersOf(tx, teamIds)), reach);
}

const allRead = (metersOf: ReadonlyMap<string, Meter[]>): Map<string, Running> =>
  new Map([...metersOf].map(([teamId, meters]) => [teamId, { meters, summed: null }]));

/** Assembles accounts from their rows, their running meters, and the parts that only some accounts have. */
async function assembled(
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

const READ_ACCOUNTS = {
  name: 'read-accounts',
  text: `SELECT ${ACCOUNT}, xmin::text AS version, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS database_ms,
      (${meterClassesInJson('accounts.team_id')}) AS classes
    FROM accounts WHERE team_id = ANY($1::text[])`,
};

interface FoundAccount {
  team_id: string;
  version: string;
  database_ms: number;
  classes: unknown;
}

export interface AccountAsOf extends LockedAccount {
  /** Changes with every write of the account's row, and every fact writes the row. */
  version: string;
}

/**
 * Reads the accounts of several teams, each with its version, by prepared statements: for a write that takes place only
 * where the version is still the same. Other meters are read by a later statement: a change in between changes the version.
 */
export async function readAccountsAsOf(
  db: Db,
  teamIds: readonly string[],
  reach: Reach,
): Promise<Map<string, AccountAsOf>> {
  const readClock = db.clock?.reading();
  const found = await runPrepared<FoundAccount>(db, READ_ACCOUNTS, [textColumn(teamIds, (teamId) => teamId)]);
  if (found[0]) readClock?.(found[0].database_ms);
  const rows = found.map(toRow);
  const classesOf = new Map(found.map(({ team_id, classes }) => [team_id, meterClassesFromJson(classes)]));
  const accounts = await assembled(db, rows, await preparedRunningOf(db, rows, classesOf), reach);
  const read = new Map<string, AccountAsOf>();
  for (const [index, row] of rows.entries()) {
    const account = accounts.get(row.teamId);
    if (account) read.set(row.teamId, { account, marks: marksOf(row), version: found[index]?.version ?? '' });
  }
  return read;
}

/** The running meters of several teams, as sums wherever sums are enough. */
async function preparedRunningOf(
  db: Db,
  rows: readonly AccountRow[],
  classesOf: ReadonlyMap<string, MeterClass[] | null>,
): Promise<Map<string, Running>> {
  const isSummed = ({ teamId, standsAtSecond }: AccountRow) =>
    standsAtSecond === null && classesOf.get(teamId) !== null;
  const others = rows.filter((row) => !isSummed(row)).map(({ teamId }) => teamId);
  const running = allRead(others.length > 0 ? await preparedMetersOf(db, others) : new Map());
  for (const row of rows.filter(isSummed))
    running.set(row.teamId, {
      meters: [],
      summed: meterSums(classesOf.get(row.teamId) ?? [], toSecond(row.asOfSecond)),
    });
  return running;
}

const camelCase = (column: string): string => column.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const nameOf = new Map<string, string>();

/** A row of the table in the client's form. */
function toRow(raw: object): AccountRow {
  const row: Record<string, unknown> = {};
  for (const [column, value] of Object.entries(raw)) {
    const name = nameOf.get(column) ?? camelCase(column);
    nameOf.set(column, name);
    row[name] = value;
  }
  return row as unknown as AccountRow;
}

/** The columns of an account that usage changes. */
const MOVED_BY_USAGE = new Set<string>([
  'asOfSecond',
  'postedMicros',
  'heldMicros',
  'owedMicros',
  'remainderMillionths',
]);

/** True if only columns that `postUsage` writes have changed in the account's row. */
export function isMovedByUsageOnly(before: Account, after: Account): boolean {
  const old: Record<string, unknown> = columns(before);
  return Object.entries(columns(after)).every(([name, value]) => MOVED_BY_USAGE.has(name) || value === old[name]);
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

/** The account of a row of raw columns. */
export const accountOf = (raw: object, parts: Parts & Pick<Account, 'spentByDay'>): Account => ({
  ...toAccount(toRow(raw), parts),
  spentByDay: parts.spentByDay,
});

/** The parts of an account with rows of their own. */
type Parts = Pick<Account, 'meters' | 'summed' | 'contests' | 'reservations' | 'holdExpiries'>;

function toAccount(row: AccountRow, parts: Parts): Account {
  return {
    teamId: row.teamId,
    asOfSecond: toSecond(row.asOfSecond),
    postedMicros: toMicros(row.postedMicros),
    heldMicros: toMicros(row.heldMicros),
    owedMicros: toMicros(row.owedMicros),
    remainderMillionths: Number(row.remainderMillionths),
    ...parts,
    discount:
      row.discountBasisPoints === null
        ? null
        : { basisPoints: row.discountBasisPoints, untilSecond: toSecondOrNull(row.discountUntilSecond) },
    volumeBasisPoints: row.volumeBasisPoints,
    prices: [],
    spentByDay: null,
    datedThroughSecond: toSecond(row.standsAtSecond ?? row.asOfSecond),
    policy:
      row.policyThresholdMicros === null || row.policyAmountMicros === null
        ? null
        : {
            enabled: row.policyEnabled,
            thresholdMicros: toMicros(row.policyThresholdMicros),
            amountMicros: toMicros(row.policyAmountMicros),
            paymentMethodId: row.policyPaymentMethodId,
            monthlyCapMicros: toMicrosOrNull(row.policyMonthlyCapMicros),
          },
    attempt:
      row.attemptDepositId === null || row.attemptOpenedSecond === null || row.attemptAmountMicros === null
        ? null
        : {
            number: Number(row.attempts),
            depositId: row.attemptDepositId,
            openedSecond: toSecond(row.attemptOpenedSecond),
            amountMicros: toMicros(row.attemptAmountMicros),
          },
    attempts: Number(row.attempts),
    lastAttemptSecond: toSecondOrNull(row.lastAttemptSecond),
    toppedUp: { monthStartSecond: toSecond(row.toppedUpMonthSecond), micros: toMicros(row.toppedUpMicros) },
    standsAtSecond: toSecondOrNull(row.standsAtSecond),
    exhaustions: Number(row.exhaustions),
    lowArmed: row.lowArmed,
    suspendedSecond: toSecondOrNull(row.suspendedSecond),
    archivedSecond: toSecondOrNull(row.archivedSecond),
  };
}

const columns = (account: Account) => ({
  asOfSecond: account.asOfSecond,
  postedMicros: account.postedMicros,
  heldMicros: account.heldMicros,
  owedMicros: account.owedMicros,
  remainderMillionths: account.remainderMillionths,
  policyEnabled: account.policy?.enabled ?? false,
  policyThresholdMicros: account.policy?.thresholdMicros ?? null,
  policyAmountMicros: account.policy?.amountMicros ?? null,
  policyPaymentMethodId: account.policy?.paymentMethodId ?? null,
  policyMonthlyCapMicros: account.policy?.monthlyCapMicros ?? null,
  attempts: account.attempts,
  attemptDepositId: account.attempt?.depositId ?? null,
  attemptOpenedSecond: account.attempt?.openedSecond ?? null,
  attemptAmountMicros: account.attempt?.amountMicros ?? null,
  lastAttemptSecond: account.lastAttemptSecond,
  toppedUpMonthSecond: account.toppedUp.monthStartSecond,
  toppedUpMicros: account.toppedUp.micros,
  standsAtSecond: account.standsAtSecond,
  exhaustions: account.exhaustions,
  lowArmed: account.lowArmed,
  openDisputes: account.contests.length,
  discountBasisPoints: account.discount?.basisPoints ?? null,
  discountUntilSecond: account.discount?.untilSecond ?? null,
  volumeBasisPoints: account.volumeBasisPoints,
  runningReservations: account.reservations.length,
  suspendedSecond: account.suspendedSecond,
  archivedSecond: account.archivedSecond,
});

export const insertAccount = async (tx: Tx, account: Account): Promise<void> => {
  await tx.account.create({ data: { teamId: account.teamId, ...columns(account) } });
};

/** Saves an account under its row lock, and the marks of its watch. Meters have rows of their own. */
export function accountWrite({ account, marks }: LockedAccount): Write {
  const { dueSecond: lookDueSecond, wokenSecond, lastSecond: lastLookSecond, plannedSecond: plannedLookSecond } = marks;
  const values = Object.entries({
    ...columns(account),
    ...{ lookDueSecond, wokenSecond, lastLookSecond, plannedLookSecond },
  });
  const set = values.map(([field, value]) => Prisma.sql`${Prisma.raw(columnOf(field))} = ${value}`);
  return {
    as: 'saved_account',
    sql: Prisma.sql`UPDATE accounts SET ${Prisma.join(set)} WHERE team_id = ${account.teamId}`,
  };
}

/** The operator's note on a suspension. */
export const setSuspendedNote = async (tx: Tx, teamId: string, note: string | null): Promise<void> => {
  await tx.account.updateMany({ where: { teamId }, data: { suspendedNote: note } });
};

/** Why a policy went off, for the dashboard and the api. Null when it is on, or was switched off by a person. */
export const setDisabledReason = async (tx: Tx, teamId: string, reason: string | null): Promise<void> => {
  await tx.account.updateMany({ where: { teamId }, data: { policyDisabledReason: reason } });
};

export const disabledReason = async (tx: Tx, teamId: string): Promise<string | null> =>
  (await tx.account.findUnique({ where: { teamId }, select: { policyDisabledReason: true } }))?.policyDisabledReason ??
  null;
