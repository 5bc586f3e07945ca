/** Tests the migration of meter totals with sums from before the migration. */
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DatabaseBefore, databaseBefore } from './before-migration.ts';

let database: DatabaseBefore;
let client: pg.Client;
beforeAll(async () => {
  database = await databaseBefore('20261129000000_meter_totals');
  client = database.client;
});
afterAll(() => database?.drop());

async function segment(id: string, rate: number, start: number, { posted = 0, end = null as number | null } = {}) {
  await client.query(
    `INSERT INTO instances (id, team_id, gpu_type, region, pricing, request_hash, start_second, end_second, reason)
     VALUES ($1, 'acme', 'g', 'r', 'on_demand', 'h', $2, $3, CASE WHEN $3::bigint IS NOT NULL THEN 'stopped' END)`,
    [id, start, end],
  );
  await client.query(
    `INSERT INTO segments (instance_id, segment, team_id, rate_micros_per_hour, list_micros_per_hour, given, start_second,
       end_second, posted_micros)
     VALUES ($1, 1, 'acme', $2, $2, true, $3, $4, $5)`,
    [id, rate, start, end, posted],
  );
}

const rowsOf = async (table: string) => {
  const { rows } = await client.query<{ text: string }>(
    `SELECT array_to_string(ARRAY(SELECT value FROM json_each_text(row_to_json(kept)) WHERE value <> 'acme'), ' ') AS text
     FROM ${table} AS kept ORDER BY 1`,
  );
  return rows.map(({ text }) => text);
};
const kept = async () => ({
  totals: await rowsOf('meter_totals'),
  days: await rowsOf('meter_days'),
  remainders: await rowsOf('meter_remainders'),
});

it('the migration adds up the sums, and the totals stay correct as segments open, are settled and close', async () => {
  await client.query(`INSERT INTO teams (id, name, email, created_second) VALUES ('acme', 'A', 'a@b.example', 0)`);
  await segment('a', 3_600_001, 90_000, { posted: 7 });
  await segment('b', 7_200_001, 90_001, { posted: 5 });
  await segment('c', 3_600_001, 200_000);
  await segment('d', 3_600_001, 90_000, { end: 90_010 });

  await database.apply();

  const before = await kept();
  expect(before).toEqual({
    totals: ['given 0 0 3 14400003 1692007580001 12 5199'],
    days: ['172800 given 0 0 1 3600001 720000200000 1600', '86400 given 0 0 2 10800002 972007380001 3599'],
    remainders: ['1 0 1', '1 1 1', '1 2000 1'],
  });

  await client.query(`UPDATE segments SET posted_micros = 20 WHERE instance_id = 'a'`);
  expect(await kept()).toEqual({ ...before, totals: ['given 0 0 3 14400003 1692007580001 25 5199'] });

  await client.query(`UPDATE segments SET end_second = 300000 WHERE instance_id IN ('b', 'c')`);
  await segment('e', 3_600_001, 90_000);
  expect(await kept()).toEqual({
    totals: ['given 0 0 2 7200002 648000180000 20 0'],
    days: ['86400 given 0 0 2 7200002 648000180000 0'],
    remainders: ['1 0 2'],
  });
});
