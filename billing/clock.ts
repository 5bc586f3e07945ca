/**
 * What the clock has brought, worked out whenever somebody looks or records: due top-ups, warnings, dated facts, the end of
 * credit, each at its own second and in their order. Source: docs/rules.md#facts-and-their-seconds, docs/rules.md#out-of-credit.
 */
import { type Account, type AttemptInFlight, type Crossing, nextCrossing, type Terms } from './account.ts';
import { expiringMicros, isReviewed } from './calendar.ts';
import { Change, closeMeter, creditArrived, type Outcome, replaceMeters } from './change.ts';
import { attemptDepositId } from './ids.ts';
import { referenceOf } from './ledger.ts';
import { mustHaveAllMeters } from './meter-sums.ts';
import { add, subtract, ZERO } from './money.ts';
import { rerate, reviewVolumeAtMidnight } from './rerating.ts';
import { closeReservation, renewReservation } from './reservation-meter.ts';
import { availableMicros } from './runway.ts';
import { dayStart, monthStart } from './time.ts';
import type { TopUpPolicy } from './top-up.ts';
import type { Meter } from './usage.ts';

/** Those that end next where credit ends: the first in the team's order; at the last all that have no place in it. */
function nextToEnd(meters: readonly Meter[]): { group: Meter[]; isLast: boolean } {
  const places = meters.flatMap(({ shedOrder }) => (shedOrder === null ? [] : [shedOrder]));
  if (places.length === 0) return { group: [...meters], isLast: true };
  const first = Math.min(...places);
  return { group: meters.filter(({ shedOrder }) => shedOrder === first), isLast: false };
}

/** Whether the second after X can be paid in full, by what runs on. */
const canPayNext = (account: Account, second: number): boolean =>
  availableMicros(account, second + 1) + expiringMicros(account.holdExpiries, second + 1) >= 0;

/**
 * Credit ends at X, the last second that was paid in full. Without an order all running instances end there; with one,
 * they end in it until the rest can be paid on: for them X is worked out again. Reservations lapse with the last.
 */
export function exhaust(change: Change, second: number): void {
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

  // Whoever is told that credit has ended need not be told that it is low.
  account.lowArmed = false;
  if (instanceIds.length === 0) return;
  account.exhaustions = number;
  change.effects.push({ kind: 'exhausted', number, second, instanceIds });
}

/** Opens the attempt that is due at a second: from here on its outcome is waited for. */
function openAttempt(change: Change, policy: TopUpPolicy, second: number): void {
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

/** What was held until this second is credit again, and pays what is owed first. */
function expireHolds(change: Change, second: number): void {
  const { account } = change;
  const over = account.holdExpiries.filter((expiry) => expiry.second <= second);
  account.holdExpiries = account.holdExpiries.filter((expiry) => expiry.second > second);
  account.heldMicros = subtract(account.heldMicros, add(ZERO, ...over.map(({ micros }) => micros)));
  change.effects.push({ kind: 'holds_expired', throughSecond: second });
  const reference = referenceOf.holdsExpired(account.teamId, second);
  // Money stood at X then: what pays a debt is what is left of it when all of that time has been worked out.
  if (second < account.asOfSecond) change.freedMeanwhile = reference;
  else creditArrived(change, reference);
}

/** Lets take effect whatever moves prices at this second, all of it before any rate is worked out again. */
function changePrices(change: Change, second: number): void {
  const { account, terms } = change;
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
  if (isNewDay && isReviewed(account, terms)) reviewVolumeAtMidnight(change, second);
  account.datedThroughSecond = second;
  rerate(change, second);
}

/** Lets one crossing take effect. */
export function cross(change: Change, { second, what }: Crossing): void {
  const { account, terms } = change;
  if (what === 'top_up') {
    if (account.policy) openAttempt(change, account.policy, account.asOfSecond);
  } else if (what === 'low') {
    account.lowArmed = false;
    change.effects.push({ kind: 'low', second, levelMicros: terms.lowLevelMicros });
  } else if (what === 'hold_expires') expireHolds(change, second);
  else if (what === 'grace_over') exhaust(change, account.standsAtSecond ?? second);
  else if (what === 'exhaustion') {
    if (account.attempt && account.attempt.openedSecond <= second) account.standsAtSecond = second;
    else exhaust(change, second);
  } else changePrices(change, second);
}

/**
 * Lets everything take effect that the clock has brought through a second, each at its own. Of one second, what the calendar
 * brings comes first, then a top-up, since it keeps the exhaustion open.
 */
export function bringUpToDate(change: Change, nowSecond: number): void {
  const { account, terms } = change;
  const second = Math.max(nowSecond, account.asOfSecond);
  for (
    let next = nextCrossing(account, terms);
    next !== null && next.second <= second;
    next = nextCrossing(account, terms)
  ) {
    account.asOfSecond = Math.max(account.asOfSecond, next.second);
    cross(change, next);
  }
  account.asOfSecond = second;
  account.datedThroughSecond = account.standsAtSecond ?? second;
  const { freedMeanwhile } = change;
  change.freedMeanwhile = null;
  if (freedMeanwhile !== null) creditArrived(change, freedMeanwhile);
}

/** Runs one fact: the account is brought up to date, the fact takes effect, and what follows from it at once does too. */
export function applyFact(account: Account, terms: Terms, nowSecond: number, fact: (change: Change) => void): Outcome {
  const change = new Change(account, terms);
  bringUpToDate(change, nowSecond);
  fact(change);
  bringUpToDate(change, nowSecond);
  return change.outcome();
}
