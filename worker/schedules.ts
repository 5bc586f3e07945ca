/** Temporal Schedules. Every starting worker updates the Schedules, so a new release brings its own times. */
import { type Client, ScheduleAlreadyRunning, type ScheduleOptions } from '@temporalio/client';
import type { Log } from '../activities/world.ts';
import { BILLING_STATE, keyword, TASK_QUEUES } from '../workflows/messages.ts';

export const DAILY_RECONCILIATION = 'daily-reconciliation';

/**
 * Half an hour after midnight, when a charge of the day's last second is credited. A day that an outage has delayed is
 * not skipped: the day waits for its turn, and days missed while Temporal was away are caught up.
 */
const SCHEDULE = {
  spec: { calendars: [{ hour: 0, minute: 30, comment: '00:30 UTC, for the day before' }], timezone: 'UTC' },
  policies: { overlap: 'BUFFER_ALL', catchupWindow: '31 days' },
  action: {
    type: 'startWorkflow',
    workflowType: 'dailyReconciliation',
    workflowId: DAILY_RECONCILIATION,
    taskQueue: TASK_QUEUES.billing,
    args: [],
    staticSummary: 'the books of the day before',
    typedSearchAttributes: [keyword(BILLING_STATE, 'comparing')],
  },
} as const satisfies Omit<ScheduleOptions, 'scheduleId'>;

/** Creates the Schedules, or updates their times and actions to this release. A pause by an operator stays. */
export async function keepSchedules(client: Client): Promise<void> {
  try {
    await client.schedule.create({ scheduleId: DAILY_RECONCILIATION, ...SCHEDULE });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule
      .getHandle(DAILY_RECONCILIATION)
      .update((schedule) => ({ ...SCHEDULE, state: schedule.state }));
  }
}

/**
 * For a starting worker: work goes on without the Schedule, and `burnrate_reconciled_day_seconds` shows the absence.
 */
export async function keepSchedulesIfPossible(client: Client, log: Log): Promise<void> {
  try {
    await keepSchedules(client);
  } catch (error) {
    log.error({ err: error }, 'the daily reconciliation could not be scheduled');
  }
}
