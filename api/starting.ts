/** Starting an instance: told to the engine, and answered only with what is so. */
import { createHash } from 'node:crypto';
import { type Admission, OR_SEND_HOURLY, priceNotFound } from '../activities/ledger/instances.ts';
import { BillingError } from '../billing/errors.ts';
import { noReservation } from '../billing/instances.ts';
import type { Micros } from '../billing/money.ts';
import { teamArchived } from '../billing/team-state.ts';
import { callIdOf } from '../prisma/abandoned-calls.ts';
import { findInstance, type Instance, type InstanceSpec } from '../prisma/instances.ts';
import { type Call, random128 } from './calls.ts';
import { engineUnavailable } from './engine.ts';
import { DetailedError } from './errors.ts';
import { instanceIdTaken } from './suggestions.ts';
import { admissionOf, foundOrAbandoned, notAfterMs, readRecorded } from './unanswered.ts';
import type { ApiWorld } from './world.ts';

/** What was asked for, apart from the id: tells a repeat from another start under the same id. */
export const hashOfSpec = (spec: Omit<InstanceSpec, 'id' | 'requestHash'>): string => {
  const { teamId, project, gpuType, region, pricing, hourlyMicros, shedOrder, resumedFrom, detailsHash } = spec;
  const asked = [teamId, project, gpuType, region, pricing, hourlyMicros, shedOrder, resumedFrom];
  if (detailsHash !== undefined) asked.push(detailsHash);
  return createHash('sha256').update(JSON.stringify(asked)).digest('hex');
};

/** A row under this id is this instance, or another's. */
function sameOrTaken(row: Instance, spec: InstanceSpec): Instance {
  if (row.requestHash === spec.requestHash) return row;
  throw instanceIdTaken(row, spec.teamId);
}

/**
 * Starts an instance, once: a repeat of the same start answers the same instance, also after its end.
 * @param pricedAt what the call is made at: given, or the list's price as it was received; null where nothing is listed
 * @throws BillingError `insufficient_credit`, `team_suspended`, `team_archived`, `no_reservation`, `price_not_found`,
 *   `instance_active` of a resume and `engine_unavailable`, after which this call starts nothing; `id_taken`
 */
export async function startInstance(
  world: ApiWorld,
  call: Call,
  spec: InstanceSpec,
  pricedAt: Micros | null,
): Promise<Instance> {
  const existing = await findInstance(world.db, spec.id);
  if (existing) return sameOrTaken(existing, spec);
  if (pricedAt === null) throw priceNotFound(OR_SEND_HOURLY);

  const callId = callIdOf(`instance/${spec.id}`, call.receivedSecond, random128());
  const admission = await admitted(world, call, spec, pricedAt, callId);
  if (admission?.status === 'refused' && admission.code === 'id_taken')
    throw instanceIdTaken(await findInstance(world.db, spec.id), spec.teamId);
  if (admission?.status === 'refused' && admission.code !== 'start_expired') throw refusalOf(admission);

  const row =
    admission?.status === 'admitted'
      ? await readRecorded(world, call, () => findInstance(world.db, spec.id))
      : await foundOrAbandoned(world, call, { teamId: spec.teamId, callId }, (tx) => findInstance(tx, spec.id));
  if (!row) throw engineUnavailable();
  return sameOrTaken(row, spec);
}

function refusalOf({ code, message, instanceId }: Extract<Admission, { status: 'refused' }>): BillingError {
  switch (code) {
    case 'id_taken':
      return new BillingError('id_taken', 'another instance has this id', 'id');
    case 'no_reservation':
      return noReservation();
    // It was withdrawn between the call and its admission.
    case 'price_not_found':
      return priceNotFound(OR_SEND_HOURLY);
    case 'team_archived':
      return teamArchived();
    case 'team_suspended':
      return new BillingError(code, message ?? 'the team is suspended', 'team');
    case 'instance_active':
      return new DetailedError(code, message ?? 'the instance is running', {
        ...(instanceId !== undefined && { instance: instanceId }),
      });
    default:
      return new BillingError('insufficient_credit', message ?? 'there is not enough credit for a start');
  }
}

/** The engine's answer, or null when it gave none that concerns this call. */
function admitted(
  world: ApiWorld,
  call: Call,
  spec: InstanceSpec,
  rateMicrosPerHour: Micros,
  callId: string,
): Promise<Admission | null> {
  const input = {
    spec,
    rateMicrosPerHour,
    receivedSecond: call.receivedSecond,
    callId,
    notAfterMs: notAfterMs(world, call),
    settleEveryMs: world.settleEveryMs,
  };
  return admissionOf(world, call, callId, (deadlineMs) => world.engine.admit(input, call.requestId, deadlineMs));
}
