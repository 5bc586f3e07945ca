/** Tests that for many facts of one team, one call wakes the team’s watch, in any number of api processes. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { micros } from '../../billing/money.ts';
import { type CommandedApi, instanceOf, startCommandedApi, teamWith, theWatchLooks } from './support.ts';

let api: CommandedApi;
let team: string;
beforeAll(async () => {
  api = await startCommandedApi();
});
afterAll(() => api.close());
beforeEach(async () => {
  // The clock of the api is stopped: a burst must not meet the end of a second.
  api.clock.stoppedMs = Math.floor(Date.now() / 1000) * 1000;
  team = await teamWith(api, '100');
  await theWatchLooks(api, team);
  pass(10);
  api.engine.sentWakes.length = 0;
});

const pass = (seconds: number) => {
  api.clock.stoppedMs = Number(api.clock.stoppedMs) + seconds * 1_000;
};

/** A fact that brings the end of credit forward. */
const start = async () => {
  const { status, body } = await api.send('POST', '/v1/instances', { body: instanceOf(team, { hourly: '0.01' }) });
  expect(status).toBe(201);
  return body.id as string;
};
/** A fact that puts the end of credit off. */
const grant = async () =>
  expect(
    (await api.send('POST', `/v1/teams/${team}/grants`, { body: { amount: '1.00', note: 'a burst' } })).status,
  ).toBe(201);
const burst = (length = 30) => Promise.all(Array.from({ length }, start));
const wakes = () => api.engine.sentWakes.filter((wake) => wake.endsWith(` ${team}`) && wake.startsWith('watch'));

describe('the watch of a team', () => {
  it('is woken once for a burst of facts, by calls that share no memory', async () => {
    await burst();
    expect(wakes()).toEqual([`watch ${team}`]);
  });

  it('is woken by no fact that puts the next crossing off, and by a start only if the planned read is too late for it', async () => {
    const first = await start();
    await start();
    await theWatchLooks(api, team);
    pass(5);
    api.engine.sentWakes.length = 0;
    await Promise.all([grant(), grant()]);
    expect((await api.send('POST', `/v1/instances/${first}/stop`)).status).toBe(200);
    await start();
    expect(wakes()).toEqual([]);
    // Twice as many instances use the rest of the credit in half of the time: the planned read is just in time.
    await start();
    await start();
    expect(wakes()).toEqual([]);
    await start();
    await start();
    expect(wakes()).toEqual([`watch ${team}`]);
  });

  it('is woken a few times by sixty-four starts of a growing team, one a second', async () => {
    const grown: number[] = [];
    for (let number = 0; number < 64; number += 1) {
      api.engine.sentWakes.length = 0;
      pass(1);
      await start();
      if (wakes().length === 0) continue;
      grown.push(number + 1);
      await theWatchLooks(api, team);
    }
    expect(grown).toEqual([1, 3, 7, 15, 31, 63]);
  });

  it('is asked for a read a second later by a fact in the second in which it has read', async () => {
    await start();
    await theWatchLooks(api, team);
    await burst();
    expect(wakes()).toEqual([`watch ${team}`, `watchSoon ${team}`]);
  });

  it('is woken again after two seconds without a read', async () => {
    await start();
    pass(1);
    await burst();
    expect(wakes()).toEqual([`watch ${team}`]);
    pass(1);
    await burst();
    expect(wakes()).toEqual([`watch ${team}`, `watch ${team}`]);
  });

  it('is woken by a call after a fact that an activity has recorded without a wake', async () => {
    const { ledger } = api.world;
    const instanceId = await start();
    await theWatchLooks(api, team);
    pass(1);
    const nowSecond = Number(api.clock.stoppedMs) / 1_000;
    await ledger.repriceInstance({ instanceId, rateMicrosPerHour: micros(40_000), nowSecond }, 'test');
    await grant();
    expect(wakes()).toEqual([`watch ${team}`, `watch ${team}`]);
  });
});
