/** Tests token usage over HTTP: the answer for each event, access, and the wakes of the team’s watch. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { coalesced } from '../../activities/coalesced-wakes.ts';
import type { WorkflowWakes } from '../../activities/world.ts';
import { formatSecond, secondOf } from '../../billing/time.ts';
import { trialBalance } from '../../prisma/transfers.ts';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith, theWatchLooks } from './support.ts';

let api: CommandedApi;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi();
  // A token costs a micro.
  await api.put('/v1/models/one', { input: '1', output: '1' });
  await api.put('/v1/models/thirds', { input: '0.333333', output: '0' });
});
afterAll(async () => {
  expect(await trialBalance(api.db)).toMatchObject({ balanced: true, differences: [] });
  await api.close();
});
beforeEach(async () => {
  team = await teamWith(api, '50');
  api.engine.away = false;
  api.engine.sentWakes.length = 0;
});

const event = (id: string, inputTokens: number, change: object = {}) => ({
  ...{ id, team, model: 'one', inputTokens, outputTokens: 0 },
  ...change,
});
const send = (events: unknown[], options: object = {}) => api.post('/v1/usage', { events }, options);
const eventsOf = (answer: { body: { events: Array<{ status: string }> } }) => answer.body.events;
const statusesOf = (answer: { body: { events: Array<{ status: string }> } }) =>
  eventsOf(answer).map(({ status }) => status);
const rowsOf = (teamId = team) => api.db.usageEvent.count({ where: { teamId } });

describe('usage', () => {
  it('is answered for each event, with its charge and the team’s balance', async () => {
    const first = await send([event('a', 1_500_000), event('b', 3, { project: 'search', outputTokens: 4 })]);
    expect(first.status).toBe(200);
    expect(first.body).toEqual({
      events: [
        { id: 'a', status: 'accepted', cost: '1.500000' },
        { id: 'b', status: 'accepted', cost: '0.000007' },
      ],
      balances: { [team]: { available: '48.499993', owed: '0.000000' } },
    });
    expect((await api.get(`/v1/teams/${team}/balance`)).body).toMatchObject({ available: '48.499993' });
  });

  it('repeated is a duplicate at the same cost, and with another body a conflict, within one call too', async () => {
    const all = [event('a', 5), event('a', 5), event('a', 6), event('b', 1)];
    expect(statusesOf(await send(all))).toEqual(['accepted', 'duplicate', 'conflict', 'accepted']);
    const again = await send([...all].reverse());
    expect(eventsOf(again)).toMatchObject([
      { id: 'b', status: 'duplicate', cost: '0.000001' },
      { id: 'a', status: 'conflict', error: { code: 'id_taken', param: 'id' } },
      { id: 'a', status: 'duplicate', cost: '0.000005' },
      { id: 'a', status: 'duplicate', cost: '0.000005' },
    ]);
    expect(again.body.balances[team]).toEqual({ available: '49.999994', owed: '0.000000' });
  });

  it('beyond the credit is owed', async () => {
    const { body } = await send([event('a', 52_000_000)]);
    expect(body.balances[team]).toEqual({ available: '0.000000', owed: '2.000000' });
  });

  it('carries fractions of a micro from call to call', async () => {
    const costs: string[] = [];
    for (const id of ['a', 'b', 'c'])
      costs.push((await send([event(id, 10, { model: 'thirds' })])).body.events[0].cost);
    expect(costs).toEqual(['0.000003', '0.000003', '0.000003']);
    expect((await send([event('d', 1, { model: 'thirds' })])).body.events[0].cost).toBe('0.000001');
  });

  it('is charged at the price of its own time, however late it arrives', async () => {
    const now = secondOf(Date.now());
    const sooner = formatSecond(now - 1);
    expect(statusesOf(await send([event('early', 1_000_000, { at: sooner })]))).toBeDefined();
    await api.db.modelPrice.create({
      data: {
        ...{ model: 'dearer', inputMicrosPerMillion: 1_000_000, outputMicrosPerMillion: 0, withdrawn: false },
        ...{ effectiveSecond: now - 200, recordedSecond: now - 200, actor: 'test' },
      },
    });
    await api.db.modelPrice.create({
      data: {
        ...{ model: 'dearer', inputMicrosPerMillion: 2_000_000, outputMicrosPerMillion: 0, withdrawn: false },
        ...{ effectiveSecond: now - 100, recordedSecond: now - 100, actor: 'test' },
      },
    });
    const at = (second: number) => ({ model: 'dearer', at: formatSecond(second) });
    const { body } = await send([
      event('new', 10, { model: 'dearer' }),
      event('new-at', 10, at(now - 100)),
      event('old', 10, at(now - 101)),
      event('before', 10, at(now - 201)),
      event('soon', 10, at(now + 50)),
      event('future', 10, at(now + 500)),
    ]);
    expect(body.events).toMatchObject([
      { id: 'new', cost: '0.000020' },
      { id: 'new-at', cost: '0.000020' },
      { id: 'old', cost: '0.000010' },
      {
        id: 'before',
        status: 'invalid',
        error: { code: 'price_not_found', message: expect.stringMatching(/^the model had no price at that time/) },
      },
      { id: 'soon', cost: '0.000020' },
      { id: 'future', status: 'invalid', error: { code: 'at_out_of_range', param: 'at' } },
    ]);
  });

  it('of a thousand events is accepted in one call, and of none or one more is refused', async () => {
    const all = Array.from({ length: 1_001 }, (_, i) => event(`e${i}`, i));
    const taken = await send(all.slice(0, 1_000));
    expect(taken.status).toBe(200);
    expect(new Set(statusesOf(taken))).toEqual(new Set(['accepted']));
    expect(await rowsOf()).toBe(1_000);
    for (const events of [all, []]) {
      const refused = await send(events);
      expect([refused.status, refused.body.error]).toMatchObject([400, { code: 'invalid_request', param: 'events' }]);
    }
  });

  it('of one call under an Idempotency-Key receives its first answer again', async () => {
    const headers = { 'Idempotency-Key': `usage-${team}` };
    const first = await send([event('a', 5)], { headers });
    const again = await send([event('a', 5)], { headers });
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('Idempotent-Replayed')).toBe('true');
    expect((await send([event('a', 6)], { headers })).status).toBe(409);
  });

  it('leaves nothing of its events in the log', async () => {
    await send([
      event('secret-event', 5, { project: 'secret-project' }),
      event('x', -1, { project: 'secret-project' }),
    ]);
    expect(JSON.stringify(api.logged)).not.toContain('secret-');
  });
});

describe('an invalid event is answered as invalid, and the other events are recorded:', () => {
  it.each<[string, unknown, string | null, string | undefined]>([
    ['a count that is text', { inputTokens: '5' }, 'x', 'inputTokens'],
    ['half a token', { outputTokens: 0.5 }, 'x', 'outputTokens'],
    ['fewer than none', { inputTokens: -1 }, 'x', 'inputTokens'],
    ['more than 10¹²', { inputTokens: 10 ** 12 + 1 }, 'x', 'inputTokens'],
    ['no count', { inputTokens: undefined }, 'x', 'inputTokens'],
    ['no model', { model: undefined }, 'x', 'model'],
    ['an empty model', { model: '' }, 'x', 'model'],
    ['a control character', { project: 'a\u0000b' }, 'x', 'project'],
    ['a time without a zone', { at: '2026-03-01T00:00:00' }, 'x', 'at'],
    ['a fraction of a second', { at: '2026-03-01T00:00:00.5Z' }, 'x', 'at'],
    ['a number for a time', { at: 1 }, 'x', 'at'],
    ['an id with a space', { id: 'a b' }, null, 'id'],
    ['an id of 65', { id: 'x'.repeat(65) }, null, 'id'],
    ['no id', { id: undefined }, null, 'id'],
    ['a field that there is not', { tokens: 5 }, 'x', 'tokens'],
    ['a team that could be nobody’s', { team: 'a/b' }, 'x', 'team'],
  ])('%s', async (_, change, id, param) => {
    const { status, body } = await send([
      event('before', 1),
      { ...event('x', 1), ...(change as object) },
      event('z', 2),
    ]);
    expect(status).toBe(200);
    expect(body.events.map((answered: { status: string }) => answered.status)).toEqual([
      'accepted',
      'invalid',
      'accepted',
    ]);
    expect(body.events[1]).toEqual({
      id,
      status: 'invalid',
      error: { code: 'invalid_request', message: expect.any(String), param },
    });
    expect(await rowsOf()).toBe(2);
  });

  it.each([[null], [5], ['event'], [[]]])('%j', async (bad) => {
    const { status, body } = await send([bad, event('z', 2)]);
    expect(status).toBe(200);
    expect(body.events).toMatchObject([
      { id: null, status: 'invalid', error: { code: 'invalid_request' } },
      { id: 'z', status: 'accepted' },
    ]);
  });

  it('an unknown model, an unknown team and an unknown hold', async () => {
    const { body } = await send([
      event('a', 1, { model: 'none' }),
      event('b', 1, { team: 'nobody' }),
      event('c', 1, { hold: 'hold_none' }),
      event('d', 1),
    ]);
    expect(body.events).toMatchObject([
      {
        id: 'a',
        status: 'invalid',
        error: { code: 'price_not_found', message: expect.stringContaining('has no price now'), param: 'model' },
      },
      { id: 'b', status: 'invalid', error: { code: 'not_found', param: 'team' } },
      { id: 'c', status: 'invalid', error: { code: 'not_found', param: 'hold' } },
      { id: 'd', status: 'accepted' },
    ]);
    expect(Object.keys(body.balances)).toEqual([team]);
  });

  it('every event is invalid, nothing is recorded and no watch is woken', async () => {
    const { status, body } = await send([event('a', -1), event('b', 1, { team: 'nobody' })]);
    expect([status, body.balances]).toEqual([200, {}]);
    expect(api.engine.sentWakes).toEqual([]);
  });

  it('a call without a list of events is refused as a whole', async () => {
    for (const [body, param] of [
      [{}, 'events'],
      [{ events: 'all' }, 'events'],
      [{ events: [event('a', 1)], more: 1 }, 'more'],
    ] as const) {
      const answer = await api.post('/v1/usage', body);
      expect([answer.status, answer.body.error]).toMatchObject([400, { code: 'invalid_request', param }]);
    }
    expect(await rowsOf()).toBe(0);
  });
});

describe('permission to report usage:', () => {
  it('the platform may report several teams in one call', async () => {
    const other = await teamWith(api, '5');
    const { body } = await send([event('a', 1), event('a', 2, { team: other }), event('b', 3)]);
    expect(body.events.map(({ cost }: { cost: string }) => cost)).toEqual(['0.000001', '0.000002', '0.000003']);
    expect(body.balances).toEqual({
      [team]: { available: '49.999996', owed: '0.000000' },
      [other]: { available: '4.999998', owed: '0.000000' },
    });
  });

  it('a team’s key with the scope usage may report its own team, and another team is answered as unknown', async () => {
    const other = await teamWith(api, '5');
    const key = await keyFor(api, team, ['usage']);
    const { status, body } = await send([event('a', 1), event('b', 1, { team: other })], { key });
    expect(status).toBe(200);
    const [, others] = body.events;
    expect(others).toMatchObject({ id: 'b', status: 'invalid', error: { code: 'not_found', param: 'team' } });
    const [nobodys] = (await send([event('b', 1, { team: 'nobody' })], { key })).body.events;
    expect(nobodys).toEqual(others);
    expect(body.balances).toEqual({ [team]: { available: '49.999999', owed: '0.000000' } });
    expect(await rowsOf(other)).toBe(0);
  });

  it.each([['read'], ['billing']])('a key with only the scope %s may not report', async (scope) => {
    const answer = await send([event('a', 1)], { key: await keyFor(api, team, [scope]) });
    expect([answer.status, answer.body.error.code]).toEqual([403, 'forbidden']);
    expect(await rowsOf()).toBe(0);
  });

  it('a caller without a key may not report', async () => {
    expect((await send([event('a', 1)], { key: null })).status).toBe(401);
    expect((await send([event('a', 1)], { key: 'bk_wrong' })).status).toBe(401);
  });
});

describe('the team’s watch', () => {
  let tell: WorkflowWakes;
  beforeEach(() => {
    tell = api.engine.wake;
  });
  afterEach(() => {
    api.engine.wake = tell;
  });
  /** Makes the wakes of one team share signals, as the engine of a process does. */
  const shareWakes = (nowMs: () => number) => {
    api.engine.wake = coalesced(tell, nowMs);
  };

  /**
   * Starts an instance with a crossing in six minutes, so that usage brings the crossing forward; the watch has read the
   * start. Before a distant crossing the watch looks halfway, and usage wakes it only where that is too late.
   */
  const rent = async (teamId: string) => {
    expect((await api.post('/v1/instances', instanceOf(teamId, { hourly: '400' }))).status).toBe(201);
    await theWatchLooks(api, teamId);
    api.engine.sentWakes.length = 0;
  };

  it('is woken once for a burst, and for each team of a call', async () => {
    const other = await teamWith(api, '50');
    for (const each of [team, other]) await rent(each);
    shareWakes(() => 0);
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => send([event(`e${i}`, 1_000), event(`e${i}`, 1_000, { team: other })])),
    );
    expect([...api.engine.sentWakes].sort()).toEqual([`watchSoon ${team}`, `watchSoon ${other}`].sort());
  });

  it('is woken again when a second has passed and it has read', async () => {
    let nowMs = 0;
    await rent(team);
    shareWakes(() => nowMs);
    await send([event('a', 1_000_000)]);
    await theWatchLooks(api, team);
    nowMs = 899;
    await send([event('b', 1_000_000)]);
    expect(api.engine.sentWakes).toEqual([`watchSoon ${team}`]);
    await theWatchLooks(api, team);
    nowMs = 900;
    await send([event('c', 1_000_000)]);
    expect(api.engine.sentWakes).toEqual([`watchSoon ${team}`, `watchSoon ${team}`]);
  });

  it('is not woken for usage of a team in which nothing runs', async () => {
    await theWatchLooks(api, team);
    await send([event('a', 1_000), event('b', 1_000)]);
    expect(api.engine.sentWakes).toEqual([]);
  });

  it('is woken at once for an effect that must be announced', async () => {
    await send([event('a', 45_000_000)]);
    expect(api.engine.sentWakes).toEqual([`watch ${team}`]);
    await send([event('b', 45_000_000)]);
    expect(api.engine.sentWakes).toEqual([`watch ${team}`, `watch ${team}`]);
  });

  it('stays due to read while the engine is unavailable, and the usage is recorded and answered', async () => {
    const { db } = api;
    const dueSecond = async () => (await db.account.findUniqueOrThrow({ where: { teamId: team } })).lookDueSecond;
    await theWatchLooks(api, team);
    expect(await dueSecond()).toBeNull();
    api.engine.away = true;
    const answers = await Promise.all([send([event('a', 45_000_000)]), send([event('b', 5)])]);
    for (const answer of answers) expect([answer.status, statusesOf(answer)]).toEqual([200, ['accepted']]);
    expect(await rowsOf()).toBe(2);
    expect(await dueSecond()).not.toBeNull();
    api.engine.away = false;
    const again = await send([event('a', 45_000_000), event('b', 5)]);
    expect(statusesOf(again)).toEqual(['duplicate', 'duplicate']);
    expect(again.body.balances[team].available).toBe('4.999995');
  });
});

it('the OpenAPI document of usage equals the checks', async () => {
  const { body } = await api.get('/v1/openapi.json');
  const { schema } = body.paths['/v1/usage'].post.requestBody.content['application/json'];
  const events = schema.properties.events;
  expect(events).toMatchObject({ type: 'array', minItems: 1, maxItems: 1_000 });
  const said = body.components.schemas.NewUsageEvent;
  expect(said.required).toEqual(['id', 'team', 'model', 'inputTokens', 'outputTokens']);
  expect(said.properties.inputTokens).toMatchObject({ type: 'integer', minimum: 0, maximum: 10 ** 12 });
  expect(JSON.stringify(events.items)).toContain('#/components/schemas/NewUsageEvent');
});
