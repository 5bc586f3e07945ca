/**
 * Tests that forecasts prove right, for random teams with all kinds of dated facts and no further facts. Each team’s
 * forecast is read at once and at some later seconds, and then compared with the result.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Account, type BillingSettings, emptyAccount } from '../../billing/account.ts';
import type { Effect } from '../../billing/change.ts';
import { volumeBasisPointsOf } from '../../billing/discounts.ts';
import { advance, assignDiscount, grantCredit, recordUsage, setPolicy } from '../../billing/facts.ts';
import { firstBelowSecond, nextTopUpSecond, runsOutSecond } from '../../billing/forecast.ts';
import { placeHold } from '../../billing/holds.ts';
import { announceReclaim, type InstanceOrder, startInstance } from '../../billing/instances.ts';
import { type GpuPrice, listMicrosOf, PRICINGS, priceAt } from '../../billing/prices.ts';
import type { ReservationMeter } from '../../billing/reservation-meter.ts';
import { availableMicros } from '../../billing/runway.ts';
import { firstOtherTier, trailingSpendMicros } from '../../billing/spending.ts';
import type { Meter } from '../../billing/usage.ts';
import { asMicros, dollars, policyOf, SETTINGS } from './book.ts';
import { givenOrder } from './pure-run.ts';

const DAY = 86_400;
/** A UTC midnight. */
const MIDNIGHT = 1_800_057_600;
const START = MIDNIGHT - 5 * 3_600;
/** Where nothing that a team has lasts so long. */
const FAR = START + 400 * DAY;
const PAIRS = [
  { gpuType: 'gpu', region: 'eu' },
  { gpuType: 'gpu', region: 'us' },
] as const;

/** So many seconds from the start on: seconds, hours and weeks, often at a midnight or beside it. */
const later = fc.oneof(
  fc.integer({ min: 1, max: 120 }),
  fc.integer({ min: 1, max: 2 * DAY }),
  fc.integer({ min: 1, max: 70 * DAY }),
  fc
    .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: -1, max: 1 }))
    .map(([day, beside]) => MIDNIGHT - START + day * DAY + beside),
);
const pair = fc.constantFrom(...PAIRS);

const priceOf = (onDemand: number, spotPercent: number) => {
  const reserved = asMicros(Math.ceil(onDemand * 0.6));
  return {
    onDemandMicros: asMicros(onDemand),
    spotMicros: asMicros(Math.max(1, Math.floor((onDemand * spotPercent) / 100))),
    reservedMicros: { '1m': reserved, '3m': reserved, '6m': reserved, '12m': reserved },
  };
};
const price = fc
  .record({ onDemand: fc.integer({ min: 1_000, max: 40_000_000 }), spotPercent: fc.integer({ min: 1, max: 100 }) })
  .map(({ onDemand, spotPercent }) => priceOf(onDemand, spotPercent));

const aReservation = (change: Partial<ReservationMeter>): ReservationMeter => ({
  ...PAIRS[0],
  reservationId: 'r',
  termNumber: 1,
  reservedSecond: START,
  count: 1,
  term: '1m',
  rateMicrosPerHour: asMicros(0),
  startSecond: START,
  endSecond: START + 31 * DAY,
  renew: false,
  postedMicros: asMicros(0),
  ...change,
});

const aMeter = (instanceId: string, hourly: number, startSecond: number): Meter => ({
  instanceId,
  segment: 1,
  priced: {
    ...PAIRS[0],
    pricing: 'on_demand',
    listMicrosPerHour: asMicros(hourly),
    given: false,
    discountBasisPoints: 0,
    discountKind: null,
    coveredBy: null,
  },
  rateMicrosPerHour: asMicros(hourly),
  startSecond,
  instanceStartSecond: startSecond,
  postedMicros: asMicros(0),
  shedOrder: null,
  reclaimSecond: null,
});

const team = fc.record({
  listed: fc.tuple(price, price),
  toCome: fc.array(fc.record({ pair, price, after: later, withdrawn: fc.constantFrom(false, false, false, true) }), {
    maxLength: 4,
  }),
  instances: fc.array(
    fc.record({
      pair,
      pricing: fc.constantFrom(...PRICINGS, 'on_demand' as const, 'spot' as const),
      given: fc.option(fc.integer({ min: 1_000, max: 40_000_000 })),
      shedOrder: fc.option(fc.integer({ min: 1, max: 3 })),
      reclaim: fc.option(later),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  reservations: fc.array(fc.record({ pair, count: fc.integer({ min: 1, max: 3 }), ends: later, renew: fc.boolean() }), {
    maxLength: 2,
  }),
  holds: fc.array(fc.record({ part: fc.integer({ min: 1, max: 60 }), ttl: later }), { maxLength: 6 }),
  discount: fc.option(
    fc.record({ basisPoints: fc.integer({ min: 1, max: 10_000 }), until: fc.option(later, { freq: 4 }) }),
  ),
  tiers: fc.array(
    fc.record({ percent: fc.integer({ min: 1, max: 120 }), basisPoints: fc.integer({ min: 1, max: 6_000 }) }),
    {
      maxLength: 3,
    },
  ),
  /** Some days ago, so many percent of the credit. */
  spent: fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 60 })), { maxLength: 4 }),
  /** How long credit would last if nothing but what is started burned, at its list price. */
  lasts: fc.oneof(later, fc.integer({ min: DAY, max: 50 * DAY })),
  owes: fc.integer({ min: 0, max: 9 }).map((of) => of === 0),
  levelPercent: fc.integer({ min: 0, max: 100 }),
  looks: fc.array(later, { maxLength: 4 }),
});
type Team = typeof team extends fc.Arbitrary<infer T> ? T : never;

/** A team in the middle of its life, and its billing settings. */
function begin({
  listed,
  toCome,
  instances,
  reservations,
  holds,
  discount,
  tiers,
  spent,
  lasts,
  owes,
  levelPercent,
}: Team): {
  account: Account;
  settings: BillingSettings;
} {
  const prices: GpuPrice[] = [
    ...PAIRS.map((of, i) => ({ ...of, ...listed[i]!, effectiveSecond: START - 90 * DAY, withdrawn: false })),
    ...toCome.map(({ pair, price, after, withdrawn }) => ({
      ...pair,
      ...price,
      effectiveSecond: START + after,
      withdrawn,
    })),
  ];
  const listMicros = (of: Team['instances'][number]) =>
    asMicros(of.given ?? listMicrosOf(priceAt(prices, of.pair, START)!, of.pricing));
  const hourly = instances.reduce((sum, each) => sum + listMicros(each), 0);
  const credit = asMicros(Math.ceil((hourly * lasts) / 3_600) + 1);
  const settings: BillingSettings = {
    ...SETTINGS,
    minStartMicros: asMicros(0),
    lowLevelMicros: asMicros(Math.floor((credit * levelPercent) / 100)),
    volumeTiers: tiers.map(({ percent, basisPoints }) => ({
      spendMicros: asMicros(Math.ceil((credit * percent) / 100)),
      basisPoints,
    })),
  };
  let account: Account = {
    ...emptyAccount('t', START),
    prices,
    spentByDay: new Map(
      spent.map(([day, percent]) => [MIDNIGHT - DAY - day * DAY, asMicros(Math.ceil((credit * percent) / 100))]),
    ),
    reservations: reservations.map(({ pair, count, ends, renew }, i) =>
      aReservation({
        ...pair,
        reservationId: `r${i}`,
        reservedSecond: START + ends - 31 * DAY,
        count,
        rateMicrosPerHour: asMicros(count * priceAt(prices, pair, START)!.reservedMicros['1m']),
        endSecond: START + ends,
        renew,
      }),
    ),
  };
  account = grantCredit(account, settings, { grantId: 'g', amountMicros: credit }, START).account;
  if (discount) {
    const { basisPoints, until } = discount;
    account = assignDiscount(account, settings, { basisPoints, untilSecond: until && START + until }, START).account;
  }
  for (const { part, ttl } of holds) {
    const amountMicros = asMicros(Math.floor((credit * part) / 100));
    if (amountMicros > 0 && amountMicros <= account.postedMicros - account.heldMicros)
      account = placeHold(account, settings, { amountMicros, ttlSeconds: ttl }, START).account;
  }
  instances.forEach((each, i) => {
    const instanceId = `i${i}`;
    const { pair, pricing, given, shedOrder, reclaim } = each;
    const order = {
      ...pair,
      instanceId,
      pricing,
      given: given !== null,
      shedOrder,
      listMicrosPerHour: listMicros(each),
    };
    try {
      account = startInstance(account, settings, order, START).account;
      if (pricing === 'spot' && reclaim !== null && account.meters.some((meter) => meter.instanceId === instanceId))
        account = announceReclaim(account, settings, { instanceId, reclaimSecond: START + reclaim }, START).account;
    } catch (error) {
      if ((error as Error).name !== 'BillingError') throw error;
    }
  });
  if (owes) {
    const cost = BigInt(account.postedMicros + 7) * 1_000_000n;
    if (account.heldMicros > 0) account = recordUsage(account, settings, { eventId: 'e', cost }, START).account;
  }
  return { account, settings };
}

/** The second at which credit first ended, for whatever ran then. */
const firstEnd = (effects: readonly Effect[]): number | null =>
  effects.reduce<number | null>((first, effect) => {
    if (first !== null) return first;
    if (effect.kind === 'instance_ended' && effect.reason === 'out_of_credits') return effect.endSecond;
    return effect.kind === 'reservation_closed' && effect.how === 'lapsed' ? effect.endSecond : null;
  }, null);

/** The account at later looks, each from the one before, and at each look what the clock had brought by then. */
function* looked(account: Account, settings: BillingSettings, looks: readonly number[]) {
  let now = account;
  const effects: Effect[] = [];
  yield { now, effects };
  for (const look of [...looks].sort((a, b) => a - b)) {
    const outcome = advance(now, settings, START + look);
    now = outcome.account;
    effects.push(...outcome.effects);
    yield { now, effects };
  }
}

/** Without a bias to small values, which are teams that have next to nothing. */
const RUNS = { numRuns: 400, noBias: true };

describe('any team without further facts', () => {
  it('runs out of credit in the second of each forecast, and does not run out while the forecast has none', () => {
    fc.assert(
      fc.property(team, (given) => {
        const { account, settings } = begin(given);
        const recorded = firstEnd(advance(account, settings, FAR).effects);
        for (const { now, effects } of looked(account, settings, given.looks)) {
          if (firstEnd(effects) !== null) break;
          const shown = runsOutSecond(now, settings);
          if (shown === null || shown <= FAR) expect(shown).toBe(recorded);
          else expect(recorded).toBeNull();
        }
      }),
      RUNS,
    );
  });

  it('falls below the level in the second of the forecast, and not earlier', () => {
    fc.assert(
      fc.property(team, (given) => {
        const { account, settings } = begin(given);
        const { lowLevelMicros: level } = settings;
        const availableAt = (from: Account, second: number) =>
          availableMicros(advance(from, settings, second).account, second);
        for (const { now } of looked(account, settings, given.looks)) {
          const shown = firstBelowSecond(now, settings, level);
          const until = Math.min(shown ?? FAR, FAR);
          // Between two holds' ends the line only falls.
          const rises = now.holdExpiries.map(({ second }) => second).filter((second) => second <= until);
          for (const second of [...rises, until].map((second) => second - 1))
            if (second >= now.asOfSecond) expect(availableAt(now, second)).toBeGreaterThanOrEqual(level);
          if (shown !== null && shown <= FAR) expect(availableAt(now, shown)).toBeLessThan(level);
        }
      }),
      RUNS,
    );
  });

  it('has its card charged in the second of the forecast, and not while the forecast has none', () => {
    const policy = fc.record({
      percent: fc.integer({ min: 0, max: 100 }),
      lastAttempt: fc.option(fc.integer({ min: 0, max: 600 })),
      capped: fc.boolean(),
    });
    fc.assert(
      fc.property(team, policy, (given, { percent, lastAttempt, capped }) => {
        const { account: begun, settings } = begin(given);
        const thresholdMicros = asMicros(Math.floor((begun.postedMicros * percent) / 100));
        const monthlyCapMicros = capped ? dollars('20') : null;
        const { account } = setPolicy(
          {
            ...begun,
            lastAttemptSecond: lastAttempt === null ? null : START - lastAttempt,
            toppedUp: { ...begun.toppedUp, micros: dollars(capped ? '15' : '0') },
          },
          settings,
          { ...policyOf('5', '15', { monthlyCapMicros }), thresholdMicros },
          START,
        );
        fc.pre(account.attempt === null);
        const opened = (effects: readonly Effect[]) =>
          effects.flatMap((effect) => (effect.kind === 'attempt_opened' ? [effect.attempt.openedSecond] : []))[0] ??
          null;
        const recorded = opened(advance(account, settings, FAR).effects);
        for (const { now, effects } of looked(account, settings, given.looks)) {
          if (opened(effects) !== null) break;
          const shown = nextTopUpSecond(now, settings);
          if (shown === null || shown <= FAR) expect(shown).toBe(recorded);
          else expect(recorded).toBeNull();
        }
      }),
      RUNS,
    );
  });
});

describe('a forecast', () => {
  const rich = (amount: string, settings: BillingSettings = SETTINGS): Account =>
    grantCredit(
      { ...emptyAccount('t', START), spentByDay: new Map() },
      settings,
      { grantId: 'g', amountMicros: dollars(amount) },
      START,
    ).account;
  const started = (account: Account, settings: BillingSettings, hourly: string, change: Partial<InstanceOrder> = {}) =>
    startInstance(account, settings, { ...givenOrder('i', dollars(hourly)), ...change }, START).account;

  it('has no second below a level when every instance ends with more than that left', () => {
    // $20 a second: after 4 of them $5 are left, which do not pay for a fifth.
    const account = started(rich('85'), SETTINGS, '72000');
    expect(runsOutSecond(account, SETTINGS)).toBe(START + 4);
    expect(firstBelowSecond(account, SETTINGS, dollars('5'))).toBeNull();
    expect(firstBelowSecond(account, SETTINGS, dollars('5.000001'))).toBe(START + 4);
  });

  it('has a second below a level when only some instances have ended before', () => {
    const account = started(started(rich('85'), SETTINGS, '72000', { shedOrder: 1 }), SETTINGS, '3600', {
      instanceId: 'j',
    });
    // $21 a second leave $1 after 4 of them; the dear one ends, and the other runs on for a second.
    expect(runsOutSecond(account, SETTINGS)).toBe(START + 4);
    expect(firstBelowSecond(account, SETTINGS, dollars('1'))).toBe(START + 5);
  });

  it('has a charge when the cooldown lasts longer than credit, too', () => {
    const policied = { ...rich('20'), policy: policyOf('15', '15'), lastAttemptSecond: START - 100 };
    const account = started(policied, SETTINGS, '1800');
    expect(runsOutSecond(account, SETTINGS)).toBe(START + 40);
    expect(nextTopUpSecond(account, SETTINGS)).toBe(START + 200);
  });

  it('has no charge during another charge', () => {
    const account = started(setPolicy(rich('20'), SETTINGS, policyOf('25', '15'), START).account, SETTINGS, '1800');
    expect(account.attempt).not.toBeNull();
    expect(nextTopUpSecond(account, SETTINGS)).toBeNull();
  });

  it('covers five hundred years, and assumes the last followed state from then on', () => {
    const account: Account = {
      ...rich('8.76'),
      prices: [{ ...PAIRS[0], ...priceOf(2, 100), effectiveSecond: 0, withdrawn: false }],
      reservations: [aReservation({ rateMicrosPerHour: asMicros(2), renew: true })],
    };
    const years = ((runsOutSecond(account, SETTINGS) ?? 0) - START) / (365.2425 * DAY);
    expect(years).toBeGreaterThan(490);
    expect(years).toBeLessThan(510);
  });

  it('includes the credit that a thousand holds release', () => {
    let account = started(rich('1000'), SETTINGS, '3.6');
    for (let i = 1; i <= 1_000; i += 1)
      account = placeHold(account, SETTINGS, { amountMicros: dollars('0.75'), ttlSeconds: i * 7 }, START).account;
    expect(runsOutSecond(account, SETTINGS)).toBe(START + 1_000_000);
  });
});

describe('the midnight at which the volume discount changes', () => {
  const meter = fc.record({
    hourly: fc.integer({ min: 1, max: 5_000_000 }),
    started: fc.integer({ min: 0, max: 40 * DAY }),
  });
  const day = fc.integer({ min: 0, max: 40 });
  const spent = fc.array(fc.tuple(day, fc.integer({ min: 1, max: 1_000_000_000 })), { maxLength: 6 });
  const tiers = fc.array(
    fc.record({
      spendMicros: fc.integer({ min: 1, max: 4_000_000_000 }).map(asMicros),
      basisPoints: fc.integer({ min: 1, max: 9_000 }),
    }),
    { minLength: 1, maxLength: 3 },
  );

  it('is the first midnight at which the sum reaches another tier', () => {
    fc.assert(
      fc.property(fc.array(meter, { maxLength: 4 }), spent, tiers, fc.nat(40), (meters, spentOn, tiers, days) => {
        const spentByDay = new Map(spentOn.map(([day, amount]) => [MIDNIGHT - day * DAY, asMicros(amount)]));
        const account: Account = {
          ...emptyAccount('t', MIDNIGHT + 5_000),
          meters: meters.map(({ hourly, started }, i) => aMeter(`i${i}`, hourly, MIDNIGHT + 5_000 - started)),
        };
        const earnedAt = (second: number) =>
          volumeBasisPointsOf(tiers, trailingSpendMicros(account, spentByDay, second, second - DAY));
        const earned = earnedAt(MIDNIGHT);
        const through = MIDNIGHT + days * DAY;
        const midnights = Array.from({ length: days }, (_, i) => MIDNIGHT + (i + 1) * DAY);
        const expected = midnights.find((second) => earnedAt(second) !== earned) ?? null;
        expect(firstOtherTier(account, spentByDay, tiers, earned, through)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });
});
