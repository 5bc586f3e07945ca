/**
 * The activities as the workflows call them: timeouts, retries and urgency.
 *
 * Short database steps are local activities on the worker that has the workflow. A call to an outside system runs on a
 * task queue of its own and is retried until its outcome is known: an outage of a neighbour delays, it never decides.
 */
import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { BillingActivities, MailActivities, PaymentActivities, PlatformActivities } from '../activities/index.ts';
import { TASK_QUEUES } from './messages.ts';
import { priorityAs } from './urgency.ts';

export const ledger = proxyLocalActivities<BillingActivities['ledger']>({
  startToCloseTimeout: '15 seconds',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '10 seconds' },
});

export const wakes = proxyActivities<BillingActivities['wake']>({
  taskQueue: TASK_QUEUES.billing,
  startToCloseTimeout: '15 seconds',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '10 seconds' },
});

/**
 * Local activities, which wait in no queue. A step that keeps failing ends: the watch looks again, and does its other
 * work meanwhile.
 */
export const handOn = proxyLocalActivities<BillingActivities['wake']>({
  startToCloseTimeout: '15 seconds',
  retry: { initialInterval: '200 milliseconds', maximumAttempts: 3 },
});

/** The payments of a workflow have the urgency of the workflow: a deposit's are urgent. */
export const payments = proxyActivities<PaymentActivities>({
  taskQueue: TASK_QUEUES.payments,
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
});

/** Reads a day's books page by page, and sends heartbeats. */
export const books = proxyActivities<Pick<PaymentActivities, 'reconcileDay'>>({
  taskQueue: TASK_QUEUES.payments,
  priority: priorityAs('bulk'),
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '2 minutes',
  retry: { initialInterval: '10 seconds', maximumInterval: '10 minutes' },
});

export const mail = proxyActivities<MailActivities>({
  taskQueue: TASK_QUEUES.mail,
  priority: priorityAs('bulk'),
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '2 seconds', maximumInterval: '5 minutes' },
});

const PLATFORM = {
  taskQueue: TASK_QUEUES.platform,
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
} as const;

/** Orders to stop a machine. The platform pays for each second of delay. */
export const platform = proxyActivities<Pick<PlatformActivities, 'terminateMachine'>>({
  ...PLATFORM,
  priority: priorityAs('urgent'),
});

/**
 * The orders of a watch, which go ahead of the workflows of the instances. They end after a minute: a machine whose order
 * fails is ordered to stop by the workflow of its instance.
 */
export const ordersAhead = proxyActivities<Pick<PlatformActivities, 'terminateMachines'>>({
  ...PLATFORM,
  priority: priorityAs('urgent'),
  scheduleToCloseTimeout: '1 minute',
});

export const events = proxyActivities<Pick<PlatformActivities, 'sendEvent' | 'deliverEvent'>>({
  ...PLATFORM,
  priority: priorityAs('bulk'),
});
