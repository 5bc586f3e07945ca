/** The auto top-up of a team while the policy is on: an attempt, its cooldown, another look. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ChildWorkflowFailure,
  continueAsNew,
  executeChild,
  ParentClosePolicy,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { TopUpDecision } from '../ledger/auto-top-up.ts';
import { deposit } from './deposit.ts';
import { BillingState, showDetails, when } from './details.ts';
import {
  BILLING_STATE,
  CAUSE,
  keyword,
  TEAM_ID,
  type TeamInput,
  type TopUpState,
  topUpState,
  wakeUp,
  workflowId,
} from './messages.ts';
import { ledger } from './neighbours.ts';
import { priorityOf } from './urgency.ts';
import { nowSecond, WakeSignal } from './waiting.ts';

/** The wait before another look when the attempt's payment already runs, or an operator has ended its workflow. */
const ATTEMPT_RECHECK_MS = 60_000;

export async function autoTopUp({ teamId }: TeamInput): Promise<void> {
  const wakeSignal = new WakeSignal();
  const state = new BillingState<TopUpDecision['state']>('watching');
  let lastState: TopUpState | null = null;
  setHandler(wakeUp, wakeSignal.arrived);
  setHandler(topUpState, () => lastState);

  while (!workflowInfo().continueAsNewSuggested) {
    wakeSignal.take();
    const decision = await ledger.openAttempt({ teamId, nowSecond: nowSecond() });
    show(decision);

    if (decision.attemptDepositId) {
      await runAttempt(decision.attemptDepositId);
      continue;
    }
    const nothingUnread = !wakeSignal.take();
    if (!decision.policyOn && nothingUnread) return;
    if (nothingUnread) await wakeSignal.orSecond(decision.lookAgainSecond, `${decision.state}, looks again`);
  }
  await continueAsNew<typeof autoTopUp>({ teamId });

  /** The payment has its own workflow. Only the end of the payment is awaited here. */
  async function runAttempt(depositId: string): Promise<void> {
    try {
      await executeChild(deposit, {
        workflowId: workflowId.deposit(depositId),
        args: [{ depositId, teamId, kind: 'auto_top_up' }],
        priority: priorityOf('deposit', teamId),
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: `auto top-up for ${teamId}`,
        typedSearchAttributes: [
          keyword(TEAM_ID, teamId),
          keyword(BILLING_STATE, 'charging'),
          keyword(CAUSE, workflowInfo().workflowId),
        ],
      });
    } catch (error) {
      const runsAlready = error instanceof WorkflowExecutionAlreadyStartedError;
      if (!runsAlready && !(error instanceof ChildWorkflowFailure)) throw error;
      await wakeSignal.orMs(ATTEMPT_RECHECK_MS, `waiting for ${depositId}`);
    }
  }

  function show(decision: TopUpDecision): void {
    const { attemptDepositId, lookAgainSecond } = decision;
    lastState = { teamId, state: decision.state, attemptDepositId, lookAgainSecond };
    state.set(decision.state);
    showDetails({
      policy: decision.policyOn ? 'on' : 'off',
      state: decision.state,
      attempt: attemptDepositId ?? 'none in flight',
      'looks again': lookAgainSecond === null ? 'when told' : when(lookAgainSecond),
    });
  }
}
