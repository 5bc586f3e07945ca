/**
 * Tests the walk second by second against results worked out by hand at a dollar a second, because other tests rely on
 * the walk.
 */
import { describe, expect, it } from 'vitest';
import { Walk } from './walk.ts';

const DOLLAR = 1_000_000;
const DAY = 86_400;
const MIDNIGHT = 20_000 * DAY;
const SETTINGS = {
  cooldownSeconds: 300,
  graceSeconds: 60,
  minStartMicros: 3 * DOLLAR,
  lowLevelMicros: 10 * DOLLAR,
  volumeTiers: [{ spendMicros: 100 * DOLLAR, basisPoints: 2_000 }],
};
const A100 = { gpuType: 'A100', region: 'here' };
const perSecond = (dollars: number) => Math.round(dollars * DOLLAR * 3600);
const offer = (onDemand: number, spot: number, reserved: number, from: number) => ({
  ...A100,
  from,
  onDemand: perSecond(onDemand),
  spot: perSecond(spot),
  reserved: { '1m': perSecond(reserved) },
});

/** On-demand a dollar a second, spot half, reserved 60 cents. */
function walkWith(dollars: number, second = 0): Walk {
  const walk = new Walk(SETTINGS, second);
  walk.changePrice(offer(1, 0.5, 0.6, second));
  walk.payIn(dollars * DOLLAR);
  return walk;
}
const listed = (id: string, more = {}) => ({ id, ...A100, pricing: 'on_demand' as const, shedOrder: null, ...more });
const spot = { pricing: 'spot' as const };
const reserved = { pricing: 'reserved' as const };
const month = (second: number) => second + 30;

const left = (walk: Walk) => walk.available / DOLLAR;
const endOf = (walk: Walk, id: string) => {
  const { endedAt, reason } = walk.instances.find((instance) => instance.id === id)!;
  return [endedAt, reason];
};

describe('the walk', () => {
  it('charges a discounted list price until the discount ends, and then the list price', () => {
    const walk = walkWith(100);
    walk.assignDiscount({ basisPoints: 1_000, until: 50 });
    walk.startListed(listed('a'));
    walk.to(60);
    expect(left(walk)).toBe(100 - 50 * 0.9 - 10);
  });

  it('charges the higher of two discounts, never both, and a given price unchanged', () => {
    const walk = walkWith(300);
    walk.use(BigInt(100 * DOLLAR) * 1_000_000n);
    walk.assignDiscount({ basisPoints: 1_000, until: null });
    walk.startListed(listed('a'));
    walk.start('b', perSecond(1), A100);
    walk.to(10);
    expect(left(walk)).toBe(200 - 8 - 10);
  });

  it('reviews the volume at midnight over the 30 whole days before', () => {
    const walk = walkWith(250, MIDNIGHT - 31 * DAY);
    walk.use(BigInt(99 * DOLLAR) * 1_000_000n);
    walk.to(MIDNIGHT - 10);
    walk.startListed(listed('a'));
    walk.to(MIDNIGHT - 1);
    walk.use(BigInt(60 * DOLLAR) * 1_000_000n);
    // At the start 99 were spent, and at midnight the first day does not count any more.
    walk.to(MIDNIGHT + 10);
    expect(left(walk)).toBe(250 - 99 - 60 - 20);
  });

  it('reviews the volume at every start, for all running instances', () => {
    const walk = walkWith(250);
    walk.startListed(listed('a'));
    walk.to(10);
    walk.use(BigInt(90 * DOLLAR) * 1_000_000n);
    walk.startListed(listed('b'));
    walk.to(20);
    expect(left(walk)).toBe(250 - 90 - 10 - 2 * 8);
  });

  it('re-prices only spot instances when the list price changes', () => {
    const walk = walkWith(100);
    walk.startListed(listed('a', spot));
    walk.startListed(listed('b'));
    walk.changePrice(offer(2, 0.8, 1.2, 10));
    walk.to(20);
    expect(left(walk)).toBe(100 - 5 - 8 - 20);
  });

  it('covers as many instances as are reserved: the most expensive, and another after its stop', () => {
    const walk = walkWith(100);
    walk.startListed(listed('a', spot));
    walk.startListed(listed('b'));
    walk.to(10);
    walk.reserve({ id: 'r', ...A100, count: 1, term: '1m', renew: false }, month);
    walk.to(20);
    walk.stop('b', null);
    walk.to(45);
    // The term ended at 40.
    expect(left(walk)).toBe(100 - 15 - 30 * 0.6 - 5 - 2.5);
  });

  it('starts a reserved instance only with a cover, and covers it before a more expensive instance', () => {
    const walk = walkWith(100);
    expect(walk.startListed(listed('a', reserved))).toBe(false);
    walk.start('g', perSecond(5), A100);
    walk.reserve({ id: 'r', ...A100, count: 1, term: '1m', renew: false }, month);
    walk.startListed(listed('b'));
    expect(walk.startListed(listed('c', reserved))).toBe(true);
    expect(walk.startListed(listed('d', reserved))).toBe(false);
    walk.to(10);
    expect(left(walk)).toBe(100 - 50 - 6 - 10);
  });

  it('begins another term at the price of its second', () => {
    const walk = walkWith(100);
    walk.reserve({ id: 'r', ...A100, count: 2, term: '1m', renew: true }, month);
    walk.to(5);
    walk.changePrice(offer(1, 0.5, 0.5, 30));
    walk.to(40);
    expect(left(walk)).toBe(100 - 30 * 1.2 - 10 * 1);
  });

  it('ends instances in the chosen order, each at its own last second, and reservations lapse with the last instance', () => {
    const walk = walkWith(12);
    walk.startListed(listed('a', { shedOrder: 2 }));
    walk.startListed(listed('b', { shedOrder: 1 }));
    walk.reserve({ id: 'r', ...A100, count: 1, term: '1m', renew: true }, month);
    walk.startListed(listed('c', spot));
    // 2.1 a second until 5, when 1.5 are left; b ended, and 1.1 a second for one more, when 0.4 are left.
    walk.to(20);
    expect(endOf(walk, 'b')).toEqual([5, 'out_of_credits']);
    expect(endOf(walk, 'a')).toEqual([6, 'out_of_credits']);
    expect(endOf(walk, 'c')).toEqual([6, 'out_of_credits']);
    expect(walk.reservations[0]).toMatchObject({ endedAt: 6, reason: 'lapsed' });
    expect(walk.exhaustions).toEqual([
      { second: 5, instanceIds: ['b'] },
      { second: 6, instanceIds: ['a', 'c'] },
    ]);
    expect(left(walk)).toBe(0.4);
  });

  it('releases a hold in the second of its expiry, one after the last second that can be paid', () => {
    const ends = [11, 12].map((until) => {
      const walk = walkWith(20);
      walk.startListed(listed('a'));
      walk.hold('h', 10 * DOLLAR, until);
      walk.to(30);
      return endOf(walk, 'a')[0];
    });
    expect(ends).toEqual([20, 10]);
  });

  it('ends a reclaimed instance at its second, and pays the owed amount from a voided hold', () => {
    const walk = walkWith(20);
    walk.startListed(listed('a', spot));
    walk.reclaim('a', 10);
    expect(walk.hold('h', 10 * DOLLAR, 100)).toBe(true);
    walk.to(12);
    expect(endOf(walk, 'a')).toEqual([10, 'spot_reclaimed']);
    walk.use(BigInt(8 * DOLLAR) * 1_000_000n);
    expect([left(walk), walk.owed / DOLLAR]).toEqual([0, 3]);
    walk.voidHold('h');
    expect([left(walk), walk.owed]).toEqual([7, 0]);
  });

  it('continues from the exhaustion after a successful charge, with all dated facts since', () => {
    const walk = walkWith(20);
    walk.assignDiscount({ basisPoints: 5_000, until: 50 });
    walk.startListed(listed('a'));
    walk.setPolicy({ enabled: true, threshold: 5 * DOLLAR, amount: 15 * DOLLAR, cap: null });
    walk.to(60);
    expect(walk.standsAt).toBe(40);
    walk.succeed();
    // 20 at half a dollar until 40, 5 more until 50, then ten whole ones.
    expect([left(walk), endOf(walk, 'a')[0]]).toEqual([0, 60]);
  });

  it('continues with the remaining instances from the exhaustion after a failed charge', () => {
    const walk = walkWith(21);
    walk.startListed(listed('a', { shedOrder: 1 }));
    walk.startListed(listed('b', { ...spot, shedOrder: 2 }));
    walk.startListed(listed('c', { ...spot, shedOrder: 3 }));
    walk.setPolicy({ enabled: true, threshold: 5 * DOLLAR, amount: 15 * DOLLAR, cap: null });
    walk.to(30);
    // 2 a second until 10; one left for one second of the two, and nothing for a half.
    expect(walk.standsAt).toBe(10);
    walk.fail();
    expect(['a', 'b', 'c'].map((id) => endOf(walk, id)[0])).toEqual([10, 11, 11]);
  });
});
