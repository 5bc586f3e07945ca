/**
 * What a caller may say to the workflows, and under which names: inputs, signals, updates, queries, workflow ids, task
 * queues, search attributes. A leaf: callers import this and nothing else of workflows/.
 */
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { NewDepositOrder } from '../activities/ledger/deposits.ts';
import type { Admission, Receipt } from '../activities/ledger/instances.ts';
import type { NewRefundOrder, RefundRefusal } from '../activities/ledger/refunds.ts';
import type { ReservationAdmission } from '../activities/ledger/reservations.ts';
import type { Micros } from '../billing/money.ts';
import type { DepositKind, DepositStatus } from '../prisma/deposits.ts';
import type { DisputeStatus } from '../prisma/disputes.ts';
import type { InstanceSpec } from '../prisma/instances.ts';
import type { NoticeChannel } from '../prisma/notices.ts';
import type { RefundStatus } from '../prisma/refunds.ts';
import type { ReservationSpec } from '../prisma/reservations.ts';

/** Each kind of work at its own pace: a Stripe outage never holds up metering. */
export const TASK_QUEUES = { billing: 'billing', payments: 'payments', mail: 'mail', platform: 'platform' } as const;

/** Workflow ids are ids of the business, so that the same cause meets the same workflow. */
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

/** Something that concerns this workflow was recorded: look again. What is so, the ledger says. */
export const told = defineSignal('told');
/** The same, and there is a second's time: the look that follows sees all that is recorded within a second from now. */
export const toldSoon = defineSignal('toldSoon');

// ── instance ─────────────────────────────────────────────────────────────────────────────────────────────────────

export interface InstanceInput {
  spec: InstanceSpec;
  rateMicrosPerHour: Micros;
  /** The second at which the call was received. */
  receivedSecond: number;
  /** Milliseconds between settlements; 0 for never before the end. */
  settleEveryMs: number;
  /**
   * Milliseconds to the first settlement after the one at the start, so that instances of one second settle in many; 0
   * where `settleEveryMs` is. Absent in runs that an earlier release has started: these wait `settleEveryMs`.
   */
  firstSettleMs?: number;
  /**
   * The run was started with search attributes that say it runs, so it need not say so itself. Set by apis alone: they are
   * deployed after all workers, and a worker of an earlier release would say it.
   */
  saysRunning?: true;
  /**
   * Absent only in a run that an api of an earlier version has started: such a run records the start itself. All others are
   * started after their start was recorded.
   */
  admission?: Admission;
  /** With an absent `admission`: names the call, which must not be admitted any more after it was answered 503. */
  callId?: string;
  /** With an absent `admission`: unix milliseconds after which admission is refused. */
  notAfterMs?: number;
}

/**
 * Answers whether the instance was admitted; another request for the same id is refused `id_taken`. Sent by apis of an
 * earlier version, with the start.
 */
export const admit = defineUpdate<Admission, [{ requestHash: string }]>('admit');
/** For an operator: post what is owed now instead of at the next settlement. */
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
  /** The second at which the call was received. */
  receivedSecond: number;
  /** Milliseconds between settlements, a day at the least; 0 for none but at reminders and ends. */
  settleEveryMs: number;
  /**
   * Absent only in a run that an api of an earlier version has started: such a run records the beginning itself. All others
   * are started after their beginning was recorded.
   */
  admission?: ReservationAdmission;
  /** With an absent `admission`: names the call, which must not be admitted any more after it was answered 503. */
  callId?: string;
  /** With an absent `admission`: unix milliseconds after which admission is refused. */
  notAfterMs?: number;
}

/**
 * Answers whether the reservation was admitted; another request for the same id is refused `id_taken`. Sent by apis of an
 * earlier version, with the start.
 */
export const admitReservation = defineUpdate<ReservationAdmission, [{ requestHash: string }]>('admit');
/** For an operator: post what is owed now instead of at the next settlement. */
export const settleReservationNow = defineUpdate<ReservationState>('settleNow');

export interface ReservationState {
  reservationId: string;
  teamId: string;
  state: 'admitting' | 'refused' | 'running' | 'ended';
  /** Of all terms so far. */
  costMicros: Micros;
}
export const reservationState = defineQuery<ReservationState>('state');

// ── balanceWatch, autoTopUp ──────────────────────────────────────────────────────────────────────────────────────

export interface TeamInput {
  teamId: string;
  /** Set on a continued run: a look within a second was promised by the earlier one. */
  lookSoon?: true;
  /** Set on a continued run: instances that were to be reclaimed when the earlier one last looked. */
  reclaiming?: string[];
}

export interface WatchState {
  teamId: string;
  availableMicros: Micros;
  burnMicrosPerHour: Micros;
  topUp: string;
  nextSecond: number | null;
  nextWhat: string | null;
}
export const watchState = defineQuery<WatchState | null>('state');

export interface TopUpState {
  teamId: string;
  state: string;
  attemptDepositId: string | null;
  lookAgainSecond: number | null;
}
export const topUpState = defineQuery<TopUpState | null>('state');

// ── deposit ──────────────────────────────────────────────────────────────────────────────────────────────

export interface DepositInput {
  depositId: string;
  teamId: string;
  kind: DepositKind;
  /** Given only in a run that an api of an earlier version has started: such a run opens the deposit itself. */
  order?: NewDepositOrder;
}

/** The first thing that a caller can be told of a deposit. */
export interface DepositAnswer {
  status: DepositStatus | 'refused';
  checkoutUrl: string | null;
}
/** Answers as soon as there is something to tell: an outcome, or where the person goes on; what is so after `withinMs` at the latest. */
export const firstAnswer = defineUpdate<DepositAnswer, [{ withinMs: number }]>('firstAnswer');
/** For an operator: ask the provider now what became of a deposit that seems stuck. */
export const lookAgain = defineUpdate<DepositAnswer>('lookAgain');

// ── refund, dispute ──────────────────────────────────────────────────────────────────────────────────────────────

export interface RefundInput {
  refundId: string;
  teamId: string;
  depositId: string;
  /** Given only in a run that an api of an earlier version has started: such a run takes the credit itself. */
  order?: NewRefundOrder;
  /** The provider's name of one that it tells of: ours, or made at the provider. */
  stripeRefundId?: string;
}

/** Of a run with an `order`: `refused`: nothing was recorded, and why. `too_late`: the same, since the caller was answered 503. */
export type RefundAnswer = { status: RefundStatus | 'too_late' } | { status: 'refused'; refusal: RefundRefusal };
/** Answers what became of a refund, or what is so after `withinMs`. */
export const refundAnswer = defineUpdate<RefundAnswer, [{ withinMs: number }]>('refundAnswer');
/** For an operator: ask the provider now what became of a refund that seems stuck. */
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

// ── what operators search by ─────────────────────────────────────────────────────────────────────────────────────

export const TEAM_ID = defineSearchAttributeKey('TeamId', 'KEYWORD');
export const INSTANCE_ID = defineSearchAttributeKey('InstanceId', 'KEYWORD');
export const GPU_TYPE = defineSearchAttributeKey('GpuType', 'KEYWORD');
/** Where a workflow is in its story: running, charging, cooling_down, sending … */
export const BILLING_STATE = defineSearchAttributeKey('BillingState', 'KEYWORD');
/** What brought it about: a request, a crossing, an attempt. */
export const CAUSE = defineSearchAttributeKey('Cause', 'KEYWORD');

export const SEARCH_ATTRIBUTES = [TEAM_ID, INSTANCE_ID, GPU_TYPE, BILLING_STATE, CAUSE];

/** Temporal's own: for when a Schedule meant a run, which may start much later. */
export const SCHEDULED_START_TIME = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME');

export const keyword = (key: (typeof SEARCH_ATTRIBUTES)[number], value: string): SearchAttributePair => ({
  key,
  value,
});
