/** The team's balance line: read and locked as one row beside its running meters. */
import type { Account } from '../billing/account.ts';
import { BillingError } from '../billing/errors.ts';
import { MetersNeeded } from '../billing/meter-sums.ts';
import { allRead, assembled, assembledOne, preparedRunningOf, type Reach } from './account-parts.ts';
import { ACCOUNT, type AccountWithMarks, marksOf, toRow } from './account-row.ts';
import { textColumn } from './arrays.ts';
import type { ClockProbe, Db, Tx } from './client.ts';
import { columnsOf, toSecond } from './columns.ts';
import { Prisma } from './generated/client.ts';
import { type Instance, instancesFromJson, instancesInJson } from './instances.ts';
import { meterClassesFromJson, meterClassesInJson } from './meter-sums.ts';
import { runPrepared } from './prepared.ts';
import type { Also } from './reading.ts';
import { runningMetersOf, runningOnes, type SegmentOfInstance, segmentsFromJson, segmentsInJson } from './segments.ts';

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

/** The second of a team's last fact. @throws BillingError `not_found` */
export async function asOfSecondOf(tx: Tx, teamId: string): Promise<number> {
  const row = await tx.account.findUnique({ where: { teamId }, select: { asOfSecond: true } });
  if (!row) throw new BillingError('not_found', 'no such team', 'team');
  return toSecond(row.asOfSecond);
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
): Promise<AccountWithMarks & { read: Read<A> }> {
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

const LOCKED = columnsOf(Prisma.AccountScalarFieldEnum, 'locked');
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
  together: TogetherRow,
  { also }: Asked<A>,
  reach: Reach,
): Promise<{ account: Account; read: Read<A> }> {
  const row = toRow(together);
  const instances = instancesFromJson(together.instances);
  const segments = segmentsFromJson(together.segments);
  const ofTeam = new Set(instances.filter(({ teamId }) => teamId === row.teamId).map(({ id }) => id));
  const account = await assembledOne(tx, row, reach, {
    classes: meterClassesFromJson(together.classes),
    named: runningOnes(segments).filter(({ instanceId }) => ofTeam.has(instanceId)),
  });
  return { account, read: { instances, segments, also: also ? also.of(together.also) : (null as A) } };
}

/** Reads the accounts of several teams without a lock, for lists. */
export async function readAccounts(tx: Tx, teamIds: string[], reach: Reach): Promise<Map<string, Account>> {
  const rows = await tx.account.findMany({ where: { teamId: { in: teamIds } } });
  return assembled(tx, rows, allRead(await runningMetersOf(tx, teamIds)), reach);
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

export interface AccountAsOf extends AccountWithMarks {
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
  const foundRows = await runPrepared<FoundAccount>(db, READ_ACCOUNTS, [textColumn(teamIds, (teamId) => teamId)]);
  if (foundRows[0]) readClock?.(foundRows[0].database_ms);
  const rows = foundRows.map(toRow);
  const classesOf = new Map(foundRows.map(({ team_id, classes }) => [team_id, meterClassesFromJson(classes)]));
  const accounts = await assembled(db, rows, await preparedRunningOf(db, rows, classesOf), reach);
  const accountsById = new Map<string, AccountAsOf>();
  for (const [index, row] of rows.entries()) {
    const account = accounts.get(row.teamId);
    if (account)
      accountsById.set(row.teamId, { account, marks: marksOf(row), version: foundRows[index]?.version ?? '' });
  }
  return accountsById;
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
