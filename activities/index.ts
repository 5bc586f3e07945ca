/** The activities, made from their world. Each activity names the calling workflow as the cause of its rows. */
import { Context } from '@temporalio/activity';
import type { Ledger } from '../ledger/index.ts';
import { commitsWithin, withinLimits } from '../prisma/limits.ts';
import type { ClockWatch } from './clock.ts';
import { databaseFailure, final } from './failures.ts';
import { firstDone } from './in-pieces.ts';
import {
  type Crypto,
  type Disputes,
  type Mailer,
  type Payments,
  type Platform,
  type Refunds,
  withoutCrypto,
} from './providers.ts';
import type { ReconciliationActs } from './reconciliation/reconcile.ts';
import type { WorkflowWakes } from './world.ts';

/** The neighbours of a worker process. */
export interface World {
  ledger: Ledger;
  wake: WorkflowWakes;
  payments: Payments;
  refunds: Refunds;
  disputes: Disputes;
  /** Absent where no provider of crypto payments is configured. */
  crypto?: Crypto;
  mailer: Mailer;
  platform: Platform;
  reconciliation: ReconciliationActs;
  /** Absent where seconds are chosen, as in a simulation. */
  clock?: ClockWatch;
}

/** Less than the two seconds after which the api answers that nothing was recorded. */
const COMMITS_WITHIN_MS = 1_800;

type Act = (input: never) => Promise<unknown>;

/**
 * Activities that record. They wait while the clock of the process is wrong, and errors of the database become codes.
 */
function recording<A extends Record<string, Act>>(acts: A, clock: ClockWatch | undefined): A {
  const guarded =
    (act: Act): Act =>
    async (input) => {
      try {
        clock?.mustBeRight();
        return await act(input);
      } catch (error) {
        throw databaseFailure(error) ?? error;
      }
    };
  // Each activity keeps its name, its argument and its answer.
  return Object.fromEntries(Object.entries(acts).map(([name, act]) => [name, guarded(act)])) as A;
}

/**
 * Runs an admission that a caller waits for. An admission that began in time commits within two seconds or not at all,
 * so the api knows when no admission can come any more.
 */
function inTime<I extends { notAfterMs?: number }, T>(
  input: I,
  admit: (input: I & { nowMs: number }) => Promise<T>,
): Promise<T> {
  const nowMs = Date.now();
  const lateMs = nowMs - (input.notAfterMs ?? Number.POSITIVE_INFINITY);
  const act = () => admit({ ...input, nowMs });
  // A late try admits nothing, and only finds the admission of an earlier try.
  return lateMs > 0 ? act() : withinLimits(commitsWithin(COMMITS_WITHIN_MS - lateMs), act);
}

/** The cause that an activity's rows name. */
const cause = () => Context.current().info.workflowExecution?.workflowId ?? 'unknown';

const ledgerActivities = (ledger: Ledger) => ({
  lookAhead: (input: Parameters<Ledger['lookAhead']>[0]) => ledger.lookAhead(input, cause()),
  markTold: ledger.markTold,
  /** The deadline is compared with the clock of each try, so a late try does not admit. */
  admitInstance: (input: Omit<Parameters<Ledger['admitInstance']>[0], 'nowMs'>) =>
    inTime(input, (timed) => ledger.admitInstance(timed, cause())),
  settleInstance: (input: Parameters<Ledger['settleInstance']>[0]) => ledger.settleInstance(input, cause()),
  stopInstance: (input: Parameters<Ledger['stopInstance']>[0]) => ledger.stopInstance(input, cause()),
  confirmTerminated: ledger.confirmTerminated,
  openReservation: (input: Omit<Parameters<Ledger['openReservation']>[0], 'nowMs'>) =>
    inTime(input, (timed) => ledger.openReservation(timed, cause())),
  settleReservation: (input: Parameters<Ledger['settleReservation']>[0]) => ledger.settleReservation(input, cause()),
  openDeposit: (input: Omit<Parameters<Ledger['openDeposit']>[0], 'nowMs'>) => inTime(input, ledger.openDeposit),
  getDepositOrder: ledger.getDepositOrder,
  noteDeposit: ledger.noteDeposit,
  creditDeposit: (input: Parameters<Ledger['creditDeposit']>[0]) => ledger.creditDeposit(input, cause()),
  failDeposit: (input: Parameters<Ledger['failDeposit']>[0]) => ledger.failDeposit(input, cause()),
  creditCrypto: (input: Parameters<Ledger['creditCrypto']>[0]) => ledger.creditCrypto(input, cause()),
  correctCrypto: (input: Parameters<Ledger['correctCrypto']>[0]) => ledger.correctCrypto(input, cause()),
  expireCrypto: (input: Parameters<Ledger['expireCrypto']>[0]) => ledger.expireCrypto(input, cause()),
  claimNotice: async (input: Parameters<Ledger['claimNotice']>[0]) => {
    const claim = await ledger.claimNotice(input);
    if (claim === 'missing') throw final('mail', `no such notice: ${input.noticeId}`, 'no_such_notice');
    return claim;
  },
  markNoticeSent: ledger.markNoticeSent,
  markNoticeRefused: ledger.markNoticeRefused,
  openAttempt: (input: Parameters<Ledger['openAttempt']>[0]) => ledger.openAttempt(input, cause()),
  requestRefund: (input: Omit<Parameters<Ledger['requestRefund']>[0], 'nowMs'>) =>
    inTime(input, (timed) => ledger.requestRefund(timed, cause())),
  bookRefund: (input: Parameters<Ledger['bookRefund']>[0]) => ledger.bookRefund(input, cause()),
  findRefundOrder: ledger.findRefundOrder,
  noteRefund: ledger.noteRefund,
  closeRefund: (input: Parameters<Ledger['closeRefund']>[0]) => ledger.closeRefund(input, cause()),
  findDisputeOrder: ledger.findDisputeOrder,
  openDispute: (input: Parameters<Ledger['openDispute']>[0]) => ledger.openDispute(input, cause()),
  closeDispute: (input: Parameters<Ledger['closeDispute']>[0]) => ledger.closeDispute(input, cause()),
  changeDispute: (input: Parameters<Ledger['changeDispute']>[0]) => ledger.changeDispute(input, cause()),
});

const wakeActivities = (wake: WorkflowWakes) => ({
  tellWatch: (input: { teamId: string }) => wake.watch(input.teamId),
  tellAutoTopUp: (input: { teamId: string }) => wake.autoTopUp(input.teamId),
  /** Signals the workflows of a piece of ended instances. Answers how many of the first are signalled. */
  signalEnded: (input: { instanceIds: string[] }) => firstDone(input.instanceIds, (id) => wake.instance(id)),
  /** Starts the workflows of a piece of notices. Answers how many of the first are started. */
  startNotices: (input: { notices: Parameters<WorkflowWakes['notice']>[0][] }) =>
    firstDone(input.notices, (notice) => wake.notice(notice)),
  /** For runs of an earlier release, which signal all instances in a single step. */
  tellInstances: async (input: { instanceIds: string[] }) => {
    await Promise.all(input.instanceIds.map((id) => wake.instance(id)));
  },
  tellReservations: async (input: { reservationIds: string[] }) => {
    await Promise.all(input.reservationIds.map((id) => wake.reservation(id)));
  },
  /** For runs of an earlier release, which start all notices in a single step. */
  handOnNotices: async (input: { notices: Parameters<WorkflowWakes['notice']>[0][] }) => {
    await Promise.all(input.notices.map((notice) => wake.notice(notice)));
  },
});

const cryptoActivities = (crypto: Crypto) => ({
  createCryptoPage: crypto.createCryptoPage.bind(crypto),
  fetchCrypto: crypto.fetchCrypto.bind(crypto),
});

export const createActivities = (world: World) => ({
  billing: { ...recording(ledgerActivities(world.ledger), world.clock), ...wakeActivities(world.wake) },
  payments: {
    createIntent: world.payments.createIntent.bind(world.payments),
    confirmIntent: world.payments.confirmIntent.bind(world.payments),
    fetchOutcome: world.payments.fetchOutcome.bind(world.payments),
    createCheckout: world.payments.createCheckout.bind(world.payments),
    copyCustomer: world.payments.copyCustomer.bind(world.payments),
    createRefund: world.refunds.createRefund.bind(world.refunds),
    fetchRefund: world.refunds.fetchRefund.bind(world.refunds),
    fetchDispute: world.disputes.fetchDispute.bind(world.disputes),
    reconcileDay: (input: Parameters<ReconciliationActs['reconcileDay']>[0]) =>
      world.reconciliation.reconcileDay(input),
    ...cryptoActivities(world.crypto ?? withoutCrypto),
  },
  mail: {
    sendMail: world.mailer.sendMail.bind(world.mailer),
    deliverMail: world.mailer.deliverMail.bind(world.mailer),
  },
  platform: {
    terminateMachine: world.platform.terminateMachine.bind(world.platform),
    terminateMachines: world.platform.terminateMachines.bind(world.platform),
    sendEvent: world.platform.sendEvent.bind(world.platform),
    deliverEvent: world.platform.deliverEvent.bind(world.platform),
  },
});

export interface BillingActivities {
  ledger: ReturnType<typeof ledgerActivities>;
  wake: ReturnType<typeof wakeActivities>;
}
export type PaymentActivities = ReturnType<typeof createActivities>['payments'];
export type MailActivities = ReturnType<typeof createActivities>['mail'];
export type PlatformActivities = ReturnType<typeof createActivities>['platform'];
