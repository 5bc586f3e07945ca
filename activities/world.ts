/** What activities are handed: the outside world, one neighbour a field. Tests hand them another. */
import type { Terms } from '../billing/account.ts';
import type { Db } from '../prisma/client.ts';
import type { DepositKind } from '../prisma/deposits.ts';
import type { NoticeChannel } from '../prisma/notices.ts';

/** Somebody who writes lines of structured log; pino is one. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Tells workflows that something changed. Each is only a wake: what is so, the ledger says. */
export interface Tell {
  /** Wakes a team's balance watch, starting it if it is not there. Resolves once Temporal has accepted it. */
  watch(teamId: string): Promise<void>;
  /**
   * The same, for what can wait a second: the watch looks once within a second from the call, and once more if that look
   * would come too early to see all that is recorded within a second from it.
   */
  watchSoon(teamId: string): Promise<void>;
  /** Wakes a team's auto top-up, starting it if it is not there. */
  autoTopUp(teamId: string): Promise<void>;
  /** Tells an instance's workflow that something about it was recorded. One that has closed needs no telling. */
  instance(instanceId: string): Promise<void>;
  /** Tells a reservation's workflow that something about it was recorded. One that has closed needs no telling. */
  reservation(reservationId: string): Promise<void>;
  /** Wakes the workflow of an open deposit, its provider may know more; starts it again if an operator has ended it. */
  deposit(deposit: { depositId: string; teamId: string; kind: DepositKind }): Promise<void>;
  /** Wakes the workflow of a refund, the provider may know more; starts it for one that was made at the provider. */
  refund(refund: { refundId: string; teamId: string; depositId: string; stripeRefundId: string }): Promise<void>;
  /** Wakes the workflow of a dispute, or starts it. */
  dispute(dispute: { disputeId: string; teamId: string; depositId: string; stripeDisputeId: string }): Promise<void>;
  /** Starts the workflow that sends a notice; a repeat is the same one. */
  notice(notice: { noticeId: string; teamId: string; channel: NoticeChannel }): Promise<void>;
}

export interface LedgerWorld {
  db: Db;
  terms: Terms;
}
