/** Tests instances over HTTP: each answer is the recorded state, whether or not the engine is available. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dueInstances, dueLooks, FROM_THE_FIRST } from '../../prisma/due-work.ts';
import { type CommandedApi, instanceOf, startCommandedApi, teamWith, theWatchLooks } from './support.ts';

let api: CommandedApi;
let team: string;
let names = 0;

beforeAll(async () => {
  api = await startCommandedApi();
});
beforeEach(async () => {
  Object.assign(api.engine, { away: false, deaf: false, starting: 'seen', sentWakes: [] });
  api.clock.aheadMs = 0;
  team = await teamWith(api, '100');
});
afterAll(() => api.close());

const newName = () => {
  names += 1;
  return `inst-${names}`;
};
const start = (change: object = {}) => api.post('/v1/instances', instanceOf(team, change));
/** Lets time pass, from one whole second to another. */
const pass = (seconds: number) => {
  api.clock.aheadMs += seconds * 1_000;
};
const balance = async () => (await api.get(`/v1/teams/${team}/balance`)).body;

describe('a start', () => {
  it('answers the instance, and a repeat of the same id and body receives it again, even after its end', async () => {
    const id = newName();
    const first = await start({ id, project: 'p', shedOrder: 2 });
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({
      id,
      team,
      project: 'p',
      gpuType: 'h100',
      region: 'eu-1',
      pricing: 'on_demand',
      status: 'active',
      endedAt: null,
      hourly: '2.490000',
      reason: null,
      shedOrder: 2,
      segments: [{ hourly: '2.490000', endedAt: null }],
    });
    const again = await start({ id, project: 'p', shedOrder: 2, hourly: '2.490000' });
    expect([again.status, again.body.startedAt]).toEqual([201, first.body.startedAt]);
    await api.post(`/v1/instances/${id}/stop`);
    const late = await start({ id, project: 'p', shedOrder: 2 });
    expect([late.status, late.body.status]).toEqual([201, 'terminated']);
  });

  it('without an id receives a new id', async () => {
    expect((await start()).body.id).toMatch(/^inst_[0-9a-f]{32}$/);
  });

  it('is 503 while the engine cannot be reached, and records nothing', async () => {
    const id = newName();
    api.engine.away = true;
    const answer = await start({ id });
    expect([answer.status, answer.headers.get('Retry-After')]).toEqual([503, '2']);
    expect((await api.get(`/v1/instances/${id}`)).status).toBe(404);
    expect((await balance()).activeInstances).toBe(0);
  });

  it('is 201 when the engine does not confirm its workflow, and leaves the workflow to the sweeper', async () => {
    const id = newName();
    api.engine.starting = 'unaccepted';
    const answer = await start({ id });
    expect([answer.status, answer.body.status]).toEqual([201, 'active']);
    expect((await dueInstances(api.db, 2 ** 40, FROM_THE_FIRST, 1_000)).map(({ instance }) => instance.id)).toContain(
      id,
    );
  });

  it('is 503 only for a team whose earlier instance has waited more than ten seconds for its workflow', async () => {
    api.engine.starting = 'unseen';
    expect((await start({ id: newName() })).status).toBe(201);
    api.engine.starting = 'seen';
    pass(10);
    expect((await start({ id: newName() })).status).toBe(503);
    const other = await teamWith(api, '100');
    expect((await api.post('/v1/instances', instanceOf(other))).status).toBe(201);
  });

  it('is admitted again after the workflow has read the earlier instance', async () => {
    api.engine.starting = 'unseen';
    const { id } = (await start({ id: newName() })).body;
    api.engine.starting = 'seen';
    pass(10);
    const nowSecond = Math.floor(api.world.nowMs() / 1000);
    await api.world.ledger.settleInstance({ instanceId: id, nowSecond }, 'test');
    expect((await start({ id: newName() })).status).toBe(201);
  });
});

describe('a stop', () => {
  it('answers the receipt by the formula, and a repeat receives the same receipt', async () => {
    const { id } = (await start({ id: newName(), hourly: '7.20' })).body;
    pass(100);
    const receipt = await api.post(`/v1/instances/${id}/stop`);
    expect(receipt.status).toBe(200);
    expect(receipt.body).toMatchObject({ id, reason: 'stopped' });
    const { seconds, cost, startedAt, endedAt } = receipt.body;
    expect(Date.parse(endedAt) - Date.parse(startedAt)).toBe(seconds * 1_000);
    expect(cost).toBe((seconds * 0.002).toFixed(6));
    pass(100);
    expect((await api.post(`/v1/instances/${id}/stop`, { reason: 'operator' })).body).toEqual(receipt.body);
    const wakesOfInstance = api.engine.sentWakes.filter((wake) => wake === `instance ${id}`);
    expect(wakesOfInstance).toHaveLength(2);
  });

  it('is answered while the engine is unavailable, and the read of its workflow is due', async () => {
    const { id } = (await start({ id: newName() })).body;
    api.engine.away = true;
    const receipt = await api.post(`/v1/instances/${id}/stop`, { reason: 'spot_reclaimed' });
    expect([receipt.status, receipt.body.reason]).toEqual([200, 'spot_reclaimed']);
    api.engine.away = false;
    const due = await dueInstances(api.db, 2 ** 40, FROM_THE_FIRST, 1_000);
    expect(due.map(({ instance }) => instance.id)).toContain(id);
    const looks = await dueLooks(api.db, 2 ** 40, FROM_THE_FIRST, 1_000);
    expect(looks.map(({ teamId }) => teamId)).toContain(team);
  });

  it('at an earlier second returns the cost charged after that second', async () => {
    const { id, startedAt } = (await start({ id: newName(), hourly: '3600' })).body;
    pass(20);
    const reprice = await api.post(`/v1/instances/${id}/reprice`, { hourly: '1' });
    expect(reprice.status).toBe(200);
    const at = new Date(Date.parse(startedAt) + 5_000).toISOString().replace('.000Z', 'Z');
    const receipt = await api.post(`/v1/instances/${id}/stop`, { at });
    expect(receipt.body).toMatchObject({ seconds: 5, cost: '5.000000', endedAt: at });
    expect((await balance()).available).toBe('95.000000');
    const { data } = (await api.get(`/v1/teams/${team}/transactions`)).body;
    expect(data[0]).toMatchObject({ code: 'instance_correction', corrects: expect.stringContaining(id) });
  });
});

describe('a reprice', () => {
  it('ends one segment and begins the next at the same second', async () => {
    const { id } = (await start({ id: newName(), hourly: '3600' })).body;
    pass(10);
    const repriced = await api.post(`/v1/instances/${id}/reprice`, { hourly: '1800' });
    const [first, second] = repriced.body.segments;
    expect(first.endedAt).toBe(second.startedAt);
    expect(repriced.body.hourly).toBe('1800.000000');
    pass(10);
    const { body } = await api.get(`/v1/instances/${id}`);
    expect(Number(body.cost)).toBe(body.segments[0].seconds + body.segments[1].seconds / 2);
    expect(api.engine.sentWakes).toContain(`watch ${team}`);
  });

  it('is recorded while the engine is unavailable, and the read of the watch stays due', async () => {
    const { id } = (await start({ id: newName() })).body;
    await theWatchLooks(api, team);
    api.engine.away = true;
    expect((await api.post(`/v1/instances/${id}/reprice`, { hourly: '5' })).status).toBe(200);
    expect((await api.get(`/v1/instances/${id}`)).body.hourly).toBe('5.000000');
    const { lookDueSecond } = await api.db.account.findUniqueOrThrow({ where: { teamId: team } });
    expect(lookDueSecond).not.toBeNull();
  });
});

describe('a resume', () => {
  it('starts a new instance with the same configuration and the last price', async () => {
    const { id } = (await start({ id: newName(), project: 'p', shedOrder: 3, pricing: 'spot' })).body;
    pass(5);
    await api.post(`/v1/instances/${id}/reprice`, { hourly: '1.25' });
    await api.post(`/v1/instances/${id}/stop`);
    const resumed = await api.post(`/v1/instances/${id}/resume`);
    expect(resumed.status).toBe(201);
    expect(resumed.body).toMatchObject({
      status: 'active',
      team,
      project: 'p',
      shedOrder: 3,
      pricing: 'spot',
      hourly: '1.250000',
      resumedFrom: id,
      endedAt: null,
    });
    expect(resumed.body.id).toMatch(/^inst_/);
    expect((await balance()).activeInstances).toBe(1);
  });
});

describe('after the exhaustion second, before it is recorded,', () => {
  it('instances read as ended at that second, and the balance reads as zero', async () => {
    // $100 at $3,600 an hour: 100 seconds.
    const { id, startedAt } = (await start({ id: newName(), hourly: '3600' })).body;
    const runsOutAt = new Date(Date.parse(startedAt) + 100_000).toISOString().replace('.000Z', 'Z');
    expect(await balance()).toMatchObject({ runsOutAt, burnPerHour: '3600.000000', activeInstances: 1 });
    pass(1_000);
    expect(await balance()).toMatchObject({
      available: '0.000000',
      posted: '0.000000',
      owed: '0.000000',
      burnPerHour: '0.000000',
      runsOutAt: null,
      thisMonth: '100.000000',
      activeInstances: 0,
    });
    const read = await api.get(`/v1/instances/${id}`);
    expect(read.body).toMatchObject({
      status: 'terminated',
      endedAt: runsOutAt,
      seconds: 100,
      cost: '100.000000',
      reason: 'out_of_credits',
      segments: [{ endedAt: runsOutAt, seconds: 100, cost: '100.000000' }],
    });
    const listed = async (status: string) =>
      (await api.get(`/v1/instances?team=${team}&status=${status}`)).body.data.map((one: { id: string }) => one.id);
    expect(await listed('active')).toEqual([]);
    expect(await listed('terminated')).toEqual([id]);
    const receipt = await api.post(`/v1/instances/${id}/stop`);
    expect(receipt.body).toMatchObject({
      endedAt: runsOutAt,
      seconds: 100,
      cost: '100.000000',
      reason: 'out_of_credits',
    });
    expect((await api.post(`/v1/instances/${id}/resume`)).body.error.code).toBe('insufficient_credit');
  });
});

describe('the list', () => {
  it('is filtered, newest first, in pages', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      ids.unshift(
        (await start({ id: newName(), project: n % 2 ? 'odd' : 'even', gpuType: n < 2 ? 'a100' : 'h100' })).body.id,
      );
      pass(1);
    }
    await api.post(`/v1/instances/${ids[0]}/stop`);
    const list = async (query: string) => {
      const { body } = await api.get(`/v1/instances?team=${team}&${query}`);
      return { ids: body.data.map((one: { id: string }) => one.id), next: body.nextCursor };
    };
    expect((await list('')).ids).toEqual(ids);
    expect((await list('status=terminated')).ids).toEqual(ids.slice(0, 1));
    expect((await list('status=active')).ids).toEqual(ids.slice(1));
    expect((await list('project=odd')).ids).toEqual([ids[1], ids[3]]);
    expect((await list('gpuType=a100')).ids).toEqual(ids.slice(3));
    const first = await list('limit=2');
    const second = await list(`limit=2&cursor=${first.next}`);
    const third = await list(`limit=2&cursor=${second.next}`);
    expect([first.ids, second.ids, third.ids]).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
    expect(third.next).toBeNull();
  });
});
