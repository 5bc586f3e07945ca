/** A running instance: metered, ended, its machine stopped. The start was recorded before; see prisma/due-work.ts. */
import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Admission, Receipt, Settlement } from '../activities/ledger/instances.ts';
import { micros } from '../billing/money.ts';
import { dollars, Stated, showDetails, when } from './details.ts';
import {
  admit,
  endInstance,
  type InstanceInput,
  type InstanceState,
  instanceState,
  settleNow,
  told,
} from './messages.ts';
import { ledger, platform, tell } from './neighbours.ts';
import { News, nowSecond } from './waiting.ts';

export async function instance(input: InstanceInput): Promise<Receipt | null> {
  const { spec } = input;
  const { id: instanceId, teamId } = spec;
  const news = new News();
  const state = new Stated(input.saysRunning ? 'running' : 'admitting');
  const seen: InstanceState = {
    instanceId,
    teamId,
    state: 'admitting',
    rateMicrosPerHour: input.rateMicrosPerHour,
    costMicros: micros(0),
  };
  let admission = input.admission;

  setHandler(told, news.arrived);
  setHandler(instanceState, () => seen);
  setHandler(admit, ({ requestHash }) => admissionFor(requestHash));
  setHandler(settleNow, async () => {
    await untilAdmitted();
    await settle();
    return seen;
  });
  setHandler(endInstance, endByOperator);

  admission ??= await ledger.admitInstance(input);
  if (admission.status === 'refused') {
    show('refused');
    await condition(allHandlersFinished);
    return null;
  }
  show('running');
  // The api that has recorded a start wakes the watch.
  if (!input.admission) await tell.tellWatch({ teamId });

  let settlement = await settle();
  let waitMs = input.firstSettleMs ?? input.settleEveryMs;
  while (settlement.status === 'running') {
    await (waitMs > 0 ? news.orMs(waitMs, 'next settlement') : news.orSecond(null, 'end'));
    waitMs = input.settleEveryMs;
    if (workflowInfo().continueAsNewSuggested) await inANewRun(admission);
    news.take();
    settlement = await settle();
  }

  if (!settlement.machineGone) {
    show('stopping_machine');
    await platform.terminateMachine.executeWithOptions({ summary: `have the platform stop ${instanceId}` }, [
      { instanceId },
    ]);
    await ledger.confirmTerminated({ instanceId, nowSecond: nowSecond() });
  }
  show('ended');
  await condition(allHandlersFinished);
  return settlement.receipt;

  async function admissionFor(requestHash: string): Promise<Admission> {
    if (requestHash !== spec.requestHash) return { status: 'refused', code: 'id_taken' };
    await condition(() => admission !== undefined);
    return admission as Admission;
  }

  /** The ledger knows no instance before its admission, nor ever a refused one, and a query would not end. */
  async function untilAdmitted(): Promise<void> {
    await condition(() => admission !== undefined);
    if (admission?.status === 'refused')
      throw ApplicationFailure.nonRetryable('the instance was refused', admission.code);
  }

  /** Posts the amount owed by now. The ledger's answer also has the end of the instance, if any. */
  async function settle(): Promise<Settlement> {
    const second = nowSecond();
    const answer = await ledger.settleInstance({ instanceId, nowSecond: second });
    // The watch may still sleep to the crossing of an earlier plan: the wake of a re-price can arrive late.
    if (answer.watchMustKnow) await tell.tellWatch({ teamId });
    if (answer.status === 'running') {
      seen.rateMicrosPerHour = answer.rateMicrosPerHour;
      seen.costMicros = answer.costMicros;
      showDetails({
        'as of': when(second),
        'rate per hour': dollars(answer.rateMicrosPerHour),
        'cost so far': dollars(answer.costMicros),
        'team balance': dollars(answer.availableMicros),
        'next crossing': answer.next ? `${answer.next.what} at ${when(answer.next.second)}` : 'none',
      });
    } else {
      seen.costMicros = answer.receipt.costMicros;
      showDetails({
        ended: when(answer.receipt.endSecond),
        reason: answer.receipt.reason,
        seconds: String(answer.receipt.seconds),
        cost: dollars(answer.receipt.costMicros),
      });
    }
    return answer;
  }

  async function endByOperator(): Promise<Receipt> {
    await untilAdmitted();
    const end = { instanceId, reason: 'operator' as const, nowSecond: nowSecond(), platformAsked: false };
    const receipt = await ledger.stopInstance(end);
    news.arrived();
    await tell.tellWatch({ teamId });
    return receipt;
  }

  function show(next: InstanceState['state']): void {
    seen.state = next;
    state.say(next);
  }

  async function inANewRun(admitted: Admission): Promise<never> {
    await condition(allHandlersFinished);
    const inStep = input.firstSettleMs !== undefined && { firstSettleMs: input.settleEveryMs };
    return continueAsNew<typeof instance>({ ...input, ...inStep, admission: admitted });
  }
}
