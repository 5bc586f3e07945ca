/** Tests the calculator over HTTP, which compares token prices here with public prices of other providers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandedApi, keyFor, startCommandedApi, teamWith } from './support.ts';

let api: CommandedApi;

beforeAll(async () => {
  api = await startCommandedApi();
  await api.put('/v1/models/small', { input: '0.10', output: '0.40' });
  await api.put('/v1/models/dear', { input: '900', output: '900' });
  await api.put('/v1/models/gift', { input: '0', output: '0' });
});
afterAll(() => api.close());

const calculate = (change: object = {}) =>
  api.post('/v1/calculator', { inputTokens: 1_000, outputTokens: 500, perMonth: 250_000, model: 'small', ...change });

describe('a calculation', () => {
  it('shows both prices, both costs, the saving, and the saving by volume', async () => {
    const { status, body } = await calculate();
    expect(status).toBe(200);
    expect(body).toEqual({
      model: {
        id: 'small',
        input: '0.100000',
        output: '0.400000',
        perRequest: '0.000300',
        perMonth: '75.000000',
      },
      compareWith: {
        id: 'gpt-4o-mini',
        provider: 'OpenAI',
        input: '0.150000',
        output: '0.600000',
        note: null,
        source: 'https://developers.openai.com/api/docs/pricing',
        asOf: expect.stringMatching(/^2026-\d\d-\d\d$/),
        perRequest: '0.000450',
        perMonth: '112.500000',
      },
      saves: { perMonth: '37.500000', percent: 33.33 },
      byVolume: [
        { perMonth: 1_000, here: '0.300000', there: '0.450000', saves: '0.150000' },
        { perMonth: 10_000, here: '3.000000', there: '4.500000', saves: '1.500000' },
        { perMonth: 100_000, here: '30.000000', there: '45.000000', saves: '15.000000' },
        { perMonth: 250_000, here: '75.000000', there: '112.500000', saves: '37.500000' },
        { perMonth: 1_000_000, here: '300.000000', there: '450.000000', saves: '150.000000' },
        { perMonth: 10_000_000, here: '3000.000000', there: '4500.000000', saves: '1500.000000' },
      ],
    });
  });

  it('compares with any model of the public list', async () => {
    const { data } = (await api.get('/v1/calculator/models')).body;
    for (const listed of data) {
      const { status, body } = await calculate({ compareWith: listed.id });
      expect(status).toBe(200);
      expect(body.compareWith).toMatchObject(listed);
    }
  });

  it('refuses another model to compare with, and lists the models of the public list', async () => {
    const { status, body } = await calculate({ compareWith: 'small' });
    expect([status, body.error.code, body.error.param]).toEqual([422, 'price_not_found', 'compareWith']);
    expect(body.error.message).toContain('gpt-4o-mini, gpt-4o,');
  });

  it('refuses a model that is not listed here, or is no longer listed', async () => {
    await api.put('/v1/models/brief', { input: '1', output: '1' });
    expect((await calculate({ model: 'brief' })).status).toBe(200);
    await api.send('DELETE', '/v1/models/brief');
    for (const model of ['brief', 'gpt-4o-mini', "' OR 1=1", '__proto__']) {
      const { status, body } = await calculate({ model });
      expect([status, body.error.code, body.error.param]).toEqual([422, 'price_not_found', 'model']);
    }
  });

  it('shows the exact cost of a request that costs less than a micro', async () => {
    const { body } = await calculate({ inputTokens: 1, outputTokens: 0, perMonth: 4 });
    expect(body.model).toMatchObject({ perRequest: '0.0000001', perMonth: '0.000000' });
    expect(body.compareWith).toMatchObject({ perRequest: '0.00000015', perMonth: '0.000001' });
  });

  it('shows a negative saving when the model costs more here', async () => {
    const { body } = await calculate({ model: 'dear', inputTokens: 1_000_000, outputTokens: 0, perMonth: 1 });
    expect(body.saves).toEqual({ perMonth: '-899.850000', percent: -599_900 });
    expect(body.byVolume[0]).toEqual({ perMonth: 1, here: '900.000000', there: '0.150000', saves: '-899.850000' });
  });

  it('may have a cost of zero', async () => {
    const { body } = await calculate({ model: 'gift', inputTokens: 0, outputTokens: 0, perMonth: 0 });
    expect(body.saves).toEqual({ perMonth: '0.000000', percent: null });
    expect(body.byVolume[0]).toEqual({ perMonth: 0, here: '0.000000', there: '0.000000', saves: '0.000000' });
  });

  const MOST = 1_000_000_000_000;
  it.each([
    ['perMonth', { inputTokens: 1_000_000, perMonth: MOST }],
    ['perMonth', { inputTokens: MOST, outputTokens: MOST, perMonth: MOST }],
    ['perMonth', { inputTokens: MOST, outputTokens: MOST, perMonth: MOST, model: 'dear' }],
    ['perMonth', { inputTokens: MOST, outputTokens: 0, perMonth: 11, model: 'dear' }],
  ])('beyond the largest amount is refused, naming %s', async (param, change) => {
    const { status, body } = await calculate(change);
    expect([status, body.error.code, body.error.param]).toEqual([422, 'amount_out_of_range', param]);
  });

  it('shows only the volumes up to the largest amount', async () => {
    const { body } = await calculate({ inputTokens: MOST, outputTokens: 0, perMonth: 2, model: 'dear' });
    expect(body.model.perMonth).toBe('1800000000.000000');
    expect(body.byVolume.map(({ perMonth }: { perMonth: number }) => perMonth)).toEqual([2]);
  });

  it('uses the price in force', async () => {
    const later = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 3_600_000).toISOString().replace('.000Z', 'Z');
    await api.put('/v1/models/rising', { input: '1', output: '1' });
    await api.put('/v1/models/rising', { input: '2', output: '2', effectiveFrom: later });
    expect((await calculate({ model: 'rising' })).body.model.input).toBe('1.000000');
    api.clock.aheadMs += 3_700_000;
    expect((await calculate({ model: 'rising' })).body.model.input).toBe('2.000000');
  });
});

describe('the public list', () => {
  it('has the names, prices, sources and dates for a drop-down list', async () => {
    const team = await teamWith(api);
    const key = await keyFor(api, team, ['read']);
    const { status, body } = await api.get('/v1/calculator/models', { key });
    expect(status).toBe(200);
    expect(body.data[0]).toEqual({
      id: 'gpt-4o-mini',
      provider: 'OpenAI',
      input: '0.150000',
      output: '0.600000',
      note: null,
      source: 'https://developers.openai.com/api/docs/pricing',
      asOf: '2026-10-03',
    });
    expect(body.data.find(({ id }: { id: string }) => id === 'gemini-2.5-pro').note).toContain('200,000');
  });
});
