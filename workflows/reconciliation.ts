/** A day of the ledger against the providers: compared until it is known, told to operators if they differ. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { executeChild, ParentClosePolicy, sleep, workflowInfo } from '@temporalio/workflow';
import type { Reconciled } from '../activities/reconciliation.ts';
import { dayBefore } from '../billing/reconciliation.ts';
import { secondOf } from '../billing/time.ts';
import { Stated, showDetails } from './details.ts';
import { type ReconciliationInput, SCHEDULED_START_TIME, workflowId } from './messages.ts';
import { books } from './neighbours.ts';
import { priorityAs, WORKFLOW_URGENCY } from './urgency.ts';
import { nowSecond } from './waiting.ts';

/** As long as the workflows that were woken take to ask their providers and record the answers. */
const LOOKS_TAKE_MS = 2 * 60_000;

/** Compares a day. Differences that another look at the provider corrects are given that look, then the day is compared again. */
export async function reconciliation({ day }: ReconciliationInput): Promise<Reconciled> {
  const state = new Stated('comparing');
  let reconciled = await compare();
  if (reconciled.woken) {
    state.say('correcting');
    await sleep(LOOKS_TAKE_MS, { summary: `${reconciled.woken} workflows ask their providers again` });
    reconciled = await compare();
  }
  const { compared, differences } = reconciled;
  state.say(differences > 0 ? 'differences' : 'agreed');
  showDetails({ day, compared: String(compared), differences: String(differences) });
  return reconciled;

  function compare(): Promise<Reconciled> {
    const summary = `the ledger against the providers on ${day}`;
    return books.reconcileDay.executeWithOptions({ summary }, [{ day, nowSecond: nowSecond() }]);
  }
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
      priority: priorityAs(WORKFLOW_URGENCY.reconciliation),
      staticSummary: `the books of ${day}`,
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
  } catch (error) {
    // An operator has it compared at this moment.
    if (error instanceof WorkflowExecutionAlreadyStartedError) return null;
    throw error;
  }
}
