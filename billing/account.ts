/**
 * The records of a team's account: its balance line, meters, holds, disputes and top-up attempt, and the settings of the
 * money rules. crossings.ts computes the crossings ahead; facts.ts has the facts that change an account. Source:
 * docs/rules.md#balance.
 */
import type { Alerts } from './alerts.ts';
import type { AssignedDiscount, VolumeTier } from './discounts.ts';
import type { MeterSums } from './meter-sums.ts';
import { type Micros, ZERO } from './money.ts';
import type { GpuPrice } from './prices.ts';
import type { ReservationMeter } from './reservation-meter.ts';
import { availableMicros, type BalanceLine } from './runway.ts';
import { monthStart } from './time.ts';
import type { TopUpPolicy } from './top-up.ts';
import type { Meter } from './usage.ts';

/** A top-up attempt whose outcome is not known yet. */
export interface AttemptInFlight {
  number: number;
  depositId: string;
  openedSecond: number;
  amountMicros: Micros;
}

/** An open dispute over a deposit. The contested amount is held back, as far as there is credit. */
export interface Contest {
  disputeId: string;
  depositId: string;
  /** The contested amount as the provider states it. */
  claimedMicros: Micros;
  /** The team's liability: at most the deposit less its refunds. */
  amountMicros: Micros;
  /** A part of the account's `heldMicros`. */
  heldMicros: Micros;
}

/** The amount that is held until this second. At the second itself nothing is held any more. */
export interface HoldExpiry {
  second: number;
  micros: Micros;
}

/** By the first second of a day: the cost of the day's tokens and of ended stretches of running. */
export type SpentByDay = ReadonlyMap<number, Micros>;

export interface Account extends BalanceLine {
  teamId: string;
  /** The second of the last fact. No later fact has an earlier second. */
  asOfSecond: number;
  owedMicros: Micros;
  /** The team's fraction of a micro from token usage, in millionths. */
  remainderMillionths: number;
  meters: Meter[];
  /**
   * Sums of the running meters that are not in `meters`; null where all meters were read. The sums cover given prices,
   * and on-demand list prices that no reservation covers: never spot or reserved instances, and none with an announced
   * reclaim.
   */
  summed: MeterSums | null;
  /** Reservations whose term runs. */
  reservations: ReservationMeter[];
  /** Open disputes, in the order of opening. */
  contests: Contest[];
  /** The part of `heldMicros` that is held for requests under way, by second of release, soonest first. */
  holdExpiries: HoldExpiry[];
  /** The discount that an operator assigned. */
  discount: AssignedDiscount | null;
  /** The volume discount as of its last review. */
  volumeBasisPoints: number;
  /**
   * List prices in force and to come that can change a rate: of running spot instances, and of reservations to be
   * renewed.
   */
  prices: readonly GpuPrice[];
  /** Read only where needed: for a start at a list price, and where a midnight has passed with a discountable meter. */
  spentByDay: SpentByDay | null;
  /** Dated facts have taken effect through this second: the as-of second, or X while money stands at X. */
  datedThroughSecond: number;
  policy: TopUpPolicy | null;
  attempt: AttemptInFlight | null;
  /** The number of the last attempt, 0 before the first. Never reused. */
  attempts: number;
  lastAttemptSecond: number | null;
  /** Captured and in-flight auto top-ups of the UTC month that starts at `monthStartSecond`. */
  toppedUp: { monthStartSecond: number; micros: Micros };
  /** X, while a charge in flight keeps the exhaustion open: money stands here. */
  standsAtSecond: number | null;
  /** The number of exhaustions so far. Each exhaustion has its own row and mail. */
  exhaustions: number;
  /**
   * False from a low-balance warning until credit is well above the level again. For the deployment's level; levels of the
   * team have their own state.
   */
  lowArmed: boolean;
  /** The team's alerts; null where the team never set any. */
  alerts: Alerts | null;
  /** The second since which new spending is refused; null while the team may spend. */
  suspendedSecond: number | null;
  /** The second since which new facts are refused; null while the team takes facts. */
  archivedSecond: number | null;
}

/** The settings of the money rules in this deployment. */
export interface BillingSettings {
  cooldownSeconds: number;
  graceSeconds: number;
  minStartMicros: Micros;
  lowLevelMicros: Micros;
  volumeTiers: readonly VolumeTier[];
  /** The longest time from a charge to its credit; used by warnings only. */
  chargeLatencySeconds: number;
}

/** An account with no money, no meters and no policy, at the second of its creation. */
export const emptyAccount = (teamId: string, second: number): Account => ({
  teamId,
  asOfSecond: second,
  postedMicros: ZERO,
  heldMicros: ZERO,
  owedMicros: ZERO,
  remainderMillionths: 0,
  meters: [],
  summed: null,
  reservations: [],
  contests: [],
  holdExpiries: [],
  discount: null,
  volumeBasisPoints: 0,
  prices: [],
  spentByDay: null,
  datedThroughSecond: second,
  policy: null,
  attempt: null,
  attempts: 0,
  lastAttemptSecond: null,
  toppedUp: { monthStartSecond: monthStart(second), micros: ZERO },
  standsAtSecond: null,
  exhaustions: 0,
  lowArmed: false,
  alerts: null,
  suspendedSecond: null,
  archivedSecond: null,
});

/** Whether the team may spend anything new. */
export const maySpend = ({ suspendedSecond, archivedSecond }: Account): boolean =>
  suspendedSecond === null && archivedSecond === null;

/** The second at which the team's money stands: now, or X while a charge in flight keeps an exhaustion open. */
export const moneySecond = (account: Account, second: number): number => account.standsAtSecond ?? second;

/**
 * The amount that the team can spend at a second. The second is not before the as-of second, and no crossing lies
 * before the second.
 */
export const spendableMicros = (account: Account, second: number): Micros =>
  availableMicros(account, moneySecond(account, second));
