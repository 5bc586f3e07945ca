/** Compares a day of the ledger with the providers, until the result is known, and reports differences to operators. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { executeChild, ParentClosePolicy, sleep, workflowInfo } from '@temporalio/workflow';
import type { Reconciled } from '../activities/reconciliation/reconcile.ts';
import { dayBefore, secondOf } from '../billing/time.ts';
import { BillingState, showDetails } from './details.ts';
import { type ReconciliationInput, SCHEDULED_START_TIME, workflowId } from './messages.ts';
import { books } from './neighbours.ts';
import { priorityAs, WORKFLOW_URGENCY } from './urgency.ts';
import { nowSecond } from './waiting.ts';

/** The time that woken workflows take to ask their providers and record the answers. */
const LOOKS_TAKE_MS = 2 * 60_000;

/** Compares a day. Differences that a look at the provider corrects get a look, and the day is compared again. */
export async function reconciliation({ day }: ReconciliationInput): Promise<Reconciled> {
  const state = new BillingState<'comparing' | 'correcting' | 'differences' | 'agreed'>('comparing');
  let reconciled = await compare();
  if (reconciled.woken) {
    state.set('correcting');
    await sleep(LOOKS_TAKE_MS, { summary: `${reconciled.woken} workflows ask their providers again` });
    reconciled = await compare();
  }
  const { compared, differences } = reconciled;
  state.set(differences > 0 ? 'differences' : 'agreed');
  showDetails({ day, compared: String(compared), differences: String(differences) });
  return reconciled;

  function compare(): Promise<Reconciled> {
    const summary = `the ledger against the providers on ${day}`;
    return books.reconcileDay.executeWithOptions({ summary }, [{ day, nowSecond: nowSecond() }]);
  }
}

/**
 * Started by the Schedule, under an id of the Schedule. Has the day before compared under the day's own id. The day
 * follows from the scheduled time, because after an outage the run may start days later.
 */
export async function dailyReconciliation(): Promise<Reconciled | null> {
  const { typedSearchAttributes, startTime } = workflowInfo();
  const scheduled = typedSearchAttributes.get(SCHEDULED_START_TIME) ?? startTime;
  const day = dayBefore(secondOf(scheduled.getTime()));
  try {
    return await executeChild(reconciliation, {
      workflowId: workflowId.reconciliation(day),
      args: [{ day }],
      priority: priorityAs(WORKFLOW_URGENCY.reconciliation),
      staticSummary: `the books of ${day}`,
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
  } catch (error) {
    // An operator has started the comparison of the day at this moment.
    if (error instanceof WorkflowExecutionAlreadyStartedError) return null;
    throw error;
  }
}
