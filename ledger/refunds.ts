/** Records refunds: taken from credit before the provider is asked, then sent, or credit again. */

import { BillingError, type FailureCode } from '../billing/errors.ts';
import { advance } from '../billing/facts.ts';
import { turnCause } from '../billing/ids.ts';
import { add, type Micros, subtract, ZERO } from '../billing/money.ts';
import { adjustRefund, bookRefund, requestRefund } from '../billing/money-back.ts';
import { checkNotArchived } from '../billing/team-state.ts';
import { isAbandoned } from '../prisma/abandoned-calls.ts';
import { isUniqueViolation, type Tx } from '../prisma/client.ts';
import { getDeposit, wasCredited } from '../prisma/deposits.ts';
import { markSeenByWorkflow } from '../prisma/due-work.ts';
import type { NewNotice, RefundTurn } from '../prisma/notices.ts';
import { recordFact } from '../prisma/record.ts';
import {
  findRefund,
  findRefundByStripeId,
  getRefund,
  insertRefund,
  type Refund,
  type RefundStatus,
  sentMicros,
  updateRefund,
} from '../prisma/refunds.ts';
import { creditedDeposit, updateMoneyBack } from './money-back.ts';
import { actIn, type LedgerWorld } from './world.ts';

/** The fields of a refund for its workflow. */
export interface RefundOrder {
  refundId: string;
  depositId: string;
  teamId: string;
  amountMicros: Micros;
  status: RefundStatus;
  origin: Refund['origin'];
  stripeRefundId: string | null;
}

/** An operator's request for a refund. */
export interface AskedRefund {
  refundId: string;
  depositId: string;
  teamId: string;
  /** Null: the whole refundable amount. */
  amountMicros: Micros | null;
  actor: string;
  /** A digest of the request, to tell a repeat from another refund under the same id. */
  requestHash?: string;
  receivedSecond: number;
}

/** The input of a refund's workflow that an api of an earlier release has started. */
export interface NewRefundOrder extends AskedRefund {
  /** The id of the api's call. If the api has answered 503 to the call, the refund must not take credit. */
  callId: string;
  /** Unix milliseconds after which nothing is taken. */
  notAfterMs: number;
}

/** The reason of a refusal, for the caller. Nothing was recorded. */
export interface RefundRefusal {
  code: FailureCode;
  message: string;
  param?: string;
}

export type RefundRequested =
  | { status: 'taken'; order: RefundOrder }
  | { status: 'refused'; refusal: RefundRefusal }
  /** The api has answered 503 to the caller, or will answer 503. */
  | { status: 'too_late' };

export const refundActs = (world: LedgerWorld) => ({
  takeRefund: actIn(world, takeRefund),
  requestRefund: actIn(world, takeForWorkflow),
  bookRefund: actIn(world, book),
  findRefundOrder: actIn(world, findRefundOrder),
  noteRefund: actIn(world, noteRefund),
  closeRefund: actIn(world, close),
});

/**
 * Takes an operator's refund from credit, or finds the team's refund under the same id. The refund's workflow is
 * started after the commit: see prisma/due-work.ts.
 * @throws BillingError `team_archived`, `not_refundable`, `deposit_disputed`, `amount_out_of_range`, `id_taken`
 */
const takeRefund = (world: LedgerWorld, input: AskedRefund, causedBy: string): Promise<Refund> =>
  take(world, input, causedBy, { isDue: true });

/**
 * Takes a refund for a workflow that an api of an earlier release has started. A refusal is returned and not thrown,
 * and records nothing.
 */
async function takeForWorkflow(
  world: LedgerWorld,
  input: NewRefundOrder & { nowMs: number },
  causedBy: string,
): Promise<RefundRequested> {
  const existing = await findRefund(world.db, input.refundId);
  if (existing) return { status: 'taken', order: orderOf(existing) };
  if (input.nowMs > input.notAfterMs) return { status: 'too_late' };
  const mayTake = async (tx: Tx) => {
    if (await isAbandoned(tx, input.callId)) throw new BillingError('start_expired', 'the caller was answered already');
  };
  try {
    const order = orderOf(await take(world, input, causedBy, { isDue: false, mayTake }));
    return { status: 'taken', order };
  } catch (error) {
    if (!(error instanceof BillingError)) throw error;
    return error.code === 'start_expired' ? { status: 'too_late' } : { status: 'refused', refusal: refusalOf(error) };
  }
}

/**
 * Takes an operator's refund from credit, once.
 * @param mayTake throws where a refund that was not recorded before must not be recorded any more
 */
function take(
  { db, settings }: LedgerWorld,
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
    const request = { refundId, deposit: await creditedDeposit(tx, deposit), amountMicros: input.amountMicros };
    const { amountMicros, ...outcome } = requestRefund(account, settings, request, input.receivedSecond);
    const openedSecond = outcome.account.asOfSecond;
    const refundRow = {
      ...{ id: refundId, teamId, depositId, amountMicros, origin: 'operator' as const, actor, openedSecond },
      ...{ requestHash: input.requestHash ?? null, stripeRefundId: null },
    };
    await insertRefund(tx, refundRow, isDue ? openedSecond : null).catch((error) => {
      // Another team has inserted the id since the look. The row lock of the other team is not held here.
      throw isUniqueViolation(error) ? idTaken() : error;
    });
    await updateMoneyBack(tx, depositId);
    // The mail of the refund states the balance, once the provider has sent the refund.
    return { outcome, statesBalance: true, answer: (within) => getRefund(within, refundId) };
  });
}

/**
 * Records a refund made at the provider, once. Returns the refund, also if the refund is one of ours after all. Null
 * for not yet: the deposit is still to be credited, or a refund of ours is under way for the same money, and the
 * provider sends money back only once.
 */
async function book(
  { db, settings }: LedgerWorld,
  input: {
    refundId: string;
    depositId: string;
    stripeRefundId: string;
    /** The refund id in the provider's metadata. */
    namedRefundId: string | null;
    amountMicros: Micros;
    nowSecond: number;
  },
  causedBy: string,
): Promise<RefundOrder | null> {
  const { refundId, depositId, stripeRefundId, amountMicros } = input;
  const { teamId } = await getDeposit(db, depositId);
  return recordFact<RefundOrder | null>(
    db,
    { teamId, causedBy, throughSecond: input.nowSecond },
    async (account, tx) => {
      const notYet = { outcome: advance(account, settings, input.nowSecond), answer: async () => null };
      const namedRefund = input.namedRefundId === null ? null : await findRefund(tx, input.namedRefundId);
      const savedRefund = (await findRefundByStripeId(tx, stripeRefundId)) ?? namedRefund;
      if (savedRefund)
        return { outcome: advance(account, settings, input.nowSecond), answer: async () => orderOf(savedRefund) };
      const deposit = await getDeposit(tx, depositId);
      if (!wasCredited(deposit)) return notYet;
      const credited = await creditedDeposit(tx, deposit);
      if (credited.refundedMicros + amountMicros > credited.creditedMicros) return notYet;
      const outcome = bookRefund(account, settings, { refundId, amountMicros, deposit: credited }, input.nowSecond);
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
      return { outcome, statesBalance: true, answer };
    },
  );
}

/** The first look of a refund's workflow. Afterwards the workflow is no longer due. */
async function findRefundOrder({ db }: LedgerWorld, input: { refundId: string }): Promise<RefundOrder | null> {
  const refund = await findRefund(db, input.refundId);
  if (refund) await markSeenByWorkflow(db, 'refunds', refund.id);
  return refund && orderOf(refund);
}

/** Stores the provider's id of a refund, before the outcome is known. */
const noteRefund = async ({ db }: LedgerWorld, input: { refundId: string; stripeRefundId: string }): Promise<void> =>
  updateRefund(db, input.refundId, { stripeRefundId: input.stripeRefundId });

/**
 * Records the state and the amount of a refund at the provider. No status is final: a failed refund is credit again,
 * also after a success, and a refund that is sent later takes credit again.
 */
async function close(
  { db, settings }: LedgerWorld,
  input: {
    refundId: string;
    outcome: RefundStatus;
    failureCode: string | null;
    nowSecond: number;
    amountMicros?: Micros;
  },
  causedBy: string,
): Promise<RefundOrder> {
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
    // A refund of more than was paid is impossible. The provider is asked again, and the daily comparison reports the
    // refund.
    if (isKnown || refundedMicros > deposit.creditedMicros)
      return { outcome: advance(account, settings, input.nowSecond), answer };
    const { takenMicros, turn } = refund;
    const outcome = adjustRefund(
      account,
      settings,
      { refundId, takenMicros, turn, dueMicros, deposit },
      input.nowSecond,
    );
    const second = outcome.account.asOfSecond;
    const closedSecond = status === 'pending' ? null : second;
    await updateRefund(tx, refundId, { status, failureCode, closedSecond, takenMicros: dueMicros });
    await updateMoneyBack(tx, depositId);
    const notices: NewNotice[] = [];
    if (status === 'succeeded' && refund.status !== status) notices.push(noticeOf(refund, 'sent', second));
    // A team that was notified of the refund is notified of its return. A refusal concerns the operator only.
    if (status === 'failed' && refund.status === 'succeeded') notices.push(noticeOf(refund, 'returned', second));
    return { outcome, notices, statesBalance: true, answer };
  });
}

const orderOf = (refund: Refund): RefundOrder => {
  const { id: refundId, depositId, teamId, status, origin, stripeRefundId } = refund;
  return { refundId, depositId, teamId, amountMicros: sentMicros(refund), status, origin, stripeRefundId };
};

const noticeOf = ({ id: refundId, teamId, turn: number }: Refund, turn: RefundTurn, second: number): NewNotice => ({
  teamId,
  second,
  cause: turnCause(refundId, turn, number),
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
