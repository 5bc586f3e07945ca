/**
 * A change of a team's account under way, and the effects to write. clock.ts applies dated facts and crossings;
 * facts.ts and the files beside it hold the facts.
 */
import { type Account, type AttemptInFlight, type BillingSettings, type Contest, spendableMicros } from './account.ts';
import { type Budget, wellAbove } from './alerts.ts';
import { countClass, countStretch, countTokens, type TokenSpend } from './budgets.ts';
import { fitsMonth } from './crossings.ts';
import { creditAccount, owedAccount, REVENUE, referenceOf, type Transfer } from './ledger.ts';
import type { MeterClass, MeterGroup } from './meter-sums.ts';
import { add, larger, type Micros, smaller, subtract, ZERO } from './money.ts';
import type { ReservationEnd, ReservationMeter } from './reservation-meter.ts';
import { spendAt, spendClassOver, spendOver } from './spending.ts';
import { chargeDueMicros, type Meter, type Metered } from './usage.ts';

export type EndReason = 'stopped' | 'out_of_credits' | 'spot_reclaimed' | 'operator' | 'budget';

/** A row that the caller has to write. */
export type Effect =
  | { kind: 'transfer'; transfer: Transfer }
  | { kind: 'meter_opened'; meter: Meter }
  | { kind: 'meter_posted'; meter: Meter }
  /** `recordedSecond`: the second of the fact or the crossing that recorded the end; later than an end in the past. */
  | { kind: 'meter_closed'; meter: Meter; endSecond: number; recordedSecond: number }
  | { kind: 'instance_ended'; instanceId: string; endSecond: number; reason: EndReason; exhaustion?: number }
  | { kind: 'exhausted'; number: number; second: number; instanceIds: string[] }
  | { kind: 'reclaim_announced'; instanceId: string; reclaimSecond: number }
  | { kind: 'shed_order'; instanceId: string; shedOrder: number | null }
  | { kind: 'reservation_opened'; reservation: ReservationMeter }
  | { kind: 'reservation_posted'; reservation: ReservationMeter }
  | { kind: 'renewal_set'; reservationId: string; renew: boolean }
  | { kind: 'reservation_closed'; reservation: ReservationMeter; endSecond: number; how: ReservationEnd }
  /** All holds with an expiry at or before the given second. */
  | { kind: 'holds_expired'; throughSecond: number }
  | { kind: 'attempt_opened'; attempt: AttemptInFlight; paymentMethodId: string | null }
  | { kind: 'policy_off'; attempt: AttemptInFlight }
  | { kind: 'low'; second: number; levelMicros: Micros }
  /** `spentMicros`: the spend at that second; `instanceIds`: the instances that a `stop` has ended. */
  | { kind: 'budget_met'; budget: Budget; second: number; spentMicros: Micros; instanceIds: string[] }
  | { kind: 'burn_above'; second: number; burnMicros: Micros; limitMicros: Micros }
  | { kind: 'held'; contest: Contest; second: number }
  | { kind: 'dispute_turned'; disputeId: string; takenMicros: Micros; turn: number; lostReference: string | null }
  | { kind: 'refund_turned'; refundId: string; takenMicros: Micros; turn: number }
  /** The team owed nothing before this row. */
  | { kind: 'owes'; second: number; amountMicros: Micros; reference: string }
  | { kind: 'capped'; second: number; capMicros: Micros; toppedUpMicros: Micros; amountMicros: Micros };

export interface FactOutcome {
  account: Account;
  effects: Effect[];
  /** The settings of the computation. Absent where nothing was computed. */
  settings?: BillingSettings;
}

/** A change under way: a private copy of the account, and the effects so far. */
export class AccountChange {
  readonly account: Account;
  readonly effects: Effect[] = [];
  /**
   * The cause of credit that was released while money stood at X. The credit pays owed amounts at the end of that time.
   */
  freedMeanwhile: string | null = null;
  readonly settings: BillingSettings;
  /** True for a forecast. No effects are recorded, so facts that only effects need are not computed. */
  readonly isForecast: boolean;
  private readonly spentByDay: Map<number, Micros> | null;

  constructor(account: Account, settings: BillingSettings, { isForecast = false } = {}) {
    this.isForecast = isForecast;
    this.spentByDay = account.spentByDay && new Map(account.spentByDay);
    this.account = {
      ...account,
      spentByDay: this.spentByDay,
      meters: account.meters.map((meter) => ({ ...meter })),
      reservations: account.reservations.map((reservation) => ({ ...reservation })),
      holdExpiries: account.holdExpiries.map((expiry) => ({ ...expiry })),
      contests: account.contests.map((contest) => ({ ...contest })),
      policy: account.policy && { ...account.policy },
      toppedUp: { ...account.toppedUp },
    };
    this.settings = settings;
  }

  outcome(): FactOutcome {
    return { account: this.account, effects: this.effects, settings: this.settings };
  }

  /** Counts tokens posted at a second, for the budgets and, if spending was read, for the volume discount. */
  spentOnTokens(second: number, spends: readonly TokenSpend[]): void {
    countTokens(this.account, second, spends);
    if (this.spentByDay) spendAt(this.spentByDay, second, add(ZERO, ...spends.map(({ micros }) => micros)));
  }

  spentOver(metered: Metered & { project?: string | null }, endSecond: number): void {
    countStretch(this.account, metered, endSecond);
    if (this.spentByDay) spendOver(this.spentByDay, metered, endSecond);
  }

  spentByClass(each: MeterClass | MeterGroup, endSecond: number): void {
    countClass(this.account, each, endSecond);
    if (this.spentByDay) spendClassOver(this.spentByDay, each, endSecond);
  }

  transfer(transfer: Transfer): void {
    if (transfer.amountMicros === 0) return;
    this.effects.push({ kind: 'transfer', transfer });
    const credit = creditAccount(this.account.teamId);
    const owed = owedAccount(this.account.teamId);
    const { amountMicros } = transfer;
    if (transfer.debitAccount === credit) this.account.postedMicros = subtract(this.account.postedMicros, amountMicros);
    if (transfer.creditAccount === credit) this.account.postedMicros = add(this.account.postedMicros, amountMicros);
    if (transfer.debitAccount === owed && this.account.owedMicros === 0) {
      const { second, reference } = transfer;
      this.effects.push({ kind: 'owes', second, amountMicros, reference });
    }
    if (transfer.debitAccount === owed) this.account.owedMicros = add(this.account.owedMicros, amountMicros);
    if (transfer.creditAccount === owed) this.account.owedMicros = subtract(this.account.owedMicros, amountMicros);
  }
}

/** Sets the held amount of a contest. Held credit still belongs to the team and cannot be spent. */
export function setContestHold(change: AccountChange, contest: Contest, heldMicros: Micros): void {
  if (heldMicros === contest.heldMicros) return;
  const { account } = change;
  account.heldMicros = add(subtract(account.heldMicros, contest.heldMicros), heldMicros);
  contest.heldMicros = heldMicros;
  change.effects.push({ kind: 'held', contest: { ...contest }, second: account.asOfSecond });
}

/** Holds as much of the contested amount as there is credit for. */
export function fillContest(change: AccountChange, contest: Contest): void {
  const { account } = change;
  const missing = subtract(contest.amountMicros, contest.heldMicros);
  const spendable = larger(spendableMicros(account, account.asOfSecond), ZERO);
  setContestHold(change, contest, add(contest.heldMicros, smaller(larger(missing, ZERO), spendable)));
}

/** Posts the amount that a meter owes through a second, from team credit to revenue. */
export function postMeter(change: AccountChange, meter: Meter, throughSecond: number): void {
  const dueMicros = chargeDueMicros(meter, throughSecond);
  if (dueMicros <= 0) return;
  meter.postedMicros = add(meter.postedMicros, dueMicros);
  change.effects.push({ kind: 'meter_posted', meter: { ...meter } });
  change.transfer({
    debitAccount: creditAccount(change.account.teamId),
    creditAccount: REVENUE,
    amountMicros: dueMicros,
    code: 'instance_usage',
    reference: referenceOf.instanceThrough(meter.instanceId, throughSecond),
    second: change.account.asOfSecond,
    instanceId: meter.instanceId,
  });
}

/** Posts the last charge of a meter. The caller then removes all closed meters together, by `replaceMeters`. */
export function closeMeter(change: AccountChange, meter: Meter, endSecond: number): void {
  postMeter(change, meter, endSecond);
  change.spentOver(meter, endSecond);
  const recordedSecond = change.account.asOfSecond;
  change.effects.push({ kind: 'meter_closed', meter: { ...meter }, endSecond, recordedSecond });
}

/** Removes meters from the line and adds others in a single pass, because a team may have thousands of meters. */
export function replaceMeters(
  { account }: AccountChange,
  closedMeters: readonly Meter[],
  openedMeters: readonly Meter[] = [],
): void {
  if (closedMeters.length === 0) return;
  const gone = new Set(closedMeters);
  account.meters = [...account.meters.filter((meter) => !gone.has(meter)), ...openedMeters];
}

/**
 * Adds the `capped` effect if the month's cap has no room for another charge. Called wherever room may have gone,
 * before a charge is due. Nothing is added while a charge is in flight, because a failed charge frees its room. Source:
 * docs/rules.md#auto-top-up.
 */
export function noteCapped(change: AccountChange): void {
  const { account } = change;
  const { policy, attempt, asOfSecond: second } = account;
  if (!policy?.enabled || policy.monthlyCapMicros === null || attempt) return;
  if (fitsMonth(account, policy, second)) return;
  const { monthlyCapMicros: capMicros, amountMicros } = policy;
  change.effects.push({ kind: 'capped', second, capMicros, toppedUpMicros: account.toppedUp.micros, amountMicros });
}

/**
 * Uses credit that became available: pays owed amounts first, then fills open disputes, then re-arms the low-balance
 * warning if the balance is well above the level.
 */
export function creditArrived(change: AccountChange, causeReference: string): void {
  const { account, settings } = change;
  const second = account.asOfSecond;
  const collectedMicros = smaller(account.owedMicros, larger(spendableMicros(account, second), ZERO));
  change.transfer({
    debitAccount: creditAccount(account.teamId),
    creditAccount: owedAccount(account.teamId),
    amountMicros: collectedMicros,
    code: 'owed_collected',
    reference: referenceOf.collected(causeReference),
    second,
  });
  for (const contest of account.contests) fillContest(change, contest);
  armLevels(account, settings, spendableMicros(account, second));
}

/** Arms the warnings of the levels that credit is well above. */
function armLevels(account: Account, { lowLevelMicros }: BillingSettings, spendable: Micros): void {
  if (spendable >= wellAbove(lowLevelMicros)) account.lowArmed = true;
  const { alerts } = account;
  if (!alerts?.lowLevels) return;
  const lowLevels = alerts.lowLevels.map(({ levelMicros, isArmed }) => ({
    levelMicros,
    isArmed: isArmed || spendable >= wellAbove(levelMicros),
  }));
  account.alerts = { ...alerts, lowLevels };
}
