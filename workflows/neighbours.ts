/**
 * The activities as the workflows call them: timeouts and retries, said once.
 *
 * Short database steps are local activities on the worker that has the workflow. What leaves the house runs on a task
 * queue of its own and is retried until it is known: an outage of a neighbour delays, it never decides.
 */
import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { BillingActivities, MailActivities, PaymentActivities, PlatformActivities } from '../activities/index.ts';
import { TASK_QUEUES } from './messages.ts';

export const ledger = proxyLocalActivities<BillingActivities['ledger']>({
  startToCloseTimeout: '15 seconds',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '10 seconds' },
});

export const tell = proxyActivities<BillingActivities['tell']>({
  taskQueue: TASK_QUEUES.billing,
  startToCloseTimeout: '15 seconds',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '10 seconds' },
});

export const payments = proxyActivities<PaymentActivities>({
  taskQueue: TASK_QUEUES.payments,
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
});

/** Reads a day's books page by page, and says as it goes that it is alive. */
export const books = proxyActivities<Pick<PaymentActivities, 'reconcileDay'>>({
  taskQueue: TASK_QUEUES.payments,
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '2 minutes',
  retry: { initialInterval: '10 seconds', maximumInterval: '10 minutes' },
});

export const mail = proxyActivities<MailActivities>({
  taskQueue: TASK_QUEUES.mail,
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '2 seconds', maximumInterval: '5 minutes' },
});

export const platform = proxyActivities<PlatformActivities>({
  taskQueue: TASK_QUEUES.platform,
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
});
