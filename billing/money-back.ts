/**
 * Money that goes back out: refunds, and disputes of cardholders. What is taken back is taken from credit first, and what
 * no credit is left for is owed. Source: rules.md, "Deposits, refunds, disputes".
 */
import { type Account, type Contest, spendableMicros, type Terms } from './account.ts';
import { type Change, creditArrived, hold, holdWhatThereIs, type Outcome } from './change.ts';
import { record } from './clock.ts';
import { BillingError } from './errors.ts';
import { creditFrom } from './facts.ts';
import { creditAccount, owedAccount, referenceOf, STRIPE, type TransferCode } from './ledger.ts';
import {
  add,
  formatForPeople,
  isWholeCents,
  larger,
  MICROS_PER_CENT,
  type Micros,
  micros,
  smaller,
  subtract,
  ZERO,
} from './money.ts';

/** A credited deposit, as far as money can go back from it. */
export interface CreditedDeposit {
  depositId: string;
  /** What was credited for it. */
  creditedMicros: Micros;
  /** Refunded, or on its way. */
  refundedMicros: Micros;
  /** A dispute over it is open, or was lost. */
  disputed: boolean;
}

const leftOf = ({ creditedMicros, refundedMicros }: CreditedDeposit): Micros =>
  subtract(creditedMicros, refundedMicros);

/** What can be refunded at the account's as-of second: whole cents, since no card can be paid less. */
export function refundableMicros(account: Account, deposit: CreditedDeposit): Micros {
  const most = smaller(leftOf(deposit), larger(spendableMicros(account, account.asOfSecond), ZERO));
  return micros(Math.max(0, most - (most % MICROS_PER_CENT)));
}

/** Takes an amount from credit, as far as there is any; the rest is owed. */
function takeBack(
  change: Change,
  taken: {
    amountMicros: Micros;
    reference: string;
    depositId: string;
    code: TransferCode;
    owedCode: TransferCode;
  },
): void {
  const { account } = change;
  const { amountMicros, reference, depositId, code, owedCode } = taken;
  const second = account.asOfSecond;
  const paidMicros = smaller(amountMicros, larger(spendableMicros(account, second), ZERO));
  change.transfer({
    debitAccount: creditAccount(account.teamId),
    creditAccount: STRIPE,
    amountMicros: paidMicros,
    code,
    reference,
    second,
    depositId,
  });
  change.transfer({
    debitAccount: owedAccount(account.teamId),
    creditAccount: STRIPE,
    amountMicros: subtract(amountMicros, paidMicros),
    code: owedCode,
    reference: referenceOf.owed(reference),
    second,
    depositId,
  });
}

/** The team answers for no more than what is left of the deposit; what is held beyond that is let go. */
function limitContests(change: Change, depositId: string, leftMicros: Micros): void {
  for (const contest of change.account.contests) {
    if (contest.depositId !== depositId) continue;
    contest.amountMicros = smaller(contest.claimedMicros, leftMicros);
    hold(change, contest, smaller(contest.heldMicros, contest.amountMicros));
  }
}

// ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────

export interface RefundTaken extends Outcome {
  amountMicros: Micros;
}

/**
 * Takes a refund from credit, before the provider is asked. Without an amount: all that can be refunded.
 * @throws BillingError `deposit_disputed`; `not_refundable` when nothing is; `amount_out_of_range`, naming `amount`
 */
export function requestRefund(
  account: Account,
  terms: Terms,
  refund: { refundId: string; deposit: CreditedDeposit; amountMicros: Micros | null },
  nowSecond: number,
): RefundTaken {
  let amountMicros = ZERO;
  const outcome = record(account, terms, nowSecond, (change) => {
    const { deposit, refundId } = refund;
    if (deposit.disputed)
      throw new BillingError('deposit_disputed', 'the deposit is disputed: the bank decides who has the money');
    const refundable = refundableMicros(change.account, deposit);
    if (refundable === 0)
      throw new BillingError(
        'not_refundable',
        leftOf(deposit) === 0 ? 'the deposit has been refunded' : 'the credit has been used: nothing can be refunded',
      );
    amountMicros = refund.amountMicros ?? refundable;
    if (amountMicros <= 0 || amountMicros > refundable)
      throw new BillingError(
        'amount_out_of_range',
        `amount must be above $0 and not above what can be refunded now, ${formatForPeople(refundable)}`,
        'amount',
      );
    if (!isWholeCents(amountMicros))
      throw new BillingError('amount_out_of_range', 'amount must be whole cents', 'amount');
    const { depositId } = deposit;
    const reference = referenceOf.refund(refundId);
    takeBack(change, { amountMicros, reference, depositId, code: 'refund', owedCode: 'owed_refund' });
  });
  return { ...outcome, amountMicros };
}

/** The provider refused a refund, or the bank sent it back: it is credit again, and pays what is owed first. */
export function returnRefund(
  account: Account,
  terms: Terms,
  refund: { refundId: string; amountMicros: Micros; deposit: CreditedDeposit },
  nowSecond: number,
): Outcome {
  return record(account, terms, nowSecond, (change) => {
    const { deposit, refundId, amountMicros } = refund;
    const { depositId } = deposit;
    limitContests(change, depositId, add(leftOf(deposit), amountMicros));
    creditFrom(change, {
      debitAccount: STRIPE,
      amountMicros,
      code: 'refund_returned',
      reference: referenceOf.refundReturned(refundId),
      depositId,
      correctsReference: referenceOf.refund(refundId),
    });
  });
}

/** Books a refund that was made at the provider: the money has left, so what no credit is left for is owed. */
export function bookRefund(
  account: Account,
  terms: Terms,
  refund: { refundId: string; amountMicros: Micros; deposit: CreditedDeposit },
  nowSecond: number,
): Outcome {
  return record(account, terms, nowSecond, (change) => {
    const { deposit, refundId, amountMicros } = refund;
    const { depositId } = deposit;
    const reference = referenceOf.refund(refundId);
    limitContests(change, depositId, subtract(leftOf(deposit), amountMicros));
    takeBack(change, { amountMicros, reference, depositId, code: 'refund', owedCode: 'owed_refund' });
    creditArrived(change, reference);
  });
}

// ── disputes ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** A cardholder contests a deposit: what is contested is held, as far as there is credit; the rest as it comes. */
export function openDispute(
  account: Account,
  terms: Terms,
  dispute: { disputeId: string; claimedMicros: Micros; deposit: CreditedDeposit },
  nowSecond: number,
): Outcome {
  return record(account, terms, nowSecond, (change) => {
    const { disputeId, claimedMicros, deposit } = dispute;
    const contest: Contest = {
      disputeId,
      depositId: deposit.depositId,
      claimedMicros,
      amountMicros: smaller(claimedMicros, leftOf(deposit)),
      heldMicros: ZERO,
    };
    change.account.contests.push(contest);
    holdWhatThereIs(change, contest);
  });
}

/** The bank has decided. Won: what was held is credit again. Lost: it is gone, and what was not held is owed. */
export function closeDispute(
  account: Account,
  terms: Terms,
  closed: { disputeId: string; outcome: 'won' | 'lost' },
  nowSecond: number,
): Outcome {
  return record(account, terms, nowSecond, (change) => {
    const { account } = change;
    const contest = account.contests.find(({ disputeId }) => disputeId === closed.disputeId);
    if (!contest) return;
    hold(change, contest, ZERO);
    account.contests = account.contests.filter((other) => other !== contest);
    if (closed.outcome === 'won') return creditArrived(change, referenceOf.disputeWon(contest.disputeId));
    const { disputeId, depositId, amountMicros } = contest;
    const reference = referenceOf.disputeLost(disputeId);
    takeBack(change, { amountMicros, reference, depositId, code: 'dispute_lost', owedCode: 'owed_dispute' });
  });
}

/** What has become of a credited deposit, all refunds and disputes considered. `sentBackMicros`: refunds that succeeded. */
export const creditedStatus = (
  { creditedMicros, disputed }: Pick<CreditedDeposit, 'creditedMicros' | 'disputed'>,
  sentBackMicros: Micros,
): 'succeeded' | 'refunded' | 'disputed' => {
  if (disputed) return 'disputed';
  return sentBackMicros >= creditedMicros ? 'refunded' : 'succeeded';
};
