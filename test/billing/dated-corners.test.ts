/**
 * Tests cases that random histories found, reduced to the smallest form, in which dated facts and recorded facts meet.
 */
import { describe, expect, it } from 'vitest';
import { type Micros, micros } from '../../billing/money.ts';
import { asMicros, policyOf, SETTINGS } from './book.ts';
import { PricedBook } from './priced-book.ts';

const MIDNIGHT = 20_000 * 86_400;
const perSecond = (dollars: number): Micros => micros(dollars * 3_600_000_000);
const A100 = { gpuType: 'A100', region: 'here' };
const offer = (effectiveSecond: number, onDemand: number, spot: number) => {
  const reserved = perSecond(onDemand * 0.6);
  return {
    ...A100,
    effectiveSecond,
    onDemandMicros: perSecond(onDemand),
    spotMicros: perSecond(spot),
    reservedMicros: { '1m': reserved, '3m': reserved, '6m': reserved, '12m': reserved },
    withdrawn: false,
  };
};
const listed = (instanceId: string, pricing: 'on_demand' | 'spot' = 'on_demand') => ({
  instanceId,
  ...A100,
  pricing,
  shedOrder: null,
});
const millionths = (dollars: number) => BigInt(dollars) * 1_000_000_000_000n;

/** On-demand a dollar a second, spot half. */
function bookWith(
  dollars: string,
  second: number,
  tiers: Array<[spend: number, basisPoints: number]> = [],
): PricedBook {
  const volumeTiers = tiers.map(([spend, basisPoints]) => ({ spendMicros: asMicros(spend * 1_000_000), basisPoints }));
  const book = new PricedBook({ ...SETTINGS, volumeTiers }, second).changePrice(offer(second, 1, 0.5));
  book.deposit(dollars, second);
  return book;
}

describe('the review at midnight', () => {
  it('does not count usage after midnight while a charge in flight delays the end of credit over midnight', () => {
    const book = bookWith('13', MIDNIGHT - 20, [[40, 1_000]]);
    book.startListed(listed('i'), MIDNIGHT - 20).policy(policyOf('5', '60'), MIDNIGHT - 20);
    book.look(MIDNIGHT + 5);
    expect(book.account.standsAtSecond).toBe(MIDNIGHT - 7);
    book.use(millionths(30), MIDNIGHT + 5).succeed(MIDNIGHT + 10);
    // Twenty dollars at midnight, by the instance: too few for the tier.
    expect(book.segmentsOf('i')).toMatchObject([
      { rateMicrosPerHour: perSecond(1), priced: { discountBasisPoints: 0 } },
    ]);
  });
});

describe('a stop in the past', () => {
  const discounted = () =>
    bookWith('200', 0).assignDiscount({ basisPoints: 1_000, untilSecond: 100 }, 0).startListed(listed('i'), 0);

  it('may name a second before the unrecorded end of a discount', () => {
    const book = discounted().stop('i', 150, { backTo: 50 });
    expect(book.instances.get('i')).toMatchObject({ endSecond: 50 });
    expect(book.postedFor('i')).toBe(45_000_000);
  });

  it('returns the cost posted after its second, even in a segment that the stop itself closes', () => {
    const book = bookWith('200', 0).startListed(listed('i'), 0);
    book.assignDiscount({ basisPoints: 1_000, untilSecond: 100 }, 10).settle('i', 90);
    book.stop('i', 150, { backTo: 50 });
    expect(book.postedFor('i')).toBe(10_000_000 + 36_000_000);
    expect(book.spendable).toBe(200_000_000 - 46_000_000);
  });
});

describe('a cover', () => {
  it('moves with a spot price, including the price of the covered instance', () => {
    const book = bookWith('200', 0)
      .changePrice(offer(0, 0.5, 0.4))
      .startListed(listed('other'), 0);
    book.changePrice(offer(10, 1, 0.9)).startListed(listed('spot', 'spot'), 10);
    const reservation = { reservationId: 'r', ...A100, count: 1, term: '1m' as const, renew: false };
    book
      .reserve(reservation, 10)
      .changePrice(offer(20, 0.5, 0.1))
      .look(30);
    // Until 20 the spot instance would cost more, and from then on the other.
    const since = (instanceId: string) => {
      const { startSecond, priced } = book.segmentsOf(instanceId).at(-1)!;
      return { startSecond, coveredBy: priced.coveredBy };
    };
    expect(since('spot')).toEqual({ startSecond: 20, coveredBy: null });
    expect(since('other')).toEqual({ startSecond: 20, coveredBy: 'r' });
  });
});

describe('an order to end in', () => {
  it('ends no more instances than necessary when credit released in the next second pays for the rest', () => {
    const book = bookWith('10', 0).hold('h', asMicros(1_000_000), 7, 0);
    for (const [id, shedOrder] of [
      ['a', 1],
      ['b', 2],
    ] as const)
      book.startListed({ ...listed(id, 'spot'), shedOrder }, 0);
    book.startListed({ ...listed('c', 'spot'), shedOrder: 3 }, 0).look(30);
    // 1.5 a second until 6, and nothing but the dollar of the hold: too little for three in the second after, just enough for two.
    expect([...book.instances.values()].map(({ endSecond }) => endSecond)).toEqual([6, 7, 7]);
    expect(book.exhaustions.map(({ instanceIds }) => instanceIds)).toEqual([['a'], ['b', 'c']]);
  });
});

describe('a hold that expires while a charge in flight delays the end of credit', () => {
  it('pays debt of that time from the rest after the charge has succeeded, as the charge does', () => {
    const book = bookWith('13', 0)
      .changePrice(offer(0, 1, 1))
      .changePrice(offer(18, 10, 10));
    book.startListed(listed('i', 'spot'), 0).hold('h', asMicros(3_000_000), 15, 0).policy(policyOf('5', '15'), 0);
    book.use(millionths(5), 12);
    expect(book.account).toMatchObject({ standsAtSecond: 10, owedMicros: 5_000_000 });
    // 18 dollars from 10 on: eight seconds at one, and one at ten. Five collected on the way would have ended it at 18.
    book.succeed(20);
    expect(book.instances.get('i')).toMatchObject({ endSecond: 19 });
    expect(book.account).toMatchObject({ owedMicros: 5_000_000 });
  });
});
