/**
 * The facts that change a team's account. Everything that moves a team's money goes through one of these functions, under
 * the team's row lock; they compute, the caller writes what they answer.
 *
 * Each first brings the account up to date as of the fact's second, so that what the clock brought (a due top-up, the
 * end of credit) lies before the fact, whether or not a process ran then. Source: rules.md, "Facts and their seconds".
 */
import { type Account, moneySecond, spendableMicros, type Terms } from './account.ts';
import {
  bringUpToDate,
  type Change,
  closeMeter,
  creditArrived,
  type EndReason,
  exhaust,
  noteCapped,
  type Outcome,
  postMeter,
  record,
} from './change.ts';
import { type CryptoOutput, outputKey } from './crypto.ts';
import { BillingError } from './errors.ts';
import {
  COPPERX,
  creditAccount,
  GRANTS,
  owedAccount,
  REVENUE,
  referenceOf,
  STRIPE,
  type TransferCode,
} from './ledger.ts';
import { larger, type Micros, micros, smaller, subtract, ZERO } from './money.ts';
import { chargeWithRemainder, type MicroMillionths } from './tokens.ts';
import type { TopUpPolicy } from './top-up.ts';
import { costMicros, type Meter } from './usage.ts';

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

/** Credit comes in: a row, and what follows from it. */
export function creditFrom(
  change: Change,
  credit: {
    debitAccount: string;
    amountMicros: Micros;
    code: TransferCode;
    reference: string;
    depositId?: string;
    correctsReference?: string;
  },
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
      noteCapped(change);
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

/**
 * Credits what arrived of a crypto deposit: as much as was received, one transfer an output. Which outputs are new, the
 * caller knows: see `newOutputs`.
 */
export const creditCrypto = (
  account: Account,
  terms: Terms,
  deposit: { depositId: string; outputs: readonly CryptoOutput[] },
  nowSecond: number,
): Outcome =>
  record(account, terms, nowSecond, (change) => {
    for (const output of deposit.outputs)
      creditFrom(change, {
        debitAccount: COPPERX,
        amountMicros: output.amountMicros,
        code: 'deposit',
        reference: referenceOf.cryptoReceipt(deposit.depositId, outputKey(output)),
        depositId: deposit.depositId,
      });
  });

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
    noteCapped(change);
  });
