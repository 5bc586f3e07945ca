/**
 * A team's account: its balance line, and the crossings ahead. Pure arithmetic over recorded facts. The facts that
 * change an account are in facts.ts. Source: docs/rules.md#balance, docs/rules.md#auto-top-up.
 */
import { type DatedKind, expiringMicros, type HoldExpiry, nextDated } from './calendar.ts';
import type { AssignedDiscount, VolumeTier } from './discounts.ts';
import type { MeterSums } from './meter-sums.ts';
import { add, type Micros, ZERO } from './money.ts';
import type { GpuPrice } from './prices.ts';
import type { ReservationMeter } from './reservation-meter.ts';
import { availableMicros, type BalanceLine, exhaustionSecond, firstSecondBelow } from './runway.ts';
import type { SpentByDay } from './spending.ts';
import { monthStart, nextMonthStart } from './time.ts';
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
  /** False from a low-balance warning until credit is well above the level again. */
  lowArmed: boolean;
  /** The second since which new spending is refused; null while the team may spend. */
  suspendedSecond: number | null;
  /** The second since which new facts are refused; null while the team takes facts. */
  archivedSecond: number | null;
}

/** The settings of the money rules in this deployment. */
export interface Terms {
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

/** Either why no attempt can be opened now, or the second at which the next attempt is due. */
export type TopUpOutlook =
  | { state: 'off' }
  | { state: 'charging' }
  /** The team is suspended or archived, so no charge is due. */
  | { state: 'suspended' }
  | { state: 'watching'; dueSecond: number | null }
  | { state: 'cooling_down'; dueSecond: number | null; cooldownUntilSecond: number }
  | { state: 'capped'; dueSecond: number | null };

/** True if one more charge stays within the cap of the UTC month of the given second. */
export const fitsMonth = (account: Account, policy: TopUpPolicy, second: number): boolean => {
  if (policy.monthlyCapMicros === null) return true;
  const sameMonth = account.toppedUp.monthStartSecond === monthStart(second);
  return add(sameMonth ? account.toppedUp.micros : ZERO, policy.amountMicros) <= policy.monthlyCapMicros;
};

/**
 * When the card is to be charged next: the first second with available below the threshold, not before the cooldown's
 * end, and in a month whose cap has room. `dueSecond` is null when the balance never falls so far.
 */
export function topUpOutlook(account: Account, terms: Terms): TopUpOutlook {
  const { policy, attempt, lastAttemptSecond, asOfSecond } = account;
  if (attempt) return { state: 'charging' };
  if (!policy?.enabled) return { state: 'off' };
  if (!maySpend(account)) return { state: 'suspended' };

  const below = firstSecondBelow(account, policy.thresholdMicros, asOfSecond);
  const cooldownUntilSecond = lastAttemptSecond === null ? asOfSecond : lastAttemptSecond + terms.cooldownSeconds;
  const dueSecond = below === null ? null : Math.max(below, cooldownUntilSecond);
  if (dueSecond !== null && !fitsMonth(account, policy, dueSecond))
    return { state: 'capped', dueSecond: nextMonthStart(dueSecond) };
  // This month has no room, even where the next charge is due only in a later month.
  if (!fitsMonth(account, policy, asOfSecond)) return { state: 'capped', dueSecond };
  return cooldownUntilSecond > asOfSecond
    ? { state: 'cooling_down', dueSecond, cooldownUntilSecond }
    : { state: 'watching', dueSecond };
}

const dueSecondOf = (outlook: TopUpOutlook): number | null => ('dueSecond' in outlook ? outlook.dueSecond : null);

/** A low-balance warning is due below the level, once an episode, and not while auto top-up is there to prevent it. */
function lowSecond(account: Account, terms: Terms, outlook: TopUpOutlook): number | null {
  const prevented = outlook.state === 'watching' || outlook.state === 'cooling_down' || outlook.state === 'charging';
  if (!account.lowArmed || prevented) return null;
  return firstSecondBelow(account, terms.lowLevelMicros, account.asOfSecond);
}

/**
 * X, where credit ends. A hold that expires at X + 1 is released there. If the released amount pays for second X + 1, X
 * lies later, and the expiry is the next crossing.
 */
function endOfCredit(account: Account): Crossing | null {
  const second = exhaustionSecond(account);
  if (second === null) return null;
  const next = second + 1;
  const freedMicros = expiringMicros(account.holdExpiries, next);
  return freedMicros > 0 && availableMicros(account, next) + freedMicros >= 0
    ? { second: next, what: 'hold_expires' }
    : { second, what: 'exhaustion' };
}

/** The next crossing: its second and its kind. The watch sleeps until then. Null: nothing will ever happen. */
export type Crossing = { second: number; what: DatedKind | 'top_up' | 'low' | 'exhaustion' | 'grace_over' };

export function nextCrossing(account: Account, terms: Terms): Crossing | null {
  if (account.standsAtSecond !== null)
    return { second: account.standsAtSecond + terms.graceSeconds + 1, what: 'grace_over' };
  const outlook = topUpOutlook(account, terms);
  // Within one second dated facts come first: they may free credit, or change the cost of the next second.
  const crossings: Array<Crossing | { second: null }> = [
    nextDated(account, terms) ?? { second: null },
    { second: dueSecondOf(outlook), what: 'top_up' },
    { second: lowSecond(account, terms, outlook), what: 'low' },
    endOfCredit(account) ?? { second: null },
  ].filter((crossing): crossing is Crossing => crossing.second !== null);
  return (crossings as Crossing[]).reduce<Crossing | null>(
    (next, crossing) => (next === null || crossing.second < next.second ? crossing : next),
    null,
  );
}
