/** What is recorded of a refund: taken from credit before the provider is asked, then sent, or credit again. */
import { BillingError, type FailureCode } from '../../billing/errors.ts';
import { advance } from '../../billing/facts.ts';
import { type Micros, micros } from '../../billing/money.ts';
import {
  bookRefund,
  type CreditedDeposit,
  creditedStatus,
  requestRefund,
  returnRefund,
} from '../../billing/money-back.ts';
import { checkNotArchived } from '../../billing/team-state.ts';
import { isAbandoned } from '../../prisma/abandoned-calls.ts';
import type { Tx } from '../../prisma/client.ts';
import { creditedMicros, type Deposit, getDeposit, updateDeposit, wasCredited } from '../../prisma/deposits.ts';
import { disputesOfDeposit } from '../../prisma/disputes.ts';
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

export interface NewRefundOrder {
  refundId: string;
  depositId: string;
  teamId: string;
  /** Null: all that can be refunded. */
  amountMicros: Micros | null;
  actor: string;
  receivedSecond: number;
  callId: string;
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

const orderOf = ({ id, depositId, teamId, amountMicros, status, origin, stripeRefundId }: Refund): RefundOrder => ({
  refundId: id,
  depositId,
  teamId,
  amountMicros,
  status,
  origin,
  stripeRefundId,
});

/** A deposit, as far as money can go back from it. */
export async function creditedDeposit(tx: Tx, deposit: Deposit): Promise<CreditedDeposit> {
  const disputes = await disputesOfDeposit(tx, deposit.id);
  return {
    depositId: deposit.id,
    creditedMicros: creditedMicros(deposit),
    refundedMicros: deposit.refundedMicros,
    disputed: disputes.some(({ status }) => status !== 'won'),
  };
}

/** Keeps on a deposit's row what its refunds and disputes come to. */
export async function keepMoneyBack(tx: Tx, depositId: string): Promise<void> {
  const deposit = await getDeposit(tx, depositId);
  const refunds = await refundsOfDeposit(tx, depositId);
  const sent = sumMicros(refunds, 'succeeded');
  await updateDeposit(tx, depositId, {
    refundedMicros: micros(sent + sumMicros(refunds, 'pending')),
    status: creditedStatus(await creditedDeposit(tx, deposit), sent),
  });
}

const noticeOf = ({ id: refundId, teamId }: Refund, turn: RefundTurn, second: number): NewNotice => ({
  teamId,
  second,
  cause: `${refundId}/${turn}`,
  data: { refundId, turn },
  channel: 'mail',
  kind: 'refund',
});

const refusalOf = ({ code, message, param }: BillingError): RefundRefusal => ({
  code,
  message,
  ...(param !== undefined && { param }),
});

export const refundActs = ({ db, terms }: LedgerWorld) => ({
  /** Takes from credit what an operator asked to have refunded, or finds what was taken. A refusal records nothing. */
  requestRefund: async (input: NewRefundOrder & { nowMs: number }, causedBy: string): Promise<RefundRequested> => {
    const existing = await findRefund(db, input.refundId);
    if (existing) return { status: 'taken', order: orderOf(existing) };
    if (input.nowMs > input.notAfterMs) return { status: 'too_late' };
    try {
      return await recordFact<RefundRequested>(
        db,
        { teamId: input.teamId, causedBy, throughSecond: input.receivedSecond },
        async (account, tx) => {
          const nothing = { account, effects: [] };
          const earlier = await findRefund(tx, input.refundId);
          if (earlier) return { outcome: nothing, answer: async () => ({ status: 'taken', order: orderOf(earlier) }) };
          if (await isAbandoned(tx, input.callId))
            return { outcome: nothing, answer: async () => ({ status: 'too_late' }) };
          checkNotArchived(account);
          const { refundId, teamId, depositId, actor } = input;
          const deposit = await getDeposit(tx, depositId);
          if (!wasCredited(deposit)) throw new BillingError('not_refundable', `the deposit is ${deposit.status}`);
          const asked = { refundId, deposit: await creditedDeposit(tx, deposit), amountMicros: input.amountMicros };
          const { amountMicros, ...outcome } = requestRefund(account, terms, asked, input.receivedSecond);
          await insertRefund(tx, {
            id: refundId,
            teamId,
            depositId,
            amountMicros,
            origin: 'operator',
            actor,
            stripeRefundId: null,
            openedSecond: outcome.account.asOfSecond,
          });
          await keepMoneyBack(tx, depositId);
          return {
            outcome,
            answer: async (within) => ({ status: 'taken', order: orderOf(await getRefund(within, refundId)) }),
          };
        },
      );
    } catch (error) {
      if (!(error instanceof BillingError)) throw error;
      return { status: 'refused', refusal: refusalOf(error) };
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
        await keepMoneyBack(tx, depositId);
        return { outcome, answer: async (within) => orderOf(await getRefund(within, refundId)) };
      },
    );
  },

  findRefundOrder: async (input: { refundId: string }): Promise<RefundOrder | null> => {
    const refund = await findRefund(db, input.refundId);
    return refund && orderOf(refund);
  },

  /** Keeps what the provider calls a refund, before its outcome is known. */
  noteRefund: async (input: { refundId: string; stripeRefundId: string }): Promise<void> =>
    updateRefund(db, input.refundId, { stripeRefundId: input.stripeRefundId }),

  /**
   * Writes what became of a refund, once. One that fails is credit again, also after it had succeeded: banks send money
   * back days later.
   */
  closeRefund: async (
    input: { refundId: string; outcome: 'succeeded' | 'failed'; failureCode: string | null; nowSecond: number },
    causedBy: string,
  ): Promise<RefundOrder> => {
    const { refundId, outcome: status, failureCode } = input;
    const { teamId, depositId } = await getRefund(db, refundId);
    return recordFact(db, { teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
      const refund = await getRefund(tx, refundId);
      const answer = async (within: Tx) => orderOf(await getRefund(within, refundId));
      // A failure is final; a success is only until the bank says otherwise.
      if (refund.status === 'failed' || refund.status === status)
        return { outcome: advance(account, terms, input.nowSecond), answer };
      const { amountMicros } = refund;
      const deposit = await creditedDeposit(tx, await getDeposit(tx, depositId));
      const outcome =
        status === 'succeeded'
          ? advance(account, terms, input.nowSecond)
          : returnRefund(account, terms, { refundId, amountMicros, deposit }, input.nowSecond);
      const second = outcome.account.asOfSecond;
      await updateRefund(tx, refundId, { status, failureCode, closedSecond: second });
      await keepMoneyBack(tx, depositId);
      const notices: NewNotice[] = [];
      if (status === 'succeeded') notices.push(noticeOf(refund, 'sent', second));
      // Whoever was told that it was sent is told that it came back; of a refusal the operator is told.
      else if (refund.status === 'succeeded') notices.push(noticeOf(refund, 'returned', second));
      return { outcome, notices, answer };
    });
  },
});
