/**
 * Begins a reservation: records the reservation in the team's transaction, then gives the reservation to its workflow.
 */

import { BillingError } from '../../billing/errors.ts';
import { priceNotFound } from '../../ledger/prices.ts';
import type { BegunReservation } from '../../ledger/reservations.ts';
import { requestHashOf } from '../../prisma/digest.ts';
import { gpuPriceAt } from '../../prisma/prices.ts';
import { findReservation, type Reservation, type ReservationSpec, termsOf } from '../../prisma/reservations.ts';
import { isCommitUnknown } from '../../prisma/sqlstate.ts';
import { inputOfBegun } from '../../workflows/signals.ts';
import type { Call } from '../http/calls.ts';
import type { ApiWorld } from '../world.ts';
import { engineUnavailable } from './engine.ts';
import { recordedAfterAll } from './recorded.ts';
import { giveToWorkflow, mustBeReachable } from './recorded-first.ts';
import type { Wakes } from './wakes.ts';

const hashOfSpec = ({ teamId, gpuType, region, count, term, renew }: Omit<ReservationSpec, 'id' | 'requestHash'>) =>
  requestHashOf([teamId, gpuType, region, count, term, renew]);

const idTaken = () => new BillingError('id_taken', 'another reservation has this id', 'id');

/** Returns the row under this id if the row is the same reservation. */
function sameOrTaken(row: Reservation, spec: ReservationSpec): Reservation {
  if (row.requestHash === spec.requestHash) return row;
  throw idTaken();
}

/**
 * Begins a reservation, once. A repeat of the same call returns the same reservation, also after its end.
 * @throws BillingError `insufficient_credit`, `team_suspended`, `team_archived`, `price_not_found`, `id_taken`;
 *   `engine_unavailable`, after which nothing was recorded; `outcome_unknown`
 */
export async function reserve(
  world: ApiWorld,
  wake: Wakes,
  call: Call,
  asked: Omit<ReservationSpec, 'requestHash'>,
): Promise<Reservation> {
  const { db, engine, settleEveryMs } = world;
  const spec = { ...asked, requestHash: hashOfSpec(asked) };
  const existing = await findReservation(db, spec.id);
  if (existing) return sameOrTaken(existing, spec);
  if (!(await gpuPriceAt(db, spec, call.receivedSecond))) throw priceNotFound();
  await mustBeReachable(world);
  const begun = await recordedReservation(world, call, spec);
  const { reservation } = begun;
  const started = giveToWorkflow(call, { reservationId: spec.id }, () =>
    engine.startReservation(inputOfBegun(begun, settleEveryMs), call.requestId),
  );
  await Promise.all([started, wake({ what: 'watch', id: spec.teamId })]);
  return reservation;
}

/** Records the beginning. A commit whose outcome is unknown is looked up under the team's lock. */
async function recordedReservation(world: ApiWorld, call: Call, spec: ReservationSpec): Promise<BegunReservation> {
  try {
    return await world.ledger.beginReservation({ spec, receivedSecond: call.receivedSecond }, call.requestId);
  } catch (error) {
    if (!isCommitUnknown(error)) throw error;
    const found = await recordedAfterAll(world, call, spec.teamId, async (tx) => {
      const reservation = await findReservation(tx, spec.id);
      const [firstTerm] = reservation ? await termsOf(tx, [spec.id]) : [];
      return reservation && firstTerm ? { reservation, firstTerm } : null;
    });
    if (found === null) throw engineUnavailable();
    return { ...found, reservation: sameOrTaken(found.reservation, spec) };
  }
}
