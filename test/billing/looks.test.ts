/** Tests the spread of reads over an hour after a midnight, and which reads are not delayed. */
import { describe, expect, it } from 'vitest';
import { type Account, type BillingSettings, emptyAccount } from '../../billing/account.ts';
import { nextCrossing } from '../../billing/crossings.ts';
import { advance, grantCredit } from '../../billing/facts.ts';
import { startInstance } from '../../billing/instances.ts';
import { halfwaySecond, lookAfter, nextLook } from '../../billing/looks.ts';
import { micros, parseDollars } from '../../billing/money.ts';
import { placeOf } from '../../billing/spread.ts';
import { givenOrder, SETTINGS } from './pure-run.ts';

const HOUR = 3_600;
/** A UTC midnight. */
const MIDNIGHT = 1_800_057_600;
const NOON = MIDNIGHT - 12 * HOUR;
const TIERED: BillingSettings = {
  ...SETTINGS,
  volumeTiers: [{ spendMicros: micros(1_000_000_000), basisPoints: 500 }],
};
const TEAMS = Array.from({ length: 10_000 }, (_, index) => `team-${index}`);

/** How many fall into each stretch of so many, from 0 on. */
function countsOf(places: readonly number[], stretch: number): number[] {
  const counts: number[] = [];
  for (const place of places) {
    const index = Math.floor(place / stretch);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return Array.from(counts, (count) => count ?? 0);
}

/** A team with one instance from the list since noon. */
function renting(teamId: string, credit: string, hourly: string, discount: Account['discount'] = null): Account {
  const empty = { ...emptyAccount(teamId, NOON), spentByDay: new Map(), discount };
  const granted = grantCredit(empty, TIERED, { grantId: 'g', amountMicros: parseDollars(credit) }, NOON).account;
  const order = { ...givenOrder('i', parseDollars(hourly)), given: false };
  return startInstance(granted, TIERED, order, NOON).account;
}

describe('the offset of an id', () => {
  it.each([
    ['names that are counted up', TEAMS],
    ['numbers', TEAMS.map((_, index) => String(1_000_000 + index))],
    ['names that differ at their beginning', TEAMS.map((_, index) => `${index}-worker-of-the-cluster`)],
  ])('is spread evenly over the minutes of an hour: %s', (_, ids) => {
    const places = ids.map((id) => placeOf(id, HOUR));
    expect(Math.min(...places)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...places)).toBeLessThanOrEqual(HOUR);
    const counts = countsOf(
      places.map((place) => place - 1),
      60,
    );
    expect(counts).toHaveLength(60);
    expect(Math.max(...counts)).toBeLessThan(1.5 * (TEAMS.length / 60));
    expect(Math.min(...counts)).toBeGreaterThan(0.5 * (TEAMS.length / 60));
  });

  it('is the same each time, and is the only offset when there is only one', () => {
    expect(placeOf('team-7', HOUR)).toBe(placeOf('team-7', HOUR));
    expect(TEAMS.map((id) => placeOf(id, 1))).toEqual(TEAMS.map(() => 1));
  });
});

describe('the watches of ten thousand teams with a volume review each midnight', () => {
  const accounts = TEAMS.map((teamId) => renting(teamId, '1000', '2.49'));

  it('read in the hour after midnight, at most a few in one second', () => {
    const looks = accounts.map((account) => nextLook(account, TIERED));
    expect(new Set(looks.map((look) => look?.what))).toEqual(new Set(['volume_review']));
    const counts = countsOf(
      looks.map((look) => (look?.second ?? 0) - MIDNIGHT),
      1,
    );
    expect(counts[0]).toBe(0);
    expect(counts.length).toBeLessThanOrEqual(HOUR + 1);
    expect(Math.max(...counts)).toBeLessThanOrEqual(15);
  });

  it('record the same as a read at midnight', () => {
    const spent = new Map([[MIDNIGHT - 24 * HOUR, micros(2_000_000_000)]]);
    for (const account of accounts.slice(0, 200)) {
      const rich = { ...account, spentByDay: spent };
      const late = advance(rich, TIERED, nextLook(account, TIERED)?.second ?? 0);
      const inTime = advance(rich, TIERED, MIDNIGHT);
      const segments = ({ effects }: typeof late) => effects.filter(({ kind }) => kind.startsWith('meter_'));
      expect(segments(late)).toEqual(segments(inTime));
      expect(segments(late).map(({ kind }) => kind)).toEqual(['meter_posted', 'meter_closed', 'meter_opened']);
      expect(late.account.meters).toEqual(inTime.account.meters);
    }
  });
});

describe('a read of changed rates', () => {
  it('comes no later than the end of credit at the full price', () => {
    // 12 h at $2.49 less half take $14.94 of $15.50; the rest lasts 809 s at the full price, and twice that at half.
    const settings = { ...SETTINGS, lowLevelMicros: micros(0) };
    const half = { basisPoints: 5_000, untilSecond: MIDNIGHT };
    for (const teamId of TEAMS.slice(0, 500)) {
      const account = renting(teamId, '15.50', '2.49', half);
      const look = nextLook(account, settings);
      const end = nextCrossing(advance(account, settings, MIDNIGHT).account, settings);
      expect(end).toEqual({ second: MIDNIGHT + 809, what: 'exhaustion' });
      expect(look).toEqual({
        second: MIDNIGHT + Math.min(placeOf(teamId, HOUR), 809),
        what: 'discount_ends',
      });
    }
  });

  it('is not delayed when another crossing is in the same second', () => {
    const account = { ...renting('t', '1000', '2.49'), holdExpiries: [{ second: MIDNIGHT, micros: micros(1) }] };
    expect(nextLook(account, TIERED)).toEqual({ second: MIDNIGHT, what: 'hold_expires' });
  });

  it('is not delayed when the crossing affects people, cards or machines', () => {
    const account = renting('t', '15', '2.49');
    const next = nextCrossing(account, SETTINGS);
    expect(next?.what).toBe('low');
    expect(nextLook(account, SETTINGS)).toEqual(next);
  });
});

describe('a read halfway to a crossing', () => {
  it('is made for an instance of a month a few times, and no later than the crossing', () => {
    const crossing = { second: NOON + 30 * 24 * HOUR, what: 'exhaustion' as const };
    const looks: number[] = [];
    for (let at = NOON; at < crossing.second; looks.push(at)) {
      const halfway = halfwaySecond(crossing, at);
      at = halfway ?? crossing.second;
      if (halfway === null) expect(crossing.second - (looks.at(-1) ?? 0)).toBeLessThan(600);
    }
    expect(looks).toHaveLength(14);
    expect(looks.at(-1)).toBe(crossing.second);
  });

  it.each(['top_up', 'low', 'exhaustion'] as const)('is made before a distant %s, and before no near one', (what) => {
    expect(halfwaySecond({ second: NOON + 601, what }, NOON)).toBe(NOON + 300);
    expect(halfwaySecond({ second: NOON + 600, what }, NOON)).toBe(NOON + 300);
    expect(halfwaySecond({ second: NOON + 599, what }, NOON)).toBeNull();
    expect(halfwaySecond({ second: NOON - 5, what }, NOON)).toBeNull();
  });

  it.each(['volume_review', 'discount_ends', 'spot_price', 'hold_expires', 'grace_over'] as const)(
    'is not made before a %s, whose second no fact about money moves',
    (what) => {
      expect(halfwaySecond({ second: NOON + 90_000, what }, NOON)).toBeNull();
    },
  );

  it('spares most wakes of a team that only grows: a thousand starts, ten reads', () => {
    let outcome = grantCredit(
      { ...emptyAccount('growing', NOON), spentByDay: new Map() },
      SETTINGS,
      { grantId: 'g', amountMicros: parseDollars('1000000') },
      NOON,
    );
    let planned: number | null = null;
    let wakes = 0;
    for (let number = 0; number < 1_000; number += 1) {
      const at = NOON + number;
      outcome = startInstance(outcome.account, SETTINGS, givenOrder(`i-${number}`, parseDollars('2.49')), at);
      const by = lookAfter({ ...outcome, settings: SETTINGS });
      if (by === null || (by !== 'now' && planned !== null && at < planned && planned <= by)) continue;
      wakes += 1;
      const look = nextLook(outcome.account, SETTINGS);
      planned = look && (halfwaySecond(look, at) ?? look.second);
    }
    expect(wakes).toBeLessThanOrEqual(11);
    expect(wakes).toBeGreaterThan(3);
  });
});
