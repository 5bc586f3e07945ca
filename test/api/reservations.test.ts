/** Tests reservations over HTTP: start, cost, renewal, lapse, access and the cover of instances. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addMonths, formatSecond, secondOf } from '../../billing/time.ts';
import { dueReservations, FROM_THE_FIRST } from '../../prisma/due-work.ts';
import { noticesOf } from '../../prisma/notices.ts';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith, theWatchLooks } from './support.ts';

let api: CommandedApi;
let names = 0;
let gpu: string;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi();
  // Only what a test lets pass passes, however slow the machine.
  api.clock.stoppedMs = Date.now();
});
beforeEach(async () => {
  Object.assign(api.engine, { away: false, deaf: false, starting: 'seen', sentWakes: [], starts: 0 });
  names += 1;
  gpu = `gpu-${names}`;
  await list();
  team = await teamWith(api, '5000');
});
afterAll(() => api.close());

const RESERVED = { '1m': '7', '3m': '6.3', '6m': '5.7', '12m': '5' };
const list = (change: object = {}) =>
  api.put(`/v1/prices/${gpu}/eu-1`, { onDemand: '10', spot: '4', reserved: RESERVED, ...change });
const asked = (change: object = {}) => ({ team, gpuType: gpu, region: 'eu-1', count: 2, term: '3m', ...change });
const reserve = (change: object = {}, options: object = {}) => api.post('/v1/reservations', asked(change), options);
const read = async (id: string, key?: string) => api.get(`/v1/reservations/${id}`, key === undefined ? {} : { key });
const renew = (id: string, to: unknown, key?: string) =>
  api.send('PATCH', `/v1/reservations/${id}`, { body: { renew: to }, ...(key !== undefined && { key }) });
const startInstance = (change: object = {}) => {
  const { hourly: _, ...listed } = instanceOf(team, { gpuType: gpu, ...change });
  return api.post('/v1/instances', listed);
};
const pass = (seconds: number) => {
  api.clock.aheadMs += seconds * 1_000;
};
/** The team's reservations whose workflow has not seen them. */
const due = async () =>
  (await dueReservations(api.db, 2 ** 40, FROM_THE_FIRST, 1_000))
    .filter(({ reservation }) => reservation.teamId === team)
    .map(({ reservation }) => reservation.id);
const secondsOf = (time: string) => Date.parse(time) / 1_000;
/** The cost of so many seconds at so many dollars an hour, as the api writes it. */
const costOf = (dollarsPerHour: number, seconds: number): string => {
  const micros = (BigInt(Math.round(dollarsPerHour * 1_000_000)) * BigInt(seconds)) / 3_600n;
  const digits = String(micros).padStart(7, '0');
  return `${digits.slice(0, -6)}.${digits.slice(-6)}`;
};

describe('a reservation', () => {
  it('begins at the second of the call, at the reserved price of its term', async () => {
    const { status, body } = await reserve();
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^resv_/),
      team,
      gpuType: gpu,
      region: 'eu-1',
      count: 2,
      term: '3m',
      status: 'active',
      startedAt: expect.any(String),
      endsAt: formatSecond(addMonths(secondsOf(body.startedAt), 3)),
      endedAt: null,
      how: null,
      renew: false,
      hourly: '12.600000',
      hourlyEach: '6.300000',
      cost: '0.000000',
      terms: [{ startedAt: body.startedAt, endsAt: body.endsAt, endedAt: null, hourly: '12.600000', cost: '0.000000' }],
      covers: [],
      savesPerHour: '-12.600000',
    });
    expect(secondsOf(body.startedAt)).toBe(secondOf(api.world.nowMs()));
    expect((await api.get(`/v1/teams/${team}/balance`)).body.burnPerHour).toBe('12.600000');
  });

  it('has a current cost by the second, and its settled part is in the transactions', async () => {
    const { body: begun } = await reserve({ term: '1m', count: 3 });
    pass(3_600);
    const { body } = await read(begun.id);
    const hour = secondOf(api.world.nowMs()) - secondsOf(begun.startedAt);
    expect(body.cost).toBe(costOf(21, hour));
    await api.world.ledger.settleReservation(
      { reservationId: begun.id, nowSecond: secondsOf(begun.startedAt) + 3_600 },
      'reservation/x',
    );
    const { body: transactions } = await api.get(`/v1/teams/${team}/transactions`);
    expect(transactions.data[0]).toMatchObject({
      amount: expect.stringMatching(/^-21\.0/),
      account: 'credit',
      code: 'reservation_usage',
      reference: expect.stringContaining(`reservation/${begun.id}/through/`),
      reservation: begun.id,
      instance: null,
      deposit: null,
    });
    const csv = await api.get(`/v1/teams/${team}/transactions`, { headers: { Accept: 'text/csv' } });
    expect(csv.text.split('\r\n')[0] ?? csv.text.split('\n')[0]).toContain(',instance,reservation,deposit,');
    expect(csv.text).toContain(`reservation_usage,posted,`);
  });

  it('is the same reservation for a repeat of the id and body, and a conflict for another body', async () => {
    const id = `mine-${names}`;
    const first = await reserve({ id });
    const again = await reserve({ id, renew: false });
    expect([first.status, again.status, again.body.startedAt]).toEqual([201, 201, first.body.startedAt]);
    expect(api.engine.starts).toBe(1);
    for (const change of [{ count: 3 }, { term: '1m' }, { renew: true }, { region: 'eu-2' }]) {
      const other = await reserve({ id, ...change });
      expect([other.status, other.body.error.code, other.body.error.param]).toEqual([409, 'id_taken', 'id']);
    }
    await renew(id, true);
    expect((await reserve({ id })).body).toMatchObject({ id, renew: true });
  });

  it('is one reservation for simultaneous repeats', async () => {
    const id = `race-${names}`;
    const answers = await Promise.all(Array.from({ length: 6 }, () => reserve({ id })));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(await api.db.reservation.count({ where: { id } })).toBe(1);
  });

  it('is refused without credit or a listed price, and its id stays free', async () => {
    team = await teamWith(api, '2.99');
    const id = `poor-${names}`;
    const poor = await reserve({ id });
    expect([poor.status, poor.body.error.code]).toEqual([402, 'insufficient_credit']);
    const unlisted = await reserve({ id, region: 'nowhere' });
    expect([unlisted.status, unlisted.body.error.code]).toEqual([422, 'price_not_found']);
    expect(unlisted.body.error.message).toMatch(/is not listed in nowhere: it is listed in eu-1$/);
    expect((await read(id)).status).toBe(404);
    await api.post(`/v1/teams/${team}/grants`, { amount: '1', note: 'now' });
    expect((await reserve({ id })).status).toBe(201);
  });

  it('is refused for an unknown team', async () => {
    const { status, body } = await reserve({ team: 'nobody-at-all' });
    expect([status, body.error.code]).toEqual([404, 'not_found']);
  });

  it.each([
    ['none', { count: 0 }, 'count'],
    ['more than a thousand', { count: 1_001 }, 'count'],
    ['a part of one', { count: 1.5 }, 'count'],
    ['a number in words', { count: '2' }, 'count'],
    ['a term that is not sold', { term: '2m' }, 'term'],
    ['no term', { term: undefined }, 'term'],
    ['a renewal in words', { renew: 'yes' }, 'renew'],
    ['an id that is none', { id: 'a/b' }, 'id'],
    ['a price of the caller’s own', { hourly: '1' }, 'hourly'],
  ])('is refused for %s', async (_, change, param) => {
    const { status, body } = await reserve(change);
    expect([status, body.error.code, body.error.param]).toEqual([400, 'invalid_request', param]);
    expect(await api.db.reservation.count({ where: { teamId: team } })).toBe(0);
  });

  it('can have a count of a thousand', async () => {
    expect((await reserve({ count: 1_000 })).body).toMatchObject({ hourly: '6300.000000', hourlyEach: '6.300000' });
  });

  it('is 503 while the engine cannot be reached, and records nothing', async () => {
    const id = `away-${names}`;
    api.engine.away = true;
    const { status, body, headers } = await reserve({ id });
    expect([status, body.error.code]).toEqual([503, 'engine_unavailable']);
    expect(headers.get('Retry-After')).toBe('2');
    expect((await read(id)).status).toBe(404);
    expect(await due()).toEqual([]);
    api.engine.away = false;
    expect((await reserve({ id })).status).toBe(201);
  });

  it('is answered when the engine’s answer is lost', async () => {
    api.engine.deaf = true;
    const { status, body } = await reserve({ id: `deaf-${names}` });
    expect([status, body.status]).toEqual([201, 'active']);
  });

  it('is 201 when the engine does not accept its workflow, and leaves the workflow to the sweeper', async () => {
    api.engine.starting = 'unaccepted';
    const { status, body } = await reserve({ id: `unaccepted-${names}` });
    expect([status, body.status]).toEqual([201, 'active']);
    expect(await due()).toEqual([body.id]);
    expect((await reserve({ id: body.id })).status).toBe(201);
    expect(api.engine.starts).toBe(1);
  });

  it('has no work due after its workflow has read it, until a change of the renewal that the engine does not receive', async () => {
    const { body } = await reserve();
    expect(await due()).toEqual([]);
    api.engine.away = true;
    expect((await renew(body.id, true)).status).toBe(200);
    expect(await due()).toEqual([body.id]);
  });
});

describe('an instance of a reserved GPU', () => {
  it('costs nothing while it is covered, and shows its reservation and the saving', async () => {
    const { body: reservation } = await reserve();
    const { body: dear } = await startInstance();
    const { body: spot } = await startInstance({ pricing: 'spot' });
    pass(60);
    const { body: third } = await startInstance();
    pass(600);
    const view = async (id: string) => (await api.get(`/v1/instances/${id}`)).body;
    for (const covered of [dear, third]) {
      const body = await view(covered.id);
      expect(body).toMatchObject({ cost: '0.000000', hourly: '0.000000', status: 'active' });
      expect(body.segments).toMatchObject([
        {
          coveredBy: reservation.id,
          hourly: '0.000000',
          list: '10.000000',
          why: `covered by reservation ${reservation.id}`,
        },
      ]);
    }
    // The spot instance was covered until the dearer one came.
    expect((await view(spot.id)).segments).toMatchObject([
      { coveredBy: reservation.id },
      { coveredBy: null, hourly: '4.000000' },
    ]);
    const { body } = await read(reservation.id);
    expect(body.covers.sort()).toEqual([dear.id, third.id].sort());
    expect(body.savesPerHour).toBe('7.400000');
    expect((await api.get(`/v1/teams/${team}/balance`)).body.burnPerHour).toBe('16.600000');
  });

  it('cannot be started as reserved without cover, and takes the cover of an instance that is not reserved', async () => {
    const refused = await startInstance({ pricing: 'reserved', id: `slot-${names}` });
    expect([refused.status, refused.body.error.code, refused.body.error.param]).toEqual([
      409,
      'no_reservation',
      'pricing',
    ]);
    expect((await api.get(`/v1/instances/slot-${names}`)).status).toBe(404);
    const { body: reservation } = await reserve({ count: 1 });
    const { body: onDemand } = await startInstance();
    const started = await startInstance({ pricing: 'reserved', id: `slot-${names}` });
    expect([started.status, started.body.hourly]).toEqual([201, '0.000000']);
    expect((await startInstance({ pricing: 'reserved' })).body.error.code).toBe('no_reservation');
    expect((await read(reservation.id)).body.covers).toEqual([started.body.id]);
    expect((await api.get(`/v1/instances/${onDemand.id}`)).body.hourly).toBe('10.000000');
    await api.post(`/v1/instances/${started.body.id}/stop`, {});
    expect((await startInstance({ pricing: 'reserved' })).status).toBe(201);
  });

  it('with a price given by the platform is charged that price, reserved or not', async () => {
    const { body: reservation } = await reserve();
    const given = await api.post('/v1/instances', instanceOf(team, { gpuType: gpu, hourly: '3' }));
    expect(given.body.hourly).toBe('3.000000');
    expect((await read(reservation.id)).body.covers).toEqual([]);
  });

  it('that is covered counts at its current price in the saving, after a price change too', async () => {
    const { body: reservation } = await reserve({ count: 1 });
    await startInstance({ pricing: 'spot' });
    await list({ spot: '5' });
    expect((await read(reservation.id)).body.savesPerHour).toBe('-1.300000');
  });
});

describe('the list of reservations', () => {
  it('is newest first, filtered by team and by status, in pages', async () => {
    const ids: string[] = [];
    for (const id of ['a', 'b', 'c']) ids.unshift((await reserve({ id: `list-${names}-${id}` })).body.id);
    const listed = async (query: string, key?: string) =>
      (await api.get(`/v1/reservations?${query}`, key === undefined ? {} : { key })).body;
    const page = await listed(`team=${team}&limit=2`);
    expect(page.data.map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 2));
    const rest = await listed(`team=${team}&limit=2&cursor=${page.nextCursor}`);
    expect(rest).toMatchObject({ data: [{ id: ids[2] }], nextCursor: null });
    expect((await listed(`team=${team}&status=active`)).data).toHaveLength(3);
    expect((await listed(`team=${team}&status=ended`)).data).toEqual([]);
    const key = await keyFor(api, team, ['read']);
    expect((await listed('limit=100', key)).data).toHaveLength(3);
    expect((await listed('limit=100')).data.length).toBeGreaterThan(3);
  });

  it('shows lapsed reservations as ended, before and after the lapse is recorded', async () => {
    const { body: begun } = await reserve({ term: '1m', count: 1 });
    pass(1);
    const { body: never } = await reserve({ term: '12m', count: 1 });
    pass(40 * 86_400);
    const look = async () => {
      const ended = (await api.get(`/v1/reservations?team=${team}&status=ended`)).body.data;
      expect(ended.map(({ id, how }: { id: string; how: string }) => [id, how])).toEqual([
        [never.id, 'lapsed'],
        [begun.id, 'lapsed'],
      ]);
      expect((await api.get(`/v1/reservations?team=${team}&status=active`)).body.data).toEqual([]);
      return (await read(begun.id)).body;
    };
    const before = await look();
    // $5,000 at $12 an hour: not to the end of the month.
    expect(before).toMatchObject({ status: 'ended', covers: [], savesPerHour: '0.000000' });
    const { body: other } = await read(never.id);
    expect(other.endedAt).toBe(before.endedAt);
    await api.world.ledger.lookAhead({ teamId: team, nowSecond: secondOf(api.world.nowMs()) }, 'test');
    expect(await look()).toEqual(before);
    const spent = Number(before.cost) + Number(other.cost);
    expect(spent).toBeGreaterThan(4_999.98);
    expect(spent).toBeLessThanOrEqual(5_000);
  });

  it('shows a reservation renewed at the price in force at its end', async () => {
    const { body: begun } = await reserve({ term: '1m', count: 1, renew: true });
    const end = secondsOf(begun.endsAt);
    await api.post(`/v1/teams/${team}/grants`, { amount: '9000', note: 'for two months' });
    await list({
      onDemand: '12',
      reserved: { '1m': '8', '3m': '7', '6m': '7', '12m': '7' },
      effectiveFrom: begun.endsAt,
    });
    pass(end - secondOf(api.world.nowMs()) + 60);
    const { body } = await read(begun.id);
    expect(body).toMatchObject({ status: 'active', hourly: '8.000000', endsAt: formatSecond(addMonths(end, 1)) });
    expect(body.terms).toMatchObject([
      { endedAt: begun.endsAt, hourly: '7.000000', cost: costOf(7, end - secondsOf(begun.startedAt)) },
      { startedAt: begun.endsAt, endedAt: null, hourly: '8.000000' },
    ]);
  });
});

describe('renewal', () => {
  it('is switched on and off, and wakes the reservation’s workflow; the watch sleeps on, since the term ends at the same second', async () => {
    const { body } = await reserve();
    await theWatchLooks(api, team);
    pass(2);
    api.engine.sentWakes = [];
    expect((await renew(body.id, true)).body).toMatchObject({ id: body.id, renew: true });
    expect(api.engine.sentWakes.sort()).toEqual([`reservation ${body.id}`]);
    expect((await renew(body.id, false)).body.renew).toBe(false);
  });

  it('cannot be switched after the end', async () => {
    const { body } = await reserve({ count: 100 });
    pass(86_400);
    const { status, body: refused } = await renew(body.id, true);
    expect([status, refused.error.code]).toEqual([409, 'reservation_ended']);
    expect((await read(body.id)).body).toMatchObject({ status: 'ended', how: 'lapsed', renew: false });
  });

  it.each([{}, { renew: 'on' }, { renew: null }, { renew: true, count: 5 }])('cannot be set with %j', async (wrong) => {
    const { body } = await reserve();
    const answer = await api.send('PATCH', `/v1/reservations/${body.id}`, { body: wrong });
    expect([answer.status, answer.body.error.code]).toEqual([400, 'invalid_request']);
    expect((await read(body.id)).body).toMatchObject({ renew: false, count: 2 });
  });
});

describe('permission', () => {
  it('to reserve belongs only to the platform', async () => {
    for (const scopes of [['read'], ['billing'], ['usage']]) {
      const { status, body } = await reserve({}, { key: await keyFor(api, team, scopes) });
      expect([status, body.error.code]).toEqual([403, 'forbidden']);
    }
  });

  it('to read belongs to the team itself', async () => {
    const { body } = await reserve();
    const other = await teamWith(api, '10');
    expect((await read(body.id, await keyFor(api, team, ['read']))).status).toBe(200);
    expect((await read(body.id, await keyFor(api, team, ['usage']))).status).toBe(403);
    expect((await read(body.id, await keyFor(api, other, ['read']))).status).toBe(404);
    const listed = await api.get(`/v1/reservations?team=${team}`, { key: await keyFor(api, other, ['read']) });
    expect(listed.status).toBe(404);
    expect((await read('resv_nothing')).status).toBe(404);
  });

  it('to switch renewal belongs to a team’s own key with the scope billing', async () => {
    const { body } = await reserve();
    const other = await teamWith(api, '10');
    expect((await renew(body.id, true, await keyFor(api, team, ['read']))).status).toBe(403);
    expect((await renew(body.id, true, await keyFor(api, other, ['billing']))).status).toBe(404);
    expect((await read(body.id)).body.renew).toBe(false);
    expect((await renew(body.id, true, await keyFor(api, team, ['billing']))).status).toBe(200);
    expect((await read(body.id)).body.renew).toBe(true);
  });
});

it('a lapse causes one mail to the team, in any number of reads', async () => {
  const { body } = await reserve({ count: 100 });
  pass(86_400);
  const nowSecond = secondOf(api.world.nowMs());
  await Promise.all([
    api.world.ledger.lookAhead({ teamId: team, nowSecond }, 'test'),
    api.world.ledger.settleReservation({ reservationId: body.id, nowSecond }, 'test'),
  ]);
  const mails = (await noticesOf(api.db, team)).filter(({ kind }) => kind === 'reservation_ended');
  expect(mails.map(({ data }) => [data.reservationId, data.how])).toEqual([[body.id, 'lapsed']]);
});
