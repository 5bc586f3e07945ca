/** What is recorded of a deposit: opened, known to the provider, credited once, or failed. */
import { BillingError } from '../../billing/errors.ts';
import { advance, creditDeposit, failAttempt } from '../../billing/facts.ts';
import { paymentFailure, switchesTopUpOff } from '../../billing/failure-reasons.ts';
import type { Micros } from '../../billing/money.ts';
import { isAbandoned } from '../../prisma/abandoned-calls.ts';
import { setDisabledReason } from '../../prisma/accounts.ts';
import { insertConsent } from '../../prisma/consents.ts';
import {
  type Deposit,
  type DepositChange,
  type DepositKind,
  type DepositStatus,
  failedBefore,
  findDeposit,
  getDeposit,
  openDeposit,
  updateDeposit,
  wasCredited,
} from '../../prisma/deposits.ts';
import { mailAndEvent, type NewNotice } from '../../prisma/notices.ts';
import { numberReceipt } from '../../prisma/receipts.ts';
import { recordFact } from '../../prisma/record.ts';
import type { LedgerWorld } from '../world.ts';

/** What a deposit's workflow needs to know of it; no card, no address. */
export interface DepositOrder {
  depositId: string;
  teamId: string;
  kind: DepositKind;
  amountMicros: Micros;
  status: DepositStatus;
  /** The reason of a failed payment. */
  failureCode?: string;
}

export interface NewDepositOrder {
  depositId: string;
  teamId: string;
  kind: Exclude<DepositKind, 'auto_top_up'>;
  amountMicros: Micros;
  paymentMethodId: string | null;
  /** Of a Checkout page: keep its card for later. */
  saveCard?: boolean;
  /** What was asked, so that a repeat under the same id can be told from another deposit. */
  requestHash?: string;
  /** Names the row with the caller's metadata and the address to return to. */
  detailsHash?: string;
  receivedSecond: number;
  callId: string;
  notAfterMs: number;
}

export interface CardSeen {
  brand: string;
  last4: string;
}

export const orderOf = ({ id, teamId, kind, amountMicros, status, failureCode }: Deposit): DepositOrder => ({
  depositId: id,
  teamId,
  kind,
  amountMicros,
  status,
  ...(failureCode !== null && (status === 'failed' || status === 'expired') && { failureCode }),
});

export const isOpen = (status: DepositStatus) => status === 'pending' || status === 'requires_action';

/** How people and the platform hear of a deposit that ended. */
function noticesOf(deposit: Deposit, outcome: 'credited' | 'failed', second: number): NewNotice[] {
  const about = { teamId: deposit.teamId, second, cause: deposit.id, data: { depositId: deposit.id } };
  if (deposit.kind !== 'auto_top_up')
    return outcome === 'credited' ? mailAndEvent(about, 'deposit_receipt', 'deposit.succeeded') : [];
  return outcome === 'credited'
    ? mailAndEvent(about, 'auto_top_up_charged', 'top_up.succeeded')
    : mailAndEvent(about, 'auto_top_up_failed', 'top_up.failed');
}

export const depositActs = ({ db, terms }: LedgerWorld) => ({
  /**
   * Opens a deposit that a person asked for, or finds one that is open already: an attempt's is opened with the attempt.
   * Answers null for a call that was answered 503, and where the team is archived.
   */
  openDeposit: async (input: NewDepositOrder & { nowMs: number }): Promise<DepositOrder | null> => {
    const existing = await findDeposit(db, input.depositId);
    if (existing) return orderOf(existing);
    if (input.nowMs > input.notAfterMs) return null;
    return recordFact(
      db,
      { teamId: input.teamId, causedBy: input.callId, throughSecond: input.receivedSecond },
      async (account, tx) => {
        // An archived team takes no new deposit; the caller is told why (api/depositing.ts).
        const abandoned = account.archivedSecond !== null || (await isAbandoned(tx, input.callId));
        const {
          depositId: id,
          teamId,
          kind,
          amountMicros,
          paymentMethodId,
          receivedSecond: openedSecond,
          saveCard = false,
          requestHash = null,
          detailsHash = null,
        } = input;
        const asked = { id, teamId, kind, amountMicros, paymentMethodId, openedSecond };
        const order = { ...asked, saveCard, requestHash, detailsHash };
        if (!abandoned) await openDeposit(tx, order);
        return {
          outcome: { account, effects: [] },
          look: 'unchanged',
          answer: async (within) => (abandoned ? null : orderOf(await getDeposit(within, id))),
        };
      },
    );
  },

  getDepositOrder: async (input: { depositId: string }): Promise<DepositOrder> =>
    orderOf(await getDeposit(db, input.depositId)),

  /** Keeps what the provider answered before the outcome is known: ids and where the person goes on. */
  noteDeposit: async (input: { depositId: string; change: DepositChange }): Promise<void> =>
    updateDeposit(db, input.depositId, input.change),

  /**
   * Credits a deposit once, however often its success is reported; also one that was recorded as failed or expired, when
   * its payment succeeds after all.
   */
  creditDeposit: async (
    input: { depositId: string; nowSecond: number; receiptUrl: string | null },
    causedBy: string,
  ): Promise<DepositOrder> => {
    const { teamId } = await getDeposit(db, input.depositId);
    return recordFact(db, { teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
      const deposit = await getDeposit(tx, input.depositId);
      if (wasCredited(deposit))
        return { outcome: advance(account, terms, input.nowSecond), answer: async () => orderOf(deposit) };
      const { id: depositId, amountMicros } = deposit;
      const isLateTopUp = deposit.kind === 'auto_top_up' && !isOpen(deposit.status);
      const outcome = creditDeposit(account, terms, { depositId, amountMicros, isLateTopUp }, input.nowSecond);
      const creditedSecond = outcome.account.asOfSecond;
      await updateDeposit(tx, depositId, {
        status: 'succeeded',
        closedSecond: creditedSecond,
        receiptUrl: input.receiptUrl,
        failureCode: null,
      });
      await numberReceipt(tx, teamId, depositId, creditedSecond);
      const notices = noticesOf(deposit, 'credited', creditedSecond);
      return { outcome, notices, answer: async () => ({ ...orderOf(deposit), status: 'succeeded' }) };
    });
  },

  /**
   * Writes a deposit's failure. Of an auto top-up the team is notified, and an error of the card switches the policy off,
   * which writes a consent row; a request that the provider refuses leaves the policy on.
   */
  failDeposit: async (
    input: {
      depositId: string;
      nowSecond: number;
      status: 'failed' | 'expired';
      failureCode: string;
    },
    causedBy: string,
  ): Promise<DepositOrder> => {
    const { teamId } = await getDeposit(db, input.depositId);
    return recordFact(db, { teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
      const deposit = await getDeposit(tx, input.depositId);
      if (!isOpen(deposit.status))
        return { outcome: advance(account, terms, input.nowSecond), answer: async () => orderOf(deposit) };
      const { status, failureCode } = input;
      const switchesOff = switchesTopUpOff(paymentFailure(failureCode));
      const outcome = failAttempt(account, terms, deposit.id, input.nowSecond, switchesOff);
      const closedSecond = deposit.kind === 'auto_top_up' ? deposit.openedSecond : outcome.account.asOfSecond;
      await updateDeposit(tx, deposit.id, {
        status,
        closedSecond,
        failureCode,
      });
      // While the policy stays on, attempts follow each other: only the first failure of a row of them is mailed.
      const isRepeat = !switchesOff && (await failedBefore(tx, deposit, failureCode));
      const wentOff = outcome.effects.some((effect) => effect.kind === 'policy_off');
      if (wentOff && outcome.account.policy)
        await insertConsent(tx, {
          teamId,
          second: outcome.account.asOfSecond,
          actor: causedBy,
          cause: `${failureCode} of ${deposit.id}`,
          oldPolicy: account.policy,
          newPolicy: outcome.account.policy,
        });
      const notices = noticesOf(deposit, 'failed', closedSecond).filter(
        ({ channel }) => channel === 'event' || !isRepeat,
      );
      return {
        outcome,
        notices,
        tellsBalance: notices.some(({ channel }) => channel === 'mail'),
        answer: async (within) => {
          if (wentOff) await setDisabledReason(within, teamId, failureCode);
          return { ...orderOf(deposit), status, failureCode };
        },
      };
    });
  },

  /** @throws BillingError `not_found` when another team's or unknown */
  depositOf: async (teamId: string, depositId: string): Promise<Deposit> => {
    const deposit = await findDeposit(db, depositId);
    if (deposit?.teamId !== teamId) throw new BillingError('not_found', 'no such deposit', 'deposit');
    return deposit;
  },
});
