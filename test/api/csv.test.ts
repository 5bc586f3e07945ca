/** Tests lists as CSV files: content negotiation, content, and cells that spreadsheets must not reinterpret. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { guarded } from '../../api/http/csv.ts';
import { secondOf } from '../../billing/time.ts';
import { type CommandedApi, instanceOf, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;
let team: string;
beforeAll(async () => {
  api = await startCommandedApi();
});
afterAll(() => api?.close());
beforeEach(async () => {
  api.clock.aheadMs = 0;
  team = await teamWith(api, '100');
});

const at = (path: string) => `/v1/teams/${team}/${path}`;

/** A CSV file as rows of cells: quotes are taken off, as a spreadsheet does. */
function parsed(text: string): Array<Record<string, string>> {
  const rows = text
    .trimEnd()
    .split('\n')
    .map((row) =>
      [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
        ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '',
      ),
    );
  const [header = [], ...cells] = rows;
  return cells.map((row) => Object.fromEntries(header.map((name, index) => [name, row[index] ?? ''])));
}
const csv = (path: string, accept = 'text/csv') => api.get(at(path), { headers: { Accept: accept } });
/** The rows of the ledger in the file, without the totals at its end. */
const transactions = async () => parsed((await csv('transactions')).text).filter(({ id }) => id !== 'total');

describe('a list is a CSV file', () => {
  it.each([
    'text/csv',
    'text/csv; charset=utf-8',
    'text/csv;charset=UTF-8',
    'TEXT/CSV; header=present',
    'text/csv;header="present, really";q=0.9, application/json;q=0.5',
    'application/json;q=0.1, text/csv; charset=utf-8; q=0.8',
    'text/*',
    'text/csv, */*;q=0.1',
    'text/csv, application/json',
  ])('for Accept: %s', async (accept) => {
    const { headers, text } = await csv('transactions', accept);
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(text.startsWith('id,at (UTC),amount,')).toBe(true);
  });

  it.each([
    'application/json',
    '*/*',
    'application/json; charset=utf-8',
    'text/csv;q=0.1, application/json',
    'text/csv;q=0',
    'text/csv;charset=utf-8;q=0, */*',
    'text/html, application/xhtml+xml, */*;q=0.8',
    'application/json, text/csv',
  ])('and JSON for Accept: %s', async (accept) => {
    expect((await csv('transactions', accept)).headers.get('content-type')).toContain('application/json');
  });

  it('and JSON when the list has no CSV form', async () => {
    expect((await api.get('/v1/instances', { headers: { Accept: 'text/csv' } })).headers.get('content-type')).toContain(
      'json',
    );
  });
});

describe('a CSV file', () => {
  it('is UTF-8 with a byte-order mark, named for the list and the team', async () => {
    const response = await fetch(api.url + at('transactions'), {
      headers: { Authorization: `Bearer ${api.world.platformKey}`, Accept: 'text/csv' },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    expect([...bytes.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf]);
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename=transactions-${team}.csv`);
  });

  it('of an empty list is only its header, and a total of nothing', async () => {
    team = await teamWith(api);
    expect(await transactions()).toEqual([]);
    const [total, ...more] = parsed((await csv('transactions')).text);
    expect(total).toMatchObject({ id: 'total', amount: '0.000000', account: 'credit', code: '', balance: '' });
    expect(more).toEqual([]);
    expect((await csv('deposits')).text.trim().split('\n')).toHaveLength(1);
  });

  it('has times that a spreadsheet reads as times, and amounts that add up to the balance', async () => {
    await api.post('/v1/instances', instanceOf(team, { id: `i-${team}`, hourly: '36' }));
    api.clock.aheadMs += 10_000;
    await api.post(`/v1/instances/i-${team}/stop`);
    const rows = await transactions();
    for (const row of rows) expect(row['at (UTC)']).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    const sum = rows
      .filter(({ account }) => account === 'credit')
      .reduce((total, { amount }) => total + Number(amount), 0);
    expect((await api.get(at('balance'))).body.posted).toBe(sum.toFixed(6));
  });

  it('has every row of a list that is longer than one page', async () => {
    for (let nth = 0; nth < 7; nth++) await api.post(at('grants'), { amount: '1', note: `grant ${nth}` });
    const rows = (await csv('transactions?limit=2')).text.trim().split('\n');
    expect(rows).toHaveLength(1 + 8 + 1);
    expect(rows.at(-1)).toBe(`total,,107.000000,credit${','.repeat(14)}`);
  });

  it('refuses an unknown filter and an invalid cursor with JSON', async () => {
    for (const query of ['colour=red', 'cursor=x']) {
      const { status, body } = await csv(`transactions?${query}`);
      expect([status, body.error.code]).toEqual([400, 'invalid_request']);
    }
  });

  it('writes ids that a spreadsheet reads as text and a program can read back', async () => {
    for (const id of ['-2-3', '1e5', '2026-03-01', '007'].map((text) => `${text}`)) {
      const answer = await api.post('/v1/instances', instanceOf(team, { id, project: `=1+${id}` }));
      expect(answer.status).toBe(201);
      api.clock.aheadMs += 2_000;
      await api.post(`/v1/instances/${id}/stop`);
    }
    const rows = (await transactions()).filter(({ code }) => code === 'instance_usage');
    expect(new Set(rows.map(({ instance }) => instance))).toEqual(new Set(["'-2-3", "'1e5", "'2026-03-01", "'007"]));
    expect(new Set(rows.map(({ project }) => project))).toEqual(
      new Set(["'=1+-2-3", "'=1+1e5", "'=1+2026-03-01", "'=1+007"]),
    );
  });
});

describe('a transaction', () => {
  it('describes its kind, its payment method and its receipt', async () => {
    const { body: card } = await api.post(at('payment-methods'), { stripePaymentMethod: 'pm_card_visa' });
    const { body: deposit } = await api.post(at('deposits'), { amount: '20', method: 'card', paymentMethod: card.id });
    await api.post('/v1/instances', instanceOf(team, { id: `w-${team}`, project: 'Łódź' }));
    api.clock.aheadMs += 60_000;
    await api.post(`/v1/instances/w-${team}/stop`);
    await api.post(`/v1/deposits/${deposit.id}/refund`, { amount: '5' });
    const rows = await transactions();
    const of = (code: string) => rows.find((row) => row.code === code);
    expect(of('deposit')).toMatchObject({
      description: 'Deposit by Visa ending in 4242',
      method: 'card',
      receiptNumber: `${team}-000001`,
    });
    expect(of('grant')).toMatchObject({ description: 'Credit granted: for a test', method: '', receiptNumber: '' });
    expect(of('instance_usage')).toMatchObject({
      description: `Usage of instance w-${team} (h100, eu-1, on-demand)`,
      project: 'Łódź',
    });
    expect(of('refund')).toMatchObject({ description: 'Refund of a deposit by Visa ending in 4242', method: 'card' });
  });

  it('of token usage names the model and the project when all usage has the same', async () => {
    const price = { input: '2', output: '6' };
    for (const model of ['alpha', 'beta']) await api.put(`/v1/models/${model}`, price);
    const event = (id: string, model: string, project?: string) => ({
      id,
      team,
      model,
      inputTokens: 100_000,
      outputTokens: 0,
      ...(project && { project }),
    });
    const use = async (...events: object[]) => expect((await api.post('/v1/usage', { events })).status).toBe(200);
    await use(event('a', 'alpha', 'p1'));
    await use(event('b', 'alpha', 'p1'), event('c', 'beta', 'p1'));
    await use(event('d', 'beta', 'p1'), event('e', 'beta'));
    const { data } = (await api.get(at('transactions'))).body;
    const seen = data
      .filter(({ code }: { code: string }) => code === 'token_usage')
      .map(({ description, model, project }: Record<string, string>) => [description, model, project]);
    expect(seen).toEqual(
      expect.arrayContaining([
        ['Usage of alpha', 'alpha', 'p1'],
        ['Usage of tokens', null, 'p1'],
        ['Usage of beta', 'beta', null],
      ]),
    );
    expect(secondOf(Date.parse(data[0].at))).toBeGreaterThan(0);
  });
});

describe('a text in a cell', () => {
  it.each([
    ...['=1+1', '+1', '-1', '@sum', '\tx', ' =1', '＝1', "'quoted"],
    ...[
      '1e5',
      '1E+5',
      '007',
      '1,000',
      '1.5',
      '.5',
      '12%',
      '$5',
      '(5)',
      '1/2',
      '3-4',
      '2026-03-01',
      '10:30',
      '10 am',
      '1 234',
    ],
    ...['MAR1', 'mar-1', '1-Mar', 'DEC 25', 'sept2', '1 January 2026', 'TRUE', 'false'],
  ])('%j is guarded by an apostrophe', (text) => {
    expect(guarded(text)).toBe(`'${text}`);
  });

  it.each([
    ...['acme', 'acme-000001', 'train-1', 'h100-80gb', 'instance/i/through/1795322532', 'deposit', 'Łódź', '株式会社'],
    ...['0193a5b2-9b1e-7c3d-8e4f-5a6b7c8d9e0f', 'Deposit by Visa ending in 4242', 'march', 'truely', '12 monkeys', ''],
  ])('%j is written unchanged', (text) => {
    expect(guarded(text)).toBe(text);
  });
});
