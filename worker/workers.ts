/** The workers of a process, one a task queue, so that each kind of work goes at its own pace. */
import type { Duration } from '@temporalio/common';
import { type NativeConnection, Worker, type WorkerInterceptors } from '@temporalio/worker';
import { createActivities, type World } from '../activities/index.ts';
import { MAILS_AT_ONCE } from '../activities/mailer.ts';
import { TASK_QUEUES } from '../workflows/messages.ts';

export interface WorkersOptions {
  connection: NativeConnection;
  namespace: string;
  world: World;
  workflowBundle: { code: string };
  /** 0 makes every workflow task replay its whole history: a test of determinism. */
  maxCachedWorkflows?: number;
  interceptors?: WorkerInterceptors;
  shutdownGraceTime?: Duration;
}

/** What may be under way at once. Stripe allows 25 writes a second in test mode and 100 live. */
const PAYMENTS_PER_SECOND = 20;
const SHUTDOWN_GRACE = '10 seconds';
/**
 * How long a workflow's next task waits for the worker that has it in memory. One that was killed comes for none, so until
 * then a charge that is due spends its grace and machines without credit run on at the platform's cost. Half of the
 * default: a worker too busy to come in time costs no more than a replay of a short history.
 */
const WAIT_FOR_THE_SAME_WORKER = '5 seconds';

export interface Workers {
  /** Resolves when all have shut down; rejects when one fails. */
  run(): Promise<void>;
  /** Lets what is under way end; the rest goes to another worker or waits. */
  shutdown(): void;
}

export async function createWorkers(options: WorkersOptions): Promise<Workers> {
  const activities = createActivities(options.world);
  const shared = {
    connection: options.connection,
    namespace: options.namespace,
    shutdownGraceTime: options.shutdownGraceTime ?? SHUTDOWN_GRACE,
    ...(options.interceptors && { interceptors: options.interceptors }),
  };
  const workers = await Promise.all([
    Worker.create({
      ...shared,
      taskQueue: TASK_QUEUES.billing,
      workflowBundle: options.workflowBundle,
      activities: activities.billing,
      stickyQueueScheduleToStartTimeout: WAIT_FOR_THE_SAME_WORKER,
      ...(options.maxCachedWorkflows !== undefined && { maxCachedWorkflows: options.maxCachedWorkflows }),
      // With no cache a second workflow puts out the first one with its local activity under way: that task is lost.
      ...(options.maxCachedWorkflows === 0 && { maxConcurrentWorkflowTaskExecutions: 1 }),
    }),
    Worker.create({
      ...shared,
      taskQueue: TASK_QUEUES.payments,
      activities: activities.payments,
      maxTaskQueueActivitiesPerSecond: PAYMENTS_PER_SECOND,
    }),
    Worker.create({
      ...shared,
      taskQueue: TASK_QUEUES.mail,
      activities: activities.mail,
      maxConcurrentActivityTaskExecutions: MAILS_AT_ONCE,
    }),
    Worker.create({ ...shared, taskQueue: TASK_QUEUES.platform, activities: activities.platform }),
  ]);
  const shutdown = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  return {
    shutdown,
    run: async () => {
      // One that fails takes the others with it: a process that only does half of the work would seem well.
      const ends = await Promise.allSettled(
        workers.map((worker) =>
          worker.run().catch((error) => {
            shutdown();
            throw error;
          }),
        ),
      );
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },
  };
}
