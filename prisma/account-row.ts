/** The row of an account: its columns, and the conversion to the account that the rules of money compute with. */
import type { Account } from '../billing/account.ts';
import { alertsOfColumn, columnOfAlerts } from './alerts.ts';
import type { Tx } from './client.ts';
import { columnOf, columnsOf, toMicros, toMicrosOrNull, toSecond, toSecondOrNull } from './columns.ts';
import { type Account as AccountRow, Prisma } from './generated/client.ts';
import type { LookMarks } from './look-marks.ts';
import type { Write } from './statements.ts';

export const ACCOUNT = columnsOf(Prisma.AccountScalarFieldEnum, 'accounts');

/** An account, and the marks of its watch. */
export interface AccountWithMarks {
  account: Account;
  marks: LookMarks;
}

/** Inserts the account of a new team, which has no alerts. */
export const insertAccount = async (tx: Tx, account: Account): Promise<void> => {
  const { alerts: _, ...row } = columns(account);
  await tx.account.create({ data: { teamId: account.teamId, ...row } });
};

/** Saves an account under its row lock, and the marks of its watch. Meters have rows of their own. */
export function accountWrite({ account, marks }: AccountWithMarks): Write {
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

/** The columns of an account that usage changes. */
const MOVED_BY_USAGE = new Set<string>([
  'asOfSecond',
  'postedMicros',
  'heldMicros',
  'owedMicros',
  'remainderMillionths',
  'alerts',
]);

/** True if only columns that `postUsage` writes have changed in the account's row. */
export function isMovedByUsageOnly(before: Account, after: Account): boolean {
  const old: Record<string, unknown> = columns(before);
  return Object.entries(columns(after)).every(([name, value]) => MOVED_BY_USAGE.has(name) || value === old[name]);
}

/** The account of a row of raw columns. */
export const accountOf = (raw: object, parts: Parts & Pick<Account, 'spentByDay'>): Account => ({
  ...toAccount(toRow(raw), parts),
  spentByDay: parts.spentByDay,
});

/** The parts of an account with rows of their own. */
type Parts = Pick<Account, 'meters' | 'summed' | 'contests' | 'reservations' | 'holdExpiries'>;

export function toAccount(row: AccountRow, parts: Parts): Account {
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
    alerts: alertsOfColumn(row.alerts),
    suspendedSecond: toSecondOrNull(row.suspendedSecond),
    archivedSecond: toSecondOrNull(row.archivedSecond),
  };
}

/** The values of the columns that an account has. */
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
  alerts: columnOfAlerts(account.alerts),
  openDisputes: account.contests.length,
  discountBasisPoints: account.discount?.basisPoints ?? null,
  discountUntilSecond: account.discount?.untilSecond ?? null,
  volumeBasisPoints: account.volumeBasisPoints,
  runningReservations: account.reservations.length,
  suspendedSecond: account.suspendedSecond,
  archivedSecond: account.archivedSecond,
});

export const marksOf = (row: AccountRow): LookMarks => ({
  dueSecond: toSecondOrNull(row.lookDueSecond),
  wokenSecond: toSecondOrNull(row.wokenSecond),
  lastSecond: toSecondOrNull(row.lastLookSecond),
  plannedSecond: toSecondOrNull(row.plannedLookSecond),
});

const camelCase = (column: string): string => column.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const nameOf = new Map<string, string>();

/** A row of the table in the client's form. */
export function toRow(raw: object): AccountRow {
  const row: Record<string, unknown> = {};
  for (const [column, value] of Object.entries(raw)) {
    const name = nameOf.get(column) ?? camelCase(column);
    nameOf.set(column, name);
    row[name] = value;
  }
  return row as unknown as AccountRow;
}
