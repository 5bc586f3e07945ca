/** Tests the migration of meter sums with segments from before the migration. */
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DatabaseBefore, databaseBefore } from './before-migration.ts';

let database: DatabaseBefore;
let client: pg.Client;
beforeAll(async () => {
  database = await databaseBefore('20261128060000_meter_sums');
  client = database.client;
});
afterAll(() => database?.drop());

async function segment(id: string, teamId: string, rate: number, start: number, more: Record<string, unknown> = {}) {
  const { posted = 0, end = null, given = true, coveredBy = null } = more;
  await client.query(
    `INSERT INTO instances (id, team_id, gpu_type, region, pricing, request_hash, start_second, end_second, reason)
     VALUES ($1, $2, 'g', 'r', 'on_demand', 'h', $3, $4, CASE WHEN $4::bigint IS NOT NULL THEN 'stopped' END)`,
    [id, teamId, start, end],
  );
  await client.query(
    `INSERT INTO segments (instance_id, segment, team_id, rate_micros_per_hour, list_micros_per_hour, given, start_second,
       end_second, posted_micros, covered_by)
     VALUES ($1, 1, $2, $3, $3, $4, $5, $6, $7, $8)`,
    [id, teamId, rate, given, start, end, posted, coveredBy],
  );
}

const sums = async () =>
  (
    await client.query(
      `SELECT team_id AS team, day_second::int AS day, kind, list_micros_per_hour::text AS list, rate_remainder AS rate_left, start_remainder AS start_left,
         count::int, rate_micros_per_hour::text AS rate, rate_times_start::text AS rate_start, posted_micros::text AS posted
       FROM meter_sums ORDER BY team_id, day_second, kind, rate_remainder, start_remainder`,
    )
  ).rows.map((row) => Object.values(row).join(' '));

it('the migration sums the running segments, and the sums stay correct as segments open, are settled and close', async () => {
  for (const id of ['acme', 'busy'])
    await client.query(`INSERT INTO teams (id, name, email, created_second) VALUES ($1, 'A', 'a@b.example', 0)`, [id]);
  await segment('a', 'acme', 3_600_001, 90_000, { posted: 7 });
  await segment('b', 'acme', 7_200_001, 90_000 + 3_600, { posted: 5 });
  await segment('c', 'acme', 3_600_001, 90_001);
  await segment('d', 'acme', 3_600_001, 200_000);
  await segment('e', 'acme', 3_600_001, 90_000, { given: false });
  await segment('f', 'acme', 0, 90_000, { given: false, coveredBy: 'r' });
  await segment('g', 'acme', 3_600_001, 90_000, { end: 90_010 });
  await segment('h', 'busy', 9_000_000_000_000_000, 1_800_000_000);

  await database.apply();

  expect(await sums()).toEqual([
    'acme 86400 covered 0 0 0 1 0 0 0',
    'acme 86400 given 0 1 0 2 10800002 997920183600 12',
    'acme 86400 given 0 1 1 1 3600001 324003690001 0',
    'acme 86400 listed 3600001 1 0 1 3600001 324000090000 0',
    'acme 172800 given 0 1 2000 1 3600001 720000200000 0',
    'busy 1799971200 given 0 0 0 1 9000000000000000 16200000000000000000000000 0',
  ]);

  await client.query(`UPDATE segments SET posted_micros = 20 WHERE instance_id IN ('a', 'c')`);
  await client.query(`UPDATE segments SET end_second = 100000 WHERE instance_id IN ('b', 'c', 'f')`);
  await segment('i', 'acme', 3_600_001, 90_000);
  expect(await sums()).toEqual([
    'acme 86400 given 0 1 0 2 7200002 648000180000 20',
    'acme 86400 listed 3600001 1 0 1 3600001 324000090000 0',
    'acme 172800 given 0 1 2000 1 3600001 720000200000 0',
    'busy 1799971200 given 0 0 0 1 9000000000000000 16200000000000000000000000 0',
  ]);
});
