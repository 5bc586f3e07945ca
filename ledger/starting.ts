/** Records starts of instances: admission, the price of the second of the start, and repeats of a start. */
import type { BillingSettings } from '../billing/account.ts';
import { BillingError, refusalAmong } from '../billing/errors.ts';
import { type InstanceOrder, startInstance } from '../billing/instances.ts';
import { type Micros, micros } from '../billing/money.ts';
import { type GpuPrice, listMicrosOf } from '../billing/prices.ts';
import { isAbandoned } from '../prisma/abandoned-calls.ts';
import { isUniqueViolation, type Tx } from '../prisma/client.ts';
import {
  findInstance,
  type Instance,
  type InstanceSpec,
  instanceInsert,
  startedInstance,
} from '../prisma/instances.ts';
import { gpuPriceOfStart } from '../prisma/prices.ts';
import { type FactRecordOf, recordFact } from '../prisma/record.ts';
import { OR_SEND_HOURLY, priceNotFound } from './prices.ts';
import { checkNothingRuns, SuccessorRuns } from './resuming.ts';
import type { LedgerWorld } from './world.ts';

const REFUSALS = [
  'insufficient_credit',
  'budget_met',
  'burn_limit',
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

/** A started instance, and the rate of its first segment. */
export interface StartedInstance {
  instance: Instance;
  rateMicrosPerHour: Micros;
}

/**
 * Starts an instance: under the team's row lock the minimum is checked, the price is fixed as of the second of the
 * start and the meter is opened. The same id with the same request again is the same instance. The instance's workflow
 * is started after the commit: see prisma/due-work.ts.
 * @throws BillingError `insufficient_credit`, `budget_met`, `burn_limit`, `team_suspended`, `team_archived`,
 * `instance_active`, `id_taken`, `no_reservation`, `price_not_found`, `amount_out_of_range`
 */
export const start = (
  world: LedgerWorld,
  input: { spec: InstanceSpec; receivedSecond: number },
  causedBy: string,
): Promise<StartedInstance> => recordStart(world, input, causedBy, async () => {});

/**
 * Starts an instance for a workflow that an api of an earlier release has started. A refusal is returned and not
 * thrown. The start is refused if the api has already answered 503 to its caller.
 * @param input `rateMicrosPerHour` is the price of the call; the list's price counts, or the given one
 */
export async function admit(
  world: LedgerWorld,
  input: {
    spec: InstanceSpec;
    rateMicrosPerHour: Micros;
    callId?: string;
    notAfterMs?: number;
    nowMs: number;
    receivedSecond: number;
  },
  causedBy: string,
): Promise<Admission> {
  const { callId, notAfterMs = Number.POSITIVE_INFINITY, nowMs } = input;
  // Checked after the look: a late try may follow a timely one whose answer was lost.
  const mustBeInTime = async (tx: Tx) => {
    if (nowMs > notAfterMs || (callId !== undefined && (await isAbandoned(tx, callId))))
      throw new BillingError('start_expired', 'the caller was answered already');
  };
  try {
    const { instance, rateMicrosPerHour } = await recordStart(world, input, causedBy, mustBeInTime);
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
}

/** @param mayStart throws where a start that was not recorded before must not be recorded any more */
async function recordStart(
  { db, settings }: LedgerWorld,
  { spec, receivedSecond }: { spec: InstanceSpec; receivedSecond: number },
  causedBy: string,
  mayStart: (tx: Tx) => Promise<void>,
): Promise<StartedInstance> {
  const about = {
    teamId: spec.teamId,
    causedBy,
    throughSecond: receivedSecond,
    ...readsOf(spec, settings, receivedSecond),
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
      await checkNothingRuns(tx, account, settings, { instanceId: spec.resumedFrom, nowSecond: receivedSecond });
    const outcome = startInstance(account, settings, orderOf(spec, price), receivedSecond);
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

/**
 * The values that a start reads beside the account: the list's price as of the second of the start, and the team's
 * spending where volume earns a discount.
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
    pricedPair: { gpuType, region },
    ...(volumeTiers.length > 0 && { for: 'start' as const }),
    also: gpuPriceOfStart({ gpuType, region }, receivedSecond),
  };
}

/** @throws BillingError `price_not_found` where nothing is offered at the second of the start */
function orderOf(spec: InstanceSpec, price: GpuPrice | null): InstanceOrder {
  const { id: instanceId, project, pricing, gpuType, region, shedOrder, hourlyMicros } = spec;
  const order = { instanceId, project, pricing, gpuType, region, shedOrder };
  if (hourlyMicros !== null) return { ...order, given: true, listMicrosPerHour: hourlyMicros };
  if (!price) throw priceNotFound(OR_SEND_HOURLY);
  return { ...order, given: false, listMicrosPerHour: listMicrosOf(price, pricing) };
}

const idTaken = () => new BillingError('id_taken', 'another instance has this id', 'id');
