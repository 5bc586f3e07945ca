/**
 * Tests starts that a plain read refuses without the team’s row lock. The locked check would refuse each of them too.
 */
import type pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { connect } from '../prisma/rows.ts';
import { type CommandedApi, instanceOf, startCommandedApi, teamWith } from './support.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let api: CommandedApi;
let owner: pg.Client;
beforeAll(async () => {
  api = await startCommandedApi();
  owner = await connect(api.ownerUrl);
});
afterAll(async () => {
  await owner.end();
  await api.close();
});

/** Runs `work` while another transaction holds the team's row lock: whatever needs the lock waits. */
async function whileLocked<T>(team: string, work: () => Promise<T>): Promise<T> {
  await owner.query('BEGIN');
  await owner.query('SELECT 1 FROM accounts WHERE team_id = $1 FOR UPDATE', [team]);
  try {
    return await work();
  } finally {
    await owner.query('ROLLBACK');
  }
}

const start = (team: string, change: object = {}) => api.post('/v1/instances', instanceOf(team, change));
const reserve = (team: string, change: object = {}) =>
  api.post('/v1/reservations', { team, gpuType: 'h100-80gb', region: 'eu-west-1', count: 1, term: '1m', ...change });

it('starts and reservations of a team without credit are refused while its row is locked, and leave no rows', async () => {
  const team = await teamWith(api, '2.99');
  const asked = await start(team, { id: 'refused-slowly' });
  const answers = await whileLocked(team, () =>
    Promise.all([...Array.from({ length: 20 }, (_, index) => start(team, { id: `refused-${index}` })), reserve(team)]),
  );
  for (const { status, body } of answers) {
    expect([status, body.error.code]).toEqual([402, 'insufficient_credit']);
    expect(body.error.message).toBe(asked.body.error.message);
  }
  expect(await api.db.instance.count({ where: { teamId: team } })).toBe(0);
});

it('starts of a suspended team are refused while its row is locked', async () => {
  const team = await teamWith(api, '50');
  await api.post(`/v1/teams/${team}/suspend`, { note: 'n' });
  const { status, body } = await whileLocked(team, () => start(team));
  expect([status, body.error.code]).toEqual([409, 'team_suspended']);
});

it('a start is admitted as soon as there is credit', async () => {
  const team = await teamWith(api);
  expect((await start(team, { id: 'first-none' })).status).toBe(402);
  await api.post(`/v1/teams/${team}/grants`, { amount: '3', note: 'n' });
  expect((await start(team, { id: 'then-enough' })).status).toBe(201);
});

it('a repeat of an admitted start is answered after the credit is used up', async () => {
  const team = await teamWith(api, '4');
  const first = await start(team, { id: 'admitted', hourly: '7200' });
  expect(first.status).toBe(201);
  const before = api.clock.aheadMs;
  api.clock.aheadMs += 60_000;
  try {
    expect((await start(team, { id: 'another' })).body.error.code).toBe('insufficient_credit');
    const again = await start(team, { id: 'admitted', hourly: '7200' });
    expect([again.status, again.body.startedAt]).toEqual([201, first.body.startedAt]);
    expect((await start(team, { id: 'admitted', hourly: '1' })).body.error.code).toBe('id_taken');
  } finally {
    api.clock.aheadMs = before;
  }
});

it('a team whose instances have used up its credit is refused without the lock after a first refusal', async () => {
  const team = await teamWith(api, '400');
  await start(team, { hourly: '14400' });
  const before = api.clock.aheadMs;
  api.clock.aheadMs += 3_600_000;
  try {
    expect((await start(team)).status).toBe(402);
    const { status, body } = await whileLocked(team, () => start(team));
    expect([status, body.error.code]).toEqual([402, 'insufficient_credit']);
  } finally {
    api.clock.aheadMs = before;
  }
});

it('another fault of the call is named first, as in the locked check', async () => {
  const team = await teamWith(api);
  const unlisted = { team, gpuType: 'no-such-gpu', region: 'eu-west-1', pricing: 'on_demand' };
  expect((await api.post('/v1/instances', unlisted)).body.error.code).toBe('price_not_found');
  expect((await reserve(team, { gpuType: 'no-such-gpu' })).body.error.code).toBe('price_not_found');
});
