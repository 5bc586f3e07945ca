/**
 * Decides which instances a team's reservations pay for. The reservations of one GPU type and region are one pool. The
 * pool covers instances started as `reserved` first, then the most expensive instances, which saves the customer most.
 * Source: docs/rules.md#reservations.
 */
import { type Priced, uncoveredRateOf } from './prices.ts';
import type { ReservationMeter } from './reservation-meter.ts';

/** The fields of an instance that decide on its cover. */
export interface Coverable {
  instanceId: string;
  instanceStartSecond: number;
  priced: Priced;
}

export const isSamePair = (a: { gpuType: string; region: string }, b: { gpuType: string; region: string }): boolean =>
  a.gpuType === b.gpuType && a.region === b.region;

/** A given price is charged as given, unless the instance was started as `reserved`. */
const canBeCovered = ({ priced }: Coverable): boolean => priced.pricing === 'reserved' || !priced.given;

const isReserved = ({ priced }: Coverable): boolean => priced.pricing === 'reserved';

/** Sorts by cover priority, highest first. */
function byWorth(a: Coverable, b: Coverable): number {
  if (isReserved(a) !== isReserved(b)) return isReserved(a) ? -1 : 1;
  return (
    uncoveredRateOf(b.priced) - uncoveredRateOf(a.priced) ||
    a.instanceStartSecond - b.instanceStartSecond ||
    (a.instanceId < b.instanceId ? -1 : 1)
  );
}

const capacityOf = (reservations: readonly ReservationMeter[]): number =>
  reservations.reduce((sum, { count }) => sum + count, 0);

/** True if one more instance with `reserved` pricing would be covered. */
export function hasCoverFor(
  pair: { gpuType: string; region: string },
  instances: readonly Coverable[],
  reservations: readonly ReservationMeter[],
): boolean {
  const coveredCount = instances.filter((instance) => isReserved(instance) && isSamePair(instance.priced, pair)).length;
  return coveredCount < capacityOf(reservations.filter((reservation) => isSamePair(reservation, pair)));
}

/** The reservation of each covered instance. An instance keeps its reservation as long as the reservation has room. */
export function coversOf(
  instances: readonly Coverable[],
  reservations: readonly ReservationMeter[],
): ReadonlyMap<string, string> {
  const covers = new Map<string, string>();
  const room = new Map(reservations.map(({ reservationId, count }) => [reservationId, count]));
  const cover = (instance: Coverable, reservationId: string): void => {
    covers.set(instance.instanceId, reservationId);
    room.set(reservationId, (room.get(reservationId) ?? 0) - 1);
  };
  const hasRoom = (reservationId: string): boolean => (room.get(reservationId) ?? 0) > 0;

  const pairs = new Map(
    reservations.map((reservation) => [JSON.stringify([reservation.gpuType, reservation.region]), reservation]),
  );
  for (const pair of pairs.values()) {
    // Reservations with a late end come first, so covers change rarely.
    const pool = reservations
      .filter((reservation) => isSamePair(reservation, pair))
      .sort((a, b) => b.endSecond - a.endSecond || (a.reservationId < b.reservationId ? -1 : 1));
    const chosen = instances
      .filter((instance) => canBeCovered(instance) && isSamePair(instance.priced, pair))
      .sort(byWorth)
      .slice(0, capacityOf(pool));
    for (const instance of chosen) {
      const { coveredBy } = instance.priced;
      if (coveredBy !== null && hasRoom(coveredBy)) cover(instance, coveredBy);
    }
    for (const instance of chosen) {
      const free = pool.find(({ reservationId }) => hasRoom(reservationId));
      if (!covers.has(instance.instanceId) && free) cover(instance, free.reservationId);
    }
  }
  return covers;
}
