/** Tests the migration of receipts with deposits from before the migration. */
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DatabaseBefore, databaseBefore } from './before-migration.ts';

let database: DatabaseBefore;
let client: pg.Client;
beforeAll(async () => {
  database = await databaseBefore('20261127050000_papers');
  client = database.client;
});
afterAll(() => database?.drop());

async function team(id: string, receipts: number) {
  await client.query(`INSERT INTO teams (id, name, email, created_second) VALUES ($1, 'A', 'a@b.example', 0)`, [id]);
  await client.query(
    `INSERT INTO accounts (team_id, as_of_second, posted_micros, held_micros, owed_micros, remainder_millionths,
       policy_enabled, attempts, topped_up_month_second, topped_up_micros, exhaustions, low_armed, receipts)
     VALUES ($1, 0, 0, 0, 0, 0, false, 0, 0, 0, 0, true, $2)`,
    [id, receipts],
  );
}
const deposit = (id: string, teamId: string, status: string, number: string | null) =>
  client.query(
    `INSERT INTO deposits (id, team_id, kind, method, label, amount_micros, status, opened_second, closed_second, receipt_number)
     VALUES ($1, $2, 'crypto', 'crypto', 'Deposit', 100000000, $3, 0, $4, $5)`,
    [id, teamId, status, status === 'pending' ? null : 9, number],
  );
const part = (depositId: string, teamId: string, hash: string, micros: number, second: number) =>
  client.query(
    `INSERT INTO crypto_receipts (transaction_hash, output, chain, deposit_id, team_id, currency, amount_micros, credited_second)
     VALUES ($1, 0, '8453', $2, $3, 'usdc', $4, $5)`,
    [hash, depositId, teamId, micros, second],
  );

it('the migration numbers the parts of deposits without a receipt, without a gap, and leaves existing receipts unchanged', async () => {
  await team('acme', 2);
  await team('busy', 999_999);
  await deposit('given', 'acme', 'succeeded', 'acme-000002');
  await part('given', 'acme', '0x1', 60_000_000, 1);
  await part('given', 'acme', '0x2', 40_000_000, 2);
  await deposit('open', 'acme', 'pending', null);
  await part('open', 'acme', '0x4', 30_000_000, 5);
  await part('open', 'acme', '0x3', 20_000_000, 4);
  await deposit('other', 'busy', 'pending', null);
  await part('other', 'busy', '0x5', 1_000_000, 3);

  await database.apply();

  const parts = await client.query(
    'SELECT transaction_hash AS hash, receipt_number AS number, total_micros AS total FROM crypto_receipts ORDER BY 1',
  );
  expect(parts.rows).toEqual([
    { hash: '0x1', number: null, total: null },
    { hash: '0x2', number: null, total: null },
    { hash: '0x3', number: 'acme-000003', total: '20000000' },
    { hash: '0x4', number: 'acme-000004', total: '50000000' },
    { hash: '0x5', number: 'busy-1000000', total: '1000000' },
  ]);
  const deposits = await client.query('SELECT id, receipt_number AS number FROM deposits ORDER BY id');
  expect(deposits.rows).toEqual([
    { id: 'given', number: 'acme-000002' },
    { id: 'open', number: 'acme-000003' },
    { id: 'other', number: 'busy-1000000' },
  ]);
  const accounts = await client.query('SELECT team_id AS id, receipts FROM accounts ORDER BY team_id');
  expect(accounts.rows).toEqual([
    { id: 'acme', receipts: '4' },
    { id: 'busy', receipts: '1000000' },
  ]);
});
