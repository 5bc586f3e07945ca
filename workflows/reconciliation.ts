/** A day of the ledger against the providers: compared until it is known, told to operators if they differ. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { executeChild, ParentClosePolicy, workflowInfo } from '@temporalio/workflow';
import type { Reconciled } from '../activities/reconciliation.ts';
import { dayBefore } from '../billing/reconciliation.ts';
import { secondOf } from '../billing/time.ts';
import { Stated, showDetails } from './details.ts';
import { type ReconciliationInput, SCHEDULED_START_TIME, workflowId } from './messages.ts';
import { books } from './neighbours.ts';
import { nowSecond } from './waiting.ts';

/** A day again overwrites its report. */
export async function reconciliation({ day }: ReconciliationInput): Promise<Reconciled> {
  const state = new Stated('comparing');
  const summary = `the ledger against the providers on ${day}`;
  const reconciled = await books.reconcileDay.executeWithOptions({ summary }, [{ day, nowSecond: nowSecond() }]);
  const { compared, differences } = reconciled;
  state.say(differences > 0 ? 'differences' : 'agreed');
  showDetails({ day, compared: String(compared), differences: String(differences) });
  return reconciled;
}

/**
 * What the Schedule starts, under an id of the Schedule's making: it has the day before compared under the day's own id. The
 * day is that of the time for which it was scheduled; after an outage it may start days later.
 */
export async function dailyReconciliation(): Promise<Reconciled | null> {
  const { typedSearchAttributes, startTime } = workflowInfo();
  const scheduled = typedSearchAttributes.get(SCHEDULED_START_TIME) ?? startTime;
  const day = dayBefore(secondOf(scheduled.getTime()));
  try {
    return await executeChild(reconciliation, {
      workflowId: workflowId.reconciliation(day),
      args: [{ day }],
      staticSummary: `the books of ${day}`,
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
  } catch (error) {
    // An operator has it compared at this moment.
    if (error instanceof WorkflowExecutionAlreadyStartedError) return null;
    throw error;
  }
}
