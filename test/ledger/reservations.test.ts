/**
 * Tests how the ledger records reservations: start, slots, reminders, renewals, lapses and reads, in races and late
 * settlements.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { readInstances } from '../../api/views/instance.ts';
import { readReservations } from '../../api/views/reservation.ts';
import { micros } from '../../billing/money.ts';
import type { Pricing } from '../../billing/prices.ts';
import { addMonths } from '../../billing/time.ts';
import { getInstance } from '../../prisma/instances.ts';
import { noticesOf } from '../../prisma/notices.ts';
import { findReservation, getReservation, termsOf } from '../../prisma/reservations.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, billOf, booksOf, type Desk, type ReservationOf, SETTINGS } from './desk.ts';

const at = (time: string) => Date.parse(time) / 1000;
const START = at('2026-03-01T00:00:00Z');
const APRIL = at('2026-04-01T00:00:00Z');
const MAY = at('2026-05-01T00:00:00Z');
const DAY = 86_400;

let one: Desk;
let two: Desk;
let names = 0;
let gpuType: string;
useOffice((opened) => {
  ({ one, two } = opened);
});
beforeEach(() => {
  names += 1;
  gpuType = `reserved-${names}`;
});

/** Lists what one costs: an hour reserved for a month costs so many dollars, on demand twice as much. */
function list(monthly: number, nowSecond: number, effectiveFromSecond: number | null = null) {
  const of = (dollars: number) => micros(Math.round(dollars * 1_000_000));
  const reserved = { '1m': of(monthly), '3m': of(monthly), '6m': of(monthly), '12m': of(monthly) };
  const price = {
    gpuType,
    region: 'eu',
    onDemandMicros: of(monthly * 2),
    spotMicros: of(monthly),
    reservedMicros: reserved,
  };
  return one.ledger.changeGpuPrice({ price, effectiveFromSecond, actor: 'me', nowSecond });
}

/** What waits for the watch is handed on. */
async function handOn(teamId: string, second: number): Promise<void> {
  const { notices } = await one.look(teamId, second);
  await one.ledger.markTold({ teamId, exhaustions: [], noticeIds: notices.map(({ noticeId }) => noticeId) });
}

/** A team with credit, and a price list for what it reserves. */
async function team(credit: string, monthly = 1): Promise<string> {
  await list(monthly, START - 10);
  return one.team(`${gpuType}-team`, credit, START - 5);
}

const name = (id: string) => `${gpuType}-${id}`;
const reserve = (teamId: string, change: Partial<ReservationOf> = {}, by: Desk = one) =>
  by.reserve({ teamId, id: name('r'), gpuType, at: START, ...change });

const start = (teamId: string, id: string, second: number, pricing: Pricing = 'on_demand', by: Desk = one) =>
  by.ledger.admitInstance(
    {
      spec: {
        id: name(id),
        teamId,
        project: null,
        gpuType,
        region: 'eu',
        pricing,
        hourlyMicros: null,
        shedOrder: null,
        resumedFrom: null,
        requestHash: id,
      },
      rateMicrosPerHour: micros(0),
      callId: `call-${name(id)}`,
      notAfterMs: Number.MAX_SAFE_INTEGER,
      nowMs: 0,
      receivedSecond: second,
    },
    'test',
  );

const ends = async (teamId: string, kind = 'reservation_ended') =>
  (await noticesOf(one.db, teamId))
    .filter((notice) => notice.kind === kind)
    .map(({ second, data }) => [second, kind === 'reservation_ended' ? data.how : data.days]);
const termsAt = async () =>
  (await termsOf(one.db, [name('r')])).map(({ rateMicrosPerHour, startSecond, closedSecond }) => [
    Number(rateMicrosPerHour),
    startSecond,
    closedSecond,
  ]);
const expectBooks = async (teamId: string) =>
  expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));

describe('the start of a reservation', () => {
  it('happens once, however often and in whichever process it is requested, at the price of its second', async () => {
    const teamId = await team('2000', 1.25);
    const answers = await atOnce(8, (i) => reserve(teamId, { count: 3 }, i % 2 ? one : two));
    const admitted = { status: 'admitted', startSecond: START, endSecond: APRIL, rateMicrosPerHour: 3_750_000 };
    expect(answers).toEqual(answers.map(() => admitted));
    expect(await one.db.reservation.count({ where: { teamId } })).toBe(1);
    expect(await getReservation(one.db, name('r'))).toMatchObject({
      count: 3,
      term: '1m',
      renew: false,
      endedSecond: null,
    });
    await expectBooks(teamId);
  });

  it('repeated after the end receives the original admission', async () => {
    const teamId = await team('2000');
    const first = await reserve(teamId, { renew: true });
    await one.renew(name('r'), false, MAY);
    await one.look(teamId, at('2026-07-01T00:00:00Z'));
    expect(await reserve(teamId, { at: at('2026-08-01T00:00:00Z'), renew: true })).toEqual(first);
  });

  it('is refused under the id of another reservation of any team', async () => {
    const teamId = await team('2000');
    const other = await one.team(name('other'), '2000', START - 5);
    const answers = await Promise.all([reserve(teamId), reserve(other, {}, two)]);
    expect(answers.map(({ status }) => status).sort()).toEqual(['admitted', 'refused']);
    const taken = { status: 'refused', code: 'id_taken', message: 'another reservation has this id' };
    expect(answers).toContainEqual(taken);
    const owner = answers[0]?.status === 'admitted' ? teamId : other;
    expect(await reserve(owner, { body: 'another' })).toEqual(taken);
    expect(await one.db.reservationTerm.count({ where: { reservationId: name('r') } })).toBe(1);
  });

  it('is refused without credit, without a price, or for a call that was already answered, and leaves no row', async () => {
    const teamId = await team('2.99');
    const refused = (code: string) => ({ status: 'refused', code, message: expect.stringMatching(/\w/) });
    expect(await reserve(teamId)).toMatchObject(refused('insufficient_credit'));
    expect(await reserve(teamId, { gpuType: 'nothing-like-it' })).toEqual(refused('price_not_found'));
    expect(await reserve(teamId, { notAfterMs: 10, nowMs: 11 })).toEqual(refused('start_expired'));
    await one.db.abandonedCall.create({ data: { callId: name('call'), second: START } });
    expect(await reserve(teamId, { callId: name('call') })).toEqual(refused('start_expired'));
    expect(await findReservation(one.db, name('r'))).toBeNull();
    await one.deposit(teamId, '15', START);
    expect(await reserve(teamId)).toMatchObject({ status: 'admitted' });
  });

  it('recorded by the api happens once for all repeats, and a refusal records nothing', async () => {
    const teamId = await team('2.99');
    const spec = { id: name('r'), teamId, gpuType, region: 'eu', count: 3, term: '1m' as const, renew: false };
    const begin = (change: Partial<typeof spec & { requestHash: string }> = {}, by = one) =>
      by.ledger.beginReservation({ spec: { ...spec, requestHash: 'hash', ...change }, receivedSecond: START }, 'test');
    await expect(begin()).rejects.toMatchObject({ code: 'insufficient_credit' });
    await expect(begin({ gpuType: 'nothing-like-it' })).rejects.toMatchObject({ code: 'price_not_found' });
    expect(await findReservation(one.db, name('r'))).toBeNull();
    expect(await one.db.reservationTerm.count({ where: { teamId } })).toBe(0);
    await one.deposit(teamId, '2000', START);
    const begun = await atOnce(6, (i) => begin({}, i % 2 ? one : two));
    for (const { reservation, firstTerm } of begun) {
      expect(reservation).toEqual({
        ...spec,
        requestHash: 'hash',
        startSecond: START,
        endedSecond: null,
        endedHow: null,
      });
      expect(firstTerm).toMatchObject({ termNumber: 1, startSecond: START, endSecond: APRIL });
    }
    await expect(begin({ requestHash: 'another' })).rejects.toMatchObject({ code: 'id_taken', param: 'id' });
    expect(await one.db.reservationTerm.count({ where: { teamId } })).toBe(1);
    await expectBooks(teamId);
  });

  it('and a change of its price have one order: the start is charged the price in force at its second', async () => {
    const teamId = await team('9000', 1);
    const seconds = Array.from({ length: 12 }, (_, i) => START + i);
    await Promise.all(
      seconds.flatMap((second, i) => [
        list(2 + i, second),
        reserve(teamId, { id: name(`r${i}`), at: second }, i % 2 ? one : two),
      ]),
    );
    for (const [i] of seconds.entries()) {
      const [term] = await termsOf(one.db, [name(`r${i}`)]);
      const before = await one.db.gpuPrice.findMany({
        where: { gpuType, effectiveSecond: { lt: term?.startSecond ?? 0 } },
        orderBy: { id: 'desc' },
        take: 1,
      });
      const during = await one.db.gpuPrice.findMany({ where: { gpuType, effectiveSecond: term?.startSecond ?? 0 } });
      const inForce = [...before, ...during].map(({ reserved1mMicros }) => Number(reserved1mMicros));
      expect(inForce).toContain(Number(term?.rateMicrosPerHour));
    }
  });
});

describe('one slot', () => {
  it('is taken by exactly one of the reserved starts that race for it', async () => {
    const teamId = await team('2000');
    await reserve(teamId);
    const answers = await atOnce(6, (i) => start(teamId, `i${i}`, START + 1, 'reserved', i % 2 ? one : two));
    expect(answers.filter(({ status }) => status === 'admitted')).toEqual([
      { status: 'admitted', startSecond: START + 1, rateMicrosPerHour: 0 },
    ]);
    const refused = answers.filter(({ status }) => status === 'refused');
    const message = 'no reservation of this gpuType and region has room for another instance';
    expect(refused).toEqual(refused.map(() => ({ status: 'refused', code: 'no_reservation', message })));
    await expectBooks(teamId);
  });

  it('is free for a start that races with a stop only after the stop is recorded', async () => {
    const teamId = await team('2000');
    await reserve(teamId);
    await start(teamId, 'a', START + 1, 'reserved');
    const [, b] = await Promise.all([one.stop(name('a'), START + 2), start(teamId, 'b', START + 2, 'reserved', two)]);
    const running = await one.db.segment.findMany({ where: { teamId, endSecond: null } });
    expect(running.map(({ coveredBy }) => coveredBy)).toEqual(b.status === 'admitted' ? [name('r')] : []);
    await expectBooks(teamId);
  });
});

describe('a settlement', () => {
  it('posts the cost so far, and answers the state and the next crossing', async () => {
    const teamId = await team('2000', 1);
    await reserve(teamId, { count: 2 });
    await start(teamId, 'i', START);
    await handOn(teamId, START);
    expect(await one.settleReservation(name('r'), START + 3_600)).toEqual({
      status: 'running',
      termNumber: 1,
      rateMicrosPerHour: 2_000_000,
      costMicros: 2_000_000,
      endSecond: APRIL,
      renew: false,
      covered: 1,
      count: 2,
      next: { second: APRIL - 7 * DAY, what: 'reminder' },
    });
    await atOnce(6, (i) => (i % 2 ? one : two).settleReservation(name('r'), START + 7_200));
    const transfers = await one.db.transfer.findMany({ where: { reservationId: name('r') } });
    expect(transfers.map(({ code, amountMicros }) => [code, amountMicros])).toEqual([
      ['reservation_usage', 2_000_000n],
      ['reservation_usage', 2_000_000n],
    ]);
    await expectBooks(teamId);
  });

  it('writes a reminder a week and a day before the end, once each, and wakes the watch until the reminder is announced', async () => {
    const teamId = await team('2000');
    await reserve(teamId);
    await handOn(teamId, START);
    expect(await one.settleReservation(name('r'), APRIL - 7 * DAY - 1)).not.toHaveProperty('watchMustKnow');
    const week = await atOnce(4, (i) => (i % 2 ? one : two).settleReservation(name('r'), APRIL - 7 * DAY));
    for (const answer of week)
      expect(answer).toMatchObject({ watchMustKnow: true, next: { second: APRIL - DAY, what: 'reminder' } });
    await handOn(teamId, APRIL - 7 * DAY + 1);
    expect(await one.settleReservation(name('r'), APRIL - 6 * DAY)).not.toHaveProperty('watchMustKnow');
    expect(await one.settleReservation(name('r'), APRIL - DAY)).toMatchObject({
      watchMustKnow: true,
      next: { second: APRIL, what: 'end of term' },
    });
    await one.settleReservation(name('r'), APRIL - 1);
    expect(await ends(teamId, 'reservation_ending')).toEqual([
      [APRIL - 7 * DAY, 7],
      [APRIL - DAY, 1],
    ]);
  });

  it('that is months late finds each renewal at its own second and price, and gives the same bill as timely settlements', async () => {
    const late = await team('30000', 1);
    const prompt = await one.team(name('prompt'), '30000', START - 5);
    for (const [teamId, id] of [
      [late, 'r'],
      [prompt, 'p'],
    ] as const) {
      await reserve(teamId, { id: name(id), renew: true, count: 3 });
      await start(teamId, `${id}-a`, START + 10);
      await start(teamId, `${id}-b`, START + 20);
    }
    const now = at('2026-06-20T12:00:00Z');
    // To the prompt one, somebody comes every few days; the list changes on the way.
    const look = async (from: number, to: number) => {
      for (let second = from; second < to; second += 5 * DAY) await two.settleReservation(name('p'), second);
    };
    await look(START + DAY, APRIL - 10 * DAY);
    await list(1.333333, APRIL - 8 * DAY, APRIL);
    await list(1.5, APRIL - 8 * DAY, MAY - 1);
    await list(9, APRIL - 8 * DAY, MAY + 1);
    await look(APRIL - 6 * DAY, now);
    for (const [teamId, id] of [
      [late, 'r'],
      [prompt, 'p'],
    ] as const) {
      const standing = await one.settleReservation(name(id), now);
      const hours = (from: number, to: number) => (to - from) / 3_600;
      const june = addMonths(MAY, 1);
      const expected =
        3_000_000 * hours(START, APRIL) +
        3_999_999 * hours(APRIL, MAY) +
        4_500_000 * hours(MAY, june) +
        27_000_000 * hours(june, now);
      expect(standing).toMatchObject({ status: 'running', termNumber: 4, costMicros: expected, covered: 2 });
      expect(await ends(teamId)).toEqual([APRIL, MAY, june].map((second) => [second, 'renewed']));
      await expectBooks(teamId);
    }
    const [a, b] = [await billOf(one.db, late), await billOf(one.db, prompt)];
    expect(a.netMicros).toBe(b.netMicros);
    expect(Object.values(a.reservations)).toEqual(Object.values(b.reservations));
    expect(Object.values(a.instances)).toEqual([0n, 0n]);
  });

  it('after a lapse answers the receipt, and wakes the watch', async () => {
    const teamId = await team('36', 3.6);
    await reserve(teamId);
    await start(teamId, 'i', START);
    const standing = await one.settleReservation(name('r'), APRIL + DAY);
    const end = START + 36_000;
    expect(standing).toEqual({
      status: 'ended',
      watchMustKnow: true,
      receipt: {
        reservationId: name('r'),
        teamId,
        startSecond: START,
        endSecond: end,
        terms: 1,
        costMicros: 36_000_000,
        how: 'lapsed',
      },
    });
    expect(await ends(teamId)).toEqual([[end, 'lapsed']]);
    expect(await getInstance(one.db, name('i'))).toMatchObject({ endSecond: end, reason: 'out_of_credits' });
    // Also the watch hears whose end it was.
    expect((await one.look(teamId, APRIL + DAY)).reservationIds).toEqual([name('r')]);
    await expectBooks(teamId);
  });
});

describe('the end of credit', () => {
  it('lapses all reservations at its second, whichever call records it', async () => {
    const teamId = await team('72', 3.6);
    await reserve(teamId);
    await reserve(teamId, { id: name('r2') });
    await Promise.all([
      one.settleReservation(name('r'), APRIL),
      two.settleReservation(name('r2'), APRIL),
      one.look(teamId, APRIL),
      two.look(teamId, APRIL),
    ]);
    const end = START + 36_000;
    const rows = await one.db.reservation.findMany({ where: { teamId } });
    expect(rows.map(({ endedSecond, endedHow }) => [Number(endedSecond), endedHow])).toEqual([
      [end, 'lapsed'],
      [end, 'lapsed'],
    ]);
    expect(await ends(teamId)).toHaveLength(2);
    await expectBooks(teamId);
  });

  it('writes both notices of a renewal and a lapse in the same second', async () => {
    const teamId = await team('744', 1);
    await reserve(teamId, { renew: true });
    await one.look(teamId, MAY);
    expect(await ends(teamId)).toEqual([
      [APRIL, 'renewed'],
      [APRIL, 'lapsed'],
    ]);
    expect(await termsAt()).toEqual([
      [1_000_000, START, APRIL],
      [1_000_000, APRIL, APRIL],
    ]);
    await expectBooks(teamId);
  });
});

describe('a renewal', () => {
  it('can be switched on and off before the second of the renewal, and not from that second on', async () => {
    const teamId = await team('2000');
    await reserve(teamId);
    await one.renew(name('r'), true, APRIL - 2);
    await two.renew(name('r'), false, APRIL - 1);
    expect((await getReservation(one.db, name('r'))).renew).toBe(false);
    await expect(one.renew(name('r'), true, APRIL)).rejects.toMatchObject({ code: 'reservation_ended' });
    // Refused, nothing is kept; whoever looks next records the end at its own second.
    await one.look(teamId, APRIL + 100);
    expect(await getReservation(one.db, name('r'))).toMatchObject({ endedSecond: APRIL, endedHow: 'ended' });
  });

  it('and a change of the list price have one order: the renewal is at the price of its second, whenever it is computed', async () => {
    for (const i of Array.from({ length: 8 }, (_, index) => index)) {
      gpuType = `reserved-race-${i}`;
      const teamId = await team('2000', 1);
      await reserve(teamId, { renew: true });
      await Promise.all([two.look(teamId, APRIL), list(5, APRIL)]);
      await one.look(teamId, APRIL + 1);
      const [, second] = await termsOf(one.db, [name('r')]);
      const [latest] = await one.db.gpuPrice.findMany({ where: { gpuType }, orderBy: { id: 'desc' }, take: 1 });
      const inForce = Number(latest?.effectiveSecond) <= APRIL ? 5_000_000 : 1_000_000;
      expect(second).toMatchObject({ startSecond: APRIL, rateMicrosPerHour: inForce });
    }
  });

  it('refuses a later price change for its second or before', async () => {
    const teamId = await team('2000', 1);
    await reserve(teamId, { renew: true });
    await one.look(teamId, APRIL);
    await one.renew(name('r'), false, APRIL);
    await expect(list(5, APRIL, APRIL)).rejects.toMatchObject({ code: 'at_out_of_range' });
    expect((await list(5, APRIL)).effectiveSecond).toBe(APRIL + 1);
  });
});

describe('a read', () => {
  it('after the end shows the reservation ended and its covered instances charged, before the end is recorded', async () => {
    const teamId = await team('2000', 1);
    await reserve(teamId, { count: 2 });
    await start(teamId, 'i', START + 5);
    const now = APRIL + 1_800;
    const [reservation] = await readReservations(one.db, SETTINGS, [await getReservation(one.db, name('r'))], now);
    expect(reservation).toMatchObject({
      status: 'ended',
      how: 'ended',
      endedAt: '2026-04-01T00:00:00Z',
      cost: '1488.000000',
      covers: [],
      savesPerHour: '0.000000',
    });
    const [instance] = await readInstances(one.db, SETTINGS, [await getInstance(one.db, name('i'))], now);
    expect(instance).toMatchObject({ cost: '1.000000', hourly: '2.000000' });
    expect(instance?.segments.map(({ hourly, coveredBy, seconds }) => [hourly, coveredBy, seconds])).toEqual([
      ['0.000000', name('r'), APRIL - START - 5],
      ['2.000000', null, 1_800],
    ]);
    expect(await getReservation(one.db, name('r'))).toMatchObject({ endedSecond: null });
  });

  it('shows an unrecorded renewal as another term', async () => {
    const teamId = await team('9000', 1);
    await reserve(teamId, { renew: true });
    await list(2, START + 1, APRIL);
    const row = await getReservation(one.db, name('r'));
    const [view] = await readReservations(one.db, SETTINGS, [row], APRIL + 3_600);
    expect(view).toMatchObject({
      status: 'active',
      endsAt: '2026-05-01T00:00:00Z',
      hourly: '2.000000',
      cost: '746.000000',
    });
    expect(view?.terms.map(({ endedAt, cost }) => [endedAt, cost])).toEqual([
      ['2026-04-01T00:00:00Z', '744.000000'],
      [null, '2.000000'],
    ]);
  });
});
