/** Tests the order in which instances end, and spot instances that the platform reclaims, over HTTP. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandedApi, instanceOf, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
let names = 0;

beforeAll(async () => {
  api = await startCommandedApi();
  // Only what a test lets pass passes, however slow the machine.
  api.clock.stoppedMs = Date.now();
});
beforeEach(async () => {
  Object.assign(api.engine, { away: false, sentWakes: [] });
  api.clock.aheadMs = 0;
  team = await teamWith(api, '100');
});
afterAll(() => api.close());

const start = async (change: object = {}): Promise<string> => {
  names += 1;
  const { body } = await api.post('/v1/instances', instanceOf(team, { id: `shed-${names}`, hourly: '36', ...change }));
  return body.id;
};
const instance = async (id: string) => (await api.get(`/v1/instances/${id}`)).body;
const balance = async () => (await api.get(`/v1/teams/${team}/balance`)).body;
const put = (order: string[]) => api.put(`/v1/teams/${team}/shedding`, { order });
const order = async () => (await api.get(`/v1/teams/${team}/shedding`)).body.order;
const pass = (seconds: number) => {
  api.clock.aheadMs += seconds * 1_000;
};
const inSeconds = (seconds: number) => {
  const second = Math.floor(api.world.nowMs() / 1_000) + seconds;
  return new Date(second * 1_000).toISOString().replace('.000Z', 'Z');
};

describe('the order to end in', () => {
  it('is replaced by each put, and the put wakes the watch', async () => {
    const [a, b, c] = [await start(), await start({ shedOrder: 7 }), await start()];
    expect(await order()).toEqual([b]);
    const { status, body } = await put([c, a]);
    expect([status, body]).toEqual([200, { order: [c, a] }]);
    expect(api.engine.sentWakes.at(-1)).toBe(`watch ${team}`);
    expect(await order()).toEqual([c, a]);
    expect((await instance(b)).shedOrder).toBeNull();
    expect((await put([])).body).toEqual({ order: [] });
  });

  it('is kept at the end of credit: the first instance ends, and the rest run on, each to its own last second', async () => {
    await api.post(`/v1/teams/${team}/grants`, { amount: '0.05', note: 'half a second of the dear one' });
    const [a, b, c] = [
      await start({ hourly: '0.36' }),
      await start({ hourly: '360' }),
      await start({ hourly: '0.0036' }),
    ];
    await put([b, a]);
    const first = (await balance()).runsOutAt;
    pass((Date.parse(first) - api.world.nowMs()) / 1_000 + 1);
    expect(await instance(b)).toMatchObject({ status: 'terminated', reason: 'out_of_credits', endedAt: first });
    expect(await instance(a)).toMatchObject({ status: 'active' });
    expect(await order()).toEqual([a]);
    // $0.049 is left, at a hundredth of a cent a second.
    const second = (await balance()).runsOutAt;
    expect(Math.abs(Date.parse(second) - Date.parse(first) - 486_000)).toBeLessThan(10_000);
    pass((Date.parse(second) - api.world.nowMs()) / 1_000 + 1);
    expect(await instance(a)).toMatchObject({ status: 'terminated', reason: 'out_of_credits', endedAt: second });
    const last = (await balance()).runsOutAt ?? (await instance(c)).endedAt;
    expect(Date.parse(last)).toBeGreaterThanOrEqual(Date.parse(second));
  });

  it('cannot name an ended instance, another team’s instance, or an instance twice', async () => {
    const [a, ended] = [await start(), await start()];
    await api.post(`/v1/instances/${ended}/stop`);
    team = await teamWith(api, '100');
    const mine = await start();
    for (const unknown of [a, ended, 'nobodys'])
      expect((await put([mine, unknown])).body.error).toMatchObject({ code: 'not_found', param: 'order' });
    expect((await put([mine, mine])).body.error).toMatchObject({ code: 'invalid_request', param: 'order' });
    expect(await order()).toEqual([]);
  });
});

describe('a reclaim of a spot instance', () => {
  const spot = () => start({ pricing: 'spot' });
  const reclaim = (id: string, body: object = {}) => api.post(`/v1/instances/${id}/reclaim`, body);

  it('ends the instance at the announced second, before and after the end is recorded, without a stop order', async () => {
    const id = await spot();
    const at = inSeconds(300);
    const { status, body } = await reclaim(id, { at });
    expect([status, body.reclaimAt, body.status]).toEqual([200, at, 'active']);
    expect(api.engine.sentWakes.slice(-2).sort()).toEqual([`instance ${id}`, `watch ${team}`]);
    pass(240);
    expect((await instance(id)).status).toBe('active');
    pass(119);
    const ended = { status: 'terminated', reason: 'spot_reclaimed', endedAt: at };
    expect(await instance(id)).toMatchObject(ended);
    expect((await balance()).activeInstances).toBe(0);
    expect(await api.db.instance.findUnique({ where: { id } })).toMatchObject({ endSecond: null });
    const receipt = await api.post(`/v1/instances/${id}/stop`);
    expect(receipt.body).toMatchObject({ endedAt: at, reason: 'spot_reclaimed' });
    expect(await api.db.instance.findUnique({ where: { id } })).toMatchObject({
      terminatedConfirmedSecond: BigInt(Date.parse(at) / 1_000),
    });
  });

  it('is two minutes ahead when no second is given', async () => {
    const id = await spot();
    const before = Date.parse(inSeconds(120));
    const { reclaimAt } = (await reclaim(id)).body;
    expect(Date.parse(reclaimAt) - before).toBeLessThanOrEqual(2_000);
    expect(Date.parse(reclaimAt)).toBeGreaterThanOrEqual(before);
  });

  it('can be postponed, and the team is notified of each announcement', async () => {
    const id = await spot();
    await reclaim(id, { at: inSeconds(60) });
    const at = inSeconds(600);
    await reclaim(id, { at });
    await reclaim(id, { at });
    pass(120);
    expect(await instance(id)).toMatchObject({ status: 'active', reclaimAt: at });
    expect(await api.db.notice.count({ where: { teamId: team, kind: 'spot_reclaim' } })).toBe(2);
  });

  it('is refused for another kind of instance, an ended instance, and a second in the past or more than thirty days ahead', async () => {
    expect((await reclaim(await start())).body.error.code).toBe('not_spot');
    const id = await spot();
    for (const at of [inSeconds(-60), inSeconds(30 * 86_400 + 60)])
      expect((await reclaim(id, { at })).body.error).toMatchObject({ code: 'at_out_of_range', param: 'at' });
    expect((await reclaim(id, { at: inSeconds(30 * 86_400 - 60) })).status).toBe(200);
    await api.post(`/v1/instances/${id}/stop`);
    expect((await reclaim(id)).body.error.code).toBe('instance_ended');
  });
});
