/** The world of activities: the outside, a field for each neighbour. Tests use another world. */
import type { DepositKind } from '../prisma/deposits.ts';
import type { NoticeChannel } from '../prisma/notices.ts';

/** A writer of structured log lines, such as pino. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Signals to workflows. Each is only a wake: the ledger holds the facts. */
export interface WorkflowWakes {
  /** Wakes a team's balance watch, and starts the watch if necessary. Resolves once Temporal has accepted the wake. */
  watch(teamId: string): Promise<void>;
  /**
   * Like `watch`, debounced. The watch re-reads the ledger within 1 s. Facts committed up to 1 s after the call are
   * always seen, by a second read if needed.
   */
  watchSoon(teamId: string): Promise<void>;
  /** Wakes a team's auto top-up, and starts the workflow if necessary. */
  autoTopUp(teamId: string): Promise<void>;
  /** Signals an instance's workflow that a fact of the instance was recorded. A closed workflow needs no signal. */
  instance(instanceId: string): Promise<void>;
  /**
   * Signals a reservation's workflow that a fact of the reservation was recorded. A closed workflow needs no signal.
   */
  reservation(reservationId: string): Promise<void>;
  /**
   * Wakes the workflow of an open deposit to ask its provider, and starts the workflow again if an operator has ended
   * the workflow.
   */
  deposit(deposit: { depositId: string; teamId: string; kind: DepositKind }): Promise<void>;
  /** Wakes the workflow of a refund to ask the provider, and starts the workflow for a refund made at the provider. */
  refund(refund: { refundId: string; teamId: string; depositId: string; stripeRefundId: string }): Promise<void>;
  /** Wakes the workflow of a dispute, or starts the workflow. */
  dispute(dispute: { disputeId: string; teamId: string; depositId: string; stripeDisputeId: string }): Promise<void>;
  /** Starts the workflow that sends a notice. A repeat joins the running workflow. */
  notice(notice: { noticeId: string; teamId: string; channel: NoticeChannel }): Promise<void>;
}
