/**
 * A team's account: its balance line, and what the clock will bring it next. Pure arithmetic over recorded facts; how
 * facts change an account is in facts.ts. Source: docs/rules.md#balance, docs/rules.md#auto-top-up.
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

/** An open dispute over a deposit: what is contested is held back, as far as there is credit. */
export interface Contest {
  disputeId: string;
  depositId: string;
  /** What the provider says is contested. */
  claimedMicros: Micros;
  /** What of it the team answers for: no more than the deposit less what was refunded. */
  amountMicros: Micros;
  /** A part of the account's `heldMicros`. */
  heldMicros: Micros;
}

export interface Account extends BalanceLine {
  teamId: string;
  /** The second of the last fact: no later fact lies before it. */
  asOfSecond: number;
  owedMicros: Micros;
  /** The team's fraction of a micro from token usage, in millionths. */
  remainderMillionths: number;
  meters: Meter[];
  /**
   * The running meters that are not in `meters`, as sums; null where all were read. Prices that were given, and on-demand
   * prices of the list that no reservation covers: none of them is spot, reserved or about to be reclaimed.
   */
  summed: MeterSums | null;
  /** Those whose term runs. */
  reservations: ReservationMeter[];
  /** Open disputes, in the order in which they were opened. */
  contests: Contest[];
  /** What of `heldMicros` is held for requests under way, by the second at which it is let go; the soonest first. */
  holdExpiries: HoldExpiry[];
  /** The one that an operator assigned. */
  discount: AssignedDiscount | null;
  /** What volume earned when it was last looked at. */
  volumeBasisPoints: number;
  /** List prices in force and to come, of whatever a price can move: running spot instances, reservations to be renewed. */
  prices: readonly GpuPrice[];
  /** Read only where it can matter: for a start at a list price, and where a midnight has passed over a discountable one. */
  spentByDay: SpentByDay | null;
  /** Through which second dated facts have taken effect: the as-of second, or X while money stands there. */
  datedThroughSecond: number;
  policy: TopUpPolicy | null;
  attempt: AttemptInFlight | null;
  /** The number of the last attempt, 0 before the first. Never reused. */
  attempts: number;
  lastAttemptSecond: number | null;
  /** Captured + in flight of auto top-up in the UTC month that starts at `monthStartSecond`. */
  toppedUp: { monthStartSecond: number; micros: Micros };
  /** X, while a charge in flight keeps the exhaustion open: money stands here. */
  standsAtSecond: number | null;
  /** The number of exhaustions so far: each has its own row and mail. */
  exhaustions: number;
  /** False from a low-balance warning until credit is well above the level again. */
  lowArmed: boolean;
  /** Since when the team may spend nothing new; null while it may. */
  suspendedSecond: number | null;
  /** Since when the team takes no new facts; null while it does. */
  archivedSecond: number | null;
}

/** What the deployment has configured. */
export interface Terms {
  cooldownSeconds: number;
  graceSeconds: number;
  minStartMicros: Micros;
  lowLevelMicros: Micros;
  volumeTiers: readonly VolumeTier[];
  /** How long a charge may take to become credit, for warnings. */
  chargeLatencySeconds: number;
}

/** An account with no money, no meters and no policy, as of its creation. */
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

/** What the team can spend at a second that is not before its as-of second and that no crossing lies before. */
export const spendableMicros = (account: Account, second: number): Micros =>
  availableMicros(account, moneySecond(account, second));

/** Why no attempt can be opened now, or the second at which the next one is due. */
export type TopUpOutlook =
  | { state: 'off' }
  | { state: 'charging' }
  /** The team is suspended or archived: no charge is due until it is not. */
  | { state: 'suspended' }
  | { state: 'watching'; dueSecond: number | null }
  | { state: 'cooling_down'; dueSecond: number | null; cooldownUntilSecond: number }
  | { state: 'capped'; dueSecond: number | null };

/** Whether one more charge stays within the cap of the UTC month in which a second lies. */
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
  // This month has no room, though the next charge may only be due in one that has.
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
 * X, where credit ends. What is held until the very next second is let go there: if that pays for it, X lies later, and
 * what comes first is the end of the hold.
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

/** The next second at which the clock brings something, with what: what the watch sleeps towards. Null: nothing, ever. */
export type Crossing = { second: number; what: DatedKind | 'top_up' | 'low' | 'exhaustion' | 'grace_over' };

export function nextCrossing(account: Account, terms: Terms): Crossing | null {
  if (account.standsAtSecond !== null)
    return { second: account.standsAtSecond + terms.graceSeconds + 1, what: 'grace_over' };
  const outlook = topUpOutlook(account, terms);
  // Of one second, what the calendar brings comes first: it may free credit, or change what the next second costs.
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
