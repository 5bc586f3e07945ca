/** Tests reservations: terms, covers, renewals, lapses and reminders. */
import { describe, expect, it } from 'vitest';
import { type Account, emptyAccount } from '../../billing/account.ts';
import type { Effect, FactOutcome } from '../../billing/change.ts';
import { type Coverable, coversOf, hasCoverFor } from '../../billing/covers.ts';
import { nextCrossing } from '../../billing/crossings.ts';
import { BillingError } from '../../billing/errors.ts';
import { advance, creditDeposit, grantCredit, setPolicy } from '../../billing/facts.ts';
import { type InstanceOrder, startInstance, stopInstance } from '../../billing/instances.ts';
import { formatDollars, micros, parseDollars } from '../../billing/money.ts';
import { type GpuPrice, MONTHS_OF_TERM, type Pricing, type ReservationTerm } from '../../billing/prices.ts';
import { dueReminder, nextReminderSecond } from '../../billing/reminders.ts';
import { type ReservationMeter, TERM_REMINDER_DAYS } from '../../billing/reservation-meter.ts';
import { openReservation, type ReservationOrder, setRenewal, settleReservation } from '../../billing/reservations.ts';
import { burnMicrosPerHour } from '../../billing/runway.ts';
import { addMonths, formatSecond } from '../../billing/time.ts';
import { costMicros } from '../../billing/usage.ts';
import { policyOf } from './book.ts';
import { SETTINGS } from './pure-run.ts';

const at = (time: string) => Date.parse(time) / 1000;
const START = at('2026-03-01T00:00:00Z');
const HOUR = 3_600;
const DAY = 24 * HOUR;
const PAIR = { gpuType: 'h100', region: 'eu' };

const priceFrom = (effectiveSecond: number, reserved: string, change: Partial<GpuPrice> = {}): GpuPrice => {
  const each = parseDollars(reserved);
  return {
    ...PAIR,
    effectiveSecond,
    onDemandMicros: micros(each * 2),
    spotMicros: each,
    reservedMicros: { '1m': each, '3m': each, '6m': each, '12m': each },
    withdrawn: false,
    ...change,
  };
};

const order = (change: Partial<ReservationOrder> = {}): ReservationOrder => ({
  ...PAIR,
  reservationId: 'r',
  count: 1,
  term: '1m',
  renew: false,
  unitMicrosPerHour: parseDollars('1.25'),
  ...change,
});

const listed = (instanceId: string, hourly: string, change: Partial<InstanceOrder> = {}): InstanceOrder => ({
  ...PAIR,
  instanceId,
  pricing: 'on_demand',
  listMicrosPerHour: parseDollars(hourly),
  given: false,
  shedOrder: null,
  ...change,
});

/** One team, a line a fact. */
class Team {
  account: Account;
  readonly effects: Effect[] = [];

  constructor(credit: string, prices: GpuPrice[] = []) {
    this.account = { ...emptyAccount('t', START), prices, spentByDay: new Map() };
    this.keep(grantCredit(this.account, SETTINGS, { grantId: 'g', amountMicros: parseDollars(credit) }, START));
  }

  keep({ account, effects }: FactOutcome): this {
    this.account = account;
    this.effects.push(...effects);
    return this;
  }

  look = (second: number) => this.keep(advance(this.account, SETTINGS, second));
  reserve = (change: Partial<ReservationOrder> = {}, second = START) =>
    this.keep(openReservation(this.account, SETTINGS, order(change), second));
  settle = (second: number, id = 'r') => this.keep(settleReservation(this.account, SETTINGS, id, second));
  renew = (renew: boolean, second: number) =>
    this.keep(setRenewal(this.account, SETTINGS, { reservationId: 'r', renew }, second));
  start = (of: InstanceOrder, second = START) => this.keep(startInstance(this.account, SETTINGS, of, second));
  stop = (instanceId: string, second: number) =>
    this.keep(stopInstance(this.account, SETTINGS, { instanceId, reason: 'stopped', closedSegments: [] }, second));

  get ends() {
    return this.effects.flatMap((effect) =>
      effect.kind === 'reservation_closed' ? [[effect.reservation.reservationId, effect.endSecond, effect.how]] : [],
    );
  }

  get covers() {
    return Object.fromEntries(this.account.meters.map(({ instanceId, priced }) => [instanceId, priced.coveredBy]));
  }

  /** What was posted from credit, by code. */
  posted(code: string): number {
    return this.effects.reduce(
      (sum, effect) =>
        sum + (effect.kind === 'transfer' && effect.transfer.code === code ? effect.transfer.amountMicros : 0),
      0,
    );
  }

  /** The stretches that an instance was charged: rate, from, to. */
  segments(instanceId: string) {
    return this.effects.flatMap((effect) =>
      effect.kind === 'meter_closed' &&
      effect.meter.instanceId === instanceId &&
      effect.endSecond > effect.meter.startSecond
        ? [[Number(effect.meter.rateMicrosPerHour), effect.meter.startSecond, effect.endSecond]]
        : [],
    );
  }
}

const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof BillingError) return error.code;
    throw error;
  }
  return 'none';
};

describe('a term', () => {
  it.each<[string, ReservationTerm, string]>([
    ['2026-01-15T12:34:56Z', '1m', '2026-02-15T12:34:56Z'],
    ['2026-01-31T23:59:59Z', '1m', '2026-02-28T23:59:59Z'],
    ['2028-01-31T00:00:00Z', '1m', '2028-02-29T00:00:00Z'],
    ['2028-02-29T06:00:00Z', '1m', '2028-03-29T06:00:00Z'],
    ['2026-08-31T01:00:00Z', '1m', '2026-09-30T01:00:00Z'],
    ['2026-12-31T23:00:00Z', '1m', '2027-01-31T23:00:00Z'],
    ['2026-11-30T00:00:01Z', '3m', '2027-02-28T00:00:01Z'],
    ['2027-11-30T00:00:01Z', '3m', '2028-02-29T00:00:01Z'],
    ['2026-08-31T00:00:00Z', '6m', '2027-02-28T00:00:00Z'],
    ['2028-02-29T23:59:59Z', '12m', '2029-02-28T23:59:59Z'],
    ['2027-02-28T23:59:59Z', '12m', '2028-02-28T23:59:59Z'],
    ['2099-12-31T00:00:00Z', '3m', '2100-03-31T00:00:00Z'],
    ['2100-01-31T00:00:00Z', '1m', '2100-02-28T00:00:00Z'],
  ])('that begins at %s and takes %s ends at %s', (from, term, to) => {
    expect(formatSecond(addMonths(at(from), MONTHS_OF_TERM[term]))).toBe(to);
  });

  it('costs its rate for each second, used or not, for any times of settlement', () => {
    const often = new Team('2000').reserve({ count: 2 });
    for (let second = START + 1_234; second < START + 31 * DAY; second += 3_333 * 60) often.settle(second);
    const never = new Team('2000').reserve({ count: 2 });
    for (const team of [often, never]) {
      team.look(at('2026-07-04T00:00:00Z'));
      expect(team.ends).toEqual([['r', at('2026-04-01T00:00:00Z'), 'ended']]);
      expect(team.posted('reservation_usage')).toBe(2 * 1_250_000 * 31 * 24);
    }
  });

  it('neither loses nor gains a fraction of a micro', () => {
    const odd = { count: 7, unitMicrosPerHour: micros(1_234_567) };
    const team = new Team('9000').reserve(odd);
    for (const second of [1, 2, 3, 5, 7, 1_001, 3_599]) team.settle(START + second);
    expect(team.posted('reservation_usage')).toBe(Number((7n * 1_234_567n * 3_599n) / 3_600n));
  });

  it('uses credit like an instance, and its end is a crossing of the watch', () => {
    const team = new Team('2000').reserve({ count: 3 });
    expect(burnMicrosPerHour(team.account)).toBe(3_750_000);
    expect(nextCrossing(new Team('9000').reserve().account, SETTINGS)).toEqual({
      second: at('2026-04-01T00:00:00Z'),
      what: 'reservation_ends',
    });
  });

  it('cannot begin below the minimum, nor while a charge delays the end of credit', () => {
    expect(refusal(() => new Team('2.99').reserve())).toBe('insufficient_credit');
    expect(refusal(() => new Team('3').reserve())).toBe('none');
    const team = new Team('10').start(listed('i', '36000', { given: true }));
    team.keep(setPolicy(team.account, SETTINGS, policyOf('5', '50'), START)).look(START + 2);
    expect(team.account.standsAtSecond).toBe(START + 1);
    expect(refusal(() => team.reserve({}, START + 2))).toBe('insufficient_credit');
  });
});

describe('a reservation covers', () => {
  const instance = (
    instanceId: string,
    hourly: string,
    { pricing = 'on_demand' as Pricing, since = 0, by = null as string | null, given = false, region = 'eu' } = {},
  ): Coverable => ({
    instanceId,
    instanceStartSecond: since,
    priced: {
      ...PAIR,
      region,
      pricing,
      given,
      listMicrosPerHour: parseDollars(hourly),
      discountBasisPoints: 0,
      discountKind: null,
      coveredBy: by,
    },
  });
  const reservation = (reservationId: string, count: number, endSecond = 100, region = 'eu'): ReservationMeter => ({
    ...PAIR,
    region,
    reservationId,
    count,
    endSecond,
    term: '1m',
    reservedSecond: 0,
    termNumber: 1,
    renew: false,
    startSecond: 0,
    rateMicrosPerHour: micros(1),
    postedMicros: micros(0),
  });
  const one = [reservation('r', 1)];

  it.each<[string, Coverable[], ReservationMeter[], Record<string, string>]>([
    ['nobody where nothing runs', [], one, {}],
    ['nobody where nothing is reserved', [instance('a', '2')], [], {}],
    ['nobody of another region', [instance('a', '2', { region: 'us' })], one, {}],
    ['the dearest', [instance('a', '2'), instance('b', '3'), instance('c', '1')], one, { b: 'r' }],
    [
      'on-demand before spot, since it costs more',
      [instance('a', '1', { pricing: 'spot' }), instance('b', '2')],
      one,
      { b: 'r' },
    ],
    [
      'one that was started as reserved before a dearer one',
      [instance('a', '2', { pricing: 'reserved' }), instance('b', '3')],
      one,
      { a: 'r' },
    ],
    [
      'the oldest of two that cost the same',
      [instance('a', '2', { since: 9 }), instance('b', '2', { since: 8 })],
      one,
      { b: 'r' },
    ],
    ['the first by name of two that are alike', [instance('b', '2'), instance('a', '2')], one, { a: 'r' }],
    ['nobody whose price was given', [instance('a', '9', { given: true })], one, {}],
    [
      'one that was started as reserved, also at a given price',
      [instance('a', '9', { given: true, pricing: 'reserved' })],
      one,
      { a: 'r' },
    ],
    [
      'as many as were reserved',
      [instance('a', '1'), instance('b', '2'), instance('c', '3')],
      [reservation('r', 2)],
      { b: 'r', c: 'r' },
    ],
    [
      'from the reservation that ends last first',
      [instance('a', '2')],
      [reservation('early', 1, 50), reservation('late', 1, 99)],
      { a: 'late' },
    ],
    [
      'all of two reservations of a pair, as of one pool',
      [instance('a', '3'), instance('b', '2'), instance('c', '1')],
      [reservation('early', 1, 50), reservation('late', 1, 99)],
      { a: 'late', b: 'early' },
    ],
    [
      'an instance by the reservation that it has, as long as that has room',
      [instance('a', '3', { by: 'early' }), instance('b', '2', { by: 'late' })],
      [reservation('early', 1, 50), reservation('late', 1, 99)],
      { a: 'early', b: 'late' },
    ],
    [
      'one whose reservation has ended by another',
      [instance('a', '3', { by: 'gone' }), instance('b', '2', { by: 'r' })],
      [reservation('r', 2)],
      { a: 'r', b: 'r' },
    ],
    [
      'each pair by its own',
      [instance('a', '2'), instance('b', '2', { region: 'us' })],
      [reservation('here', 1), reservation('there', 1, 100, 'us')],
      { a: 'here', b: 'there' },
    ],
  ])('%s', (_, instances, reservations, expected) => {
    expect(Object.fromEntries(coversOf(instances, reservations))).toEqual(expected);
    expect(Object.fromEntries(coversOf([...instances].reverse(), [...reservations].reverse()))).toEqual(expected);
  });

  it('one more instance that is started as reserved, while fewer such instances run than are reserved', () => {
    const reserved = instance('a', '2', { pricing: 'reserved' });
    const dear = instance('b', '9');
    expect(hasCoverFor(PAIR, [], [])).toBe(false);
    expect(hasCoverFor(PAIR, [dear], one)).toBe(true);
    expect(hasCoverFor(PAIR, [reserved], one)).toBe(false);
    expect(hasCoverFor(PAIR, [reserved], [reservation('r', 2)])).toBe(true);
    expect(hasCoverFor({ ...PAIR, region: 'us' }, [], one)).toBe(false);
  });
});

describe('an instance', () => {
  it('that already runs costs nothing from the second at which a reservation begins', () => {
    const team = new Team('100')
      .start(listed('i', '3.6'))
      .reserve({}, START + 100)
      .look(START + 700)
      .stop('i', START + 700);
    expect(team.segments('i')).toEqual([
      [3_600_000, START, START + 100],
      [0, START + 100, START + 700],
    ]);
    expect(team.posted('instance_usage')).toBe(100_000);
  });

  it('costs its own price again from the second at which the reservation ends', () => {
    const end = at('2026-04-01T00:00:00Z');
    const team = new Team('2000')
      .reserve()
      .start(listed('i', '3.6'))
      .look(end + 500)
      .stop('i', end + 500);
    expect(team.segments('i')).toEqual([
      [0, START, end],
      [3_600_000, end, end + 500],
    ]);
  });

  it('passes its cover on when it stops, and to a more expensive instance at once', () => {
    const team = new Team('100').reserve().start(listed('cheap', '1')).start(listed('cheaper', '0.5'));
    expect(team.covers).toEqual({ cheap: 'r', cheaper: null });
    team.start(listed('dear', '9'), START + 10);
    expect(team.covers).toEqual({ cheap: null, cheaper: null, dear: 'r' });
    team.stop('dear', START + 20);
    expect(team.covers).toEqual({ cheap: 'r', cheaper: null });
  });

  it('is refused as reserved without room, and admitted when there is room', () => {
    const reserved = (id: string) => listed(id, '9', { pricing: 'reserved' });
    const team = new Team('100');
    expect(refusal(() => team.start(reserved('a')))).toBe('no_reservation');
    team.reserve().start(reserved('a'));
    expect(refusal(() => team.start(reserved('b')))).toBe('no_reservation');
    team.stop('a', START + 5).start(reserved('b'), START + 5);
    expect(team.covers).toEqual({ b: 'r' });
  });

  it('that is free does not pay for the end of credit: the reservation does, and both end', () => {
    const team = new Team('3').reserve({ unitMicrosPerHour: parseDollars('3.6') }).start(listed('i', '9'));
    team.look(START + 10 * HOUR);
    // $3 at a tenth of a cent a second.
    const end = START + 3_000;
    expect(team.ends).toEqual([['r', end, 'lapsed']]);
    expect(team.effects.filter(({ kind }) => kind === 'exhausted')).toMatchObject([
      { second: end, instanceIds: ['i'] },
    ]);
    expect([team.account.postedMicros, team.account.meters, team.account.reservations]).toEqual([0, [], []]);
  });
});

describe('a reservation at the end of its term', () => {
  const april = at('2026-04-01T00:00:00Z');
  const may = at('2026-05-01T00:00:00Z');
  const prices = [priceFrom(0, '1.25'), priceFrom(april - 1, '1.5'), priceFrom(april + 1, '2')];

  it('is renewed at the price in force at that second, for any number of terms', () => {
    const team = new Team('9000', prices).reserve({ renew: true, count: 2 }).look(may + HOUR);
    expect(team.ends).toEqual([
      ['r', april, 'renewed'],
      ['r', may, 'renewed'],
    ]);
    expect(team.account.reservations).toMatchObject([
      { termNumber: 3, startSecond: may, endSecond: at('2026-06-01T00:00:00Z'), rateMicrosPerHour: 4_000_000 },
    ]);
    expect(team.posted('reservation_usage')).toBe(2 * (1_250_000 * 31 * 24 + 1_500_000 * 30 * 24));
  });

  it('continues to cover its instances without a new segment', () => {
    const team = new Team('9000', prices)
      .reserve({ renew: true })
      .start(listed('i', '9'))
      .look(may + HOUR);
    expect(team.covers).toEqual({ i: 'r' });
    expect(team.segments('i')).toEqual([]);
  });

  it('of a 31st ends on the last day of a shorter month, and on the 31st again', () => {
    const team = new Team('9000', [priceFrom(0, '1')]).look(at('2026-03-31T08:00:00Z'));
    team.reserve({ renew: true }, at('2026-03-31T08:00:00Z')).look(at('2026-06-15T00:00:00Z'));
    expect(team.ends.map(([, second]) => formatSecond(Number(second)))).toEqual([
      '2026-04-30T08:00:00Z',
      '2026-05-31T08:00:00Z',
    ]);
  });

  it('is not renewed when its GPU is no longer offered', () => {
    const gone = [priceFrom(0, '1.25'), priceFrom(april, '1.25', { withdrawn: true })];
    const team = new Team('9000', gone).reserve({ renew: true }).start(listed('i', '9')).look(may);
    expect(team.ends).toEqual([['r', april, 'not_offered']]);
    expect(team.covers).toEqual({ i: null });
  });

  it('is renewed when its GPU is withdrawn a second later', () => {
    const going = [priceFrom(0, '1.25'), priceFrom(april + 1, '1.25', { withdrawn: true })];
    expect(new Team('9000', going).reserve({ renew: true }).look(april).ends).toEqual([['r', april, 'renewed']]);
  });

  it('follows a switch of the renewal in its last second', () => {
    const off = new Team('9000', prices)
      .reserve({ renew: true })
      .renew(false, april - 1)
      .look(april);
    expect(off.ends).toEqual([['r', april, 'ended']]);
    const on = new Team('9000', prices)
      .reserve()
      .renew(true, april - 1)
      .look(april);
    expect(on.ends).toEqual([['r', april, 'renewed']]);
  });

  it('refuses a switch of the renewal from the second of its end', () => {
    const team = new Team('9000').reserve();
    expect(refusal(() => team.renew(true, april))).toBe('reservation_ended');
  });

  it('reports no change when a switch changes nothing', () => {
    const team = new Team('9000').reserve({ renew: true }).renew(true, START + 1);
    expect(team.effects.some(({ kind }) => kind === 'renewal_set')).toBe(false);
  });

  it('is paid to its last second, and lapses there with a micro less', () => {
    const cost = costMicros(parseDollars('1.25'), april - START);
    expect(new Team('9000').reserve().look(april).account.postedMicros).toBe(9_000_000_000 - cost);
    const exact = new Team('930').reserve().look(may);
    expect(cost).toBe(930_000_000);
    expect(exact.ends).toEqual([['r', april, 'ended']]);
    expect(exact.account.postedMicros).toBe(0);
    const short = new Team('929.999999').reserve().look(may);
    expect(short.ends).toEqual([['r', april - 1, 'lapsed']]);
  });

  it('is renewed with the last micro, and lapses in the same second', () => {
    const team = new Team('930', [priceFrom(0, '1.25')]).reserve({ renew: true }).look(may);
    expect(team.ends).toEqual([
      ['r', april, 'renewed'],
      ['r', april, 'lapsed'],
    ]);
  });

  it('waits for the charge that delays the end of credit, and takes effect at its own second after the success', () => {
    const short = formatDollars(costMicros(parseDollars('1.25'), april - 20 - START));
    const team = new Team(short).reserve();
    team.keep(setPolicy(team.account, SETTINGS, policyOf('500', '500'), april - 30)).look(april + 5);
    expect(team.account.standsAtSecond).toBe(april - 20);
    const depositId = team.account.attempt?.depositId ?? '';
    expect(team.ends).toEqual([]);
    team.keep(creditDeposit(team.account, SETTINGS, { depositId, amountMicros: parseDollars('500') }, april + 20));
    expect(team.ends).toEqual([['r', april, 'ended']]);
  });
});

describe('reminders', () => {
  const end = at('2026-04-01T00:00:00Z');
  it.each([
    ['more than a week ahead', end - 7 * DAY - 1, null, end - 7 * DAY],
    ['a week ahead', end - 7 * DAY, 7, end - DAY],
    ['between', end - DAY - 1, 7, end - DAY],
    ['a day ahead', end - DAY, 1, null],
    ['in the last second', end - 1, 1, null],
    ['at the end', end, null, null],
    ['long after', end + DAY, null, null],
  ])('%s', (_, second, due, next) => {
    expect(dueReminder(end, TERM_REMINDER_DAYS, second)).toBe(due);
    expect(nextReminderSecond(end, TERM_REMINDER_DAYS, second)).toBe(next);
  });
});
