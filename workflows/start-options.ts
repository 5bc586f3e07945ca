/**
 * The start options of each workflow: its id, its queue and urgency, and the fields by which operators find it. Callers
 * start workflows with these options, and signals.ts does.
 */
import {
  BILLING_STATE,
  CAUSE,
  type DepositInput,
  type DisputeInput,
  GPU_TYPE,
  INSTANCE_ID,
  type InstanceInput,
  keyword,
  type NoticeInput,
  type RefundInput,
  type ReservationInput,
  TASK_QUEUES,
  TEAM_ID,
  workflowId,
} from './messages.ts';
import { priorityOf } from './urgency.ts';

/** The memo keeps the id of the request, which leads from a run to the log lines of its call. */
export const startOptions = {
  instance: (input: InstanceInput, requestId: string) => ({
    workflowId: workflowId.instance(input.spec.id),
    taskQueue: TASK_QUEUES.billing,
    priority: priorityOf('instance', input.spec.teamId),
    args: [input] as [InstanceInput],
    staticSummary: `${input.spec.gpuType} in ${input.spec.region} for ${input.spec.teamId}`,
    memo: { requestId },
    typedSearchAttributes: [
      keyword(TEAM_ID, input.spec.teamId),
      keyword(INSTANCE_ID, input.spec.id),
      keyword(GPU_TYPE, input.spec.gpuType),
      keyword(BILLING_STATE, input.admission ? 'running' : 'admitting'),
      keyword(CAUSE, requestId),
    ],
  }),
  reservation: (input: ReservationInput, requestId: string) => ({
    workflowId: workflowId.reservation(input.spec.id),
    taskQueue: TASK_QUEUES.billing,
    priority: priorityOf('reservation', input.spec.teamId),
    args: [input] as [ReservationInput],
    staticSummary: `${input.spec.count} × ${input.spec.gpuType} in ${input.spec.region}, ${input.spec.term}, for ${input.spec.teamId}`,
    memo: { requestId },
    typedSearchAttributes: [
      keyword(TEAM_ID, input.spec.teamId),
      keyword(GPU_TYPE, input.spec.gpuType),
      keyword(BILLING_STATE, input.admission ? 'running' : 'admitting'),
      keyword(CAUSE, requestId),
    ],
  }),
  /** `requestId`: null for a deposit whose workflow is started again by a wake. */
  deposit: (input: DepositInput, requestId: string | null) => ({
    workflowId: workflowId.deposit(input.depositId),
    taskQueue: TASK_QUEUES.billing,
    priority: priorityOf('deposit', input.teamId),
    args: [input] as [DepositInput],
    staticSummary: `${input.kind === 'auto_top_up' ? 'auto top-up' : 'deposit'} for ${input.teamId}`,
    ...(requestId !== null && { memo: { requestId } }),
    typedSearchAttributes: [
      keyword(TEAM_ID, input.teamId),
      keyword(BILLING_STATE, 'opening'),
      ...(requestId === null ? [] : [keyword(CAUSE, requestId)]),
    ],
  }),
  refund: (input: RefundInput, requestId: string) => ({
    workflowId: workflowId.refund(input.refundId),
    taskQueue: TASK_QUEUES.billing,
    priority: priorityOf('refund', input.teamId),
    args: [input] as [RefundInput],
    staticSummary: `refund of ${input.depositId} for ${input.teamId}`,
    memo: { requestId },
    typedSearchAttributes: [
      keyword(TEAM_ID, input.teamId),
      keyword(BILLING_STATE, 'opening'),
      keyword(CAUSE, requestId),
    ],
  }),
  dispute: (input: DisputeInput) => ({
    workflowId: workflowId.dispute(input.disputeId),
    taskQueue: TASK_QUEUES.billing,
    priority: priorityOf('dispute', input.teamId),
    args: [input] as [DisputeInput],
    staticSummary: `dispute over ${input.depositId} of ${input.teamId}`,
    typedSearchAttributes: [
      keyword(TEAM_ID, input.teamId),
      keyword(BILLING_STATE, 'looking'),
      keyword(CAUSE, input.stripeDisputeId),
    ],
  }),
  notice: (input: NoticeInput) => ({
    workflowId: workflowId.notice(input.noticeId),
    taskQueue: TASK_QUEUES.billing,
    priority: priorityOf('notice', input.teamId),
    args: [input] as [NoticeInput],
    staticSummary: `${input.channel} ${input.noticeId}`,
    typedSearchAttributes: [
      keyword(TEAM_ID, input.teamId),
      keyword(BILLING_STATE, 'sending'),
      keyword(CAUSE, input.noticeId),
    ],
  }),
};
