/** Tests stops, suspensions and archives of a team over HTTP, and their reversal. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;

beforeAll(async () => {
  api = await startCommandedApi();
  const model = { input: '1', output: '1' };
  await api.put('/v1/models/a-model', model);
  await api.put('/v1/prices/h100/eu-1', {
    onDemand: '2.00',
    spot: '1.00',
    reserved: { '1m': '1.40', '3m': '1.30', '6m': '1.20', '12m': '1.00' },
  });
});
beforeEach(async () => {
  api.clock.aheadMs = 0;
  Object.assign(api.engine, { sentWakes: [], charge: 'succeeds' });
  team = await teamWith(api, '100');
});
afterAll(() => api.close());

const operate = (what: string, body: object = {}, of = team) => api.post(`/v1/teams/${of}/${what}`, body);
const start = (change: object = {}) => api.post('/v1/instances', instanceOf(team, change));
const running = async (): Promise<string[]> =>
  (await api.get(`/v1/instances?team=${team}&status=active`)).body.data.map(({ id }: { id: string }) => id);
const pass = (seconds: number) => {
  api.clock.aheadMs += seconds * 1_000;
};
const card = async () => (await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_x' })).body.id;
const codeOf = ({ status, body }: { status: number; body: { error?: { code: string } } }) => [
  status,
  body.error?.code ?? null,
];

describe('a stop of a whole team', () => {
  it('ends every running instance at one second, answers a receipt for each, and stops the machines', async () => {
    const ids = [(await start()).body.id, (await start()).body.id, (await start()).body.id];
    pass(3600);
    const { status, body } = await operate('stop');
    expect([status, body.team, body.project, body.count]).toEqual([200, team, null, 3]);
    expect(body.receipts.map(({ id }: { id: string }) => id).sort()).toEqual([...ids].sort());
    for (const receipt of body.receipts) expect(receipt).toMatchObject({ reason: 'operator', endedAt: body.stoppedAt });
    expect(await running()).toEqual([]);
    expect(api.engine.sentWakes).toContain(`watch ${team}`);
    // What the watch has machines stopped by, until it has done so.
    const look = () => api.world.ledger.lookAhead({ teamId: team, nowSecond: Math.floor(Date.now() / 1000) }, 'test');
    const { ended } = await look();
    expect(ended).toMatchObject({ of: 'stop', from: 0 });
    expect(ended?.instanceIds.sort()).toEqual([...ids].sort());
    const signalled = { of: 'stop' as const, number: ended?.number as number, signalled: 3 };
    await api.world.ledger.markTold({ teamId: team, exhaustions: [], noticeIds: [], ended: signalled });
    expect((await look()).ended).toBeNull();
  });

  it('bills the sum of the receipts, to the micro', async () => {
    await start({ hourly: '3.333333' });
    await start({ hourly: '0.000001' });
    pass(1234);
    const { receipts } = (await operate('stop')).body;
    const cost = receipts.reduce((sum: number, receipt: { cost: string }) => sum + Number(receipt.cost) * 1e6, 0);
    const { posted } = (await api.get(`/v1/teams/${team}/balance`)).body;
    expect(Math.round(Number(posted) * 1e6)).toBe(100e6 - Math.round(cost));
  });

  it('of one project leaves the instances of other projects running', async () => {
    const kept = (await start({ project: 'a' })).body.id;
    const alone = (await start()).body.id;
    const stopped = (await start({ project: 'b' })).body.id;
    const { body } = await operate('stop', { project: 'b' });
    expect(body.receipts.map(({ id }: { id: string }) => id)).toEqual([stopped]);
    expect((await running()).sort()).toEqual([kept, alone].sort());
    expect((await operate('stop', { project: 'nobody’s' })).body.count).toBe(0);
  });

  it('repeated ends nothing again', async () => {
    const { id } = (await start()).body;
    const first = (await operate('stop')).body;
    pass(60);
    const second = await operate('stop');
    expect([second.status, second.body.count, second.body.receipts]).toEqual([200, 0, []]);
    const receipt = (await api.post(`/v1/instances/${id}/stop`)).body;
    expect(receipt).toEqual(first.receipts[0]);
  });

  it('leaves an instance that credit has ended at its own end, and does not count it', async () => {
    team = await teamWith(api, '3.60');
    const { id } = (await start({ hourly: '36' })).body;
    pass(3600);
    const { body } = await operate('stop');
    expect(body.count).toBe(0);
    expect((await api.get(`/v1/instances/${id}`)).body).toMatchObject({ reason: 'out_of_credits', seconds: 360 });
  });

  it('refuses unknown fields by name', async () => {
    expect((await operate('stop', { projects: ['a'] })).body.error.param).toBe('projects');
    expect((await operate('stop', { project: '' })).body.error.param).toBe('project');
    expect((await operate('stop', {}, 'nobody')).status).toBe(404);
  });
});

describe('a suspended team', () => {
  it('starts, holds and reserves nothing, and keeps its running instances', async () => {
    const { id } = (await start()).body;
    const suspended = await operate('suspend', { note: 'chargeback under review' });
    expect(suspended.status).toBe(200);
    expect(suspended.body).toMatchObject({
      status: 'suspended',
      suspensionNote: 'chargeback under review',
      receipts: [],
    });
    expect(await running()).toEqual([id]);
    const hold = { team, model: 'a-model', maxInputTokens: 10, maxOutputTokens: 10, ttlSeconds: 60 };
    expect(codeOf(await start())).toEqual([409, 'team_suspended']);
    expect(codeOf(await api.post('/v1/holds', hold))).toEqual([409, 'team_suspended']);
    const reservation = { team, gpuType: 'h100', region: 'eu-1', count: 1, term: '1m' };
    expect(codeOf(await api.post('/v1/reservations', reservation))).toEqual([409, 'team_suspended']);
    const quote = { team, gpuType: 'h100', region: 'eu-1', pricing: 'on_demand', count: 1 };
    const warnings = (await api.post('/v1/quote', quote)).body.warnings;
    expect(warnings.map(({ code }: { code: string }) => code)).toContain('team_suspended');

    expect((await operate('unsuspend')).body).toMatchObject({
      status: 'active',
      suspendedAt: null,
      suspensionNote: null,
    });
    for (const answer of [
      await start(),
      await api.post('/v1/holds', hold),
      await api.post('/v1/reservations', reservation),
    ])
      expect(answer.status).toBe(201);
  });

  it('still records usage, accepts payments and grants, and stops its instances', async () => {
    const { id } = (await start()).body;
    await operate('suspend');
    const event = { id: 'e1', team, model: 'a-model', inputTokens: 1_000_000, outputTokens: 0 };
    expect((await api.post('/v1/usage', { events: [event] })).body.events[0]).toMatchObject({ status: 'accepted' });
    const paymentMethod = await card();
    const paid = await api.post(`/v1/teams/${team}/deposits`, { amount: '20', method: 'card', paymentMethod });
    expect([paid.status, paid.body.status]).toEqual([201, 'succeeded']);
    expect((await api.post(`/v1/teams/${team}/grants`, { amount: '1', note: 'n' })).status).toBe(201);
    expect((await api.post(`/v1/instances/${id}/stop`)).status).toBe(200);
  });

  it('is charged by auto top-up only after the suspension ends, and then at once', async () => {
    await card();
    await operate('suspend');
    const policy = { enabled: true, threshold: '200', amount: '50' };
    const put = await api.put(`/v1/teams/${team}/auto-top-up`, policy);
    expect(put.body).toMatchObject({ enabled: true, state: 'suspended', lastAttempt: null });
    pass(3600);
    expect((await api.get(`/v1/teams/${team}/auto-top-up`)).body).toMatchObject({
      state: 'suspended',
      lastAttempt: null,
    });
    await operate('unsuspend');
    expect(api.engine.sentWakes).toContain(`autoTopUp ${team}`);
    expect((await api.get(`/v1/teams/${team}/auto-top-up`)).body).toMatchObject({
      state: 'charging',
      lastAttempt: { amount: '50.000000', status: 'pending' },
    });
  });

  it('has its instances stopped in the same call with stop', async () => {
    const { id } = (await start()).body;
    const { body } = await operate('suspend', { stop: true });
    expect(body.receipts).toEqual([expect.objectContaining({ id, reason: 'operator' })]);
    expect(await running()).toEqual([]);
  });

  it('keeps the time of its first suspension, and an unsuspend of a team that is not suspended has no effect', async () => {
    const first = (await operate('suspend', { note: 'one' })).body;
    pass(60);
    const again = (await operate('suspend', {})).body;
    expect([again.suspendedAt, again.suspensionNote]).toEqual([first.suspendedAt, 'one']);
    expect((await operate('suspend', { note: 'two' })).body.suspensionNote).toBe('two');
    await operate('unsuspend');
    expect([(await operate('unsuspend')).status]).toEqual([200]);
  });
});

describe('an archive of a team', () => {
  beforeEach(async () => {
    team = await teamWith(api);
  });

  it('removes it from the lists, keeps its reads, and refuses every new fact', async () => {
    const key = await keyFor(api, team, ['read', 'billing', 'usage']);
    const archived = await operate('archive');
    expect(archived.body).toMatchObject({ id: team, status: 'archived', archivedAt: expect.any(String) });
    const ids = async (query: string) =>
      (await api.get(`/v1/teams?search=${team}${query}`)).body.data.map(({ id }: { id: string }) => id);
    expect(await ids('')).not.toContain(team);
    expect(await ids('&status=archived')).toContain(team);
    expect(await ids('&status=all')).toContain(team);
    for (const path of ['', '/balance', '/deposits', '/transactions', '/grants', '/auto-top-up', '/keys'])
      expect((await api.get(`/v1/teams/${team}${path}`, { key })).status).toBe(200);

    const refused = [
      await start(),
      await operate('grants', { amount: '1', note: 'n' }),
      await operate('deposits', { amount: '20', method: 'card' }),
      await operate('payment-methods', { stripePaymentMethod: 'pm_x' }),
      await operate('keys', { scopes: ['read'] }),
      await operate('suspend'),
      await api.put(`/v1/teams/${team}/discount`, { percent: 5, note: 'n' }),
      await api.put(`/v1/teams/${team}/auto-top-up`, { enabled: false, threshold: '5', amount: '15' }),
      await api.post('/v1/holds', { team, model: 'a-model', maxInputTokens: 0, maxOutputTokens: 0, ttlSeconds: 1 }),
      await api.post('/v1/reservations', { team, gpuType: 'h100', region: 'eu-1', count: 1, term: '1m' }),
    ];
    expect(refused.map(codeOf)).toEqual(refused.map(() => [409, 'team_archived']));
    const event = { id: 'e1', team, model: 'a-model', inputTokens: 1, outputTokens: 0 };
    const answer = (await api.post('/v1/usage', { events: [event] })).body.events[0];
    expect(answer).toMatchObject({ status: 'invalid', error: { code: 'team_archived' } });

    expect((await operate('unarchive')).body).toMatchObject({ status: 'active', archivedAt: null });
    expect((await operate('grants', { amount: '10', note: 'n' })).status).toBe(201);
    expect((await api.post('/v1/usage', { events: [event] })).body.events[0].status).toBe('accepted');
  });

  it('is refused with the names of all obstacles', async () => {
    await operate('grants', { amount: '20', note: 'n' });
    await start();
    const checkout = await operate('deposits', { amount: '20', method: 'card' });
    expect(checkout.body.status).toBe('pending');
    const refused = await operate('archive');
    expect(codeOf(refused)).toEqual([409, 'team_in_use']);
    for (const words of ['1 running instances', '$20.00 of credit', '1 deposits without an outcome'])
      expect(refused.body.error.message).toContain(words);
    expect((await api.get(`/v1/teams/${team}`)).body.status).toBe('active');
  });

  it('with keepBalance keeps the credit, which is available after the archive is reversed', async () => {
    await operate('grants', { amount: '20', note: 'n' });
    expect(codeOf(await operate('archive'))).toEqual([409, 'team_in_use']);
    expect((await operate('archive', { keepBalance: true })).status).toBe(200);
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('20.000000');
    await operate('unarchive');
    expect((await start()).status).toBe(201);
  });

  it('switches auto top-up off permanently, as a recorded change', async () => {
    await operate('grants', { amount: '20', note: 'n' });
    await card();
    await api.put(`/v1/teams/${team}/auto-top-up`, { enabled: true, threshold: '5', amount: '15' });
    await operate('archive', { keepBalance: true });
    await operate('unarchive');
    expect((await api.get(`/v1/teams/${team}/auto-top-up`)).body).toMatchObject({ enabled: false, state: 'off' });
    const changes = (await api.get(`/v1/teams/${team}/auto-top-up/changes`)).body.data;
    expect(changes[0]).toMatchObject({ old: { enabled: true }, new: { enabled: false } });
  });

  it('repeated receives the same answer, and money that a provider reports afterwards is still credited', async () => {
    const first = (await operate('archive')).body;
    pass(60);
    expect((await operate('archive')).body).toEqual(first);
    // A page that a person left open: its money came after the team was archived.
    const depositId = `late-${team}`;
    await api.db.deposit.create({
      data: {
        ...{ id: depositId, teamId: team, kind: 'checkout', method: 'card', label: 'Deposit' },
        ...{ amountMicros: 20_000_000n, status: 'pending', openedSecond: 0n },
      },
    });
    const nowSecond = Math.floor((Date.now() + api.clock.aheadMs) / 1000);
    await api.world.ledger.creditDeposit({ depositId, nowSecond, receiptUrl: null }, 'test');
    expect((await api.get(`/v1/teams/${team}/balance`)).body.available).toBe('20.000000');
  });
});
