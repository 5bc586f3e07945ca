/** What is recorded of a refund: taken from credit before the provider is asked, then sent, or credit again. */
import type { CreditedDeposit } from '../../billing/credited-deposit.ts';
import { BillingError, type FailureCode } from '../../billing/errors.ts';
import { advance } from '../../billing/facts.ts';
import { add, larger, type Micros, micros, subtract, ZERO } from '../../billing/money.ts';
import { adjustRefund, bookRefund, creditedStatus, requestRefund } from '../../billing/money-back.ts';
import { checkNotArchived } from '../../billing/team-state.ts';
import { isAbandoned } from '../../prisma/abandoned-calls.ts';
import { isUniqueViolation, type Tx } from '../../prisma/client.ts';
import { correctionsOf, isOfCredit, netCreditMicros } from '../../prisma/corrections.ts';
import { creditedMicros, type Deposit, getDeposit, updateDeposit, wasCredited } from '../../prisma/deposits.ts';
import { disputesOfDeposit, toDepositDispute } from '../../prisma/disputes.ts';
import { markSeenByWorkflow } from '../../prisma/due-work.ts';
import type { NewNotice, RefundTurn } from '../../prisma/notices.ts';
import { recordFact } from '../../prisma/record.ts';
import {
  findRefund,
  findRefundByStripeId,
  getRefund,
  insertRefund,
  type Refund,
  type RefundStatus,
  refundsOfDeposit,
  sentMicros,
  sumMicros,
  updateRefund,
} from '../../prisma/refunds.ts';
import type { LedgerWorld } from '../world.ts';

/** What a refund's workflow needs to know of it. */
export interface RefundOrder {
  refundId: string;
  depositId: string;
  teamId: string;
  amountMicros: Micros;
  status: RefundStatus;
  origin: Refund['origin'];
  stripeRefundId: string | null;
}

/** What an operator asks for. */
export interface AskedRefund {
  refundId: string;
  depositId: string;
  teamId: string;
  /** Null: all that can be refunded. */
  amountMicros: Micros | null;
  actor: string;
  /** What was asked, so that a repeat under the same id can be told from another refund. */
  requestHash?: string;
  receivedSecond: number;
}

/** As the workflow of a refund is asked by an api of an earlier version. */
export interface NewRefundOrder extends AskedRefund {
  /** Names the call, which must not take anything any more after it was answered 503. */
  callId: string;
  /** Unix milliseconds after which nothing is taken. */
  notAfterMs: number;
}

/** Why no refund was made of it, as the caller is told; nothing was recorded. */
export interface RefundRefusal {
  code: FailureCode;
  message: string;
  param?: string;
}

export type RefundRequested =
  | { status: 'taken'; order: RefundOrder }
  | { status: 'refused'; refusal: RefundRefusal }
  /** The caller was answered 503, or is about to be. */
  | { status: 'too_late' };

const orderOf = (refund: Refund): RefundOrder => {
  const { id: refundId, depositId, teamId, status, origin, stripeRefundId } = refund;
  return { refundId, depositId, teamId, amountMicros: sentMicros(refund), status, origin, stripeRefundId };
};

/** A deposit, as far as money can go back from it. */
export async function creditedDeposit(tx: Tx, deposit: Deposit): Promise<CreditedDeposit> {
  const { id: depositId, teamId, refundedMicros } = deposit;
  const disputes = await disputesOfDeposit(tx, depositId);
  const isCorrected = (await correctionsOf(tx, depositId)).some(isOfCredit);
  return {
    depositId,
    // A deposit without corrections was credited with the amount of its row.
    creditedMicros: isCorrected
      ? larger(await netCreditMicros(tx, depositId, teamId), refundedMicros)
      : creditedMicros(deposit),
    refundedMicros,
    disputes: disputes.map(toDepositDispute),
  };
}

/** Updates what a deposit's row says of its refunds and disputes. */
export async function updateMoneyBack(tx: Tx, depositId: string): Promise<void> {
  const deposit = await getDeposit(tx, depositId);
  const refunds = await refundsOfDeposit(tx, depositId);
  const sent = sumMicros(refunds, 'succeeded');
  await updateDeposit(tx, depositId, {
    refundedMicros: micros(sent + sumMicros(refunds, 'pending')),
    status: creditedStatus(await creditedDeposit(tx, deposit), sent),
  });
}

/** A refund can be sent and come back more than once: each has a mail of its own. */
const noticeOf = ({ id: refundId, teamId, turn: number }: Refund, turn: RefundTurn, second: number): NewNotice => ({
  teamId,
  second,
  cause: `${refundId}/${turn}${number > 1 ? `/${number}` : ''}`,
  data: { refundId, turn },
  channel: 'mail',
  kind: 'refund',
});

const refusalOf = ({ code, message, param }: BillingError): RefundRefusal => ({
  code,
  message,
  ...(param !== undefined && { param }),
});

const idTaken = (): BillingError => new BillingError('id_taken', 'another refund has this id', 'id');

/**
 * Takes from credit what an operator asked to have refunded, once.
 * @param mayTake throws where a refund that was not recorded before must not be recorded any more
 */
function take(
  { db, terms }: LedgerWorld,
  input: AskedRefund,
  causedBy: string,
  { isDue, mayTake = async () => {} }: { isDue: boolean; mayTake?: (tx: Tx) => Promise<void> },
): Promise<Refund> {
  const { refundId, teamId, depositId, actor } = input;
  const about = { teamId, causedBy, throughSecond: input.receivedSecond };
  return recordFact<Refund>(db, about, async (account, tx) => {
    const earlier = await findRefund(tx, refundId);
    if (earlier && earlier.teamId !== teamId) throw idTaken();
    if (earlier) return { outcome: { account, effects: [] }, look: 'unchanged', answer: async () => earlier };
    await mayTake(tx);
    checkNotArchived(account);
    const deposit = await getDeposit(tx, depositId);
    if (!wasCredited(deposit)) throw new BillingError('not_refundable', `the deposit is ${deposit.status}`);
    const asked = { refundId, deposit: await creditedDeposit(tx, deposit), amountMicros: input.amountMicros };
    const { amountMicros, ...outcome } = requestRefund(account, terms, asked, input.receivedSecond);
    const openedSecond = outcome.account.asOfSecond;
    const taken = {
      ...{ id: refundId, teamId, depositId, amountMicros, origin: 'operator' as const, actor, openedSecond },
      ...{ requestHash: input.requestHash ?? null, stripeRefundId: null },
    };
    await insertRefund(tx, taken, isDue ? openedSecond : null).catch((error) => {
      // Another team has inserted the id since the look: that team's row lock is not held here.
      throw isUniqueViolation(error) ? idTaken() : error;
    });
    await updateMoneyBack(tx, depositId);
    // The balance is told by the mail of the refund, once the provider has sent it.
    return { outcome, tellsBalance: true, answer: (within) => getRefund(within, refundId) };
  });
}

export const refundActs = ({ db, terms }: LedgerWorld) => ({
  /**
   * Takes from credit what an operator asked to have refunded, or finds what the team asked for under the same id. The refund's workflow is started after the commit: see prisma/due-work.ts.
   * @throws BillingError `team_archived`, `not_refundable`, `deposit_disputed`, `amount_out_of_range`, `id_taken`
   */
  takeRefund: (input: AskedRefund, causedBy: string): Promise<Refund> =>
    take({ db, terms }, input, causedBy, { isDue: true }),

  /**
   * Takes a refund for a workflow that an api of an earlier version has started, and answers a refusal instead of throwing
   * it. A refusal records nothing.
   */
  requestRefund: async (input: NewRefundOrder & { nowMs: number }, causedBy: string): Promise<RefundRequested> => {
    const existing = await findRefund(db, input.refundId);
    if (existing) return { status: 'taken', order: orderOf(existing) };
    if (input.nowMs > input.notAfterMs) return { status: 'too_late' };
    const mayTake = async (tx: Tx) => {
      if (await isAbandoned(tx, input.callId))
        throw new BillingError('start_expired', 'the caller was answered already');
    };
    try {
      const order = orderOf(await take({ db, terms }, input, causedBy, { isDue: false, mayTake }));
      return { status: 'taken', order };
    } catch (error) {
      if (!(error instanceof BillingError)) throw error;
      return error.code === 'start_expired' ? { status: 'too_late' } : { status: 'refused', refusal: refusalOf(error) };
    }
  },

  /**
   * Books a refund that was made at the provider, once. Answers the refund it is, if it is one of ours after all. Null:
   * not yet, since the deposit is still to be credited, or a refund of ours is under way for the same money, which the
   * provider gives back only once.
   */
  bookRefund: async (
    input: {
      refundId: string;
      depositId: string;
      stripeRefundId: string;
      /** The refund that the provider's metadata names. */
      namedRefundId: string | null;
      amountMicros: Micros;
      nowSecond: number;
    },
    causedBy: string,
  ): Promise<RefundOrder | null> => {
    const { refundId, depositId, stripeRefundId, amountMicros } = input;
    const { teamId } = await getDeposit(db, depositId);
    return recordFact<RefundOrder | null>(
      db,
      { teamId, causedBy, throughSecond: input.nowSecond },
      async (account, tx) => {
        const notYet = { outcome: advance(account, terms, input.nowSecond), answer: async () => null };
        const named = input.namedRefundId === null ? null : await findRefund(tx, input.namedRefundId);
        const known = (await findRefundByStripeId(tx, stripeRefundId)) ?? named;
        if (known) return { outcome: advance(account, terms, input.nowSecond), answer: async () => orderOf(known) };
        const deposit = await getDeposit(tx, depositId);
        if (!wasCredited(deposit)) return notYet;
        const credited = await creditedDeposit(tx, deposit);
        if (credited.refundedMicros + amountMicros > credited.creditedMicros) return notYet;
        const outcome = bookRefund(account, terms, { refundId, amountMicros, deposit: credited }, input.nowSecond);
        await insertRefund(tx, {
          id: refundId,
          teamId,
          depositId,
          amountMicros,
          origin: 'provider',
          actor: 'provider',
          stripeRefundId,
          openedSecond: outcome.account.asOfSecond,
        });
        await updateMoneyBack(tx, depositId);
        const answer = async (within: Tx) => orderOf(await getRefund(within, refundId));
        return { outcome, tellsBalance: true, answer };
      },
    );
  },

  /** The first look of a refund's workflow, after which the workflow is no longer due. */
  findRefundOrder: async (input: { refundId: string }): Promise<RefundOrder | null> => {
    const refund = await findRefund(db, input.refundId);
    if (refund) await markSeenByWorkflow(db, 'refunds', refund.id);
    return refund && orderOf(refund);
  },

  /** Keeps what the provider calls a refund, before its outcome is known. */
  noteRefund: async (input: { refundId: string; stripeRefundId: string }): Promise<void> =>
    updateRefund(db, input.refundId, { stripeRefundId: input.stripeRefundId }),

  /**
   * Records how a refund stands at the provider, and what it amounts to there. No status is final: one that fails is credit
   * again, also after it had succeeded, and one that is sent after all takes credit again.
   */
  closeRefund: async (
    input: {
      refundId: string;
      outcome: RefundStatus;
      failureCode: string | null;
      nowSecond: number;
      amountMicros?: Micros;
    },
    causedBy: string,
  ): Promise<RefundOrder> => {
    const { refundId, outcome: status, failureCode } = input;
    const { teamId, depositId } = await getRefund(db, refundId);
    return recordFact(db, { teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
      const refund = await getRefund(tx, refundId);
      const answer = async (within: Tx) => orderOf(await getRefund(within, refundId));
      const amountMicros = input.amountMicros ?? sentMicros(refund);
      const deposit = await creditedDeposit(tx, await getDeposit(tx, depositId));
      const dueMicros = status === 'failed' ? ZERO : amountMicros;
      const refundedMicros = add(subtract(deposit.refundedMicros, refund.takenMicros), dueMicros);
      const isKnown = refund.status === status && refund.takenMicros === dueMicros;
      // More than was paid in cannot have gone back: the provider is asked again, and the daily comparison reports it.
      if (isKnown || refundedMicros > deposit.creditedMicros)
        return { outcome: advance(account, terms, input.nowSecond), answer };
      const { takenMicros, turn } = refund;
      const outcome = adjustRefund(
        account,
        terms,
        { refundId, takenMicros, turn, dueMicros, deposit },
        input.nowSecond,
      );
      const second = outcome.account.asOfSecond;
      const closedSecond = status === 'pending' ? null : second;
      await updateRefund(tx, refundId, { status, failureCode, closedSecond, takenMicros: dueMicros });
      await updateMoneyBack(tx, depositId);
      const notices: NewNotice[] = [];
      if (status === 'succeeded' && refund.status !== status) notices.push(noticeOf(refund, 'sent', second));
      // A team that was told of the refund is told of its return; a refusal is for the operator.
      if (status === 'failed' && refund.status === 'succeeded') notices.push(noticeOf(refund, 'returned', second));
      return { outcome, notices, tellsBalance: true, answer };
    });
  },
});
