/**
 * The messages of the workflows: inputs, signals, updates, queries, workflow ids, task queues, search attributes.
 * Callers import this file, start-options.ts and signals.ts, and nothing else of workflows/.
 */
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { DepositStatus } from '../billing/deposits.ts';
import type { Micros } from '../billing/money.ts';
import type { TopUpDecision } from '../ledger/auto-top-up.ts';
import type { NewDepositOrder } from '../ledger/deposits.ts';
import type { Receipt } from '../ledger/instances.ts';
import type { NewRefundOrder, RefundRefusal } from '../ledger/refunds.ts';
import type { ReservationAdmission } from '../ledger/reservations.ts';
import type { Admission } from '../ledger/starting.ts';
import type { Outlook } from '../ledger/team.ts';
import type { DepositKind } from '../prisma/deposits.ts';
import type { DisputeStatus } from '../prisma/disputes.ts';
import type { InstanceSpec } from '../prisma/instances.ts';
import type { NoticeChannel } from '../prisma/notices.ts';
import type { RefundStatus } from '../prisma/refunds.ts';
import type { ReservationSpec } from '../prisma/reservations.ts';

/** Each kind of work has its own queue and pace, so a Stripe outage never delays metering. */
export const TASK_QUEUES = { billing: 'billing', payments: 'payments', mail: 'mail', platform: 'platform' } as const;

/** Workflow ids are business ids, so the same cause meets the same workflow. */
export const workflowId = {
  instance: (instanceId: string) => `instance/${instanceId}`,
  reservation: (reservationId: string) => `reservation/${reservationId}`,
  balanceWatch: (teamId: string) => `balance-watch/${teamId}`,
  autoTopUp: (teamId: string) => `auto-top-up/${teamId}`,
  deposit: (depositId: string) => `deposit/${depositId}`,
  refund: (refundId: string) => `refund/${refundId}`,
  dispute: (disputeId: string) => `dispute/${disputeId}`,
  notice: (noticeId: string) => `notice/${noticeId}`,
  reconciliation: (day: string) => `reconciliation/${day}`,
};

/** A fact of this workflow was recorded: look again. The ledger holds the fact. */
export const wakeUp = defineSignal('told');
/** Like `wakeUp`, with a second's time: the next look sees all facts that are recorded within a second from now. */
export const wakeUpSoon = defineSignal('toldSoon');

// ── instance ─────────────────────────────────────────────────────────────────────────────────────────────────────

export interface InstanceInput {
  spec: InstanceSpec;
  rateMicrosPerHour: Micros;
  /** The second of the call's receipt. */
  receivedSecond: number;
  /** Milliseconds between settlements; 0 for never before the end. */
  settleEveryMs: number;
  /**
   * Milliseconds to the first settlement after the settlement at the start, so instances of one second settle at many
   * times; 0 where `settleEveryMs` is. Absent in runs that an earlier release has started: these wait `settleEveryMs`.
   */
  firstSettleMs?: number;
  /**
   * The run was started with search attributes for the running state, and need not write the state itself. Only apis
   * set this field: apis are deployed after all workers, and a worker of an earlier release would write the state.
   */
  saysRunning?: true;
  /**
   * Absent only in a run that an api of an earlier release has started. Such a run records the start itself. Other runs
   * are started after their start was recorded.
   */
  admission?: Admission;
  /**
   * Set if `admission` is absent: the id of the api's call. If the api has answered 503 to the call, nothing may be
   * admitted.
   */
  callId?: string;
  /** With an absent `admission`: unix milliseconds after which admission is refused. */
  notAfterMs?: number;
}

/**
 * Answers whether the instance was admitted; another request for the same id is refused `id_taken`. Sent by apis of an
 * earlier version, with the start.
 */
export const admit = defineUpdate<Admission, [{ requestHash: string }]>('admit');
/** For an operator: post the owed amount now instead of at the next settlement. */
export const settleNow = defineUpdate<InstanceState>('settleNow');
/** For an operator: end the instance, and have the platform stop the machine. */
export const endInstance = defineUpdate<Receipt, [{ note: string }]>('endInstance');

export interface InstanceState {
  instanceId: string;
  teamId: string;
  state: 'admitting' | 'refused' | 'running' | 'stopping_machine' | 'ended';
  rateMicrosPerHour: Micros;
  costMicros: Micros;
}
export const instanceState = defineQuery<InstanceState>('state');

// ── reservation ──────────────────────────────────────────────────────────────────────────────────────────────────

export interface ReservationInput {
  spec: ReservationSpec;
  /** The second of the call's receipt. */
  receivedSecond: number;
  /** Milliseconds between settlements, a day at the least; 0 for none but at reminders and ends. */
  settleEveryMs: number;
  /**
   * Absent only in a run that an api of an earlier release has started. Such a run records the beginning itself. Other
   * runs are started after their beginning was recorded.
   */
  admission?: ReservationAdmission;
  /**
   * Set if `admission` is absent: the id of the api's call. If the api has answered 503 to the call, nothing may be
   * admitted.
   */
  callId?: string;
  /** With an absent `admission`: unix milliseconds after which admission is refused. */
  notAfterMs?: number;
}

/**
 * Answers whether the reservation was admitted; another request for the same id is refused `id_taken`. Sent by apis of
 * an earlier version, with the start.
 */
export const admitReservation = defineUpdate<ReservationAdmission, [{ requestHash: string }]>('admit');
/** For an operator: post the owed amount now instead of at the next settlement. */
export const settleReservationNow = defineUpdate<ReservationState>('settleNow');

export interface ReservationState {
  reservationId: string;
  teamId: string;
  state: 'admitting' | 'refused' | 'running' | 'ended';
  /** Over all terms so far. */
  costMicros: Micros;
}
export const reservationState = defineQuery<ReservationState>('state');

// ── balanceWatch, autoTopUp ──────────────────────────────────────────────────────────────────────────────────────

export interface TeamInput {
  teamId: string;
  /** Set on a continued run: the earlier run has promised a look within a second. */
  lookSoon?: true;
  /** Set on a continued run: instances with an announced reclaim at the last look of the earlier run. */
  reclaiming?: string[];
}

/** The team as of the watch's last look. Facts that need no earlier look may have been recorded since. */
export interface WatchState {
  teamId: string;
  asOfSecond: number;
  availableMicros: Micros;
  burnMicrosPerHour: Micros;
  topUp: Outlook['topUp'];
  /** The next crossing. The watch looks there, and halfway before if the crossing is distant. */
  nextSecond: number | null;
  nextWhat: NonNullable<Outlook['next']>['what'] | null;
}
export const watchState = defineQuery<WatchState | null>('state');

export interface TopUpState {
  teamId: string;
  state: TopUpDecision['state'];
  attemptDepositId: string | null;
  lookAgainSecond: number | null;
}
export const topUpState = defineQuery<TopUpState | null>('state');

// ── deposit ──────────────────────────────────────────────────────────────────────────────────────────────

export interface DepositInput {
  depositId: string;
  teamId: string;
  kind: DepositKind;
  /** Given only in a run that an api of an earlier release has started. Such a run opens the deposit itself. */
  order?: NewDepositOrder;
}

/** The first news of a deposit for its caller. */
export interface DepositAnswer {
  status: DepositStatus | 'refused';
  checkoutUrl: string | null;
}
/**
 * Answers as soon as there is something to tell: an outcome, or where the person goes on; what is so after `withinMs`
 * at the latest.
 */
export const firstAnswer = defineUpdate<DepositAnswer, [{ withinMs: number }]>('firstAnswer');
/** For an operator: ask the provider now for the outcome of a deposit that seems stuck. */
export const lookAgain = defineUpdate<DepositAnswer>('lookAgain');

// ── refund, dispute ──────────────────────────────────────────────────────────────────────────────────────────────

export interface RefundInput {
  refundId: string;
  teamId: string;
  depositId: string;
  /** Given only in a run that an api of an earlier release has started. Such a run takes the credit itself. */
  order?: NewRefundOrder;
  /** The provider's id of a reported refund, ours or made at the provider. */
  stripeRefundId?: string;
}

/**
 * For a run with an `order`. `refused`: nothing was recorded, with the reason. `too_late`: nothing was recorded,
 * because the caller was answered 503.
 */
export type RefundAnswer = { status: RefundStatus | 'too_late' } | { status: 'refused'; refusal: RefundRefusal };
/** Answers the outcome of a refund, or the present state after `withinMs`. */
export const refundAnswer = defineUpdate<RefundAnswer, [{ withinMs: number }]>('refundAnswer');
/** For an operator: ask the provider now for the outcome of a refund that seems stuck. */
export const lookAtRefund = defineUpdate<RefundAnswer>('lookAgain');

export interface DisputeInput {
  disputeId: string;
  teamId: string;
  depositId: string;
  stripeDisputeId: string;
}

export interface DisputeState {
  disputeId: string;
  /** `inquiry`: the bank only asks, and nothing is held. */
  state: 'looking' | 'inquiry' | 'withdrawn' | DisputeStatus;
  heldMicros: Micros;
}
export const disputeState = defineQuery<DisputeState>('state');
/** For an operator: ask the provider now how a dispute stands. */
export const lookAtDispute = defineUpdate<DisputeState>('lookAgain');

// ── notice ───────────────────────────────────────────────────────────────────────────────────────────────────────

export interface NoticeInput {
  noticeId: string;
  teamId: string;
  channel: NoticeChannel;
}

/** A UTC day that is over, such as "2026-03-01". */
export interface ReconciliationInput {
  day: string;
}

// ── the search attributes of operators ──────────────────────────────────────────────────────────────────────────

export const TEAM_ID = defineSearchAttributeKey('TeamId', 'KEYWORD');
export const INSTANCE_ID = defineSearchAttributeKey('InstanceId', 'KEYWORD');
export const GPU_TYPE = defineSearchAttributeKey('GpuType', 'KEYWORD');
/** The state of a workflow: running, charging, cooling_down, sending … */
export const BILLING_STATE = defineSearchAttributeKey('BillingState', 'KEYWORD');
/** The cause of a workflow: a request, a crossing, an attempt. */
export const CAUSE = defineSearchAttributeKey('Cause', 'KEYWORD');

export const SEARCH_ATTRIBUTES = [TEAM_ID, INSTANCE_ID, GPU_TYPE, BILLING_STATE, CAUSE];

/** Temporal's own attribute: the scheduled time of a run, which may start much later. */
export const SCHEDULED_START_TIME = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME');

export const keyword = (key: (typeof SEARCH_ATTRIBUTES)[number], value: string): SearchAttributePair => ({
  key,
  value,
});
