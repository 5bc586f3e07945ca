/**
 * Starts and signals workflows from outside: from the api, and from activities through the worker's world. No workflow
 * imports this file, because the file needs a client, and a workflow may not have a client.
 */
import {
  type Client,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { SignalDefinition } from '@temporalio/common';
import type { WorkflowWakes } from '../activities/world.ts';
import { placeOf } from '../billing/spread.ts';
import type { BegunReservation } from '../ledger/reservations.ts';
import type { StartedInstance } from '../ledger/starting.ts';
import type { Instance, InstanceSpec } from '../prisma/instances.ts';
import {
  BILLING_STATE,
  type DepositAnswer,
  type DepositInput,
  type DisputeInput,
  type DisputeState,
  type InstanceInput,
  keyword,
  lookAgain,
  lookAtDispute,
  lookAtRefund,
  type RefundAnswer,
  type RefundInput,
  type ReservationInput,
  TASK_QUEUES,
  TEAM_ID,
  wakeUp,
  wakeUpSoon,
  workflowId,
} from './messages.ts';
import { startOptions } from './start-options.ts';
import { priorityOf } from './urgency.ts';

/** The request of an instance, without its later state. */
const specOf = (instance: Instance): InstanceSpec => {
  const { id, teamId, project, gpuType, region, pricing, hourlyMicros, shedOrder, resumedFrom, requestHash } = instance;
  const { detailsHash } = instance;
  return {
    ...{ id, teamId, project, gpuType, region, pricing, hourlyMicros, shedOrder, resumedFrom, requestHash },
    ...(detailsHash !== undefined && { detailsHash }),
  };
};

/** The input of the workflow of an instance whose start is recorded. */
export const inputOfStarted = (
  { instance, rateMicrosPerHour }: StartedInstance,
  settleEveryMs: number,
): InstanceInput => ({
  spec: specOf(instance),
  rateMicrosPerHour,
  receivedSecond: instance.startSecond,
  settleEveryMs,
  firstSettleMs: settleEveryMs > 0 ? placeOf(instance.id, settleEveryMs) : 0,
  admission: { status: 'admitted', startSecond: instance.startSecond, rateMicrosPerHour },
});

/**
 * Starts the workflow of a recorded instance. A running workflow stays as it is. A closed one, such as a refused start
 * of an earlier release, runs again and completes at its first look where nothing is left to do.
 */
export const startInstanceWorkflow = async (client: Client, input: InstanceInput, requestId: string): Promise<void> => {
  await client.workflow.start('instance', {
    ...startOptions.instance(input, requestId),
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
};

/**
 * Wakes the workflow of an instance, and starts the workflow first if necessary, because a start or an end is still to
 * be seen.
 */
export const wakeInstanceWorkflow = async (client: Client, input: InstanceInput): Promise<void> => {
  await client.workflow.signalWithStart('instance', {
    ...startOptions.instance(input, 'sweep'),
    signal: wakeUp,
    signalArgs: [],
  });
};

/** The input of the workflow of a reservation whose beginning is recorded. */
export const inputOfBegun = ({ reservation, firstTerm }: BegunReservation, settleEveryMs: number): ReservationInput => {
  const { id, teamId, gpuType, region, count, term, renew, requestHash, startSecond } = reservation;
  return {
    spec: { id, teamId, gpuType, region, count, term, renew, requestHash },
    receivedSecond: startSecond,
    settleEveryMs,
    admission: {
      status: 'admitted',
      startSecond: firstTerm.startSecond,
      endSecond: firstTerm.endSecond,
      rateMicrosPerHour: firstTerm.rateMicrosPerHour,
    },
  };
};

/** Starts the workflow of a recorded reservation. A running workflow stays as it is. */
export const startReservationWorkflow = async (
  client: Client,
  input: ReservationInput,
  requestId: string,
): Promise<void> => {
  await client.workflow.start('reservation', {
    ...startOptions.reservation(input, requestId),
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
};

/** Wakes the workflow of a reservation, and starts the workflow first if necessary. */
export const wakeReservationWorkflow = async (client: Client, input: ReservationInput): Promise<void> => {
  await client.workflow.signalWithStart('reservation', {
    ...startOptions.reservation(input, 'sweep'),
    signal: wakeUp,
    signalArgs: [],
  });
};

/** Wakes the workflow of a recorded deposit, and starts the workflow first if necessary. */
export const wakeDepositWorkflow = async (client: Client, input: DepositInput): Promise<void> => {
  await client.workflow.signalWithStart('deposit', {
    ...startOptions.deposit(input, 'sweep'),
    signal: wakeUp,
    signalArgs: [],
  });
};

/** Wakes the workflow of a recorded refund, and starts the workflow first if necessary. */
export const wakeRefundWorkflow = async (client: Client, input: RefundInput): Promise<void> => {
  await client.workflow.signalWithStart('refund', {
    ...startOptions.refund(input, 'sweep'),
    signal: wakeUp,
    signalArgs: [],
  });
};

export function createWorkflowWakes(client: Client): WorkflowWakes {
  const signalTeam = async (type: 'balanceWatch' | 'autoTopUp', teamId: string, signal: SignalDefinition = wakeUp) => {
    await client.workflow.signalWithStart(type, {
      workflowId: workflowId[type](teamId),
      taskQueue: TASK_QUEUES.billing,
      priority: priorityOf(type, teamId),
      args: [{ teamId }],
      signal,
      signalArgs: [],
      staticSummary: `${type === 'balanceWatch' ? 'balance' : 'auto top-up'} of ${teamId}`,
      typedSearchAttributes: [keyword(TEAM_ID, teamId), keyword(BILLING_STATE, 'watching')],
    });
  };

  /** A closed workflow has seen every fact that a signal would report. */
  const signalIfThere = async (id: string) => {
    try {
      await client.workflow.getHandle(id).signal(wakeUp);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  };

  return {
    watch: (teamId) => signalTeam('balanceWatch', teamId),
    watchSoon: (teamId) => signalTeam('balanceWatch', teamId, wakeUpSoon),
    autoTopUp: (teamId) => signalTeam('autoTopUp', teamId),
    instance: (instanceId) => signalIfThere(workflowId.instance(instanceId)),
    reservation: (reservationId) => signalIfThere(workflowId.reservation(reservationId)),
    deposit: async (deposit) => {
      await client.workflow.signalWithStart('deposit', {
        ...startOptions.deposit(deposit, null),
        signal: wakeUp,
        signalArgs: [],
      });
    },
    refund: async (refund) => {
      await client.workflow.signalWithStart('refund', {
        ...startOptions.refund(refund, refund.stripeRefundId),
        signal: wakeUp,
        signalArgs: [],
      });
    },
    dispute: async (dispute) => {
      await client.workflow.signalWithStart('dispute', {
        ...startOptions.dispute(dispute),
        signal: wakeUp,
        signalArgs: [],
      });
    },
    notice: async (notice) => {
      try {
        await client.workflow.start('notice', {
          ...startOptions.notice(notice),
          // Only a notice whose run has failed is handed on twice, to be sent again.
          workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
        });
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      }
    },
  };
}

/**
 * Has a workflow ask its provider now, and returns the state afterwards. A workflow that has ended, or that Temporal
 * has deleted, is started again, because a provider can change an old answer.
 */
export const lookAt = (client: Client) => ({
  deposit: (input: DepositInput): Promise<DepositAnswer> =>
    client.workflow.executeUpdateWithStart(lookAgain, {
      startWorkflowOperation: new WithStartWorkflowOperation('deposit', {
        ...startOptions.deposit(input, 'look'),
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    }),
  refund: (input: RefundInput): Promise<RefundAnswer> =>
    client.workflow.executeUpdateWithStart(lookAtRefund, {
      startWorkflowOperation: new WithStartWorkflowOperation('refund', {
        ...startOptions.refund(input, input.stripeRefundId ?? 'look'),
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    }),
  dispute: (input: DisputeInput): Promise<DisputeState> =>
    client.workflow.executeUpdateWithStart(lookAtDispute, {
      startWorkflowOperation: new WithStartWorkflowOperation('dispute', {
        ...startOptions.dispute(input),
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    }),
});
