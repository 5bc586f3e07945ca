/** Tests grants over HTTP: creation, repeats, lists and reversal. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandedApi, instanceOf, keyFor, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
let names = 0;

beforeAll(async () => {
  api = await startCommandedApi();
  await api.put('/v1/models/a-model', { input: '1', output: '1' });
});
beforeEach(async () => {
  api.clock.aheadMs = 0;
  api.engine.sentWakes = [];
  team = await teamWith(api);
});
afterAll(() => api.close());

const newName = () => {
  names += 1;
  return `grant-${names}`;
};
const give = (change: object = {}, of = team) =>
  api.post(`/v1/teams/${of}/grants`, { amount: '20', note: 'launch', ...change });
const revoke = (id: string, body: object = {}) => api.post(`/v1/grants/${id}/revoke`, body);
const balance = async () => (await api.get(`/v1/teams/${team}/balance`)).body;
const use = (id: string, tokens: number) =>
  api.post('/v1/usage', { events: [{ id, team, model: 'a-model', inputTokens: tokens, outputTokens: 0 }] });

describe('a grant', () => {
  it('under an id is posted once, and the same request again receives the same grant', async () => {
    const id = newName();
    const metadata = { campaign: 'spring' };
    const first = await give({ id, metadata });
    expect([first.status, first.body]).toEqual([
      201,
      { ...first.body, id, team, amount: '20.000000', note: 'launch', status: 'given', revocation: null, metadata },
    ]);
    const again = await give({ id, metadata, amount: '20.00' });
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect((await balance()).available).toBe('20.000000');
  });

  it('under the id of another grant is a conflict, whichever field differs', async () => {
    const id = newName();
    await give({ id });
    const other = await teamWith(api);
    for (const answer of [
      await give({ id, amount: '21' }),
      await give({ id, note: 'other' }),
      await give({ id, metadata: { a: 'b' } }),
      await give({ id }, other),
    ])
      expect([answer.status, answer.body.error.code, answer.body.error.param]).toEqual([409, 'id_taken', 'id']);
    expect((await balance()).available).toBe('20.000000');
  });

  it('is posted once for four simultaneous requests', async () => {
    const id = newName();
    const answers = await Promise.all([give({ id }), give({ id }), give({ id }), give({ id })]);
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`))).toEqual(new Set([`201 ${id}`]));
    expect((await balance()).available).toBe('20.000000');
  });

  it('is read by its team, and listed newest first in pages', async () => {
    const ids = [newName(), newName(), newName()];
    for (const id of ids) {
      await give({ id });
      api.clock.aheadMs += 1_000;
    }
    const key = await keyFor(api, team, ['read']);
    expect((await api.get(`/v1/grants/${ids[0]}`, { key })).body.id).toBe(ids[0]);
    const first = (await api.get(`/v1/teams/${team}/grants?limit=2`, { key })).body;
    const second = (await api.get(`/v1/teams/${team}/grants?limit=2&cursor=${first.nextCursor}`, { key })).body;
    expect([...first.data, ...second.data].map(({ id }: { id: string }) => id)).toEqual(ids.reverse());
    const stranger = await keyFor(api, await teamWith(api), ['read']);
    expect((await api.get(`/v1/grants/${ids[0]}`, { key: stranger })).status).toBe(404);
    expect((await api.get('/v1/grants/nobodys')).status).toBe(404);
  });
});

describe('a reversed grant', () => {
  it('is taken from credit, by a row that names the first row', async () => {
    const { id } = (await give()).body;
    await give();
    const { status, body } = await revoke(id, { note: 'the wrong team' });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id,
      status: 'revoked',
      revocation: { note: 'the wrong team', fromCredit: '20.000000', owed: '0.000000' },
    });
    expect((await balance()).available).toBe('20.000000');
    const [row] = (await api.get(`/v1/teams/${team}/transactions`)).body.data;
    expect(row).toMatchObject({
      amount: '-20.000000',
      account: 'credit',
      code: 'grant_revoked',
      reference: `grant/${id}/revoked`,
      corrects: `grant/${id}`,
    });
    expect(
      (await api.get(`/v1/teams/${team}/grants`)).body.data.map((one: { status: string }) => one.status).sort(),
    ).toEqual(['given', 'revoked']);
    expect(api.engine.sentWakes).toContain(`watch ${team}`);
  });

  it('owes the part without credit, and the next credit pays it', async () => {
    const { id } = (await give()).body;
    await use('spent', 15_000_000);
    const { body } = await revoke(id);
    expect(body.revocation).toMatchObject({ fromCredit: '5.000000', owed: '15.000000' });
    expect(await balance()).toMatchObject({ available: '0.000000', owed: '15.000000' });
    const rows = (await api.get(`/v1/teams/${team}/transactions`)).body.data;
    expect(rows.map(({ code }: { code: string }) => code)).toEqual(
      expect.arrayContaining(['grant_revoked', 'owed_revocation']),
    );
    await give({ amount: '40' });
    expect(await balance()).toMatchObject({ available: '25.000000', owed: '0.000000' });
  });

  it('is taken once, in repeated and simultaneous requests', async () => {
    const { id } = (await give()).body;
    await give({ amount: '50' });
    const answers = await Promise.all([revoke(id), revoke(id), revoke(id)]);
    api.clock.aheadMs += 60_000;
    const late = await revoke(id, { note: 'another note' });
    for (const answer of [...answers, late]) expect(answer.body).toEqual(answers[0]?.body);
    expect((await balance()).available).toBe('50.000000');
  });

  it('ends the instances that no credit is left for', async () => {
    const { id } = (await give()).body;
    const instance = (await api.post('/v1/instances', instanceOf(team))).body.id;
    api.clock.aheadMs += 60_000;
    await revoke(id);
    api.clock.aheadMs += 60_000;
    expect((await api.get(`/v1/instances/${instance}`)).body).toMatchObject({
      status: 'terminated',
      reason: 'out_of_credits',
    });
    expect((await balance()).available).toBe('0.000000');
  });

  it('is refused for an unknown grant, with an unknown field, and for an archived team', async () => {
    expect((await revoke('nobodys')).status).toBe(404);
    const { id } = (await give()).body;
    expect((await revoke(id, { amount: '5' })).body.error.param).toBe('amount');
    await api.post(`/v1/teams/${team}/archive`, { keepBalance: true });
    expect((await revoke(id)).body.error.code).toBe('team_archived');
  });
});
