/** Tests payments under the caller’s id: a repeat of the request charges, sends and opens nothing a second time. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandedApi, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
let card: string;
let names = 0;

beforeAll(async () => {
  api = await startCommandedApi();
});
beforeEach(async () => {
  Object.assign(api.engine, { charge: 'succeeds', refunding: 'succeeds', away: false });
  team = await teamWith(api);
  card = (await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_x' })).body.id;
});
afterAll(() => api.close());

const newName = () => {
  names += 1;
  return `order-${names}`;
};
const pay = (change: object = {}, of = team) =>
  api.post(`/v1/teams/${of}/deposits`, { amount: '20', method: 'card', ...change });
const payBySavedCard = (change: object = {}) => pay({ paymentMethod: card, ...change });
const refund = (deposit: string, body: object) => api.post(`/v1/deposits/${deposit}/refund`, body);
const available = async () => (await api.get(`/v1/teams/${team}/balance`)).body.available;
const conflict = ({ status, body }: { status: number; body: { error?: { code: string; param?: string } } }) => [
  status,
  body.error?.code,
  body.error?.param,
];

describe('a deposit under an id', () => {
  it('is charged once, and the same request again receives the same deposit', async () => {
    const id = newName();
    const metadata = { order: '1042' };
    const first = await payBySavedCard({ id, metadata });
    expect([first.status, first.body.id, first.body.status, first.body.metadata]).toEqual([
      201,
      id,
      'succeeded',
      metadata,
    ]);
    const again = await payBySavedCard({ id, metadata, amount: '20.00' });
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect(await available()).toBe('20.000000');
    expect((await api.get(`/v1/teams/${team}/deposits/${id}`)).body).toEqual(first.body);
    expect((await api.get(`/v1/teams/${team}/deposits`)).body.data[0]).toMatchObject({ id, team, metadata });
  });

  it.each([
    [{ order: 1042 }, 'metadata.order'],
    [{ order: 'x'.repeat(501) }, 'metadata.order'],
    [Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, 'v'])), 'metadata'],
    ['1042', 'metadata'],
  ])('is not charged with wrong metadata: %#', async (metadata, param) => {
    const { status, body } = await payBySavedCard({ metadata });
    expect([status, body.error.code, body.error.param]).toEqual([400, 'invalid_request', param]);
    expect((await api.get(`/v1/teams/${team}/deposits`)).body.data).toEqual([]);
  });

  it('links to Stripe’s page and our receipt', async () => {
    const { body } = await payBySavedCard();
    const row = { receiptUrl: 'https://pay.stripe.com/receipts/1' };
    await api.db.deposit.update({ where: { id: body.id }, data: row });
    expect((await api.get(`/v1/teams/${team}/deposits/${body.id}`)).body).toMatchObject({
      providerReceiptUrl: row.receiptUrl,
      receiptUrl: expect.stringMatching(/\/receipt/),
    });
  });

  it('is one deposit for four simultaneous requests', async () => {
    const id = newName();
    const answers = await Promise.all([0, 1, 2, 3].map(() => payBySavedCard({ id })));
    expect(answers.map(({ status, body }) => [status, body.id])).toEqual(answers.map(() => [201, id]));
    expect(await available()).toBe('20.000000');
    expect((await api.get(`/v1/teams/${team}/deposits`)).body.data).toHaveLength(1);
  });

  it('is a conflict with every other request, which charges nothing', async () => {
    const id = newName();
    await payBySavedCard({ id });
    const other = await teamWith(api);
    for (const answer of [
      await payBySavedCard({ id, amount: '21' }),
      await payBySavedCard({ id, metadata: { a: 'b' } }),
      await pay({ id }),
      await pay({ id, saveCard: true }),
      await pay({ id, returnUrl: 'https://app.example/' }),
      await pay({ id }, other),
    ])
      expect(conflict(answer)).toEqual([409, 'id_taken', 'id']);
    expect(await available()).toBe('20.000000');
  });

  it('that was declined stays declined, and another id may try again', async () => {
    const id = newName();
    api.engine.charge = 'declines';
    const declined = await payBySavedCard({ id });
    expect([declined.status, declined.body.error.deposit]).toEqual([402, id]);
    api.engine.charge = 'succeeds';
    expect((await payBySavedCard({ id })).status).toBe(402);
    expect((await payBySavedCard({ id: newName() })).status).toBe(201);
    expect(await available()).toBe('20.000000');
  });

  it('joins a deposit in progress under the same id', async () => {
    const id = newName();
    api.engine.charge = 'waits';
    const first = await payBySavedCard({ id });
    const again = await payBySavedCard({ id });
    expect([first.body.status, again.body]).toEqual(['pending', first.body]);
    expect((await api.get(`/v1/teams/${team}/deposits`)).body.data).toHaveLength(1);
  });

  it('cannot take the id of a future auto top-up', async () => {
    const refused = await payBySavedCard({ id: `dep_${team}_top_up_1` });
    expect([refused.status, refused.body.error.param]).toEqual([400, 'id']);
  });
});

describe('a refund under an id', () => {
  it('is sent once, and the same request again receives the same refund', async () => {
    const deposit = (await payBySavedCard({ amount: '100' })).body.id;
    const id = newName();
    const first = await refund(deposit, { id, amount: '20' });
    expect([first.status, first.body.id, first.body.amount]).toEqual([201, id, '20.000000']);
    const again = await refund(deposit, { id, amount: '20.00' });
    expect([again.status, again.body]).toEqual([201, first.body]);
    const answers = await Promise.all([0, 1, 2].map(() => refund(deposit, { id: `${id}-b`, amount: '30' })));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(await available()).toBe('50.000000');
  });

  it('of the whole rest is the same refund again, although nothing is left', async () => {
    const deposit = (await payBySavedCard()).body.id;
    const id = newName();
    const first = await refund(deposit, { id });
    expect([first.status, first.body.amount]).toEqual([201, '20.000000']);
    expect((await refund(deposit, { id })).body).toEqual(first.body);
    expect(conflict(await refund(deposit, { id, amount: '20' }))).toEqual([409, 'id_taken', 'id']);
  });

  it('is a conflict with a refund of another amount or deposit', async () => {
    const [one, two] = [(await payBySavedCard()).body.id, (await payBySavedCard()).body.id];
    const id = newName();
    await refund(one, { id, amount: '5' });
    expect(conflict(await refund(one, { id, amount: '6' }))).toEqual([409, 'id_taken', 'id']);
    expect(conflict(await refund(two, { id, amount: '5' }))).toEqual([409, 'id_taken', 'id']);
    expect(await available()).toBe('35.000000');
  });

  it('cannot take the id of a refund that is made at the provider', async () => {
    const deposit = (await payBySavedCard()).body.id;
    const refused = await refund(deposit, { id: 'ref_re_123' });
    expect([refused.status, refused.body.error.param]).toEqual([400, 'id']);
  });
});

describe('the deposits of all teams', () => {
  const list = async (query: string) => (await api.get(`/v1/deposits${query}`)).body;
  const idsOf = async (query: string): Promise<string[]> =>
    (await list(query)).data.map(({ id }: { id: string }) => id);

  it('are listed newest first, by team, status, method and time, in pages', async () => {
    const [one, two] = [await teamWith(api), await teamWith(api)];
    const made: string[] = [];
    for (const of of [one, two, one]) made.unshift((await pay({ id: newName() }, of)).body.id);
    api.engine.charge = 'declines';
    const failed = newName();
    await payBySavedCard({ id: failed });
    expect((await idsOf('?status=failed')).at(0)).toBe(failed);
    expect((await idsOf('?status=pending')).slice(0, 3)).toEqual(made);
    expect(await idsOf(`?team=${one}`)).toEqual([made[0], made[2]]);
    expect(await idsOf(`?team=${one}&method=crypto`)).toEqual([]);
    const first = await list('?status=pending&limit=2');
    const second = await list(`?status=pending&limit=2&cursor=${first.nextCursor}`);
    expect([...first.data, ...second.data].map(({ id }: { id: string }) => id).slice(0, 3)).toEqual(made);
    expect(first.data[0]).toMatchObject({ team: one, metadata: {} });
    const ahead = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, '');
    const before = new Date(Date.now() - 3_600_000).toISOString().replace(/\.\d+/, '');
    expect(await idsOf(`?team=${one}&from=${before}&to=${ahead}`)).toHaveLength(2);
    expect(await idsOf(`?team=${one}&from=${ahead}`)).toEqual([]);
    expect(await idsOf(`?team=${one}&to=${before}`)).toEqual([]);
  });

  it('refuse an invalid filter by name', async () => {
    for (const [query, status, param] of [
      ['?team=nobody', 404, 'team'],
      ['?status=open', 400, 'status'],
      ['?method=cash', 400, 'method'],
      ['?from=yesterday', 400, 'from'],
      ['?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z', 400, 'to'],
      ['?cursor=x', 400, 'cursor'],
      ['?deposit=x', 400, 'deposit'],
    ] as const) {
      const answer = await api.get(`/v1/deposits${query}`);
      expect([query, answer.status, answer.body.error.param]).toEqual([query, status, param]);
    }
  });
});
