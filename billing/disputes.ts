/**
 * Disputes of cardholders. An open dispute holds credit, a lost dispute takes the credit, a won dispute releases the
 * credit. Banks decide again and change amounts, so each fact states the present state of the dispute, and the
 * difference to the held and taken amounts is posted. Source: docs/rules.md#refunds-and-disputes.
 */
import type { Account, BillingSettings, Contest } from './account.ts';
import { type AccountChange, creditArrived, type FactOutcome, fillContest, setContestHold } from './change.ts';
import { applyFact } from './clock.ts';
import { type CreditedDeposit, type DepositDispute, type DisputeStatus, leftOf, takeBack } from './credited-deposit.ts';
import { creditFrom } from './facts.ts';
import { referenceOf, STRIPE } from './ledger.ts';
import { type Micros, smaller, subtract, ZERO } from './money.ts';

/** The state of a dispute as a provider reports the state. */
export interface DisputeStanding {
  disputeId: string;
  status: DisputeStatus;
  claimedMicros: Micros;
}

/**
 * The part of a deposit that each of its disputes can hold or take, by dispute id. The shares add up to at most the
 * deposit less its refunds. Lost disputes come first, because their money has left for good.
 */
export function disputeShares(leftMicros: Micros, disputes: readonly DisputeStanding[]): Map<string, Micros> {
  const shares = new Map<string, Micros>();
  let restMicros = leftMicros;
  for (const of of ['lost', 'open', 'won'] as const)
    for (const { disputeId, status, claimedMicros } of disputes) {
      if (status !== of) continue;
      const shareMicros = status === 'won' ? ZERO : smaller(claimedMicros, restMicros);
      shares.set(disputeId, shareMicros);
      restMicros = subtract(restMicros, shareMicros);
    }
  return shares;
}

/** Records how a dispute stands: opened, decided, decided again, opened again, or over another amount. */
export function recordDispute(
  account: Account,
  settings: BillingSettings,
  { deposit, standing }: { deposit: CreditedDeposit; standing: DisputeStanding },
  nowSecond: number,
): FactOutcome {
  const { disputeId, status } = standing;
  const earlierDispute = deposit.disputes.find((dispute) => dispute.disputeId === disputeId);
  const before = earlierDispute ?? { takenMicros: ZERO, turn: status === 'open' ? -1 : 0, lostReference: null };
  const dispute: DepositDispute = { ...before, ...standing, turn: before.turn + 1 };
  const disputes = earlierDispute
    ? deposit.disputes.map((other) => (other === earlierDispute ? dispute : other))
    : [...deposit.disputes, dispute];
  return applyFact(account, settings, nowSecond, (change) => {
    saveTurn(change, dispute);
    settleDisputes(change, { ...deposit, disputes }, { reference: referenceOf.dispute(dispute), disputeId });
  });
}

/** The cause of a settlement: a ledger reference, and the dispute whose turn was counted already, if any. */
interface Cause {
  reference: string;
  disputeId?: string;
}

/**
 * Adjusts the held and taken amounts of all disputes over a deposit to the present claims. Released credit is posted
 * before taken credit.
 * @param postRefund posts the refund that reduces the deposit: after credit is released, before more is taken
 */
export function settleDisputes(
  change: AccountChange,
  deposit: CreditedDeposit,
  cause: Cause,
  postRefund: () => void = () => {},
): void {
  const { depositId, disputes } = deposit;
  const shares = disputeShares(leftOf(deposit), disputes);
  const heldBefore = change.account.heldMicros;
  for (const dispute of disputes) limitContest(change, depositId, dispute, shares.get(dispute.disputeId) ?? ZERO);
  const isFreed = change.account.heldMicros < heldBefore;

  const due = disputes.map((dispute) => ({
    dispute: withClaim(dispute, cause),
    dueMicros: dispute.status === 'lost' ? (shares.get(dispute.disputeId) ?? ZERO) : ZERO,
  }));
  for (const { dispute, dueMicros } of due)
    if (dueMicros < dispute.takenMicros) giveBack(change, depositId, dispute, dueMicros);
  postRefund();
  for (const { dispute, dueMicros } of due)
    if (dueMicros > dispute.takenMicros) take(change, depositId, dispute, dueMicros);
  if (isFreed) creditArrived(change, cause.reference);
  for (const contest of change.account.contests) fillContest(change, contest);
}

/** Limits the held amount of a dispute to its share. A decided dispute holds nothing. */
function limitContest(change: AccountChange, depositId: string, dispute: DepositDispute, shareMicros: Micros): void {
  const { account } = change;
  const { disputeId, status, claimedMicros } = dispute;
  const contest = account.contests.find((open) => open.disputeId === disputeId);
  if (status !== 'open') {
    if (!contest) return;
    setContestHold(change, contest, ZERO);
    account.contests = account.contests.filter((other) => other !== contest);
  } else if (contest) {
    Object.assign(contest, { claimedMicros, amountMicros: shareMicros });
    setContestHold(change, contest, smaller(contest.heldMicros, shareMicros));
  } else {
    const newContest: Contest = { disputeId, depositId, claimedMicros, amountMicros: shareMicros, heldMicros: ZERO };
    account.contests.push(newContest);
  }
}

const withClaim = (dispute: DepositDispute, cause: Cause): DepositDispute =>
  dispute.disputeId === cause.disputeId ? dispute : { ...dispute, turn: dispute.turn + 1 };

function take(change: AccountChange, depositId: string, dispute: DepositDispute, dueMicros: Micros): void {
  const reference = referenceOf.dispute(dispute);
  saveTurn(change, { ...dispute, takenMicros: dueMicros, lostReference: reference });
  const amountMicros = subtract(dueMicros, dispute.takenMicros);
  const codes = { code: 'dispute_lost', owedCode: 'owed_dispute' } as const;
  takeBack(change, { creditAccount: STRIPE, amountMicros, reference, depositId, ...codes });
}

function giveBack(change: AccountChange, depositId: string, dispute: DepositDispute, dueMicros: Micros): void {
  saveTurn(change, { ...dispute, takenMicros: dueMicros });
  creditFrom(change, {
    debitAccount: STRIPE,
    amountMicros: subtract(dispute.takenMicros, dueMicros),
    code: 'dispute_reinstated',
    reference: referenceOf.dispute(dispute),
    depositId,
    ...(dispute.lostReference !== null && { correctsReference: dispute.lostReference }),
  });
}

const saveTurn = (change: AccountChange, { disputeId, takenMicros, turn, lostReference }: DepositDispute): void => {
  change.effects.push({ kind: 'dispute_turned', disputeId, takenMicros, turn, lostReference });
};
