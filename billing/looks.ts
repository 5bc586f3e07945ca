/**
 * When a team's watch looks. It looks at the second of a crossing that people, cards or machines are told of. A change of
 * rates takes effect at its own second whoever looks, and whenever, so the looks of all teams at one change are spread
 * over an hour: at 00:00 UTC volume discounts are looked at, assigned ones end, and spot prices move.
 */
import { type Account, type Crossing, nextCrossing, type Terms } from './account.ts';
import type { DatedKind } from './calendar.ts';
import { Change, replaceMeters } from './change.ts';
import { mergedClasses, meterSums } from './meter-sums.ts';
import { micros, subtract } from './money.ts';
import { rateOf } from './prices.ts';
import { nextClass, nextSegment, pricedAt } from './rerating.ts';
import { placeOf } from './spread.ts';
import type { Meter } from './usage.ts';

const SPREAD_SECONDS = 3_600;

/** What changes rates and nothing else. */
const CHANGES_RATES: ReadonlySet<Crossing['what']> = new Set<DatedKind>([
  'volume_review',
  'discount_ends',
  'spot_price',
]);

/** A second in the hour after one that is the same for very many teams. */
export const spreadSecond = (teamId: string, second: number): number => second + placeOf(teamId, SPREAD_SECONDS);

/**
 * What the watch sleeps towards. A look at changed rates is put off, and not beyond the first second at which anything
 * else can come, whatever the rates are by then.
 */
export function nextLook(account: Account, terms: Terms): Crossing | null {
  const next = nextCrossing(account, terms);
  if (next === null || !CHANGES_RATES.has(next.what)) return next;
  const following = nextCrossing(atTheDearest(account, terms, next.second), terms);
  const second = spreadSecond(account.teamId, next.second);
  return { second: Math.min(second, following?.second ?? second), what: next.what };
}

/**
 * The account as of a second at which its rates change, as if nothing were discounted or covered from then on. Its balance
 * is no higher than the actual one at any later second: the cut of a segment rounds down by less than a micro.
 */
function atTheDearest(account: Account, terms: Terms, second: number): Account {
  const change = new Change(account, terms);
  const dearest = change.account;
  dearest.asOfSecond = second;
  dearest.datedThroughSecond = second;
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
  const until = dearest.discount?.untilSecond;
  if (until !== null && until !== undefined && until <= second) dearest.discount = null;
  return dearest;
}

/** Has the meters that are known by their sums go on without a discount, and answers how many segments that cuts. */
function undiscountSums(change: Change, second: number): number {
  const { summed } = change.account;
  const discounted = new Set(summed?.classes.filter(({ discountBasisPoints }) => discountBasisPoints > 0));
  if (!summed || discounted.size === 0) return 0;
  const next = summed.classes.map((each) => (discounted.has(each) ? nextClass(change, each, 0, second) : each));
  change.account.summed = meterSums(mergedClasses(next), second);
  return [...discounted].reduce((sum, { count }) => sum + count, 0);
}
