/** Tests assigned discounts and volume discounts: their choice, rounding, segments and reviews. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Account, type BillingSettings, emptyAccount } from '../../billing/account.ts';
import type { FactOutcome } from '../../billing/change.ts';
import { discountAt, discountedMicros, volumeBasisPointsOf } from '../../billing/discounts.ts';
import { advance, assignDiscount, grantCredit } from '../../billing/facts.ts';
import { repriceInstance, startInstance, stopInstance } from '../../billing/instances.ts';
import { micros, parseDollars } from '../../billing/money.ts';
import { priceInWords } from '../../billing/prices.ts';
import { costMicros } from '../../billing/usage.ts';
import { givenOrder, SETTINGS } from './pure-run.ts';

const DAY = 86_400;
/** A UTC midnight. */
const MIDNIGHT = 1_800_057_600;
const dollars = (amount: number) => micros(amount * 1_000_000);
const TIERS = [
  { spendMicros: dollars(1_000), basisPoints: 200 },
  { spendMicros: dollars(5_000), basisPoints: 500 },
];
const TIERED: BillingSettings = { ...SETTINGS, volumeTiers: TIERS };

const listed = (instanceId: string, hourly: string) => ({
  ...givenOrder(instanceId, parseDollars(hourly)),
  given: false,
});

/** A team with credit, and with what it has spent on days before. */
function aTeam(credit: number, second: number, spent: Array<[day: number, dollars: number]> = []): Account {
  const account = {
    ...emptyAccount('t', second),
    spentByDay: new Map(spent.map(([day, spend]) => [day, dollars(spend)])),
  };
  return grantCredit(account, TIERED, { grantId: 'g', amountMicros: dollars(credit) }, second).account;
}

const ratesOf = ({ account }: FactOutcome) => account.meters.map(({ rateMicrosPerHour }) => Number(rateMicrosPerHour));

describe('a discount', () => {
  it.each([
    ['nothing', null, 0, { basisPoints: 0, kind: null }],
    ['the assigned one alone', { basisPoints: 700, untilSecond: null }, 0, { basisPoints: 700, kind: 'assigned' }],
    ['volume alone', null, 500, { basisPoints: 500, kind: 'volume' }],
    ['the higher one, assigned', { basisPoints: 700, untilSecond: null }, 500, { basisPoints: 700, kind: 'assigned' }],
    ['the higher one, volume', { basisPoints: 300, untilSecond: null }, 500, { basisPoints: 500, kind: 'volume' }],
    [
      'either, of two that are equal',
      { basisPoints: 500, untilSecond: null },
      500,
      { basisPoints: 500, kind: 'assigned' },
    ],
    [
      'the assigned one to the second before its end',
      { basisPoints: 700, untilSecond: 101 },
      500,
      { basisPoints: 700, kind: 'assigned' },
    ],
    [
      'volume from the end of the assigned one',
      { basisPoints: 700, untilSecond: 100 },
      500,
      { basisPoints: 500, kind: 'volume' },
    ],
  ] as const)('is %s', (_, assigned, volume, expected) => {
    expect(discountAt(assigned, volume, 100)).toEqual(expected);
  });

  it('is never both', () => {
    const part = fc.integer({ min: 0, max: 10_000 });
    fc.assert(
      fc.property(part, part, fc.nat(200), (assigned, volume, untilSecond) => {
        const { basisPoints } = discountAt({ basisPoints: assigned, untilSecond }, volume, 100);
        expect(basisPoints).toBe(untilSecond > 100 ? Math.max(assigned, volume) : volume);
      }),
    );
  });

  it.each([
    [2_490_000, 500, 2_365_500],
    [1, 5_000, 1],
    [1, 5_001, 0],
    [3, 5_000, 2],
    [1_000_001, 1, 999_901],
    [1_000_000_000_000, 3_333, 666_700_000_000],
    [2_490_000, 10_000, 0],
    [2_490_000, 0, 2_490_000],
  ])('of %i micros by %i basis points leaves %i, rounded half up', (list, basisPoints, expected) => {
    expect(discountedMicros(micros(list), basisPoints)).toBe(expected);
  });

  it.each([
    [999.999999, 0],
    [1_000, 200],
    [4_999.999999, 200],
    [5_000, 500],
    [1_000_000, 500],
  ])('for volume with $%d spent is %i basis points', (spent, basisPoints) => {
    expect(volumeBasisPointsOf(TIERS, micros(Math.round(spent * 1_000_000)))).toBe(basisPoints);
    expect(volumeBasisPointsOf([], dollars(1_000_000))).toBe(0);
  });
});

describe('an assigned discount', () => {
  it('changes listed instances from its second on, by a new segment, and no other instances', () => {
    let { account } = startInstance(aTeam(100, 0), SETTINGS, listed('listed', '3.000001'), 0);
    ({ account } = startInstance(account, SETTINGS, givenOrder('given', dollars(3)), 0));
    const assigned = assignDiscount(account, SETTINGS, { basisPoints: 1_000, untilSecond: 500 }, 100);
    expect(assigned.effects.filter(({ kind }) => kind.startsWith('meter_'))).toMatchObject([
      { kind: 'meter_posted', meter: { segment: 1, postedMicros: costMicros(micros(3_000_001), 100) } },
      { kind: 'meter_closed', endSecond: 100 },
      {
        kind: 'meter_opened',
        meter: { instanceId: 'listed', segment: 2, rateMicrosPerHour: 2_700_001, startSecond: 100 },
      },
    ]);
    const ended = advance(assigned.account, SETTINGS, 10_000);
    expect(ended.account.discount).toBeNull();
    expect(ended.effects).toMatchObject([
      { kind: 'meter_posted', meter: { segment: 2, postedMicros: costMicros(micros(2_700_001), 400) } },
      { kind: 'transfer' },
      { kind: 'meter_closed', endSecond: 500 },
      { kind: 'meter_opened', meter: { segment: 3, rateMicrosPerHour: 3_000_001, startSecond: 500 } },
    ]);
  });

  it('that is repeated or leaves the rate unchanged creates no segment', () => {
    const { account } = startInstance(aTeam(100, 0), SETTINGS, listed('i', '3'), 0);
    const half = { basisPoints: 5_000, untilSecond: null };
    const first = assignDiscount(account, SETTINGS, half, 100);
    expect(assignDiscount(first.account, SETTINGS, half, 200).effects).toEqual([]);
    const longer = assignDiscount(first.account, SETTINGS, { ...half, untilSecond: 900 }, 200);
    expect(longer.effects).toEqual([]);
    expect(longer.account.discount?.untilSecond).toBe(900);
  });

  it('is not applied to a price that the platform gives afterwards', () => {
    const { account } = startInstance(aTeam(100, 0), SETTINGS, listed('i', '3'), 0);
    const discounted = assignDiscount(account, SETTINGS, { basisPoints: 5_000, untilSecond: 300 }, 100);
    const given = repriceInstance(
      discounted.account,
      SETTINGS,
      { instanceId: 'i', rateMicrosPerHour: dollars(2) },
      200,
    );
    expect(ratesOf(given)).toEqual([2_000_000]);
    expect(ratesOf(advance(given.account, SETTINGS, 400))).toEqual([2_000_000]);
    expect(priceInWords(given.account.meters[0]!.priced)).toBe('price given by the platform');
  });
});

describe('a volume discount', () => {
  it('is reviewed at each start at the list price, for running instances too, and not at a start with a given price', () => {
    const team = aTeam(10_000, MIDNIGHT, [[MIDNIGHT - DAY, 990]]);
    // $36,000 an hour: $10 more are spent in one second.
    const first = startInstance(team, TIERED, listed('first', '36000'), MIDNIGHT);
    expect(ratesOf(first)).toEqual([36_000_000_000]);
    const given = startInstance(first.account, TIERED, givenOrder('given', dollars(1)), MIDNIGHT + 2);
    expect(ratesOf(given)).toEqual([36_000_000_000, 1_000_000]);
    const second = startInstance(given.account, TIERED, listed('second', '1'), MIDNIGHT + 2);
    expect(ratesOf(second).sort((a, b) => a - b)).toEqual([980_000, 1_000_000, 35_280_000_000]);
    expect(priceInWords(second.account.meters.find(({ instanceId }) => instanceId === 'second')!.priced)).toBe(
      'on-demand list price $1.000000 less 2 % volume discount',
    );
  });

  it('is reviewed each midnight over the instances at list prices, and grows with the spending', () => {
    const team = aTeam(100_000, MIDNIGHT - 3_600, [[MIDNIGHT - 20 * DAY, 700]]);
    const { account } = startInstance(team, TIERED, listed('i', '200'), MIDNIGHT - 3_600);
    // $900 by midnight; $200 an hour more by the next one: $5,700.
    const { effects } = advance(account, TIERED, MIDNIGHT + DAY);
    const opened = effects.flatMap((effect) =>
      effect.kind === 'meter_opened'
        ? [[effect.meter.startSecond - MIDNIGHT, Number(effect.meter.rateMicrosPerHour)]]
        : [],
    );
    expect(opened).toEqual([[DAY, 190_000_000]]);
  });

  it('ends at the midnight at which the spending is older than thirty days', () => {
    const spentOn = MIDNIGHT - 10 * DAY;
    const { account } = startInstance(
      aTeam(1_000, MIDNIGHT, [[spentOn, 1_000]]),
      TIERED,
      listed('i', '0.01'),
      MIDNIGHT,
    );
    expect(account.meters[0]).toMatchObject({ rateMicrosPerHour: 9_800, priced: { discountKind: 'volume' } });
    const { effects } = advance(account, TIERED, MIDNIGHT + 40 * DAY);
    const cut = effects.flatMap((effect) => (effect.kind === 'meter_opened' ? [effect.meter] : []));
    expect(cut).toMatchObject([{ startSecond: spentOn + 31 * DAY, rateMicrosPerHour: 10_000 }]);
  });

  it('counts closed and running segments by day, and gives the same rates for any reads in between', () => {
    const run = (looks: number[]) => {
      let account = aTeam(50_000, MIDNIGHT);
      ({ account } = startInstance(account, TIERED, listed('a', '97.13'), MIDNIGHT + 5));
      ({ account } = startInstance(account, TIERED, givenOrder('b', parseDollars('201.7')), MIDNIGHT + 7));
      for (const look of looks.filter((at) => at < 30 * 3_600))
        ({ account } = advance(account, TIERED, MIDNIGHT + look));
      const stop = { instanceId: 'b', reason: 'stopped' as const, closedSegments: [] };
      ({ account } = stopInstance(account, TIERED, stop, MIDNIGHT + 30 * 3_600));
      for (const look of looks.filter((at) => at > 30 * 3_600))
        ({ account } = advance(account, TIERED, MIDNIGHT + look));
      ({ account } = advance(account, TIERED, MIDNIGHT + 5 * DAY + 1));
      return account.meters.map(({ rateMicrosPerHour, startSecond }) => [Number(rateMicrosPerHour), startSecond]);
    };
    const quiet = run([]);
    fc.assert(
      fc.property(fc.array(fc.nat(5 * DAY), { maxLength: 8 }), (looks) => {
        expect(run([...looks].sort((a, b) => a - b))).toEqual(quiet);
      }),
      { numRuns: 60 },
    );
  });

  it('is not reviewed for a team with only given prices, nor without tiers', () => {
    const { account } = startInstance(
      aTeam(1_000, MIDNIGHT, [[MIDNIGHT, 9_000]]),
      TIERED,
      givenOrder('i', dollars(1)),
      MIDNIGHT,
    );
    expect(advance({ ...account, spentByDay: null }, TIERED, MIDNIGHT + 5 * DAY).effects).toEqual([]);
    const plain = startInstance(aTeam(1_000, MIDNIGHT, [[MIDNIGHT, 9_000]]), SETTINGS, listed('i', '1'), MIDNIGHT);
    expect(advance({ ...plain.account, spentByDay: null }, SETTINGS, MIDNIGHT + 5 * DAY).effects).toEqual([]);
  });
});
