/** Tests the rows of the price list: initial prices, constraints, reads at a second, and locks. */
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { micros } from '../../billing/money.ts';
import { checkGpuPrice, type GpuPrice, priceAt } from '../../billing/prices.ts';
import { checkModelPrice, type DatedModelPrice, modelPriceIn } from '../../billing/tokens.ts';
import { inTransaction } from '../../prisma/client.ts';
import {
  gpuPriceAt,
  gpuPricesFor,
  gpuPricesInForce,
  insertGpuPrice,
  insertModelPrice,
  listGpuPrices,
  lockGpuPrice,
  modelPriceAt,
  modelPricesFor,
  modelPricesInForce,
} from '../../prisma/prices.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';
import { connect, refusalOf } from './rows.ts';

let database: TestDatabase;
let client: pg.Client;
let names = 0;
let gpuType: string;
let model: string;

beforeAll(async () => {
  database = await newDatabase();
  client = await connect(database.ownerUrl);
});
afterAll(async () => {
  await client.end();
  await database.close();
});
beforeEach(() => {
  names += 1;
  gpuType = `gpu-${names}`;
  model = `model-${names}`;
});

const SEED = { recordedSecond: 0, actor: 'me' };
const gpu = (effectiveSecond: number, cents: number, change: Partial<GpuPrice> = {}): GpuPrice => ({
  gpuType,
  region: 'eu',
  effectiveSecond,
  onDemandMicros: micros(cents * 10_000),
  spotMicros: micros(cents * 5_000),
  reservedMicros: {
    '1m': micros(cents * 7_000),
    '3m': micros(cents * 6_300),
    '6m': micros(cents * 5_700),
    '12m': micros(cents * 5_000),
  },
  withdrawn: false,
  ...change,
});
const tokens = (effectiveSecond: number, cents: number, change: Partial<DatedModelPrice> = {}): DatedModelPrice => ({
  model,
  effectiveSecond,
  inputMicrosPerMillion: micros(cents * 10_000),
  outputMicrosPerMillion: micros(cents * 20_000),
  withdrawn: false,
  ...change,
});
const keep = async (...prices: GpuPrice[]) => {
  for (const price of prices) await insertGpuPrice(database.db, price, SEED);
};
const keepModels = async (...prices: DatedModelPrice[]) => {
  for (const price of prices) await insertModelPrice(database.db, price, SEED);
};
const eu = () => ({ gpuType, region: 'eu' });

describe('the initial price list', () => {
  const seeds = async () =>
    (await gpuPricesInForce(database.db, 0)).filter((price) => !price.gpuType.startsWith('gpu-'));

  it('has the promised prices, in whole cents', async () => {
    const list = await seeds();
    for (const price of list) {
      expect(() => checkGpuPrice(price), `${price.gpuType} ${price.region}`).not.toThrow();
      const { onDemandMicros, spotMicros, reservedMicros } = price;
      for (const amount of [onDemandMicros, spotMicros, ...Object.values(reservedMicros)])
        expect(amount % 10_000).toBe(0);
      expect(spotMicros).toBeGreaterThanOrEqual(onDemandMicros * 0.35);
      expect(spotMicros).toBeLessThanOrEqual(onDemandMicros * 0.6);
      const byTerm = [reservedMicros['1m'], reservedMicros['3m'], reservedMicros['6m'], reservedMicros['12m']];
      expect([...byTerm].sort((a, b) => b - a)).toEqual(byTerm);
      expect(new Set(byTerm).size).toBe(4);
    }
  });

  it('has each of twelve GPU types in each of five regions, the H100 at $2.49', async () => {
    const list = await seeds();
    expect(list).toHaveLength(60);
    expect(new Set(list.map((price) => price.gpuType)).size).toBe(12);
    expect(new Set(list.map(({ region }) => region)).size).toBe(5);
    const [h100] = list.filter((price) => price.gpuType === 'h100-80gb' && price.region === 'eu-west-1');
    expect(h100).toEqual({
      gpuType: 'h100-80gb',
      region: 'eu-west-1',
      effectiveSecond: 0,
      onDemandMicros: 2_490_000,
      spotMicros: 1_250_000,
      reservedMicros: { '1m': 1_740_000, '3m': 1_570_000, '6m': 1_420_000, '12m': 1_250_000 },
      withdrawn: false,
    });
  });

  it('has models with prices within the limits for new prices', async () => {
    const list = (await modelPricesInForce(database.db, 0)).filter((price) => !price.model.startsWith('model-'));
    expect(list.length).toBeGreaterThanOrEqual(15);
    for (const price of list) expect(() => checkModelPrice(price), price.model).not.toThrow();
    expect(list.find((price) => price.model === 'llama-3.1-8b-instruct')).toMatchObject({
      inputMicrosPerMillion: 50_000,
      outputMicrosPerMillion: 80_000,
    });
  });
});

describe('the database', () => {
  it.each(['gpu_prices', 'model_prices'])('refuses to change, delete or empty rows of %s', async (table) => {
    for (const sql of [`UPDATE ${table} SET actor = actor`, `DELETE FROM ${table}`, `TRUNCATE ${table}`])
      expect(await refusalOf(client, sql)).toBe(
        `23000 rows of ${table} are never changed or deleted: write another row`,
      );
  });

  it.each(['on_demand', 'spot', 'reserved_1m', 'reserved_3m', 'reserved_6m', 'reserved_12m'])(
    'refuses a GPU price of zero, for %s',
    async (name) => {
      const columns = ['on_demand', 'spot', 'reserved_1m', 'reserved_3m', 'reserved_6m', 'reserved_12m'];
      const insert = (free: string | null) =>
        refusalOf(
          client,
          `INSERT INTO gpu_prices (gpu_type, region, effective_second, withdrawn, recorded_second, actor,
             ${columns.map((column) => `${column}_micros`).join()})
           VALUES ('free-${gpuType}', 'eu', 0, false, 0, 'me', ${columns.map((column) => (column === free ? 0 : 1)).join()})`,
        );
      expect(await insert(name)).toBe('23514 gpu_prices_amounts_positive');
      expect(await insert(null)).toBeNull();
    },
  );

  it('accepts a token price of zero, and refuses a negative price', async () => {
    const insert = (input: number, output: number) =>
      refusalOf(
        client,
        `INSERT INTO model_prices (model, effective_second, input_micros_per_million, output_micros_per_million,
           withdrawn, recorded_second, actor) VALUES ('free-${model}', 0, ${input}, ${output}, false, 0, 'me')`,
      );
    expect(await insert(0, 0)).toBeNull();
    expect(await insert(-1, 0)).toBe('23514 model_prices_amounts_not_negative');
    expect(await insert(0, -1)).toBe('23514 model_prices_amounts_not_negative');
  });
});

describe('a GPU’s price', () => {
  it('is read as it was stored, and is in force from its second until the next price’s second', async () => {
    const [first, second] = [gpu(100, 249), gpu(200, 199)];
    await keep(first, second);
    const at = (when: number) => gpuPriceAt(database.db, eu(), when);
    expect(await at(99)).toBeNull();
    expect(await at(100)).toEqual(first);
    expect(await at(199)).toEqual(first);
    expect(await at(200)).toEqual(second);
    expect(await at(10 ** 10)).toEqual(second);
    expect(await gpuPriceAt(database.db, { gpuType, region: 'us' }, 150)).toBeNull();
  });

  it('is replaced by a price recorded later for the same second, even if an earlier second is recorded after it', async () => {
    await keep(gpu(100, 1000), gpu(100, 1100), gpu(50, 1200));
    expect((await gpuPriceAt(database.db, eu(), 100))?.onDemandMicros).toBe(11_000_000);
    expect((await gpuPriceAt(database.db, eu(), 99))?.onDemandMicros).toBe(12_000_000);
  });

  it('is absent while it is withdrawn, and present when it is set again', async () => {
    await keep(gpu(100, 1000), gpu(200, 1000, { withdrawn: true }), gpu(300, 1100));
    const offered = async (second: number) => [
      (await gpuPriceAt(database.db, eu(), second))?.onDemandMicros ?? null,
      (await gpuPricesInForce(database.db, second)).find((price) => price.gpuType === gpuType)?.onDemandMicros ?? null,
    ];
    expect(await offered(199)).toEqual([10_000_000, 10_000_000]);
    expect(await offered(200)).toEqual([null, null]);
    expect(await offered(300)).toEqual([11_000_000, 11_000_000]);
  });

  it('is read for several GPUs at once: the price in force at a second and the planned prices, in order', async () => {
    await keep(gpu(10, 1000), gpu(20, 1100), gpu(30, 1200), gpu(40, 1300), gpu(30, 1400));
    const us = { region: 'us' };
    await keep(gpu(25, 2000, us), gpu(15, 2100, { ...us, withdrawn: true }), gpu(5, 2200, us));
    await keep(gpu(20, 9000, { region: 'unasked' }));
    const pairs = [eu(), { gpuType, region: 'us' }, { gpuType, region: 'nowhere' }, eu()];
    const read = await gpuPricesFor(database.db, pairs, 20);
    expect(read.map((price) => [price.region, price.effectiveSecond, price.onDemandMicros / 10_000])).toEqual([
      ['eu', 20, 1100],
      ['eu', 30, 1200],
      ['eu', 30, 1400],
      ['eu', 40, 1300],
      ['us', 15, 2100],
      ['us', 25, 2000],
    ]);
    for (const second of [20, 24, 25, 29, 30, 39, 40, 100])
      for (const region of ['eu', 'us', 'nowhere'])
        expect(priceAt(read, { gpuType, region }, second)).toEqual(
          await gpuPriceAt(database.db, { gpuType, region }, second),
        );
    expect(await gpuPricesFor(database.db, [], 20)).toEqual([]);
    expect(await gpuPricesFor(database.db, [eu()], 5)).toHaveLength(5);
  });

  it('is listed by type and region, once for each pair, however often it was changed', async () => {
    for (const region of ['b', 'a', 'C'])
      await keep(gpu(0, 1000, { region }), gpu(5, 1100, { region }), gpu(500, 1200, { region }));
    const list = await gpuPricesInForce(database.db, 10);
    const ours = list.filter((price) => price.gpuType === gpuType);
    expect(ours.map(({ region, onDemandMicros }) => [region, onDemandMicros])).toEqual([
      ['C', 11_000_000],
      ['a', 11_000_000],
      ['b', 11_000_000],
    ]);
    const types = list.map((price) => price.gpuType);
    expect(types).toEqual([...types].sort());
    expect(await gpuPricesInForce(database.db, -1)).toEqual([]);
  });

  it('has a history in pages, with the latest price first', async () => {
    await keep(gpu(100, 1000), gpu(300, 1200), gpu(100, 1100), gpu(200, 1, { withdrawn: true }));
    const seen: unknown[] = [];
    let cursor: string | null = null;
    do {
      const request = { limit: 3, ...(cursor !== null && { cursor }) };
      const page: Awaited<ReturnType<typeof listGpuPrices>> = await listGpuPrices(database.db, eu(), request);
      seen.push(page.data.map((row) => [row.effectiveSecond, row.onDemandMicros / 10_000, row.withdrawn, row.actor]));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual([
      [
        [300, 1200, false, 'me'],
        [200, 1, true, 'me'],
        [100, 1100, false, 'me'],
      ],
      [[100, 1000, false, 'me']],
    ]);
  });
});

describe('the lock of a GPU’s price', () => {
  /** Tries to take it while it is held in `held`; true when that had to wait. */
  const waits = async (held: 'shared' | 'exclusive', asked: 'shared' | 'exclusive', region = 'eu') =>
    inTransaction(database.db, async (holder) => {
      await lockGpuPrice(holder, eu(), held);
      let taken = false;
      const other = inTransaction(database.db, async (tx) => {
        await lockGpuPrice(tx, { gpuType, region }, asked);
        taken = true;
      });
      const settled = async () => {
        const { rows } = await client.query(
          `SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
           WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`,
        );
        return taken || rows.length > 0;
      };
      await expect.poll(settled).toBe(true);
      return { waited: !taken, other };
    }).then(async ({ waited, other }) => {
      await other;
      return waited;
    });

  it('is shared by starts, and excludes a change during starts and other changes', async () => {
    expect(await waits('shared', 'shared')).toBe(false);
    expect(await waits('shared', 'exclusive')).toBe(true);
    expect(await waits('exclusive', 'shared')).toBe(true);
    expect(await waits('exclusive', 'exclusive')).toBe(true);
  });

  it('does not block another pair of type and region', async () => {
    expect(await waits('exclusive', 'exclusive', 'us')).toBe(false);
  });
});

describe('a model’s price', () => {
  it('is in force from its second, is the later recorded of two, and is absent while it is withdrawn', async () => {
    await keepModels(tokens(100, 10), tokens(100, 20), tokens(200, 20, { withdrawn: true }), tokens(300, 30));
    const at = async (second: number) =>
      (await modelPriceAt(database.db, model, second))?.inputMicrosPerMillion ?? null;
    expect(await Promise.all([99, 100, 199, 200, 299, 300].map(at))).toEqual([
      null,
      200_000,
      200_000,
      null,
      null,
      300_000,
    ]);
    const listed = async (second: number) =>
      (await modelPricesInForce(database.db, second)).filter((price) => price.model === model);
    expect(await listed(150)).toEqual([tokens(100, 20)]);
    expect(await listed(250)).toEqual([]);
    const all = (await modelPricesInForce(database.db, 150)).map((price) => price.model);
    expect(all).toEqual([...all].sort());
  });

  it('is read for several models at once, so that events of any second can be priced', async () => {
    const other = `${model}-other`;
    await keepModels(tokens(10, 1), tokens(20, 2), tokens(30, 3, { withdrawn: true }), tokens(40, 4));
    await keepModels(tokens(25, 9, { model: other }));
    const read = await modelPricesFor(database.db, [other, model, 'nobody', model], 20);
    expect(read.map((price) => [price.model, price.effectiveSecond])).toEqual([
      [model, 20],
      [model, 30],
      [model, 40],
      [other, 25],
    ]);
    for (const second of [20, 24, 25, 29, 30, 39, 40, 100])
      for (const name of [model, other, 'nobody'])
        expect(modelPriceIn(read, name, second)).toEqual(await modelPriceAt(database.db, name, second));
    expect(await modelPricesFor(database.db, [], 20)).toEqual([]);
  });
});
