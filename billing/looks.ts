/**
 * Computes when a team's watch looks. The watch looks at the second of a crossing that causes mails, charges or machine
 * stops. A change of rates takes effect at its own second whenever a look happens, so the looks of all teams at one
 * change are spread over an hour: at 00:00 UTC volume discounts are reviewed, assigned discounts end, and spot prices
 * move.
 */
import type { Account, BillingSettings } from './account.ts';
import { budgetAt, changeBudgets } from './budgets.ts';
import { AccountChange, type Effect, type FactOutcome, replaceMeters } from './change.ts';
import { type Crossing, nextCrossing } from './crossings.ts';
import { MetersNeeded, mergedClasses, meterSums } from './meter-sums.ts';
import { add, micros, subtract } from './money.ts';
import { rateOf } from './prices.ts';
import { nextClass, nextSegment, pricedAt } from './rerating.ts';
import { placeOf } from './spread.ts';
import type { Meter } from './usage.ts';

const SPREAD_SECONDS = 3_600;

/** Crossings that change rates or begin the period of a budget, and have no other effect. */
const NEEDS_NO_LOOK: ReadonlySet<Crossing['what']> = new Set<Crossing['what']>([
  'volume_review',
  'discount_ends',
  'spot_price',
  'budget_period',
]);

/** A second within the hour after a second that is the same for very many teams. */
export const spreadSecond = (teamId: string, second: number): number => second + placeOf(teamId, SPREAD_SECONDS);

/**
 * The next crossing to look at. A look at changed rates is delayed, at most until the first second at which any other
 * crossing can come under any rates.
 */
export function nextLook(account: Account, settings: BillingSettings): Crossing | null {
  const next = nextCrossing(account, settings);
  if (next === null || !NEEDS_NO_LOOK.has(next.what)) return next;
  const following = nextCrossing(atTheDearest(account, settings, next.second), settings);
  const second = spreadSecond(account.teamId, next.second);
  return { ...next, second: Math.min(second, following?.second ?? second) };
}

/** Crossings that any fact about money can bring forward. */
const MOVES_WITH_BALANCE: ReadonlySet<Crossing['what']> = new Set<Crossing['what']>([
  'top_up',
  'low',
  'exhaustion',
  'budget_met',
]);

/** A crossing that is less far ahead is awaited directly, so a team has few looks before each of its crossings. */
const LEAST_HALVED_SECONDS = 600;

/**
 * The second halfway to a distant crossing that moves with the balance, or null for all other crossings. The watch looks
 * there and computes the crossing again, so a fact wakes the watch only if it brings the crossing before this second.
 */
export function halfwaySecond({ second, what }: Crossing, nowSecond: number): number | null {
  const aheadSeconds = second - nowSecond;
  const isHalved = MOVES_WITH_BALANCE.has(what) && aheadSeconds >= LEAST_HALVED_SECONDS;
  return isHalved ? nowSecond + Math.floor(aheadSeconds / 2) : null;
}

/** Effects that the watch neither announces nor charges. They can only move the second of the next look. */
const MOVES_LOOKS_ONLY: ReadonlySet<Effect['kind']> = new Set<Effect['kind']>([
  'transfer',
  'meter_opened',
  'meter_posted',
  'meter_closed',
  'shed_order',
  'reservation_opened',
  'reservation_posted',
  'renewal_set',
  'holds_expired',
  'held',
  'dispute_turned',
  'refund_turned',
]);

function movesLooksOnly(effect: Effect): boolean {
  // The account holds no prices of an instance that is new to the list's spot prices.
  if (effect.kind === 'meter_opened' && effect.meter.priced.pricing === 'spot') return effect.meter.priced.given;
  // A stop wakes the workflow of its instance; other ends are announced by the watch.
  if (effect.kind === 'instance_ended') return effect.reason === 'stopped';
  return MOVES_LOOKS_ONLY.has(effect.kind);
}

/**
 * When the watch has to look after a fact, if the fact itself sends no notice: now, at a later second, or never (null).
 * Now is also the answer where the outcome does not decide.
 */
export function lookAfter({ account, effects, settings }: FactOutcome): number | 'now' | null {
  if (!settings || !effects.every(movesLooksOnly)) return 'now';
  try {
    return nextLook(account, settings)?.second ?? null;
  } catch (error) {
    if (error instanceof MetersNeeded) return 'now';
    throw error;
  }
}

/**
 * The account as of a second at which its rates change, as if no discount and no cover applied from then on. Its
 * balance is never above the actual balance at any later second: the cut of a segment rounds down by less than a micro.
 */
function atTheDearest(account: Account, settings: BillingSettings, second: number): Account {
  const change = new AccountChange(account, settings);
  const dearest = change.account;
  dearest.asOfSecond = second;
  dearest.datedThroughSecond = second;
  changeBudgets(dearest, (budget) => budgetAt(budget, second));
  const cut: Meter[] = [];
  const begun: Meter[] = [];
  for (const meter of dearest.meters) {
    const priced = { ...pricedAt(dearest, meter, second), discountBasisPoints: 0, coveredBy: null };
    if (rateOf(priced) === meter.rateMicrosPerHour) continue;
    cut.push(meter);
    begun.push(nextSegment(change, meter, priced, second));
  }
  replaceMeters(change, cut, begun);
  const count = cut.length + undiscountSums(change, second);
  dearest.postedMicros = subtract(dearest.postedMicros, micros(count));
  changeBudgets(dearest, (budget) => ({ ...budget, spentMicros: add(budget.spentMicros, micros(count)) }));
  const until = dearest.discount?.untilSecond;
  if (until !== null && until !== undefined && until <= second) dearest.discount = null;
  return dearest;
}

/** Removes the discount from the meters in the sums, and returns the number of segments that the removal cuts. */
function undiscountSums(change: AccountChange, second: number): number {
  const { summed } = change.account;
  const discounted = new Set(summed?.classes.filter(({ discountBasisPoints }) => discountBasisPoints > 0));
  if (!summed || discounted.size === 0) return 0;
  const next = summed.classes.map((each) => (discounted.has(each) ? nextClass(change, each, 0, second) : each));
  change.account.summed = meterSums(mergedClasses(next), second);
  return [...discounted].reduce((sum, { count }) => sum + count, 0);
}
