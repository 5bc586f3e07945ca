/** Reserving: told to the engine, and answered only with what is so. */
import { createHash } from 'node:crypto';
import { priceNotFound } from '../activities/ledger/instances.ts';
import type { ReservationRefusal } from '../activities/ledger/reservations.ts';
import { BillingError } from '../billing/errors.ts';
import { teamArchived } from '../billing/team-state.ts';
import { callIdOf } from '../prisma/abandoned-calls.ts';
import { gpuPriceAt } from '../prisma/prices.ts';
import { findReservation, type Reservation, type ReservationSpec } from '../prisma/reservations.ts';
import { type Call, random128 } from './calls.ts';
import { engineUnavailable } from './engine.ts';
import { admissionOf, foundOrAbandoned, notAfterMs, readRecorded } from './unanswered.ts';
import type { ApiWorld } from './world.ts';

/** What was asked for, apart from the id: tells a repeat from another reservation under the same id. */
const hashOfSpec = ({ teamId, gpuType, region, count, term, renew }: Omit<ReservationSpec, 'id' | 'requestHash'>) =>
  createHash('sha256')
    .update(JSON.stringify([teamId, gpuType, region, count, term, renew]))
    .digest('hex');

const idTaken = () => new BillingError('id_taken', 'another reservation has this id', 'id');

/** A row under this id is this reservation, or another. */
function sameOrTaken(row: Reservation, spec: ReservationSpec): Reservation {
  if (row.requestHash === spec.requestHash) return row;
  throw idTaken();
}

const REFUSAL: Record<ReservationRefusal, (message?: string) => BillingError> = {
  insufficient_credit: (message = 'there is not enough credit for a reservation') =>
    new BillingError('insufficient_credit', message),
  team_suspended: (message = 'the team is suspended') => new BillingError('team_suspended', message, 'team'),
  team_archived: () => teamArchived(),
  id_taken: idTaken,
  // It was withdrawn between the call and its admission.
  price_not_found: () => priceNotFound(),
  start_expired: engineUnavailable,
};

/**
 * Begins a reservation, once: a repeat of the same call answers the same reservation, also after its end.
 * @throws BillingError `insufficient_credit`, `price_not_found` and `engine_unavailable`, after which there is no such
 *   reservation and none comes to be by this call; `id_taken`
 */
export async function reserve(
  world: ApiWorld,
  call: Call,
  asked: Omit<ReservationSpec, 'requestHash'>,
): Promise<Reservation> {
  const { db, engine, settleEveryMs } = world;
  const spec = { ...asked, requestHash: hashOfSpec(asked) };
  const { id, teamId } = spec;
  const existing = await findReservation(db, id);
  if (existing) return sameOrTaken(existing, spec);
  if (!(await gpuPriceAt(db, spec, call.receivedSecond))) throw priceNotFound();

  const callId = callIdOf(`reservation/${id}`, call.receivedSecond, random128());
  const { receivedSecond } = call;
  const input = { spec, receivedSecond, callId, notAfterMs: notAfterMs(world, call), settleEveryMs };
  const admission = await admissionOf(world, call, callId, (deadlineMs) =>
    engine.reserve(input, call.requestId, deadlineMs),
  );
  if (admission?.status === 'refused' && admission.code !== 'start_expired')
    throw REFUSAL[admission.code](admission.message);

  const row =
    admission?.status === 'admitted'
      ? await readRecorded(world, call, () => findReservation(db, id))
      : await foundOrAbandoned(world, call, { teamId, callId }, (tx) => findReservation(tx, id));
  if (!row) throw engineUnavailable();
  return sameOrTaken(row, spec);
}
