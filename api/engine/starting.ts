/** Starts an instance: records the start in the team's transaction, then gives the instance to its workflow. */

import { BillingError } from '../../billing/errors.ts';
import type { Micros } from '../../billing/money.ts';
import { OR_SEND_HOURLY, priceNotFound } from '../../ledger/prices.ts';
import { SuccessorRuns } from '../../ledger/resuming.ts';
import type { StartedInstance } from '../../ledger/starting.ts';
import { requestHashOf } from '../../prisma/digest.ts';
import { runsUnwatched } from '../../prisma/due-work.ts';
import { findInstance, type Instance, type InstanceSpec } from '../../prisma/instances.ts';
import { isCommitUnknown } from '../../prisma/sqlstate.ts';
import { inputOfStarted } from '../../workflows/signals.ts';
import type { Call } from '../http/calls.ts';
import { DetailedError } from '../http/errors.ts';
import { instanceIdTaken } from '../http/suggestions.ts';
import type { ApiWorld } from '../world.ts';
import { engineUnavailable } from './engine.ts';
import { recordedAfterAll } from './recorded.ts';
import { giveToWorkflow, mustBeServedSoon } from './recorded-first.ts';
import type { Wakes } from './wakes.ts';

export const hashOfSpec = (spec: Omit<InstanceSpec, 'id' | 'requestHash'>): string => {
  const { teamId, project, gpuType, region, pricing, hourlyMicros, shedOrder, resumedFrom, detailsHash } = spec;
  const hashedFields = [teamId, project, gpuType, region, pricing, hourlyMicros, shedOrder, resumedFrom];
  if (detailsHash !== undefined) hashedFields.push(detailsHash);
  return requestHashOf(hashedFields);
};

/**
 * Starts an instance, once. A repeat of the same start returns the same instance, also after its end.
 * @param pricedAt the rate of the call: given, or the list's price as of the receipt; null where no price is listed
 * @throws BillingError `insufficient_credit`, `team_suspended`, `team_archived`, `no_reservation`, `price_not_found`,
 *   `instance_active` of a resume, `id_taken`; `engine_unavailable`, after which nothing was recorded;
 *   `outcome_unknown`
 */
export async function startInstance(
  world: ApiWorld,
  wake: Wakes,
  call: Call,
  spec: InstanceSpec,
  pricedAt: Micros | null,
): Promise<Instance> {
  const existing = await findInstance(world.db, spec.id);
  if (existing) return sameOrTaken(existing, spec);
  if (pricedAt === null) throw priceNotFound(OR_SEND_HOURLY);
  await mustBeServedSoon(world, call, spec.teamId, 'starts', runsUnwatched);
  const started = await recordedInstance(world, call, spec, pricedAt);
  const input = { ...inputOfStarted(started, world.settleEveryMs), saysRunning: true as const };
  const watched = giveToWorkflow(call, { instanceId: spec.id }, () =>
    world.engine.startInstance(input, call.requestId),
  );
  await Promise.all([watched, wake({ what: 'watch', id: spec.teamId })]);
  return started.instance;
}

/** Returns the row under this id if the row is the same instance. */
function sameOrTaken(row: Instance, spec: InstanceSpec): Instance {
  if (row.requestHash === spec.requestHash) return row;
  throw instanceIdTaken(row, spec.teamId);
}

/** Records the start. A commit whose outcome is unknown is looked up under the team's lock. */
async function recordedInstance(
  world: ApiWorld,
  call: Call,
  spec: InstanceSpec,
  rateMicrosPerHour: Micros,
): Promise<StartedInstance> {
  const { ledger, db } = world;
  try {
    return await ledger.startInstance({ spec, receivedSecond: call.receivedSecond }, call.requestId);
  } catch (error) {
    if (error instanceof BillingError && error.code === 'id_taken')
      throw instanceIdTaken(await findInstance(db, spec.id), spec.teamId);
    if (error instanceof SuccessorRuns)
      throw new DetailedError('instance_active', error.message, { instance: error.instanceId });
    if (!isCommitUnknown(error)) throw error;
    const instance = await recordedAfterAll(world, call, spec.teamId, (tx) => findInstance(tx, spec.id));
    if (instance === null) throw engineUnavailable();
    return { instance: sameOrTaken(instance, spec), rateMicrosPerHour };
  }
}
