/** The workers of a process, a worker for each task queue, so each kind of work has its own pace. */
import type { Duration } from '@temporalio/common';
import { type NativeConnection, Worker, type WorkerInterceptors } from '@temporalio/worker';
import { createActivities, type World } from '../activities/index.ts';
import { MAILS_AT_ONCE } from '../activities/mail/mailer.ts';
import { TASK_QUEUES } from '../workflows/messages.ts';

export interface WorkersOptions {
  connection: NativeConnection;
  namespace: string;
  world: World;
  workflowBundle: { code: string };
  /** 0 makes every workflow task replay its whole history, as a test of determinism. */
  maxCachedWorkflows?: number;
  interceptors?: WorkerInterceptors;
  shutdownGraceTime?: Duration;
}

/** Limits of work under way. Stripe allows 25 writes a second in test mode and 100 live. */
const PAYMENTS_PER_SECOND = 20;
const SHUTDOWN_GRACE = '10 seconds';
/**
 * The time that a workflow's next task waits for the worker with the workflow in memory. A killed worker never takes
 * the task: until then a due charge uses up its grace, and machines without credit run on at the platform's cost. Half
 * of the default: a worker that is too busy to come in time costs no more than a replay of a short history.
 */
const WAIT_FOR_THE_SAME_WORKER = '5 seconds';

export interface Workers {
  /** Resolves when all have shut down; rejects when a worker fails. */
  run(): Promise<void>;
  /** Lets work under way end. Other work goes to another worker or waits. */
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
      // Without a cache a second workflow evicts the first with its local activity under way, and the task is lost.
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
      // A failed worker stops the others too, because a process with half of its workers would seem healthy.
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
