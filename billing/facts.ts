/**
 * The facts that change a team's account. Everything that moves a team's money goes through one of these functions, under
 * the team's row lock; they compute, the caller writes what they answer.
 *
 * Each first brings the account up to date as of the fact's second, so that what the clock brought (a due top-up, the
 * end of credit) lies before the fact, whether or not a process ran then. Source: rules.md, "Facts and their seconds".
 */
import {
  type Account,
  type AttemptInFlight,
  moneySecond,
  nextCrossing,
  spendableMicros,
  type Terms,
} from './account.ts';
import { BillingError } from './errors.ts';
import { attemptDepositId } from './ids.ts';
import {
  creditAccount,
  GRANTS,
  owedAccount,
  REVENUE,
  referenceOf,
  STRIPE,
  type Transfer,
  type TransferCode,
} from './ledger.ts';
import { add, larger, type Micros, micros, smaller, subtract, ZERO } from './money.ts';
import { monthStart } from './time.ts';
import { chargeWithRemainder, type MicroMillionths } from './tokens.ts';
import type { TopUpPolicy } from './top-up.ts';
import { chargeDueMicros, costMicros, type Meter } from './usage.ts';

export type EndReason = 'stopped' | 'out_of_credits' | 'spot_reclaimed' | 'operator';

/** What a change asks of whoever keeps the rows. */
export type Effect =
  | { kind: 'transfer'; transfer: Transfer }
  | { kind: 'meter_opened'; meter: Meter }
  | { kind: 'meter_posted'; meter: Meter }
  | { kind: 'meter_closed'; meter: Meter; endSecond: number }
  | { kind: 'instance_ended'; instanceId: string; endSecond: number; reason: EndReason; exhaustion?: number }
  | { kind: 'exhausted'; number: number; second: number; instanceIds: string[] }
  | { kind: 'attempt_opened'; attempt: AttemptInFlight; paymentMethodId: string | null }
  | { kind: 'policy_off'; attempt: AttemptInFlight }
  | { kind: 'low'; second: number; levelMicros: Micros };

export interface Outcome {
  account: Account;
  effects: Effect[];
}

/** One change under way: a private copy of the account, and what it asks so far. */
class Change {
  readonly account: Account;
  readonly effects: Effect[] = [];
  readonly terms: Terms;

  constructor(account: Account, terms: Terms) {
    this.account = {
      ...account,
      meters: account.meters.map((meter) => ({ ...meter })),
      policy: account.policy && { ...account.policy },
      toppedUp: { ...account.toppedUp },
    };
    this.terms = terms;
  }

  outcome(): Outcome {
    return { account: this.account, effects: this.effects };
  }

  transfer(transfer: Transfer): void {
    if (transfer.amountMicros === 0) return;
    this.effects.push({ kind: 'transfer', transfer });
    const credit = creditAccount(this.account.teamId);
    const owed = owedAccount(this.account.teamId);
    const { amountMicros } = transfer;
    if (transfer.debitAccount === credit) this.account.postedMicros = subtract(this.account.postedMicros, amountMicros);
    if (transfer.creditAccount === credit) this.account.postedMicros = add(this.account.postedMicros, amountMicros);
    if (transfer.debitAccount === owed) this.account.owedMicros = add(this.account.owedMicros, amountMicros);
    if (transfer.creditAccount === owed) this.account.owedMicros = subtract(this.account.owedMicros, amountMicros);
  }
}

/** Posts what a meter owes through a second, from team credit to revenue. */
function postMeter(change: Change, meter: Meter, throughSecond: number): void {
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

/** Posts a meter's last charge and takes it off the line. */
function closeMeter(change: Change, meter: Meter, endSecond: number): void {
  postMeter(change, meter, endSecond);
  change.account.meters = change.account.meters.filter((other) => other !== meter);
  change.effects.push({ kind: 'meter_closed', meter: { ...meter }, endSecond });
}

/** All of the team's running instances end at X, the last second that was paid in full. */
function exhaust(change: Change, second: number): void {
  const { account } = change;
  account.standsAtSecond = null;
  if (account.meters.length === 0) return;
  const number = account.exhaustions + 1;
  account.exhaustions = number;
  const instanceIds = account.meters.map((meter) => meter.instanceId);
  for (const meter of [...account.meters]) {
    closeMeter(change, meter, second);
    change.effects.push({
      kind: 'instance_ended',
      instanceId: meter.instanceId,
      endSecond: second,
      reason: 'out_of_credits',
      exhaustion: number,
    });
  }
  change.effects.push({ kind: 'exhausted', number, second, instanceIds });
  // Whoever is told that credit has ended need not be told that it is low.
  account.lowArmed = false;
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

/**
 * Lets everything take effect that the clock has brought through a second, each at its own: due top-ups, low-balance
 * warnings, the end of credit. At the same second a top-up comes first, since it keeps the exhaustion open.
 */
function bringUpToDate(change: Change, nowSecond: number): void {
  const { account, terms } = change;
  const second = Math.max(nowSecond, account.asOfSecond);
  for (
    let next = nextCrossing(account, terms);
    next !== null && next.second <= second;
    next = nextCrossing(account, terms)
  ) {
    account.asOfSecond = Math.max(account.asOfSecond, next.second);
    if (next.what === 'top_up' && account.policy) openAttempt(change, account.policy, account.asOfSecond);
    else if (next.what === 'low') {
      account.lowArmed = false;
      change.effects.push({ kind: 'low', second: next.second, levelMicros: terms.lowLevelMicros });
    } else if (next.what === 'exhaustion' && account.attempt && account.attempt.openedSecond <= next.second)
      account.standsAtSecond = next.second;
    else exhaust(change, account.standsAtSecond ?? next.second);
  }
  account.asOfSecond = second;
}

/** Credit that becomes available pays what is owed first, and re-arms the low-balance warning once it is well above the level. */
function creditArrived(change: Change, causeReference: string): void {
  const { account, terms } = change;
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
  const wellAboveMicros = micros(terms.lowLevelMicros + Math.floor(terms.lowLevelMicros / 10));
  if (spendableMicros(account, second) >= wellAboveMicros) account.lowArmed = true;
}

/** Runs one fact: the account is brought up to date, the fact takes effect, and what follows from it at once does too. */
function record(account: Account, terms: Terms, nowSecond: number, fact: (change: Change) => void): Outcome {
  const change = new Change(account, terms);
  bringUpToDate(change, nowSecond);
  fact(change);
  bringUpToDate(change, nowSecond);
  return change.outcome();
}

/** Brings the account up to date, with no further fact. */
export const advance = (account: Account, terms: Terms, nowSecond: number): Outcome =>
  record(account, terms, nowSecond, () => {});

/**
 * Opens an instance's meter at the fact's second.
 * @throws BillingError `insufficient_credit` when less than the minimum is available, or an exhaustion is open
 */
export function startInstance(
  account: Account,
  terms: Terms,
  instance: { instanceId: string; rateMicrosPerHour: Micros },
  nowSecond: number,
): Outcome {
  return record(account, terms, nowSecond, (change) => {
    const { account } = change;
    const spendable = spendableMicros(account, account.asOfSecond);
    if (account.standsAtSecond !== null || spendable < terms.minStartMicros)
      throw new BillingError('insufficient_credit', 'the balance is below the minimum for starting an instance');
    const meter: Meter = {
      instanceId: instance.instanceId,
      segment: 1,
      rateMicrosPerHour: instance.rateMicrosPerHour,
      startSecond: account.asOfSecond,
      postedMicros: ZERO,
    };
    account.meters.push(meter);
    change.effects.push({ kind: 'meter_opened', meter: { ...meter } });
  });
}

/** A segment of an instance that has ended by a re-price, as far as a stop in the past must know it. */
export type ClosedSegment = Meter & { endSecond: number };

/**
 * Ends a running instance. Without `atSecond` at the fact's second; with it in the past, and what was posted beyond
 * comes back as a correcting transfer. An instance that ends by exhaustion first stays ended there: see the effects.
 * @throws BillingError `at_out_of_range` before the start or in the future
 */
export function stopInstance(
  account: Account,
  terms: Terms,
  stop: {
    instanceId: string;
    reason: EndReason;
    closedSegments: readonly ClosedSegment[];
    atSecond?: number;
    lastPostingReference?: string;
  },
  nowSecond: number,
): Outcome {
  return record(account, terms, nowSecond, (change) => {
    const { account } = change;
    const running = account.meters.find((meter) => meter.instanceId === stop.instanceId);
    if (!running) return;
    const first = stop.closedSegments[0] ?? running;
    const latest = moneySecond(account, account.asOfSecond);
    const endSecond = Math.min(stop.atSecond ?? latest, latest);
    if (stop.atSecond !== undefined && (stop.atSecond < first.startSecond || stop.atSecond > account.asOfSecond))
      throw new BillingError('at_out_of_range', 'at must lie between the start of the instance and now', 'at');

    const segments = [...stop.closedSegments, running];
    const postedBeyond = segments.reduce((sum, segment) => {
      const end = Math.min(endSecond, 'endSecond' in segment ? (segment.endSecond as number) : endSecond);
      return sum + Math.max(0, segment.postedMicros - costMicros(segment.rateMicrosPerHour, end - segment.startSecond));
    }, 0);
    for (const segment of stop.closedSegments)
      if (segment.endSecond > endSecond) closeAt(change, segment, Math.max(endSecond, segment.startSecond));
    account.meters = account.meters.filter((meter) => meter !== running);
    postMeter(change, running, endSecond);
    closeAt(change, running, Math.max(endSecond, running.startSecond));
    change.effects.push({ kind: 'instance_ended', instanceId: stop.instanceId, endSecond, reason: stop.reason });

    const reference = referenceOf.instanceEnd(stop.instanceId, endSecond);
    change.transfer({
      debitAccount: REVENUE,
      creditAccount: creditAccount(account.teamId),
      amountMicros: micros(postedBeyond),
      code: 'instance_correction',
      reference,
      second: account.asOfSecond,
      instanceId: stop.instanceId,
      ...(stop.lastPostingReference && { correctsReference: stop.lastPostingReference }),
    });
    // An end in the past gives credit back also where none of it was posted yet: the bill is the same either way.
    creditArrived(change, reference);
  });
}

/** Records a segment as closed at an end that may lie before what was posted for it: its cost is the formula's. */
function closeAt(change: Change, segment: Meter, endSecond: number): void {
  const cost = costMicros(segment.rateMicrosPerHour, endSecond - segment.startSecond);
  change.effects.push({ kind: 'meter_closed', meter: { ...segment, postedMicros: cost }, endSecond });
}

/**
 * Ends one segment and begins the next at the same second, at another rate. The rate that holds already changes nothing,
 * so that a repeat of the call does not cut the cost into floors of its own.
 * @throws BillingError `instance_ended`; `at_out_of_range` for a second before the as-of second or in the future
 */
export function repriceInstance(
  account: Account,
  terms: Terms,
  reprice: { instanceId: string; rateMicrosPerHour: Micros; atSecond?: number },
  nowSecond: number,
): Outcome {
  if (reprice.atSecond !== undefined && (reprice.atSecond < account.asOfSecond || reprice.atSecond > nowSecond))
    throw new BillingError(
      'at_out_of_range',
      "at must not lie before the team's last recorded fact, nor in the future",
      'at',
    );
  return record(account, terms, reprice.atSecond ?? nowSecond, (change) => {
    const { account } = change;
    const running = account.meters.find((meter) => meter.instanceId === reprice.instanceId);
    if (!running) throw new BillingError('instance_ended', 'the instance has ended');
    if (running.rateMicrosPerHour === reprice.rateMicrosPerHour) return;
    const second = moneySecond(account, account.asOfSecond);
    closeMeter(change, running, second);
    const next: Meter = {
      instanceId: running.instanceId,
      segment: running.segment + 1,
      rateMicrosPerHour: reprice.rateMicrosPerHour,
      startSecond: second,
      postedMicros: ZERO,
    };
    account.meters.push(next);
    change.effects.push({ kind: 'meter_opened', meter: { ...next } });
  });
}

/** Posts what an instance owes through a second; no fact, so the bill is the same however often it happens. */
export function settleInstance(account: Account, terms: Terms, instanceId: string, nowSecond: number): Outcome {
  return record(account, terms, nowSecond, (change) => {
    const meter = change.account.meters.find((running) => running.instanceId === instanceId);
    if (meter) postMeter(change, meter, moneySecond(change.account, change.account.asOfSecond));
  });
}

function creditFrom(
  change: Change,
  credit: { debitAccount: string; amountMicros: Micros; code: TransferCode; reference: string; depositId?: string },
): void {
  const { account } = change;
  change.transfer({ ...credit, creditAccount: creditAccount(account.teamId), second: account.asOfSecond });
  // An averted exhaustion may have come again by now: what it leaves is credit, what it would have spent is not.
  bringUpToDate(change, account.asOfSecond);
  creditArrived(change, credit.reference);
}

/**
 * Credits a confirmed deposit. The success of the attempt in flight ends its flight; within the grace it also averts
 * the exhaustion that it kept open: the credit counts from the second at which the attempt was opened.
 */
export function creditDeposit(
  account: Account,
  terms: Terms,
  deposit: { depositId: string; amountMicros: Micros },
  nowSecond: number,
): Outcome {
  return record(account, terms, nowSecond, (change) => {
    const { account } = change;
    const isAttempt = account.attempt?.depositId === deposit.depositId;
    if (isAttempt) {
      account.attempt = null;
      account.standsAtSecond = null;
    }
    creditFrom(change, {
      debitAccount: STRIPE,
      amountMicros: deposit.amountMicros,
      code: isAttempt ? 'auto_top_up' : 'deposit',
      reference: referenceOf.deposit(deposit.depositId),
      depositId: deposit.depositId,
    });
  });
}

/** The attempt in flight failed: the policy goes off, and an exhaustion that it kept open takes effect at X. */
export function failAttempt(account: Account, terms: Terms, depositId: string, nowSecond: number): Outcome {
  return record(account, terms, nowSecond, (change) => {
    const { account } = change;
    const { attempt, standsAtSecond } = account;
    if (attempt?.depositId !== depositId) return;
    account.attempt = null;
    account.toppedUp.micros = subtract(account.toppedUp.micros, attempt.amountMicros);
    if (account.policy) account.policy.enabled = false;
    change.effects.push({ kind: 'policy_off', attempt });
    if (standsAtSecond !== null) exhaust(change, standsAtSecond);
  });
}

/** Gives credit that nobody paid for. */
export const grantCredit = (
  account: Account,
  terms: Terms,
  grant: { grantId: string; amountMicros: Micros },
  nowSecond: number,
): Outcome =>
  record(account, terms, nowSecond, (change) =>
    creditFrom(change, {
      debitAccount: GRANTS,
      amountMicros: grant.amountMicros,
      code: 'grant',
      reference: referenceOf.grant(grant.grantId),
    }),
  );

/** Records token usage that has happened: charged as far as credit goes, the rest owed. Never refused. */
export function recordUsage(
  account: Account,
  terms: Terms,
  usage: { eventId: string; cost: MicroMillionths },
  nowSecond: number,
): Outcome {
  return record(account, terms, nowSecond, (change) => {
    const { account } = change;
    const { chargeMicros, remainderMillionths } = chargeWithRemainder(usage.cost, account.remainderMillionths);
    account.remainderMillionths = remainderMillionths;
    const second = account.asOfSecond;
    const reference = referenceOf.usage(account.teamId, usage.eventId);
    const paidMicros = smaller(chargeMicros, larger(spendableMicros(account, second), ZERO));
    change.transfer({
      debitAccount: creditAccount(account.teamId),
      creditAccount: REVENUE,
      amountMicros: paidMicros,
      code: 'token_usage',
      reference,
      second,
    });
    change.transfer({
      debitAccount: owedAccount(account.teamId),
      creditAccount: REVENUE,
      amountMicros: subtract(chargeMicros, paidMicros),
      code: 'owed_usage',
      reference: referenceOf.owed(reference),
      second,
    });
  });
}

/** Puts another policy in force; enabled while the balance is below its threshold, an attempt opens at once. */
export const setPolicy = (account: Account, terms: Terms, policy: TopUpPolicy, nowSecond: number): Outcome =>
  record(account, terms, nowSecond, (change) => {
    change.account.policy = { ...policy };
  });
