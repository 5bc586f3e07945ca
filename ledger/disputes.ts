/** Records disputes: the amount is held while the bank decides, then released or taken. No decision is final. */

import type { Account } from '../billing/account.ts';
import type { FactOutcome } from '../billing/change.ts';
import { recordDispute } from '../billing/disputes.ts';
import { advance } from '../billing/facts.ts';
import { turnCause } from '../billing/ids.ts';
import type { TransferCode } from '../billing/ledger.ts';
import { type Micros, smaller, ZERO } from '../billing/money.ts';
import type { Tx } from '../prisma/client.ts';
import { getDeposit, wasCredited } from '../prisma/deposits.ts';
import {
  type Dispute,
  type DisputeStatus,
  findDispute,
  getDispute,
  insertDispute,
  updateDispute,
} from '../prisma/disputes.ts';
import type { DisputeTurn, DisputeTurnFacts, NewNotice } from '../prisma/notices.ts';
import { recordFact } from '../prisma/record.ts';
import { refundsOfDeposit } from '../prisma/refunds.ts';
import { creditedDeposit, updateMoneyBack } from './money-back.ts';
import type { LedgerWorld } from './world.ts';

/** The fields of a dispute for its workflow. */
export interface DisputeOrder {
  disputeId: string;
  depositId: string;
  teamId: string;
  amountMicros: Micros;
  heldMicros: Micros;
  status: DisputeStatus;
}

const orderOf = ({ id, depositId, teamId, amountMicros, heldMicros, status }: Dispute): DisputeOrder => ({
  disputeId: id,
  depositId,
  teamId,
  amountMicros,
  heldMicros,
  status,
});

/** The provider's state of a dispute, as of a second. */
interface Standing {
  disputeId: string;
  status: DisputeStatus;
  amountMicros: Micros;
  nowSecond: number;
}

interface NewDispute extends Standing {
  depositId: string;
  stripeDisputeId: string;
  /** The bank's word for why. */
  reason: string;
}

export const disputeActs = (world: LedgerWorld) => ({
  findDisputeOrder: async (input: { disputeId: string }): Promise<DisputeOrder | null> => {
    const dispute = await findDispute(world.db, input.disputeId);
    return dispute && orderOf(dispute);
  },

  /**
   * Opens a dispute, or finds the opened one. The contested amount is held, as far as there is credit. Null while the
   * deposit is still to be credited.
   */
  openDispute: (input: Omit<NewDispute, 'status'>, causedBy: string): Promise<DisputeOrder | null> =>
    openDispute(world, { ...input, status: 'open' }, causedBy),

  /**
   * Records the bank's decision and the decided amount. A later decision replaces an earlier one. The dispute stays
   * unchanged while a refund of the deposit is under way, because the refund changes the amount that can be lost.
   */
  closeDispute: async (
    input: { disputeId: string; outcome: 'won' | 'lost'; nowSecond: number; amountMicros?: Micros },
    causedBy: string,
  ): Promise<DisputeOrder> => {
    const { disputeId, outcome: status, nowSecond } = input;
    const { amountMicros } = await getDispute(world.db, disputeId);
    const standing = { disputeId, status, nowSecond, amountMicros: input.amountMicros ?? amountMicros };
    return changeDispute(world, standing, causedBy);
  },

  /** Records that a dispute is open, again after a decision, or that another amount is contested. */
  changeDispute: (input: Omit<Standing, 'status'>, causedBy: string): Promise<DisputeOrder> =>
    changeDispute(world, { ...input, status: 'open' }, causedBy),
});

async function openDispute(
  { db, settings }: LedgerWorld,
  opening: NewDispute,
  causedBy: string,
): Promise<DisputeOrder | null> {
  const { disputeId, depositId, stripeDisputeId, amountMicros, reason, nowSecond } = opening;
  const { teamId } = await getDeposit(db, depositId);
  return recordFact<DisputeOrder | null>(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx) => {
    const answer = async (within: Tx) => orderOf(await getDispute(within, disputeId));
    if (await findDispute(tx, disputeId)) return { outcome: advance(account, settings, nowSecond), answer };
    const deposit = await getDeposit(tx, depositId);
    // The deposit's success is still to be recorded, by the deposit's own workflow.
    if (!wasCredited(deposit)) return { outcome: advance(account, settings, nowSecond), answer: async () => null };
    const standing = { disputeId, status: 'open' as const, claimedMicros: amountMicros };
    const credited = await creditedDeposit(tx, deposit);
    const outcome = recordDispute(account, settings, { deposit: credited, standing }, nowSecond);
    const openedSecond = outcome.account.asOfSecond;
    const row = { id: disputeId, teamId, depositId, stripeDisputeId, amountMicros, reason, openedSecond };
    await insertDispute(tx, row);
    await updateMoneyBack(tx, depositId);
    const facts = turnFacts(standing, null, account, outcome);
    return { outcome, notices: [noticeOf(row, 'opened', 0, openedSecond, facts)], statesBalance: true, answer };
  });
}

async function changeDispute({ db, settings }: LedgerWorld, now: Standing, causedBy: string): Promise<DisputeOrder> {
  const { disputeId, status, amountMicros, nowSecond } = now;
  const { teamId, depositId } = await getDispute(db, disputeId);
  return recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx) => {
    const answer = async (within: Tx) => orderOf(await getDispute(within, disputeId));
    const before = await getDispute(tx, disputeId);
    const isKnown = before.status === status && before.amountMicros === amountMicros;
    const refunds = await refundsOfDeposit(tx, depositId);
    const waits = status !== 'open' && refunds.some((refund) => refund.status === 'pending');
    if (isKnown || waits) return { outcome: advance(account, settings, nowSecond), answer };

    const standing = { disputeId, status, claimedMicros: amountMicros };
    const deposit = await creditedDeposit(tx, await getDeposit(tx, depositId));
    const outcome = recordDispute(account, settings, { deposit, standing }, nowSecond);
    const second = outcome.account.asOfSecond;
    await updateDispute(tx, disputeId, {
      ...{ status, amountMicros, closedSecond: status === 'open' ? null : second },
      // The effects of the account write the held amount of an open dispute and the taken amount of a lost one.
      heldMicros: before.status !== 'open' && status === 'open' ? ZERO : smaller(before.heldMicros, amountMicros),
      takenMicros: smaller(before.takenMicros, amountMicros),
    });
    await updateMoneyBack(tx, depositId);
    const facts = turnFacts(standing, before, account, outcome);
    const notice = noticeOf(before, turnOf(before.status, status), before.turn + 1, second, facts);
    return { outcome, notices: [notice], statesBalance: true, answer };
  });
}

function turnOf(before: DisputeStatus, after: DisputeStatus): DisputeTurn {
  if (before === after) return 'changed';
  return after === 'open' ? 'reopened' : after;
}

const noticeOf = (
  { id: disputeId, teamId }: Pick<Dispute, 'id' | 'teamId'>,
  turn: DisputeTurn,
  number: number,
  second: number,
  disputeTurn: DisputeTurnFacts,
): NewNotice => ({
  teamId,
  second,
  cause: turnCause(disputeId, turn, number),
  data: { disputeId, turn, disputeTurn },
  channel: 'mail',
  kind: 'dispute',
});

function turnFacts(
  { disputeId, claimedMicros }: { disputeId: string; claimedMicros: Micros },
  before: Dispute | null,
  accountBefore: Account,
  { account, effects }: FactOutcome,
): DisputeTurnFacts {
  const heldIn = ({ contests }: Account) =>
    contests.find((contest) => contest.disputeId === disputeId)?.heldMicros ?? ZERO;
  const sumOfCode = (code: TransferCode) =>
    effects.reduce(
      (sum, effect) =>
        effect.kind === 'transfer' && effect.transfer.code === code ? sum + effect.transfer.amountMicros : sum,
      0,
    );
  const fromCreditMicros = sumOfCode('dispute_lost');
  const heldMicros = heldIn(account);
  return {
    claimedMicros,
    beforeMicros: before?.amountMicros ?? claimedMicros,
    heldMicros,
    freedMicros: Math.max(0, heldIn(accountBefore) - heldMicros - fromCreditMicros),
    fromCreditMicros,
    owedMicros: sumOfCode('owed_dispute'),
    returnedMicros: sumOfCode('dispute_reinstated'),
    again: before !== null && (before.status !== 'open' || before.turn > 1),
  };
}
