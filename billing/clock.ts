/**
 * Applies all crossings through a second, for every write and read: due top-ups, warnings, dated facts and the end of
 * credit, each at its own second and in order. Source: docs/rules.md#facts-and-their-seconds,
 * docs/rules.md#out-of-credit.
 */
import type { Account, AttemptInFlight, BillingSettings } from './account.ts';
import { bringBudgetsTo, budgetAt, changeBudgets } from './budgets.ts';
import { expiringMicros, isReviewed } from './calendar.ts';
import { AccountChange, closeMeter, creditArrived, type FactOutcome, replaceMeters } from './change.ts';
import { type Crossing, lowLevelsOf, nextCrossing } from './crossings.ts';
import { attemptDepositId } from './ids.ts';
import { referenceOf } from './ledger.ts';
import { meetBudget, noteBurn } from './met-budgets.ts';
import { mustHaveAllMeters } from './meter-sums.ts';
import { add, type Micros, subtract, ZERO } from './money.ts';
import { rerate, reviewVolumeAtMidnight } from './rerating.ts';
import { closeReservation, renewReservation } from './reservation-terms.ts';
import { availableMicros, isBelow } from './runway.ts';
import { dayStart, monthStart } from './time.ts';
import type { TopUpPolicy } from './top-up.ts';
import type { Meter } from './usage.ts';

/**
 * The meters that end next at the end of credit: the first in the team's order, or all meters without a place once no
 * ordered meter is left.
 */
function nextToEnd(meters: readonly Meter[]): { group: Meter[]; isLast: boolean } {
  const places = meters.flatMap(({ shedOrder }) => (shedOrder === null ? [] : [shedOrder]));
  if (places.length === 0) return { group: [...meters], isLast: true };
  const first = Math.min(...places);
  return { group: meters.filter(({ shedOrder }) => shedOrder === first), isLast: false };
}

/** True if the running meters can pay the second after X in full. */
const canPayNext = (account: Account, second: number): boolean =>
  availableMicros(account, second + 1) + expiringMicros(account.holdExpiries, second + 1) >= 0;

/**
 * Ends instances at X, the last second that was paid in full. Without a shed order all running instances end at X. With
 * an order they end one step at a time, until the rest can be paid for; X is then computed again. Reservations lapse
 * with the last instances.
 */
export function exhaust(change: AccountChange, second: number): void {
  const { account } = change;
  mustHaveAllMeters(account, 'what ends with credit');
  account.standsAtSecond = null;
  if (account.meters.length + account.reservations.length === 0) return;
  const number = account.exhaustions + 1;
  const instanceIds: string[] = [];
  do {
    const { group, isLast } = nextToEnd(account.meters);
    for (const meter of group) {
      closeMeter(change, meter, second);
      change.effects.push({
        kind: 'instance_ended',
        instanceId: meter.instanceId,
        endSecond: second,
        reason: 'out_of_credits',
        exhaustion: number,
      });
      instanceIds.push(meter.instanceId);
    }
    replaceMeters(change, group);
    if (isLast)
      for (const reservation of [...account.reservations]) closeReservation(change, reservation, second, 'lapsed');
    rerate(change, second);
  } while (account.meters.length + account.reservations.length > 0 && !canPayNext(account, second));

  // The exhaustion mail makes a low-balance mail superfluous.
  disarmLevels(account, () => true);
  if (instanceIds.length === 0) return;
  account.exhaustions = number;
  change.effects.push({ kind: 'exhausted', number, second, instanceIds });
}

/** Disarms the warnings of some levels, until credit is well above them again. */
function disarmLevels(account: Account, isOver: (levelMicros: Micros) => boolean): void {
  const { alerts } = account;
  if (!alerts?.lowLevels) {
    account.lowArmed = false;
    return;
  }
  const lowLevels = alerts.lowLevels.map((level) => ({
    ...level,
    isArmed: level.isArmed && !isOver(level.levelMicros),
  }));
  account.alerts = { ...alerts, lowLevels };
}

/** Warns of the lowest level that credit is below. A fact may lead below several levels at once. */
function warnOfLow(change: AccountChange, second: number): void {
  const { account, settings } = change;
  const isBelowLevel = (levelMicros: Micros) => isBelow(account, levelMicros, second);
  const below = lowLevelsOf(account, settings).filter(
    ({ isArmed, levelMicros }) => isArmed && isBelowLevel(levelMicros),
  );
  const levelMicros = below.at(-1)?.levelMicros;
  disarmLevels(account, isBelowLevel);
  if (levelMicros !== undefined) change.effects.push({ kind: 'low', second, levelMicros });
}

/** Opens the attempt that is due at a second. From then on the outcome of the charge is awaited. */
function openAttempt(change: AccountChange, policy: TopUpPolicy, second: number): void {
  const { account } = change;
  const number = account.attempts + 1;
  const attempt: AttemptInFlight = {
    number,
    depositId: attemptDepositId(account.teamId, number),
    openedSecond: second,
    amountMicros: policy.amountMicros,
  };
  const sameMonth = account.toppedUp.monthStartSecond === monthStart(second);
  account.attempt = attempt;
  account.attempts = number;
  account.lastAttemptSecond = second;
  account.toppedUp = {
    monthStartSecond: monthStart(second),
    micros: add(sameMonth ? account.toppedUp.micros : ZERO, policy.amountMicros),
  };
  change.effects.push({ kind: 'attempt_opened', attempt, paymentMethodId: policy.paymentMethodId });
}

/** Releases the holds that expire at a second. The released credit pays owed amounts first. */
function expireHolds(change: AccountChange, second: number): void {
  const { account } = change;
  const over = account.holdExpiries.filter((expiry) => expiry.second <= second);
  account.holdExpiries = account.holdExpiries.filter((expiry) => expiry.second > second);
  account.heldMicros = subtract(account.heldMicros, add(ZERO, ...over.map(({ micros }) => micros)));
  change.effects.push({ kind: 'holds_expired', throughSecond: second });
  const reference = referenceOf.holdsExpired(account.teamId, second);
  // Money stood at X at that second. Only the credit that is left once all of that time has been worked out pays debts.
  if (second < account.asOfSecond) change.freedMeanwhile = reference;
  else creditArrived(change, reference);
}

/** Applies every price change of this second before any rate is computed again. */
function changePrices(change: AccountChange, second: number): void {
  const { account, settings } = change;
  const reclaimed = account.meters.filter(({ reclaimSecond }) => reclaimSecond !== null && reclaimSecond <= second);
  for (const meter of reclaimed) {
    closeMeter(change, meter, second);
    change.effects.push({
      kind: 'instance_ended',
      instanceId: meter.instanceId,
      endSecond: second,
      reason: 'spot_reclaimed',
    });
  }
  replaceMeters(change, reclaimed);
  const until = account.discount?.untilSecond;
  if (until !== null && until !== undefined && until <= second) account.discount = null;
  for (const reservation of account.reservations.filter(({ endSecond }) => endSecond <= second))
    renewReservation(change, reservation);
  const isNewDay = second === dayStart(second) && second > account.datedThroughSecond;
  if (isNewDay && isReviewed(account, settings)) reviewVolumeAtMidnight(change, second);
  account.datedThroughSecond = second;
  rerate(change, second);
}

/** Applies one crossing. */
export function cross(change: AccountChange, crossing: Crossing): void {
  const { account } = change;
  const { second } = crossing;
  switch (crossing.what) {
    case 'top_up':
      if (account.policy) openAttempt(change, account.policy, account.asOfSecond);
      return;
    case 'low':
      warnOfLow(change, second);
      return;
    case 'budget_met':
      meetBudget(change, crossing.budget, second);
      return;
    case 'budget_period':
      changeBudgets(account, (budget) => budgetAt(budget, second));
      return;
    case 'hold_expires':
      expireHolds(change, second);
      return;
    case 'grace_over':
      exhaust(change, account.standsAtSecond ?? second);
      return;
    case 'exhaustion':
      if (account.attempt && account.attempt.openedSecond <= second) account.standsAtSecond = second;
      else exhaust(change, second);
      return;
    case 'discount_ends':
    case 'reservation_ends':
    case 'spot_reclaim':
    case 'spot_price':
    case 'volume_review':
      changePrices(change, second);
      return;
    default:
      crossing satisfies never;
  }
}

/**
 * Applies all crossings through a second, each at its own second. Within one second the order is: dated facts, budgets,
 * then a top-up, because a top-up keeps the exhaustion open, then the rest.
 */
export function bringUpToDate(change: AccountChange, nowSecond: number): void {
  const { account, settings } = change;
  const second = Math.max(nowSecond, account.asOfSecond);
  for (
    let next = nextCrossing(account, settings);
    next !== null && next.second <= second;
    next = nextCrossing(account, settings)
  ) {
    account.asOfSecond = Math.max(account.asOfSecond, next.second);
    cross(change, next);
    noteBurn(change, account.asOfSecond);
  }
  account.asOfSecond = second;
  account.datedThroughSecond = account.standsAtSecond ?? second;
  bringBudgetsTo(account, account.datedThroughSecond);
  noteBurn(change, second);
  const { freedMeanwhile } = change;
  change.freedMeanwhile = null;
  if (freedMeanwhile !== null) creditArrived(change, freedMeanwhile);
}

/** Applies one fact: brings the account up to date, applies the fact, and applies the crossings that follow at once. */
export function applyFact(
  account: Account,
  settings: BillingSettings,
  nowSecond: number,
  fact: (change: AccountChange) => void,
): FactOutcome {
  const change = new AccountChange(account, settings);
  bringUpToDate(change, nowSecond);
  fact(change);
  bringUpToDate(change, nowSecond);
  return change.outcome();
}
