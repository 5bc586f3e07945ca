/** The team's balance line: read, locked and kept as one row beside its running meters. */
import type { Account, Contest } from '../billing/account.ts';
import { BillingError } from '../billing/errors.ts';
import type { Meter } from '../billing/usage.ts';
import type { Tx } from './client.ts';
import { toMicros, toMicrosOrNull, toSecond, toSecondOrNull } from './columns.ts';
import { contestsOf } from './disputes.ts';
import type { Account as AccountRow } from './generated/client.ts';
import { runningMeters, runningMetersOf } from './segments.ts';

/**
 * Takes the team's row lock and reads its account. The meters are read by a second statement, after the lock is held: one
 * statement would see them as they were before it waited.
 * @throws BillingError `not_found`
 */
export async function lockAccount(tx: Tx, teamId: string): Promise<Account> {
  const locked = await tx.$queryRaw<unknown[]>`SELECT 1 FROM accounts WHERE team_id = ${teamId} FOR UPDATE`;
  if (locked.length === 0) throw new BillingError('not_found', 'no such team', 'team');
  return readAccount(tx, teamId);
}

/**
 * Reads an account without locking it: for answers, never for a write.
 * @throws BillingError `not_found`
 */
export async function readAccount(tx: Tx, teamId: string): Promise<Account> {
  const row = await tx.account.findUnique({ where: { teamId } });
  if (!row) throw new BillingError('not_found', 'no such team', 'team');
  const contests = row.openDisputes > 0 ? await contestsOf(tx, [teamId]) : [];
  return toAccount(row, await runningMeters(tx, teamId), contests);
}

/** Reads the accounts of several teams without locking them, for lists. */
export async function readAccounts(tx: Tx, teamIds: string[]): Promise<Map<string, Account>> {
  const rows = await tx.account.findMany({ where: { teamId: { in: teamIds } } });
  const meters = await runningMetersOf(tx, teamIds);
  const disputed = rows.filter(({ openDisputes }) => openDisputes > 0).map(({ teamId }) => teamId);
  const contests = disputed.length > 0 ? await contestsOf(tx, disputed) : [];
  return new Map(
    rows.map((row) => {
      const own = contests.filter(({ teamId }) => teamId === row.teamId);
      return [row.teamId, toAccount(row, meters.get(row.teamId) ?? [], own)];
    }),
  );
}

function toAccount(row: AccountRow, meters: Meter[], contests: Contest[]): Account {
  return {
    teamId: row.teamId,
    asOfSecond: toSecond(row.asOfSecond),
    postedMicros: toMicros(row.postedMicros),
    heldMicros: toMicros(row.heldMicros),
    owedMicros: toMicros(row.owedMicros),
    remainderMillionths: Number(row.remainderMillionths),
    meters,
    contests,
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
});

export const insertAccount = async (tx: Tx, account: Account): Promise<void> => {
  await tx.account.create({ data: { teamId: account.teamId, ...columns(account) } });
};

/** Keeps an account whose row lock is held. The meters have rows of their own. */
export const saveAccount = async (tx: Tx, account: Account): Promise<void> => {
  await tx.account.updateMany({ where: { teamId: account.teamId }, data: columns(account) });
};

/** Why a policy went off, for the dashboard and the api. Null when it is on, or was switched off by a person. */
export const setDisabledReason = async (tx: Tx, teamId: string, reason: string | null): Promise<void> => {
  await tx.account.updateMany({ where: { teamId }, data: { policyDisabledReason: reason } });
};

export const disabledReason = async (tx: Tx, teamId: string): Promise<string | null> =>
  (await tx.account.findUnique({ where: { teamId }, select: { policyDisabledReason: true } }))?.policyDisabledReason ??
  null;
