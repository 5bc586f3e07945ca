/**
 * Team discounts: the higher of the assigned discount and the volume discount applies, never both. Source:
 * docs/rules.md#discounts.
 */
import { type Micros, micros, mulDivHalfUp } from './money.ts';

/** A basis point is one hundredth of a percent. */
const BASIS_POINTS = 10_000;

/** A discount for teams with at least the given spending in the trailing 30 days. */
export interface VolumeTier {
  spendMicros: Micros;
  basisPoints: number;
}

export interface AssignedDiscount {
  basisPoints: number;
  /** The first second without the discount. Null: until the discount is changed. */
  untilSecond: number | null;
}

export type DiscountKind = 'volume' | 'assigned';

export interface Discount {
  basisPoints: number;
  kind: DiscountKind | null;
}

/** The discount of the highest tier that the spending reaches. */
export const volumeBasisPointsOf = (tiers: readonly VolumeTier[], spentMicros: Micros): number =>
  tiers.reduce(
    (most, { spendMicros, basisPoints }) => (spentMicros >= spendMicros ? Math.max(most, basisPoints) : most),
    0,
  );

/** The next tier above a team's spending. Null at the highest tier. */
export function nextTierOf(tiers: readonly VolumeTier[], spentMicros: Micros): VolumeTier | null {
  const earned = volumeBasisPointsOf(tiers, spentMicros);
  const better = tiers.filter(({ spendMicros, basisPoints }) => spendMicros > spentMicros && basisPoints > earned);
  return better.reduce<VolumeTier | null>(
    (next, tier) => (next === null || tier.spendMicros < next.spendMicros ? tier : next),
    null,
  );
}

/** The discount that applies at a second. */
export function discountAt(assigned: AssignedDiscount | null, volumeBasisPoints: number, second: number): Discount {
  const holds = assigned !== null && (assigned.untilSecond === null || second < assigned.untilSecond);
  const assignedBasisPoints = holds ? assigned.basisPoints : 0;
  const basisPoints = Math.max(assignedBasisPoints, volumeBasisPoints);
  if (basisPoints === 0) return { basisPoints, kind: null };
  return { basisPoints, kind: assignedBasisPoints >= volumeBasisPoints ? 'assigned' : 'volume' };
}

/** A price less a discount, rounded half up to a micro. */
export const discountedMicros = (listMicros: Micros, basisPoints: number): Micros =>
  micros(mulDivHalfUp(listMicros, BASIS_POINTS - basisPoints, BASIS_POINTS));
