/** Tests the migrations by which the past can be read, with rows from before them. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DatabaseBefore, databaseBefore } from './before-migration.ts';

let hours: DatabaseBefore;
let past: DatabaseBefore;
beforeAll(async () => {
  hours = await databaseBefore('20261203010000_account_hours');
  past = await databaseBefore('20261203020000_the_past');
});
afterAll(async () => {
  await hours?.drop();
  await past?.drop();
});

const rowsOf = async ({ client }: DatabaseBefore, sql: string) =>
  (await client.query(sql)).rows.map((row) => Object.values(row).join(' '));

const transfer = (
  { client }: DatabaseBefore,
  [debit, credit, amount, code, second, instance]: [string, string, number, string, number, string?],
) =>
  client.query(
    `INSERT INTO transfers (id, team_id, debit_account, credit_account, amount_micros, code, reference, second, caused_by, instance_id)
     VALUES (uuidv7(), 'acme', $1, $2, $3, $4, uuidv7()::text, $5, 'test', $6)`,
    [debit, credit, amount, code, second, instance ?? null],
  );

it('the hours of an account sum the transfers, and token days go on', async () => {
  const [credit, owed] = ['team/acme/credit', 'team/acme/owed'];
  await transfer(hours, ['platform/stripe', credit, 100, 'deposit', 3599]);
  await transfer(hours, [credit, 'platform/revenue', 30, 'token_usage', 3600]);
  await transfer(hours, [owed, 'platform/revenue', 5, 'owed_usage', 3601]);
  await hours.apply();
  const sums = 'SELECT hour_second::int, credit_micros::int, owed_account_micros::int FROM account_hours ORDER BY 1';
  const days = 'SELECT day_second::int, micros::int FROM token_days';
  expect(await rowsOf(hours, sums)).toEqual(['0 100 0', '3600 -30 -5']);
  expect(await rowsOf(hours, days)).toEqual(['0 35']);
  await transfer(hours, [credit, owed, 5, 'owed_collected', 7199]);
  await transfer(hours, [credit, 'platform/revenue', 7, 'token_usage', 7200]);
  expect(await rowsOf(hours, sums)).toEqual(['0 100 0', '3600 -35 0', '7200 -7 0']);
  expect(await rowsOf(hours, days)).toEqual(['0 42']);
});

it('ends in the past are known from their corrections, and open disputes hold from their opening', async () => {
  const { client } = past;
  await client.query(`INSERT INTO teams (id, name, email, created_second) VALUES ('acme', 'A', 'a@b.example', 0)`);
  for (const [id, end] of [
    ['corrected', 500],
    ['plain', 700],
    ['running', null],
  ])
    await client.query(
      `INSERT INTO instances (id, team_id, gpu_type, region, pricing, request_hash, start_second, end_second, reason)
       VALUES ($1, 'acme', 'g', 'r', 'on_demand', 'h', 100, $2::bigint, CASE WHEN $2::bigint IS NOT NULL THEN 'stopped' END)`,
      [id, end],
    );
  for (const [id, number, start, end] of [
    ['corrected', 1, 100, 200],
    ['corrected', 2, 200, 500],
    ['corrected', 3, 600, 600],
    ['plain', 1, 100, 700],
    ['running', 1, 100, null],
  ])
    await client.query(
      `INSERT INTO segments (instance_id, segment, team_id, rate_micros_per_hour, list_micros_per_hour, given, start_second, end_second, posted_micros)
       VALUES ($1, $2, 'acme', 1, 1, true, $3, $4, 0)`,
      [id, number, start, end],
    );
  await transfer(past, ['platform/revenue', 'team/acme/credit', 1, 'instance_correction', 900, 'corrected']);
  await past.apply();
  expect(
    await rowsOf(past, 'SELECT instance_id, segment, end_recorded_second::int FROM segments ORDER BY 1, 2'),
  ).toEqual(['corrected 1 ', 'corrected 2 900', 'corrected 3 900', 'plain 1 ', 'running 1 ']);
  await expect(client.query(`UPDATE segments SET end_recorded_second = 1 WHERE instance_id = 'plain'`)).rejects.toThrow(
    /segments_end_recorded_later/,
  );
  await client.query(
    `INSERT INTO dispute_holds (dispute_id, team_id, second, held_micros) VALUES ('d', 'acme', 10, 5)`,
  );
  await expect(client.query('UPDATE dispute_holds SET held_micros = 0')).rejects.toThrow(/never changed/);
});
