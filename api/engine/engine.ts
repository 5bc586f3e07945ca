/** The api's use of Temporal: start workflows, wait for the answer of a deposit or a refund, wake, probe. */
import { performance } from 'node:perf_hooks';
import { type Client, WithStartWorkflowOperation, WorkflowUpdateFailedError } from '@temporalio/client';
import { coalesced } from '../../activities/coalesced-wakes.ts';
import type { WorkflowWakes } from '../../activities/world.ts';
import { BillingError } from '../../billing/errors.ts';
import {
  type DepositAnswer,
  type DepositInput,
  type DisputeInput,
  firstAnswer,
  type InstanceInput,
  type RefundAnswer,
  type RefundInput,
  type ReservationInput,
  refundAnswer,
  TASK_QUEUES,
} from '../../workflows/messages.ts';
import {
  createWorkflowWakes,
  lookAt,
  startInstanceWorkflow,
  startReservationWorkflow,
} from '../../workflows/signals.ts';
import { startOptions } from '../../workflows/start-options.ts';
import { outcomeUnknown } from '../http/outcome.ts';

export interface Engine {
  /**
   * Starts the workflow of an instance whose start is recorded. Resolves once Temporal has accepted the start, or fails
   * within two seconds: then the sweeper starts the workflow.
   */
  startInstance(input: InstanceInput, requestId: string): Promise<void>;
  /** Starts the workflow of a reservation whose beginning is recorded; resolves and fails as `startInstance` does. */
  startReservation(input: ReservationInput, requestId: string): Promise<void>;
  /**
   * Starts the workflow of a recorded deposit, or joins the running one, and waits up to `withinMs` for the first news.
   * @throws BillingError `engine_unavailable`: the engine gave no answer, and the sweeper starts what was not started
   */
  deposit(input: DepositInput, requestId: string, withinMs: number, deadlineMs: number): Promise<DepositAnswer>;
  /**
   * Has the workflow of a deposit, a refund or a dispute ask the provider now, and waits for the result until
   * `deadlineMs`. An ended workflow is started again.
   * @throws BillingError `outcome_unknown`: the provider's answer may be recorded later
   */
  lookAt: {
    deposit(input: DepositInput, deadlineMs: number): Promise<unknown>;
    refund(input: RefundInput, deadlineMs: number): Promise<unknown>;
    dispute(input: DisputeInput, deadlineMs: number): Promise<unknown>;
  };
  /**
   * Starts the workflow of a recorded refund, or joins the running one, and waits up to `withinMs` for its outcome.
   * @throws BillingError `engine_unavailable`: the engine gave no answer, and the sweeper starts what was not started
   */
  refund(input: RefundInput, requestId: string, withinMs: number, deadlineMs: number): Promise<RefundAnswer>;
  /** Each wake resolves once Temporal has accepted the wake, or fails within two seconds. */
  wake: WorkflowWakes;
  /** Whether Temporal answers. */
  reachable(): Promise<boolean>;
  /** Whether a worker asks for the work of the `billing` queue. */
  workerPolling(): Promise<boolean>;
}

const TELL_WITHIN_MS = 2_000;
const LOOK_WITHIN_MS = 2_000;
/** Calls within this time share an answer. */
const PROBE_SHARED_MS = 50;
/** A worker polls at least once a minute, so a longer silence means that the worker is gone. */
const POLLED_WITHIN_MS = 75_000;

/** The error that callers get for any failure to reach the engine. */
export const engineUnavailable = (cause?: unknown): BillingError =>
  Object.assign(new BillingError('engine_unavailable', 'the engine cannot be reached just now; nothing was recorded'), {
    cause,
  });

/** Fails at the deadline, because Temporal's client may wait longer between two tries of a call. */
async function untilThen<T>(deadlineMs: number, call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new Error('Temporal did not answer in time'));
    timer = setTimeout(fail, Math.max(0, deadlineMs - Date.now()));
  });
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function createEngine(client: Client): Engine {
  const within = <T>(deadlineMs: number, call: () => Promise<T>): Promise<T> =>
    untilThen(deadlineMs, client.withDeadline(deadlineMs, call));
  const soon: Soon = (call, ms) => within(Date.now() + ms, call);
  const orUnavailable = (error: unknown): never => {
    throw engineUnavailable(error instanceof WorkflowUpdateFailedError ? (error.cause ?? error) : error);
  };
  const orUnknown = (error: unknown): never => {
    throw outcomeUnknown('whether the provider was asked is not known: send the same again', error);
  };
  const wake = createWorkflowWakes(client);
  const look = lookAt(client);

  return {
    startInstance: (input, requestId) => soon(() => startInstanceWorkflow(client, input, requestId), TELL_WITHIN_MS),
    startReservation: (input, requestId) =>
      soon(() => startReservationWorkflow(client, input, requestId), TELL_WITHIN_MS),
    deposit: (input, requestId, withinMs, deadlineMs) =>
      within(deadlineMs, () =>
        client.workflow.executeUpdateWithStart(firstAnswer, {
          args: [{ withinMs }],
          startWorkflowOperation: new WithStartWorkflowOperation('deposit', {
            ...startOptions.deposit(input, requestId),
            workflowIdConflictPolicy: 'USE_EXISTING',
          }),
        }),
      ).catch(orUnavailable),
    refund: (input, requestId, withinMs, deadlineMs) =>
      within(deadlineMs, () =>
        client.workflow.executeUpdateWithStart(refundAnswer, {
          args: [{ withinMs }],
          startWorkflowOperation: new WithStartWorkflowOperation('refund', {
            ...startOptions.refund(input, requestId),
            workflowIdConflictPolicy: 'USE_EXISTING',
          }),
        }),
      ).catch(orUnavailable),

    lookAt: {
      deposit: (input, deadlineMs) => within<unknown>(deadlineMs, () => look.deposit(input)).catch(orUnknown),
      refund: (input, deadlineMs) => within<unknown>(deadlineMs, () => look.refund(input)).catch(orUnknown),
      dispute: (input, deadlineMs) => within<unknown>(deadlineMs, () => look.dispute(input)).catch(orUnknown),
    },

    wake: coalesced({
      watch: (teamId) => soon(() => wake.watch(teamId), TELL_WITHIN_MS),
      watchSoon: (teamId) => soon(() => wake.watchSoon(teamId), TELL_WITHIN_MS),
      autoTopUp: (teamId) => soon(() => wake.autoTopUp(teamId), TELL_WITHIN_MS),
      instance: (instanceId) => soon(() => wake.instance(instanceId), TELL_WITHIN_MS),
      reservation: (reservationId) => soon(() => wake.reservation(reservationId), TELL_WITHIN_MS),
      deposit: (deposit) => soon(() => wake.deposit(deposit), TELL_WITHIN_MS),
      refund: (refund) => soon(() => wake.refund(refund), TELL_WITHIN_MS),
      dispute: (dispute) => soon(() => wake.dispute(dispute), TELL_WITHIN_MS),
      notice: (notice) => soon(() => wake.notice(notice), TELL_WITHIN_MS),
    }),

    reachable: probeOf(client, soon),
    workerPolling: () => isPolledByWorker(client, soon),
  };
}

type Soon = <T>(call: () => Promise<T>, withinMs: number) => Promise<T>;

/** Asks whether Temporal answers. Calls of a short time share the answer. */
function probeOf(client: Client, soon: Soon): () => Promise<boolean> {
  let last: { sentMs: number; answered: Promise<boolean> } | null = null;
  return () => {
    const nowMs = performance.now();
    if (last === null || nowMs >= last.sentMs + PROBE_SHARED_MS) {
      const { namespace } = client.options;
      const answered = soon(() => client.workflowService.describeNamespace({ namespace }), LOOK_WITHIN_MS).then(
        () => true,
        () => false,
      );
      last = { sentMs: nowMs, answered };
    }
    return last.answered;
  };
}

/** True if a worker has asked for workflow tasks lately. */
async function isPolledByWorker(client: Client, soon: Soon): Promise<boolean> {
  const queue = {
    namespace: client.options.namespace,
    taskQueue: { name: TASK_QUEUES.billing },
    taskQueueType: 1, // workflow tasks
  };
  try {
    const { pollers } = await soon(() => client.workflowService.describeTaskQueue(queue), LOOK_WITHIN_MS);
    const lastAskedMs = pollers.map(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000);
    return lastAskedMs.some((ms) => Date.now() - ms < POLLED_WITHIN_MS);
  } catch {
    return false;
  }
}
