/**
 * Tests the forecast in a balance over HTTP, which includes dated changes, and that the forecast proves right when the
 * time comes.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addMonths, formatSecond } from '../../billing/time.ts';
import { type CommandedApi, instanceOf, startCommandedApi, teamWith } from './support.ts';

/** A clock that stands still until it is moved, ahead of all that was seeded. */
const START = Date.parse('2040-01-15T22:00:00Z') / 1_000;
let second = START;
let api: CommandedApi;
let team: string;
let gpu: string;
let names = 0;

beforeAll(async () => {
  api = await startCommandedApi({ nowMs: () => second * 1_000 });
  await api.put('/v1/models/a-dollar', { input: '1', output: '1' });
});
beforeEach(async () => {
  second = START;
  names += 1;
  gpu = `gpu-${names}`;
  await list('36');
  team = await teamWith(api, '100');
});
afterAll(() => api.close());

const RESERVED = { '1m': '28', '3m': '24', '6m': '22', '12m': '20' };
/** On demand $40 an hour, or 1/90 of a dollar a second; spot is what a test needs. */
const list = (spot: string, change: object = {}) =>
  api.put(`/v1/prices/${gpu}/eu-1`, { onDemand: '40', spot, reserved: RESERVED, ...change });
const start = async (change: object = {}) => {
  const { status, body } = await api.post('/v1/instances', instanceOf(team, { gpuType: gpu, ...change }));
  expect(status).toBe(201);
  return body.id as string;
};
/** By the list. */
const startListed = (change: object = {}) => start({ hourly: undefined, ...change });
const holdDollars = async (dollars: number, ttlSeconds: number) => {
  const asked = { team, model: 'a-dollar', maxInputTokens: dollars * 1_000_000, maxOutputTokens: 0, ttlSeconds };
  expect((await api.post('/v1/holds', asked)).status).toBe(201);
};
const balance = async () => (await api.get(`/v1/teams/${team}/balance`)).body;
const foreseen = async () => {
  const { runsOutAt, lowAt } = await balance();
  return { runsOutAt, lowAt };
};
/** So many seconds after now. */
const inSeconds = (seconds: number) => formatSecond(second + seconds);

/** Brings the clock to what was foreseen, somebody looking on the way or nobody, and holds it to be so. */
async function comesTrue(id: string, { runsOutAt, lowAt }: { runsOutAt: string; lowAt: string }): Promise<void> {
  const lowSecond = Date.parse(lowAt) / 1_000;
  const lastSecond = Date.parse(runsOutAt) / 1_000;
  for (const look of [Math.floor((second + lowSecond) / 2), lowSecond - 1]) {
    second = look;
    expect(await balance()).toMatchObject({ runsOutAt, lowAt });
    expect(Number((await balance()).available)).toBeGreaterThanOrEqual(10);
    await api.world.ledger.lookAhead({ teamId: team, nowSecond: second }, 'test');
    expect(await balance()).toMatchObject({ runsOutAt, lowAt });
  }
  second = lowSecond;
  expect(Number((await balance()).available)).toBeLessThan(10);
  expect(await foreseen()).toEqual({ runsOutAt, lowAt });
  await api.world.ledger.lookAhead({ teamId: team, nowSecond: second + 30 }, 'test');
  const low = await api.db.notice.findFirst({ where: { teamId: team, kind: 'balance_low' } });
  expect(Number(low?.second)).toBe(lowSecond);

  second = lastSecond + 500;
  const { body: receipt } = await api.post(`/v1/instances/${id}/stop`);
  expect(receipt).toMatchObject({ endedAt: runsOutAt, reason: 'out_of_credits' });
  const exhaustion = await api.db.exhaustion.findFirst({ where: { teamId: team } });
  expect(Number(exhaustion?.second)).toBe(lastSecond);
}

describe('a balance’s forecast includes', () => {
  it('the end of a hold, which releases its credit in time', async () => {
    // A cent a second: $40 are left of the rest when $30 are let go.
    const id = await start({ hourly: '36' });
    await holdDollars(30, 3_000);
    const seen = await foreseen();
    expect(seen).toEqual({ runsOutAt: inSeconds(10_000), lowAt: inSeconds(9_001) });
    await comesTrue(id, seen);
  });

  it('the end of a hold that comes too late, after credit is low and has ended', async () => {
    const id = await start({ hourly: '108' });
    await holdDollars(50, 3_000);
    // Three cents a second: $50 last for 1,666 s, and $40 for 1,333.
    const seen = await foreseen();
    expect(seen).toEqual({ runsOutAt: inSeconds(1_666), lowAt: inSeconds(1_334) });
    await comesTrue(id, seen);
  });

  it('the end of a hold in the second that could not be paid otherwise', async () => {
    await start({ hourly: '36' });
    await holdDollars(85, 1_501);
    expect((await foreseen()).runsOutAt).toBe(inSeconds(10_000));
    await holdDollars(1, 3_600);
    expect((await foreseen()).runsOutAt).toBe(inSeconds(1_400));
  });

  it('the end of a discount', async () => {
    const id = await startListed();
    const discount = { percent: 55, until: inSeconds(10_000), note: 'for a while' };
    expect((await api.put(`/v1/teams/${team}/discount`, discount)).status).toBe(200);
    // $18 an hour for 10,000 s are $50; the other $50 last for 4,500 s at $40, and $40 of them for 3,600.
    const seen = await foreseen();
    expect(seen).toEqual({ runsOutAt: inSeconds(14_500), lowAt: inSeconds(13_601) });
    await comesTrue(id, seen);
  });

  it('a planned spot price', async () => {
    await list('18');
    const id = await startListed({ pricing: 'spot' });
    expect((await foreseen()).runsOutAt).toBe(inSeconds(20_000));
    expect((await list('36', { effectiveFrom: inSeconds(10_000) })).status).toBe(200);
    const seen = await foreseen();
    expect(seen).toEqual({ runsOutAt: inSeconds(15_000), lowAt: inSeconds(14_001) });
    await comesTrue(id, seen);
  });

  it.each([
    // $28 an hour for a month; then an hour of the instance costs $40, and of another term $28 again.
    ['end', false, 9_000, 8_101],
    ['renewal', true, 12_857, 11_572],
  ])('the %s of a reservation', async (_, renew, lasts, low) => {
    const monthSeconds = addMonths(START, 1) - START;
    team = await teamWith(api, String(100 + (28 * monthSeconds) / 3_600));
    const { body } = await api.post('/v1/reservations', {
      team,
      gpuType: gpu,
      region: 'eu-1',
      count: 1,
      term: '1m',
      renew,
    });
    expect(body.endsAt).toBe(inSeconds(monthSeconds));
    const id = await startListed();
    const seen = await foreseen();
    expect(seen).toEqual({ runsOutAt: inSeconds(monthSeconds + lasts), lowAt: inSeconds(monthSeconds + low) });
    await comesTrue(id, seen);
  });

  it('a reclaim, after which the instance uses no more credit', async () => {
    const id = await startListed({ pricing: 'spot' });
    expect((await foreseen()).runsOutAt).toBe(inSeconds(10_000));
    await api.post(`/v1/instances/${id}/reclaim`, { at: inSeconds(9_000) });
    expect(await foreseen()).toEqual({ runsOutAt: null, lowAt: null });
    await api.post(`/v1/instances/${id}/reclaim`, { at: inSeconds(9_001) });
    expect(await foreseen()).toEqual({ runsOutAt: null, lowAt: inSeconds(9_001) });
    second += 20_000;
    expect(await balance()).toMatchObject({ available: '9.990000', lowAt: formatSecond(second), runsOutAt: null });
  });

  it('no second while nothing uses credit, and the current second while credit is low', async () => {
    expect(await foreseen()).toEqual({ runsOutAt: null, lowAt: null });
    team = await teamWith(api, '9.999999');
    expect(await foreseen()).toEqual({ runsOutAt: null, lowAt: inSeconds(0) });
  });
});
