/** A running instance: metered, ended, its machine stopped. The start was recorded before; see prisma/due-work.ts. */
import { allHandlersFinished, condition, continueAsNew, setHandler } from '@temporalio/workflow';
import { micros } from '../billing/money.ts';
import type { Receipt, Settlement } from '../ledger/instances.ts';
import type { Admission } from '../ledger/starting.ts';
import { AdmissionAnswer, settleUntilEnded } from './admission.ts';
import { BillingState, dollars, showDetails, when } from './details.ts';
import {
  admit,
  endInstance,
  type InstanceInput,
  type InstanceState,
  instanceState,
  settleNow,
  wakeUp,
} from './messages.ts';
import { ledger, platform, wakes } from './neighbours.ts';
import { nowSecond, WakeSignal } from './waiting.ts';

export async function instance(input: InstanceInput): Promise<Receipt | null> {
  const run = new InstanceRun(input);
  const admission = run.admission.admitted ?? (await run.admission.decide(() => ledger.admitInstance(input)));
  if (admission.status === 'refused') {
    run.show('refused');
    await condition(allHandlersFinished);
    return null;
  }
  run.show('running');
  // The api that has recorded a start wakes the watch.
  if (!input.admission) await wakes.tellWatch({ teamId: input.spec.teamId });

  let waitMs = input.firstSettleMs ?? input.settleEveryMs;
  const ended = await settleUntilEnded<RunningInstance, EndedInstance>({
    wakeSignal: run.wakeSignal,
    settle: () => run.settle(),
    untilNext: () => {
      const nextMs = waitMs;
      waitMs = input.settleEveryMs;
      return nextMs > 0 ? run.wakeSignal.orMs(nextMs, 'next settlement') : run.wakeSignal.orSecond(null, 'end');
    },
    continueInNewRun: () => continueInNewRun(input, admission),
  });
  if (!ended.machineGone) await run.stopMachine();
  run.show('ended');
  await condition(allHandlersFinished);
  return ended.receipt;
}

type RunningInstance = Extract<Settlement, { status: 'running' }>;
type EndedInstance = Extract<Settlement, { status: 'ended' }>;

async function continueInNewRun(input: InstanceInput, admission: Admission): Promise<never> {
  await condition(allHandlersFinished);
  const inStep = input.firstSettleMs !== undefined && { firstSettleMs: input.settleEveryMs };
  return continueAsNew<typeof instance>({ ...input, ...inStep, admission });
}

class InstanceRun {
  readonly wakeSignal = new WakeSignal();
  readonly admission: AdmissionAnswer<Admission>;
  private readonly shown: BillingState<InstanceState['state']>;
  private readonly state: InstanceState;

  constructor({ spec, saysRunning, rateMicrosPerHour, admission }: InstanceInput) {
    const { id: instanceId, teamId, requestHash } = spec;
    this.admission = new AdmissionAnswer<Admission>({ what: 'instance', requestHash }, admission);
    this.shown = new BillingState<InstanceState['state']>(saysRunning ? 'running' : 'admitting');
    this.state = { instanceId, teamId, state: 'admitting', rateMicrosPerHour, costMicros: micros(0) };
    setHandler(wakeUp, this.wakeSignal.arrived);
    setHandler(instanceState, () => this.state);
    setHandler(admit, (request) => this.admission.answerTo(request));
    setHandler(settleNow, () => this.settleForOperator());
    setHandler(endInstance, () => this.endByOperator());
  }

  /** Posts the amount owed by now. The ledger's answer also has the end of the instance, if any. */
  async settle(): Promise<Settlement> {
    const second = nowSecond();
    const { instanceId, teamId } = this.state;
    const settlement = await ledger.settleInstance({ instanceId, nowSecond: second });
    // The watch may still sleep to the crossing of an earlier plan: the wake of a re-price can arrive late.
    if (settlement.watchMustKnow) await wakes.tellWatch({ teamId });
    if (settlement.status === 'running') this.state.rateMicrosPerHour = settlement.rateMicrosPerHour;
    this.state.costMicros = settlement.status === 'running' ? settlement.costMicros : settlement.receipt.costMicros;
    showDetails(
      settlement.status === 'running' ? tableOfRunning(settlement, second) : tableOfEnded(settlement.receipt),
    );
    return settlement;
  }

  async stopMachine(): Promise<void> {
    const { instanceId } = this.state;
    this.show('stopping_machine');
    const summary = `have the platform stop ${instanceId}`;
    await platform.terminateMachine.executeWithOptions({ summary }, [{ instanceId }]);
    await ledger.confirmTerminated({ instanceId, nowSecond: nowSecond() });
  }

  show(state: InstanceState['state']): void {
    this.state.state = state;
    this.shown.set(state);
  }

  private async settleForOperator(): Promise<InstanceState> {
    await this.admission.untilAdmitted();
    await this.settle();
    return this.state;
  }

  private async endByOperator(): Promise<Receipt> {
    await this.admission.untilAdmitted();
    const { instanceId, teamId } = this.state;
    const end = { reason: 'operator' as const, nowSecond: nowSecond(), platformAsked: false };
    const receipt = await ledger.stopInstance({ instanceId, ...end });
    this.wakeSignal.arrived();
    await wakes.tellWatch({ teamId });
    return receipt;
  }
}

const tableOfRunning = (running: RunningInstance, asOfSecond: number) => ({
  'as of': when(asOfSecond),
  'rate per hour': dollars(running.rateMicrosPerHour),
  'cost so far': dollars(running.costMicros),
  'team balance': dollars(running.availableMicros),
  'next crossing': running.next ? `${running.next.what} at ${when(running.next.second)}` : 'none',
});

const tableOfEnded = (receipt: Receipt) => ({
  ended: when(receipt.endSecond),
  reason: receipt.reason,
  seconds: String(receipt.seconds),
  cost: dollars(receipt.costMicros),
});
