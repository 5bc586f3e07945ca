/**
 * Operator's acts on a whole team: end its instances together, suspend, archive. A suspended team spends nothing new,
 * and its instances run on. An archived team takes no new facts. Reports of providers are recorded in every state,
 * because received money is never refused.
 */
import { type Account, type BillingSettings, moneySecond } from './account.ts';
import { type AccountChange, closeMeter, type EndReason, type FactOutcome, replaceMeters } from './change.ts';
import { applyFact } from './clock.ts';
import { BillingError } from './errors.ts';
import { mustHaveAllMeters } from './meter-sums.ts';
import { formatForPeople } from './money.ts';
import { rerate } from './rerating.ts';

export const teamArchived = (): BillingError =>
  new BillingError('team_archived', 'the team is archived: unarchive it first', 'team');

/** The refusal of new spending by a suspended or archived team. */
export const spendingRefused = ({ archivedSecond }: Account): BillingError =>
  archivedSecond === null
    ? new BillingError('team_suspended', 'the team is suspended: it can start, hold and reserve nothing', 'team')
    : teamArchived();

/** @throws BillingError `team_archived` */
export function checkNotArchived({ archivedSecond }: Account): void {
  if (archivedSecond !== null) throw teamArchived();
}

/** Ends the running instances among the named ones, together, at the fact's second. */
export const stopInstances = (
  account: Account,
  settings: BillingSettings,
  stop: { instanceIds: ReadonlySet<string>; reason: EndReason },
  nowSecond: number,
): FactOutcome => applyFact(account, settings, nowSecond, (change) => endTogether(change, stop));

function endTogether(change: AccountChange, stop: { instanceIds: ReadonlySet<string>; reason: EndReason }): void {
  const { account } = change;
  const second = moneySecond(account, account.asOfSecond);
  if (stop.instanceIds.size > 0) mustHaveAllMeters(account, 'which instances end');
  const ending = account.meters.filter(({ instanceId }) => stop.instanceIds.has(instanceId));
  for (const meter of ending) {
    const endSecond = Math.max(second, meter.startSecond);
    closeMeter(change, meter, endSecond);
    const { instanceId } = meter;
    change.effects.push({ kind: 'instance_ended', instanceId, endSecond, reason: stop.reason });
  }
  replaceMeters(change, ending);
  // A reservation of an ended instance may cover another instance from here on.
  if (ending.length > 0) rerate(change, second);
}

/**
 * Suspends a team, and ends the named instances, if any. A repeat keeps the first second of suspension.
 * @throws BillingError `team_archived`
 */
export const suspendTeam = (
  account: Account,
  settings: BillingSettings,
  stop: { instanceIds: ReadonlySet<string>; reason: EndReason },
  nowSecond: number,
): FactOutcome =>
  applyFact(account, settings, nowSecond, (change) => {
    checkNotArchived(change.account);
    change.account.suspendedSecond ??= change.account.asOfSecond;
    if (stop.instanceIds.size > 0) endTogether(change, stop);
  });

/** Ends the suspension of a team. A due top-up is opened at once. */
export const unsuspendTeam = (account: Account, settings: BillingSettings, nowSecond: number): FactOutcome =>
  applyFact(account, settings, nowSecond, ({ account }) => {
    account.suspendedSecond = null;
  });

/** The reasons against archiving an account, in words; empty when archiving is possible. */
export function archiveObstacles(account: Account, keepsBalance: boolean): string[] {
  const { meters, summed, reservations, contests, holdExpiries, attempt, postedMicros, owedMicros } = account;
  const running = meters.length + (summed?.count ?? 0);
  const obstacles: Array<[boolean, string]> = [
    [running > 0, `${running} running instances`],
    [reservations.length > 0, `${reservations.length} running reservations`],
    [attempt !== null, 'a charge under way'],
    [contests.length > 0, `${contests.length} open disputes`],
    [holdExpiries.length > 0, 'credit that is held'],
    [!keepsBalance && postedMicros > 0, `${formatForPeople(postedMicros)} of credit`],
    [!keepsBalance && owedMicros > 0, `${formatForPeople(owedMicros)} owed`],
  ];
  return obstacles.flatMap(([stands, words]) => (stands ? [words] : []));
}

/**
 * Archives a team and switches its auto top-up off. A repeat keeps the first second of archiving.
 * @param archive `openPayments`: payments without an outcome, in words; `keepsBalance`: credit and debt stay with the
 *   archived team
 * @throws BillingError `team_in_use`, naming every obstacle
 */
export const archiveTeam = (
  account: Account,
  settings: BillingSettings,
  archive: { keepsBalance: boolean; openPayments: readonly string[] },
  nowSecond: number,
): FactOutcome =>
  applyFact(account, settings, nowSecond, ({ account }) => {
    if (account.archivedSecond !== null) return;
    const obstacles = [...archiveObstacles(account, archive.keepsBalance), ...archive.openPayments];
    if (obstacles.length > 0)
      throw new BillingError('team_in_use', `the team cannot be archived: it has ${obstacles.join(', ')}`, 'team');
    if (account.policy) account.policy.enabled = false;
    account.archivedSecond = account.asOfSecond;
  });

/** Ends the archiving of a team. Auto top-up stays off. */
export const unarchiveTeam = (account: Account, settings: BillingSettings, nowSecond: number): FactOutcome =>
  applyFact(account, settings, nowSecond, ({ account }) => {
    account.archivedSecond = null;
  });
