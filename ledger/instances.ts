/** Records instances: admission, re-prices, settlements, end. */
import { type Account, type BillingSettings, moneySecond, spendableMicros } from '../billing/account.ts';
import type { Effect, EndReason } from '../billing/change.ts';
import { type Crossing, nextCrossing } from '../billing/crossings.ts';
import { BillingError, refusalAmong } from '../billing/errors.ts';
import { advance } from '../billing/facts.ts';
import { reclaimCause } from '../billing/ids.ts';
import {
  announceReclaim,
  type InstanceOrder,
  repriceInstance,
  setShedOrder,
  settleInstance,
  startInstance,
  stopInstance,
} from '../billing/instances.ts';
import { type Micros, micros } from '../billing/money.ts';
import { type GpuPrice, listMicrosOf } from '../billing/prices.ts';
import { costOfSegmentsMicros } from '../billing/usage.ts';
import { isAbandoned } from '../prisma/abandoned-calls.ts';
import type { Read } from '../prisma/accounts.ts';
import { isUniqueViolation, type Tx } from '../prisma/client.ts';
import {
  confirmTerminated,
  findInstance,
  type Instance,
  type InstanceSpec,
  instanceInsert,
  startedInstance,
} from '../prisma/instances.ts';
import type { NewNotice } from '../prisma/notices.ts';
import { gpuPriceOfStart } from '../prisma/prices.ts';
import { type FactRecordOf, recordFact } from '../prisma/record.ts';
import { closedOnes, type SegmentOfInstance } from '../prisma/segments.ts';
import { lastPostingOf } from '../prisma/transfers.ts';
import { checkNothingRuns, SuccessorRuns } from './resuming.ts';
import type { LedgerWorld } from './world.ts';

const REFUSALS = [
  'insufficient_credit',
  'team_suspended',
  'team_archived',
  'instance_active',
  'id_taken',
  'start_expired',
  'no_reservation',
  'price_not_found',
] as const;
export type AdmissionRefusal = (typeof REFUSALS)[number];

export type Admission =
  | { status: 'admitted'; startSecond: number; rateMicrosPerHour: Micros }
  /** `message`: the reason, in words for the caller. `instanceId`: the instance that runs already. */
  | { status: 'refused'; code: AdmissionRefusal; message?: string; instanceId?: string };

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

function settlementOf(settled: InstanceOfFact, account: Account, terms: BillingSettings): Settlement {
  const { instance, segments } = settled;
  const receipt = receiptOf(settled);
  if (receipt) return { status: 'ended', receipt, machineGone: instance.terminatedConfirmedSecond !== null };
  return {
    status: 'running',
    rateMicrosPerHour: segments.at(-1)?.rateMicrosPerHour ?? micros(0),
    costMicros: costOfSegmentsMicros(segments, moneySecond(account, account.asOfSecond)),
    availableMicros: spendableMicros(account, account.asOfSecond),
    next: nextCrossing(account, terms),
  };
}

/** Effects that only the watch acts on: mails, machine stops and charges. */
const FOR_THE_WATCH: ReadonlySet<Effect['kind']> = new Set([
  'exhausted',
  'attempt_opened',
  'low',
  'reservation_closed',
]);
export const isForTheWatch = (kind: Effect['kind']) => FOR_THE_WATCH.has(kind);

/** The look that the watch owes to a fact without its own plan. */
export const lookFor = (effects: readonly Effect[]): 'due' | 'unchanged' =>
  effects.some(({ kind }) => isForTheWatch(kind)) ? 'due' : 'unchanged';

/**
 * The values that a start reads beside the account: the list's price as of the second of the start, and the team's spending
 * where volume earns a discount.
 */
function readsOf(
  { id, hourlyMicros, gpuType, region }: InstanceSpec,
  { volumeTiers }: BillingSettings,
  receivedSecond: number,
) {
  const instanceIds = [id];
  if (hourlyMicros !== null) return { instanceIds };
  return {
    instanceIds,
    listed: { gpuType, region },
    ...(volumeTiers.length > 0 && { for: 'start' as const }),
    also: gpuPriceOfStart({ gpuType, region }, receivedSecond),
  };
}

/** @throws BillingError `price_not_found` where nothing is offered at the second of the start */
function orderOf(spec: InstanceSpec, price: GpuPrice | null): InstanceOrder {
  const { id: instanceId, pricing, gpuType, region, shedOrder, hourlyMicros } = spec;
  const order = { instanceId, pricing, gpuType, region, shedOrder };
  if (hourlyMicros !== null) return { ...order, given: true, listMicrosPerHour: hourlyMicros };
  if (!price) throw priceNotFound(OR_SEND_HOURLY);
  return { ...order, given: false, listMicrosPerHour: listMicrosOf(price, pricing) };
}

/** @returns the refusal of a start at a list price that does not exist; `instead` names the caller's alternatives */
export const priceNotFound = (instead = ''): BillingError =>
  new BillingError(
    'price_not_found',
    `this gpuType is not listed in this region: see GET /v1/prices${instead}`,
    'gpuType',
  );
export const OR_SEND_HOURLY = ', or send hourly';

/** A started instance, and the rate of its first segment. */
export interface StartedInstance {
  instance: Instance;
  rateMicrosPerHour: Micros;
}

/** @param mayStart throws where a start that was not recorded before must not be recorded any more */
async function start(
  { db, terms }: LedgerWorld,
  { spec, receivedSecond }: { spec: InstanceSpec; receivedSecond: number },
  causedBy: string,
  mayStart: (tx: Tx) => Promise<void> = async () => {},
): Promise<StartedInstance> {
  const about = {
    teamId: spec.teamId,
    causedBy,
    throughSecond: receivedSecond,
    ...readsOf(spec, terms, receivedSecond),
  };
  const fact: FactRecordOf<StartedInstance, GpuPrice | null> = async (
    account,
    tx,
    { instances, segments, also: price },
  ) => {
    const [existing] = instances;
    if (existing) {
      if (existing.requestHash !== spec.requestHash || existing.teamId !== spec.teamId) throw idTaken();
      const [first] = segments;
      const started = { instance: existing, rateMicrosPerHour: first?.rateMicrosPerHour ?? micros(0) };
      return { outcome: { account, effects: [] }, look: 'unchanged', answer: async () => started };
    }
    await mayStart(tx);
    if (spec.resumedFrom !== null)
      await checkNothingRuns(tx, account, terms, { instanceId: spec.resumedFrom, nowSecond: receivedSecond });
    const outcome = startInstance(account, terms, orderOf(spec, price), receivedSecond);
    const opened = outcome.account.meters.find(({ instanceId }) => instanceId === spec.id);
    const startSecond = outcome.account.asOfSecond;
    const instance = startedInstance(spec, startSecond);
    const started = { instance, rateMicrosPerHour: opened?.rateMicrosPerHour ?? micros(0) };
    return { outcome, inserts: [instanceInsert(spec, startSecond)], answer: async () => started };
  };
  try {
    return await recordFact(db, about, fact);
  } catch (error) {
    // Another team may have inserted the id since the look: that team's row lock was not held here.
    if (isUniqueViolation(error) && (await findInstance(db, spec.id)) !== null) throw idTaken();
    throw error;
  }
}

const idTaken = () => new BillingError('id_taken', 'another instance has this id', 'id');

export const instanceActs = ({ db, terms }: LedgerWorld) => ({
  /**
   * Starts an instance: under the team's row lock the minimum is checked, the price is fixed as of the second of the start
   * and the meter is opened. The same id with the same request again is the same instance. The instance's workflow is
   * started after the commit: see prisma/due-work.ts.
   * @throws BillingError `insufficient_credit`, `team_suspended`, `team_archived`, `instance_active`, `id_taken`,
   *   `no_reservation`, `price_not_found`, `amount_out_of_range`
   */
  startInstance: (input: { spec: InstanceSpec; receivedSecond: number }, causedBy: string): Promise<StartedInstance> =>
    start({ db, terms }, input, causedBy),

  /**
   * Starts an instance for a workflow that an api of an earlier release has started. A refusal is returned and not
   * thrown. A call that was answered 503 is refused.
   * @param input `rateMicrosPerHour` is the price of the call; the list's price counts, or the given one
   */
  admitInstance: async (
    input: {
      spec: InstanceSpec;
      rateMicrosPerHour: Micros;
      callId?: string;
      notAfterMs?: number;
      nowMs: number;
      receivedSecond: number;
    },
    causedBy: string,
  ): Promise<Admission> => {
    const { callId, notAfterMs = Number.POSITIVE_INFINITY, nowMs } = input;
    // Checked after the look: a late try may follow a timely one whose answer was lost.
    const mustBeInTime = async (tx: Tx) => {
      if (nowMs > notAfterMs || (callId !== undefined && (await isAbandoned(tx, callId))))
        throw new BillingError('start_expired', 'the caller was answered already');
    };
    try {
      const { instance, rateMicrosPerHour } = await start({ db, terms }, input, causedBy, mustBeInTime);
      return { status: 'admitted', startSecond: instance.startSecond, rateMicrosPerHour };
    } catch (error) {
      const code = refusalAmong(REFUSALS, error);
      if (code === null) throw error;
      const { message } = error as BillingError;
      return {
        status: 'refused',
        code,
        message,
        ...(error instanceof SuccessorRuns && { instanceId: error.instanceId }),
      };
    }
  },

  /**
   * Posts the amount that the instance owes through `nowSecond`, and returns its state. Only the instance's workflow
   * settles, and learns of a start and an end from the state.
   */
  settleInstance: async (input: { instanceId: string; nowSecond: number }, causedBy: string): Promise<Settlement> => {
    const { instanceId, nowSecond } = input;
    const about = { causedBy, throughSecond: nowSecond, instanceIds: [instanceId] };
    return recordFact<Settlement>(db, about, async (account, _, read) => {
      const recorded = readOf(read);
      const outcome =
        recorded.instance.endSecond === null
          ? settleInstance(account, terms, instanceId, nowSecond)
          : advance(account, terms, nowSecond);
      const look = lookFor(outcome.effects);
      const settlement = settlementOf(afterEffects(recorded, outcome.effects), outcome.account, terms);
      const answer = async () => ({ ...settlement, ...(look === 'due' && { watchMustKnow: true as const }) });
      return { outcome, look, mark: { instanceId, seen: true }, answer };
    });
  },

  /**
   * Records the end of an instance and returns the receipt, from the same transaction. An ended instance keeps its
   * receipt. `platformAsked`: the platform knows of the end and stops the machine, so no order is sent.
   * @throws BillingError `not_found`, `at_out_of_range`
   */
  stopInstance: async (
    input: { instanceId: string; reason: EndReason; atSecond?: number; nowSecond: number; platformAsked: boolean },
    causedBy: string,
  ): Promise<Receipt> => {
    const { instanceId, reason, atSecond, nowSecond, platformAsked } = input;
    const about = {
      causedBy,
      throughSecond: nowSecond,
      instanceIds: [instanceId],
      also: lastPostingOf(instanceId),
    };
    return recordFact<Receipt, string | null>(db, about, async (account, _, read) => {
      const recorded = readOf(read);
      const stop = {
        instanceId,
        reason,
        closedSegments: closedOnes(recorded.segments),
        ...(atSecond !== undefined && { atSecond }),
        ...(read.also !== null && { lastPostingReference: read.also }),
      };
      const outcome =
        recorded.instance.endSecond === null
          ? stopInstance(account, terms, stop, nowSecond)
          : advance(account, terms, nowSecond);
      const receipt = receiptOf(afterEffects(recorded, outcome.effects));
      if (!receipt) throw new Error(`instance ${instanceId} is still running`);
      const mark = platformAsked ? { instanceId, confirmedSecond: nowSecond } : null;
      return { outcome, mark, answer: async () => receipt };
    });
  },

  /**
   * Ends one segment and begins the next.
   * @throws BillingError `not_found`, `instance_ended`, `at_out_of_range`
   */
  repriceInstance: async (
    input: { instanceId: string; rateMicrosPerHour: Micros; atSecond?: number; nowSecond: number },
    causedBy: string,
  ): Promise<void> => {
    const { instanceId, rateMicrosPerHour, atSecond } = input;
    const reprice = { instanceId, rateMicrosPerHour, ...(atSecond !== undefined && { atSecond }) };
    const about = { causedBy, throughSecond: input.nowSecond, instanceIds: [instanceId] };
    await recordFact(db, about, async (account) => ({
      outcome: repriceInstance(account, terms, reprice, input.nowSecond),
      answer: async () => {},
    }));
  },

  /**
   * Announces the second at which the platform takes a spot instance back. The instance ends at that second, and the
   * team is mailed.
   * @throws BillingError `not_found`, `instance_ended`, `not_spot`, `at_out_of_range`
   */
  announceReclaim: async (
    input: { instanceId: string; reclaimSecond: number; nowSecond: number },
    causedBy: string,
  ): Promise<void> => {
    const { instanceId, reclaimSecond, nowSecond } = input;
    const about = { causedBy, throughSecond: nowSecond, instanceIds: [instanceId] };
    await recordFact(db, about, async (account) => {
      const outcome = announceReclaim(account, terms, { instanceId, reclaimSecond }, nowSecond);
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
  },

  /**
   * Sets the order in which a team's running instances end at the end of credit, first in the list first.
   * @throws BillingError `not_found`, naming `order`, for an instance that does not run
   */
  setShedOrder: (
    input: { teamId: string; instanceIds: string[]; nowSecond: number },
    causedBy: string,
  ): Promise<void> =>
    recordFact(db, { teamId: input.teamId, causedBy, throughSecond: input.nowSecond }, async (account) => {
      const order = new Map(input.instanceIds.map((instanceId, index) => [instanceId, index + 1]));
      const outcome = setShedOrder(account, terms, order, input.nowSecond);
      const running = new Set(outcome.account.meters.map(({ instanceId }) => instanceId));
      const unknown = input.instanceIds.find((instanceId) => !running.has(instanceId));
      if (unknown !== undefined)
        throw new BillingError('not_found', `no running instance ${unknown} of this team`, 'order');
      return { outcome, answer: async () => {} };
    }),

  /** Records the platform's confirmation that the machine is gone. */
  confirmTerminated: (input: { instanceId: string; nowSecond: number }): Promise<void> =>
    confirmTerminated(db, [input.instanceId], input.nowSecond),
});
