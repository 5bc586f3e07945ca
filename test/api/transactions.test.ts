/** Tests the filters, the running balance and the file of a team's transactions. */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ofBudget } from '../support/budget.ts';
import { type CommandedApi, instanceOf, startCommandedApi, teamWith } from './support.ts';

interface Row {
  id: string;
  at: string;
  amount: string;
  account: string;
  code: string;
  instance: string | null;
  model: string | null;
  project: string | null;
  balance: string;
}

const MODEL = 'llama-3.3-70b-instruct';
let api: CommandedApi;
let team: string;
let deposit: string;
beforeAll(async () => {
  api = await startCommandedApi();
});
afterAll(() => api?.close());

const clock = (time: string) => {
  api.clock.stoppedMs = Date.parse(time);
};
const at = (query = '') => `/v1/teams/${team}/transactions${query}`;
const list = async (query = ''): Promise<Row[]> => {
  const { status, body } = await api.get(at(query));
  expect([status, body.error]).toEqual([200, undefined]);
  return body.data;
};
const csvRows = async (query = ''): Promise<string[][]> =>
  (await api.get(at(query), { headers: { Accept: 'text/csv' } })).text
    .trim()
    .split('\n')
    .map((row) => row.split(','));
const tokens = (id: string, project?: string, model = MODEL) => ({
  ...{ id: `${team}-${id}`, team, model, inputTokens: 1_000_000, outputTokens: 0 },
  ...(project !== undefined && { project }),
});
const use = async (...events: object[]) => expect((await api.post('/v1/usage', { events })).status).toBe(200);
const run = async (id: string, more: object, from: string, to: string) => {
  clock(from);
  const started = await api.post('/v1/instances', instanceOf(team, { id: `${team}-${id}`, hourly: '3.60', ...more }));
  expect(started.status).toBe(201);
  clock(to);
  await api.post(`/v1/instances/${team}-${id}/stop`, {});
};
const micros = (dollars: string) => BigInt(dollars.replace('.', ''));
const sum = (rows: readonly Row[], account = 'credit') =>
  rows.filter((row) => row.account === account).reduce((total, { amount }) => total + micros(amount), 0n);

beforeEach(async () => {
  clock('2026-10-01T12:00:00Z');
  team = await teamWith(api, '100');
  const { body: card } = await api.post(`/v1/teams/${team}/payment-methods`, { stripePaymentMethod: 'pm_card_visa' });
  const { body } = await api.post(`/v1/teams/${team}/deposits`, {
    ...{ amount: '20', method: 'card', paymentMethod: card.id },
  });
  deposit = body.id;
  await run('a', { project: 'vision' }, '2026-10-01T13:00:00Z', '2026-10-01T13:00:10Z');
  await run('b', { gpuType: 'b200', region: 'us' }, '2026-10-01T23:59:50Z', '2026-10-02T00:00:10Z');
  clock('2026-10-03T00:00:00Z');
  await use(tokens('1', 'vision'));
  clock('2026-10-03T00:00:01Z');
  await use(tokens('2', 'vision'), tokens('3'));
});

describe('the filters of transactions', () => {
  it('are a range, a code, an instance, a deposit, a project', async () => {
    const codes = async (query: string) => (await list(query)).map(({ code }) => code);
    expect(await codes('?from=2026-10-02T00:00:10Z&to=2026-10-03T00:00:01Z')).toEqual([
      'token_usage',
      'instance_usage',
    ]);
    expect(await codes('?to=2026-10-01T12:00:01Z')).toEqual(['deposit', 'grant']);
    expect(await codes('?from=2026-11-01T00:00:00Z')).toEqual([]);
    expect(await codes('?code=deposit')).toEqual(['deposit']);
    expect(await codes(`?deposit=${deposit}`)).toEqual(['deposit']);
    expect(await codes('?deposit=dep_nobodys')).toEqual([]);
    const ofInstance = await list(`?instance=${team}-b`);
    expect(ofInstance.every(({ instance }) => instance === `${team}-b`)).toBe(true);
    expect(sum(ofInstance)).toBe(-20_000n);
    expect(await codes('?project=vision')).toEqual(['token_usage', 'token_usage', 'instance_usage']);
    expect(await codes('?project=vision&code=instance_usage')).toEqual(['instance_usage']);
    expect(await codes('?project=none')).toEqual([]);
  });

  it('list the rows of each group of usage, also of usage without a value', async () => {
    for (const by of ['project', 'gpuType', 'region', 'pricing', 'model', 'instance', 'reservation']) {
      const { body } = await api.get(`/v1/teams/${team}/usage?by=${by}`);
      const seen = new Set<string>();
      for (const group of body.data) {
        const rows = await list(`?${new URLSearchParams(group.filter)}`);
        expect(rows.length).toBeGreaterThan(0);
        for (const { id } of rows) seen.add(id);
      }
      const all = (await list()).filter(({ code }) => code.endsWith('_usage')).map(({ id }) => id);
      expect([by, [...seen].sort()]).toEqual([by, all.sort()]);
    }
    // Two events of one row have different projects, so the row is one of both.
    expect((await list('?project=')).map(({ code }) => code)).toEqual(['token_usage', 'instance_usage']);
    expect((await list('?model=')).map(({ code }) => code)).toEqual(['instance_usage', 'instance_usage']);
  });

  it('stay in force on every page', async () => {
    const first = await api.get(at('?code=instance_usage&limit=1'));
    const next = await api.get(at(`?code=instance_usage&limit=1&cursor=${first.body.nextCursor}`));
    expect(next.body.data.map(({ instance }: Row) => instance)).toEqual([`${team}-a`]);
    expect(next.body.nextCursor).toBeNull();
  });

  it.each([
    ['code=colour', 'code'],
    ['from=yesterday', 'from'],
    ['from=2026-10-02T00:00:00Z&to=2026-10-02T00:00:00Z', 'to'],
    ['pricing=cheap', 'pricing'],
    ['instance=a%2Fb', 'instance'],
    ['colour=red', 'colour'],
  ])('refuse %s', async (query, param) => {
    const { status, body } = await api.get(at(`?${query}`));
    expect([status, body.error.code, body.error.param]).toEqual([400, 'invalid_request', param]);
  });
});

describe('the running balance', () => {
  it('is the posted credit after each row, whatever is filtered and however long a page is', async () => {
    const all = await list();
    let balance = 0n;
    for (const row of [...all].reverse()) {
      balance += micros(row.amount);
      expect(micros(row.balance)).toBe(balance);
    }
    expect((await api.get(`/v1/teams/${team}/balance`)).body.posted).toBe(all[0]?.balance);
    const balances = new Map(all.map(({ id, balance }) => [id, balance]));
    for (const query of ['?code=grant', '?project=vision', `?instance=${team}-b`, '?to=2026-10-02T00:00:00Z'])
      for (const row of await list(query)) expect(row.balance).toBe(balances.get(row.id));
    let cursor = '';
    for (const row of all) {
      const { body } = await api.get(at(`?limit=1${cursor}`));
      expect(body.data).toEqual([row]);
      cursor = `&cursor=${body.nextCursor}`;
    }
  });

  it('is right for random amounts at random seconds, several in one', async () => {
    const moves = fc.array(
      fc.record({ wait: fc.constantFrom(0, 0, 1, 1800, 3600, 100_000), cents: fc.integer({ min: 1, max: 10 ** 6 }) }),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(moves, async (all) => {
        clock('2026-10-01T12:00:00Z');
        team = await teamWith(api);
        for (const { wait, cents } of all) {
          api.clock.stoppedMs = (api.clock.stoppedMs ?? 0) + wait * 1000;
          const amount = (cents / 100).toFixed(2);
          expect((await api.post(`/v1/teams/${team}/grants`, { amount, note: 'random' })).status).toBe(201);
        }
        let balance = 0n;
        for (const row of (await list()).reverse()) {
          balance += micros(row.amount);
          expect(micros(row.balance)).toBe(balance);
        }
        expect(balance).toBe(all.reduce((total, { cents }) => total + BigInt(cents) * 10_000n, 0n));
      }),
      { numRuns: ofBudget({ test: 8, long: 80 }) },
    );
  });

  it('is the credit also beside rows of the owed account', async () => {
    await use({ ...tokens('dear'), inputTokens: 10 ** 12 });
    const [owed, paid] = await list('?from=2026-10-03T00:00:01Z');
    expect([owed?.account, paid?.account].sort()).toEqual(['credit', 'owed']);
    expect([owed?.balance, paid?.balance]).toContain('0.000000');
    const totals = (await csvRows()).slice(-2);
    expect(totals.map((cells) => [cells[0], cells[3]])).toEqual([
      ['total', 'owed'],
      ['total', 'credit'],
    ]);
    expect(totals[1]?.[2]).toBe((await api.get(`/v1/teams/${team}/balance`)).body.posted);
  });
});

describe('the file of transactions', () => {
  it('has fixed columns, honours the filter, and ends in the total', async () => {
    const COLUMNS =
      'id,at (UTC),amount,account,code,status,reference,cause,instance,reservation,deposit,corrects,description,method,receiptNumber,model,project,balance';
    const rows = await csvRows('?code=instance_usage');
    expect(rows[0]?.join(',')).toBe(COLUMNS);
    const listed = await list('?code=instance_usage');
    expect(rows.slice(1, -1).map(([id]) => id)).toEqual(listed.map(({ id }) => id));
    expect(rows.at(-1)?.slice(0, 4)).toEqual(['total', '', '-0.030000', 'credit']);
    expect(micros(rows.at(-1)?.[2] ?? '')).toBe(sum(listed));
    const whole = await csvRows();
    expect(whole.at(-1)?.[2]).toBe((await api.get(`/v1/teams/${team}/balance`)).body.posted);
    expect(whole[1]?.at(-1)).toBe(whole.at(-1)?.[2]);
    expect(await csvRows('?from=2027-01-01T00:00:00Z')).toEqual([rows[0], expect.arrayContaining(['total'])]);
  });
});
