/** Records settlements, re-prices and ends of instances. Starts are recorded by starting.ts. */
import { type Account, type BillingSettings, moneySecond, spendableMicros } from '../billing/account.ts';
import type { Effect, EndReason } from '../billing/change.ts';
import { type Crossing, nextCrossing } from '../billing/crossings.ts';
import { BillingError } from '../billing/errors.ts';
import { advance } from '../billing/facts.ts';
import { reclaimCause } from '../billing/ids.ts';
import { announceReclaim, repriceInstance, setShedOrder, settleInstance, stopInstance } from '../billing/instances.ts';
import { type Micros, micros } from '../billing/money.ts';
import { costOfSegmentsMicros } from '../billing/usage.ts';
import type { Read } from '../prisma/accounts.ts';
import { confirmTerminated, type Instance } from '../prisma/instances.ts';
import type { NewNotice } from '../prisma/notices.ts';
import { recordFact } from '../prisma/record.ts';
import { closedOnes, type SegmentOfInstance } from '../prisma/segments.ts';
import { lastPostingOf } from '../prisma/transfers.ts';
import { lookFor } from './looks.ts';
import { admit, start } from './starting.ts';
import { actIn, type LedgerWorld } from './world.ts';

export interface Receipt {
  instanceId: string;
  teamId: string;
  startSecond: number;
  endSecond: number;
  seconds: number;
  costMicros: Micros;
  reason: EndReason;
}

/**
 * The state of an instance after a settlement: running, or ended by any cause. `watchMustKnow`: the settlement recorded
 * a crossing (an end of credit or a due charge) that only the watch announces.
 */
export type Settlement = { watchMustKnow?: true } & (
  | {
      status: 'running';
      rateMicrosPerHour: Micros;
      costMicros: Micros;
      availableMicros: Micros;
      next: Crossing | null;
    }
  | { status: 'ended'; receipt: Receipt; machineGone: boolean }
);

export const instanceActs = (world: LedgerWorld) => ({
  startInstance: actIn(world, start),
  admitInstance: actIn(world, admit),
  settleInstance: actIn(world, settle),
  stopInstance: actIn(world, stop),
  repriceInstance: actIn(world, reprice),
  announceReclaim: actIn(world, recordReclaim),
  setShedOrder: actIn(world, orderShedding),
  confirmTerminated: actIn(world, confirmGone),
});

/**
 * Posts the amount that the instance owes through `nowSecond`, and returns its state. Only the instance's workflow
 * settles, and learns of a start and an end from the state.
 */
async function settle(
  { db, settings }: LedgerWorld,
  input: { instanceId: string; nowSecond: number },
  causedBy: string,
): Promise<Settlement> {
  const { instanceId, nowSecond } = input;
  const about = { causedBy, throughSecond: nowSecond, instanceIds: [instanceId] };
  return recordFact<Settlement>(db, about, async (account, _, read) => {
    const recorded = readOf(read);
    const outcome =
      recorded.instance.endSecond === null
        ? settleInstance(account, settings, instanceId, nowSecond)
        : advance(account, settings, nowSecond);
    const look = lookFor(outcome.effects);
    const settlement = settlementOf(afterEffects(recorded, outcome.effects), outcome.account, settings);
    const answer = async () => ({ ...settlement, ...(look === 'due' && { watchMustKnow: true as const }) });
    return { outcome, look, mark: { instanceId, seen: true }, answer };
  });
}

/**
 * Records the end of an instance and returns the receipt, from the same transaction. An ended instance keeps its
 * receipt. `platformAsked`: the platform knows of the end and stops the machine, so no order is sent.
 * @throws BillingError `not_found`, `at_out_of_range`
 */
async function stop(
  { db, settings }: LedgerWorld,
  input: { instanceId: string; reason: EndReason; atSecond?: number; nowSecond: number; platformAsked: boolean },
  causedBy: string,
): Promise<Receipt> {
  const { instanceId, reason, atSecond, nowSecond, platformAsked } = input;
  const about = {
    causedBy,
    throughSecond: nowSecond,
    instanceIds: [instanceId],
    also: lastPostingOf(instanceId),
  };
  return recordFact<Receipt, string | null>(db, about, async (account, _, read) => {
    const recorded = readOf(read);
    const end = {
      instanceId,
      reason,
      closedSegments: closedOnes(recorded.segments),
      ...(atSecond !== undefined && { atSecond }),
      ...(read.also !== null && { lastPostingReference: read.also }),
    };
    const outcome =
      recorded.instance.endSecond === null
        ? stopInstance(account, settings, end, nowSecond)
        : advance(account, settings, nowSecond);
    const receipt = receiptOf(afterEffects(recorded, outcome.effects));
    if (!receipt) throw new Error(`instance ${instanceId} is still running`);
    const mark = platformAsked ? { instanceId, confirmedSecond: nowSecond } : null;
    return { outcome, mark, answer: async () => receipt };
  });
}

/**
 * Ends one segment and begins the next.
 * @throws BillingError `not_found`, `instance_ended`, `at_out_of_range`
 */
async function reprice(
  { db, settings }: LedgerWorld,
  input: { instanceId: string; rateMicrosPerHour: Micros; atSecond?: number; nowSecond: number },
  causedBy: string,
): Promise<void> {
  const { instanceId, rateMicrosPerHour, atSecond } = input;
  const change = { instanceId, rateMicrosPerHour, ...(atSecond !== undefined && { atSecond }) };
  const about = { causedBy, throughSecond: input.nowSecond, instanceIds: [instanceId] };
  await recordFact(db, about, async (account) => ({
    outcome: repriceInstance(account, settings, change, input.nowSecond),
    answer: async () => {},
  }));
}

/**
 * Announces the second at which the platform takes a spot instance back. The instance ends at that second, and the
 * team is mailed.
 * @throws BillingError `not_found`, `instance_ended`, `not_spot`, `at_out_of_range`
 */
async function recordReclaim(
  { db, settings }: LedgerWorld,
  input: { instanceId: string; reclaimSecond: number; nowSecond: number },
  causedBy: string,
): Promise<void> {
  const { instanceId, reclaimSecond, nowSecond } = input;
  const about = { causedBy, throughSecond: nowSecond, instanceIds: [instanceId] };
  await recordFact(db, about, async (account) => {
    const outcome = announceReclaim(account, settings, { instanceId, reclaimSecond }, nowSecond);
    const isNew = outcome.effects.some(({ kind }) => kind === 'reclaim_announced');
    const cause = reclaimCause(instanceId, reclaimSecond);
    const second = outcome.account.asOfSecond;
    const notice: NewNotice = {
      teamId: account.teamId,
      second,
      cause,
      data: { instanceId, reclaimSecond },
      channel: 'mail',
      kind: 'spot_reclaim',
    };
    return { outcome, notices: isNew ? [notice] : [], answer: async () => {} };
  });
}

/**
 * Sets the order in which a team's running instances end at the end of credit, first in the list first.
 * @throws BillingError `not_found`, naming `order`, for an instance that does not run
 */
const orderShedding = (
  { db, settings }: LedgerWorld,
  input: { teamId: string; instanceIds: string[]; nowSecond: number },
  causedBy: string,
): Promise<void> =>
  recordFact(db, { teamId: input.teamId, causedBy, throughSecond: input.nowSecond }, async (account) => {
    const order = new Map(input.instanceIds.map((instanceId, index) => [instanceId, index + 1]));
    const outcome = setShedOrder(account, settings, order, input.nowSecond);
    const running = new Set(outcome.account.meters.map(({ instanceId }) => instanceId));
    const unknown = input.instanceIds.find((instanceId) => !running.has(instanceId));
    if (unknown !== undefined)
      throw new BillingError('not_found', `no running instance ${unknown} of this team`, 'order');
    return { outcome, answer: async () => {} };
  });

/** Records the platform's confirmation that the machine is gone. */
const confirmGone = ({ db }: LedgerWorld, input: { instanceId: string; nowSecond: number }): Promise<void> =>
  confirmTerminated(db, [input.instanceId], input.nowSecond);

/** An instance and its segments. */
interface InstanceOfFact {
  instance: Instance;
  segments: SegmentOfInstance[];
}

const readOf = ({ instances: [instance], segments }: Read<unknown>): InstanceOfFact => {
  if (!instance) throw new BillingError('not_found', 'no such instance', 'id');
  return { instance, segments };
};

/** An instance as the effects of a change leave it. An instance that has ended keeps its end. */
function afterEffects({ instance, segments }: InstanceOfFact, effects: readonly Effect[]): InstanceOfFact {
  const after = new Map(segments.map((segment) => [segment.segment, segment]));
  let { endSecond, reason, terminatedConfirmedSecond } = instance;
  for (const effect of effects) {
    if (effect.kind === 'instance_ended' && effect.instanceId === instance.id && endSecond === null) {
      ({ endSecond, reason } = effect);
      if (reason === 'spot_reclaimed') terminatedConfirmedSecond = endSecond;
    }
    if (effect.kind !== 'meter_opened' && effect.kind !== 'meter_closed') continue;
    const { meter } = effect;
    const segmentEnd = effect.kind === 'meter_closed' ? effect.endSecond : null;
    if (meter.instanceId === instance.id) after.set(meter.segment, { ...meter, endSecond: segmentEnd });
  }
  return { instance: { ...instance, endSecond, reason, terminatedConfirmedSecond }, segments: [...after.values()] };
}

/** The receipt of an instance that has ended; null while it runs. */
function receiptOf({ instance, segments }: InstanceOfFact): Receipt | null {
  const { id: instanceId, teamId, startSecond, endSecond, reason } = instance;
  if (endSecond === null || reason === null) return null;
  const seconds = endSecond - startSecond;
  return {
    instanceId,
    teamId,
    startSecond,
    endSecond,
    seconds,
    costMicros: costOfSegmentsMicros(segments, endSecond),
    reason,
  };
}

function settlementOf(settled: InstanceOfFact, account: Account, settings: BillingSettings): Settlement {
  const { instance, segments } = settled;
  const receipt = receiptOf(settled);
  if (receipt) return { status: 'ended', receipt, machineGone: instance.terminatedConfirmedSecond !== null };
  return {
    status: 'running',
    rateMicrosPerHour: segments.at(-1)?.rateMicrosPerHour ?? micros(0),
    costMicros: costOfSegmentsMicros(segments, moneySecond(account, account.asOfSecond)),
    availableMicros: spendableMicros(account, account.asOfSecond),
    next: nextCrossing(account, settings),
  };
}
