/** Records deposits: opened, known to the provider, credited once, or failed. */

import { type DepositStatus, isOpen } from '../billing/deposits.ts';
import { BillingError } from '../billing/errors.ts';
import { advance, creditDeposit, failAttempt } from '../billing/facts.ts';
import { paymentFailure, switchesTopUpOff } from '../billing/failure-reasons.ts';
import type { Micros } from '../billing/money.ts';
import { checkNotArchived } from '../billing/team-state.ts';
import { isAbandoned } from '../prisma/abandoned-calls.ts';
import { setDisabledReason } from '../prisma/accounts.ts';
import type { Db, Tx } from '../prisma/client.ts';
import { insertConsent } from '../prisma/consents.ts';
import {
  type Deposit,
  type DepositKind,
  type DepositUpdate,
  failedBefore,
  findDeposit,
  getDeposit,
  openDeposit,
  updateDeposit,
  wasCredited,
} from '../prisma/deposits.ts';
import { markSeenByWorkflow } from '../prisma/due-work.ts';
import { mailAndEvent, type NewNotice } from '../prisma/notices.ts';
import { numberReceipt } from '../prisma/receipts.ts';
import { recordFact } from '../prisma/record.ts';
import { actIn, type LedgerWorld } from './world.ts';

/** The fields of a deposit for its workflow; no card, no address. */
export interface DepositOrder {
  depositId: string;
  teamId: string;
  kind: DepositKind;
  amountMicros: Micros;
  status: DepositStatus;
  /** The reason of a failed payment. */
  failureCode?: string;
}

/** A person's request for a deposit. */
export interface AskedDeposit {
  depositId: string;
  teamId: string;
  kind: Exclude<DepositKind, 'auto_top_up'>;
  amountMicros: Micros;
  paymentMethodId: string | null;
  /** For a Checkout page: save the card for later. */
  saveCard?: boolean;
  /** A digest of the request, to tell a repeat from another deposit under the same id. */
  requestHash?: string;
  /** Names the row with the caller's metadata and the address to return to. */
  detailsHash?: string;
  receivedSecond: number;
}

/** The input of a deposit's workflow that an api of an earlier release has started. */
export interface NewDepositOrder extends AskedDeposit {
  /** The id of the api's call. If the api has answered 503 to the call, no deposit may be opened. */
  callId: string;
  /** Unix milliseconds after which nothing is opened. */
  notAfterMs: number;
}

export const orderOf = ({ id, teamId, kind, amountMicros, status, failureCode }: Deposit): DepositOrder => ({
  depositId: id,
  teamId,
  kind,
  amountMicros,
  status,
  ...(failureCode !== null && (status === 'failed' || status === 'expired') && { failureCode }),
});

export const depositActs = (world: LedgerWorld) => ({
  recordDeposit: actIn(world, recordDeposit),
  openDeposit: actIn(world, openForWorkflow),
  getDepositOrder: actIn(world, getDepositOrder),
  noteDeposit: actIn(world, noteDeposit),
  creditDeposit: actIn(world, credit),
  failDeposit: actIn(world, fail),
  depositOf: actIn(world, depositOf),
});

/**
 * Opens a person's deposit as pending, or finds the deposit under the same id, of any request. The deposit's workflow
 * is started after the commit: see prisma/due-work.ts.
 * @throws BillingError `team_archived`
 */
const recordDeposit = ({ db }: LedgerWorld, input: AskedDeposit, causedBy: string): Promise<Deposit> =>
  open(db, input, causedBy, { isDue: true });

/**
 * Opens a deposit for a workflow that an api of an earlier release has started, or finds an open one. Returns null
 * for a call that was answered 503, and where the team is archived.
 */
async function openForWorkflow(
  { db }: LedgerWorld,
  input: NewDepositOrder & { nowMs: number },
): Promise<DepositOrder | null> {
  const existing = await findDeposit(db, input.depositId);
  if (existing) return orderOf(existing);
  if (input.nowMs > input.notAfterMs) return null;
  const mayOpen = async (tx: Tx) => {
    if (await isAbandoned(tx, input.callId)) throw new BillingError('start_expired', 'the caller was answered already');
  };
  try {
    return orderOf(await open(db, input, input.callId, { isDue: false, mayOpen }));
  } catch (error) {
    const isRefused = error instanceof BillingError && ['start_expired', 'team_archived'].includes(error.code);
    if (isRefused) return null;
    throw error;
  }
}

/**
 * Opens a person's deposit, once.
 * @param mayOpen throws where a deposit that was not recorded before must not be recorded any more
 */
function open(
  db: Db,
  input: AskedDeposit,
  causedBy: string,
  { isDue, mayOpen = async () => {} }: { isDue: boolean; mayOpen?: (tx: Tx) => Promise<void> },
): Promise<Deposit> {
  const { depositId: id, teamId, kind, amountMicros, paymentMethodId, receivedSecond: openedSecond } = input;
  const { saveCard = false, requestHash = null, detailsHash = null } = input;
  return recordFact<Deposit>(db, { teamId, causedBy, throughSecond: openedSecond }, async (account, tx) => {
    if ((await findDeposit(tx, id)) === null) {
      await mayOpen(tx);
      checkNotArchived(account);
      const request = {
        id,
        teamId,
        kind,
        amountMicros,
        paymentMethodId,
        openedSecond,
        saveCard,
        requestHash,
        detailsHash,
      };
      await openDeposit(tx, request, isDue ? openedSecond : null);
    }
    return { outcome: { account, effects: [] }, look: 'unchanged', answer: (within) => getDeposit(within, id) };
  });
}

/** The first look of a deposit's workflow. Afterwards the workflow is no longer due. */
async function getDepositOrder({ db }: LedgerWorld, input: { depositId: string }): Promise<DepositOrder> {
  const deposit = await getDeposit(db, input.depositId);
  await markSeenByWorkflow(db, 'deposits', deposit.id);
  return orderOf(deposit);
}

/** Stores the provider's answer before the outcome is known: ids, and the address where the person continues. */
const noteDeposit = async ({ db }: LedgerWorld, input: { depositId: string; change: DepositUpdate }): Promise<void> =>
  updateDeposit(db, input.depositId, input.change);

/**
 * Credits a deposit once, for any number of reports of its success. A deposit recorded as failed or expired is
 * credited too if its payment succeeds later.
 */
async function credit(
  { db, settings }: LedgerWorld,
  input: { depositId: string; nowSecond: number; receiptUrl: string | null },
  causedBy: string,
): Promise<DepositOrder> {
  const { teamId } = await getDeposit(db, input.depositId);
  return recordFact(db, { teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
    const deposit = await getDeposit(tx, input.depositId);
    if (wasCredited(deposit))
      return { outcome: advance(account, settings, input.nowSecond), answer: async () => orderOf(deposit) };
    const { id: depositId, amountMicros } = deposit;
    const isLateTopUp = deposit.kind === 'auto_top_up' && !isOpen(deposit.status);
    const outcome = creditDeposit(account, settings, { depositId, amountMicros, isLateTopUp }, input.nowSecond);
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
}

/**
 * Writes a deposit's failure. For an auto top-up the team is notified. An error of the card switches the policy off,
 * which writes a consent row; a request that the provider refuses leaves the policy on.
 */
async function fail(
  { db, settings }: LedgerWorld,
  input: {
    depositId: string;
    nowSecond: number;
    status: 'failed' | 'expired';
    failureCode: string;
  },
  causedBy: string,
): Promise<DepositOrder> {
  const { teamId } = await getDeposit(db, input.depositId);
  return recordFact(db, { teamId, causedBy, throughSecond: input.nowSecond }, async (account, tx) => {
    const deposit = await getDeposit(tx, input.depositId);
    if (!isOpen(deposit.status))
      return { outcome: advance(account, settings, input.nowSecond), answer: async () => orderOf(deposit) };
    const { status, failureCode } = input;
    const switchesOff = switchesTopUpOff(paymentFailure(failureCode));
    const outcome = failAttempt(account, settings, deposit.id, input.nowSecond, switchesOff);
    const closedSecond = deposit.kind === 'auto_top_up' ? deposit.openedSecond : outcome.account.asOfSecond;
    await updateDeposit(tx, deposit.id, {
      status,
      closedSecond,
      failureCode,
    });
    // While the policy stays on, attempts follow each other. Only the first failure in a row is mailed.
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
      statesBalance: notices.some(({ channel }) => channel === 'mail'),
      answer: async (within) => {
        if (wentOff) await setDisabledReason(within, teamId, failureCode);
        return { ...orderOf(deposit), status, failureCode };
      },
    };
  });
}

/** @throws BillingError `not_found` when another team's or unknown */
async function depositOf({ db }: LedgerWorld, teamId: string, depositId: string): Promise<Deposit> {
  const deposit = await findDeposit(db, depositId);
  if (deposit?.teamId !== teamId) throw new BillingError('not_found', 'no such deposit', 'deposit');
  return deposit;
}

/** The notices to the team and the platform about a closed deposit. */
function noticesOf(deposit: Deposit, outcome: 'credited' | 'failed', second: number): NewNotice[] {
  const about = { teamId: deposit.teamId, second, cause: deposit.id, data: { depositId: deposit.id } };
  if (deposit.kind !== 'auto_top_up')
    return outcome === 'credited' ? mailAndEvent(about, 'deposit_receipt', 'deposit.succeeded') : [];
  return outcome === 'credited'
    ? mailAndEvent(about, 'auto_top_up_charged', 'top_up.succeeded')
    : mailAndEvent(about, 'auto_top_up_failed', 'top_up.failed');
}
