/** Tests the constraints and triggers of the database: which rows and changes it refuses. */
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTeam } from '../../prisma/teams.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';
import { connect, refusalOf } from './rows.ts';

let database: TestDatabase;
let client: pg.Client;
let ids = 0;
let team: string;

beforeAll(async () => {
  database = await newDatabase();
  // As the owner: the triggers and the checks refuse even where privileges would not.
  client = await connect(database.ownerUrl);
});
afterAll(async () => {
  await client.end();
  await database.close();
});
beforeEach(async () => {
  ids += 1;
  team = `t${ids}`;
  await createTeam(database.db, { id: team, name: 'A team', email: 'a@example.com' }, 0);
});

const uuid = () => `00000000-0000-7000-8000-${String(++ids).padStart(12, '0')}`;
const transfer = (reference: string, amount = 1, debit = 'platform/stripe', credit = `team/${team}/credit`) =>
  [
    `INSERT INTO transfers (id, team_id, debit_account, credit_account, amount_micros, code, reference, second, caused_by)
     VALUES ($1, $2, $3, $4, $5, 'deposit', $6, 0, 'test')`,
    [uuid(), team, debit, credit, amount, reference],
  ] as const;
const refused = (sql: string, values: readonly unknown[] = []) => refusalOf(client, sql, [...values]);

describe('the ledger', () => {
  beforeEach(async () => {
    expect(await refused(...transfer(`once/${team}`))).toBeNull();
  });

  it.each([
    ['changed', 'UPDATE transfers SET amount_micros = 2'],
    ['changed to what it is', 'UPDATE transfers SET code = code'],
    ['deleted', 'DELETE FROM transfers'],
    ['emptied', 'TRUNCATE transfers'],
    ['emptied along with another table', 'TRUNCATE transfers, deposits CASCADE'],
  ])('cannot be %s', async (_, sql) => {
    expect(await refused(sql)).toBe('23000 rows of transfers are never changed or deleted: write another row');
  });

  it('refuses a second row of the same cause, for any team', async () => {
    expect(await refused(...transfer(`once/${team}`))).toBe('23505 transfers_reference_key');
    expect(await refused(...transfer(`once/${team}/more`))).toBeNull();
  });

  it.each([
    ['nothing', 0],
    ['less than nothing', -1],
  ])('refuses a transfer of %s', async (_, amount) => {
    expect(await refused(...transfer(`amount/${team}`, amount))).toBe('23514 transfers_amount_positive');
  });

  it('refuses a transfer from an account to itself', async () => {
    expect(await refused(...transfer(`self/${team}`, 1, 'a', 'a'))).toBe('23514 transfers_between_two_accounts');
  });
});

describe('the consents', () => {
  it.each([
    ['changed', "UPDATE consents SET actor = 'nobody'"],
    ['deleted', 'DELETE FROM consents'],
    ['emptied', 'TRUNCATE consents'],
  ])('can never be %s', async (_, sql) => {
    const insert = `INSERT INTO consents (id, team_id, second, actor, cause, new_policy) VALUES ($1, $2, 0, 'me', 'test', '{}')`;
    expect(await refused(insert, [uuid(), team])).toBeNull();
    expect(await refused(sql)).toBe('23000 rows of consents are never changed or deleted: write another row');
  });
});

describe('an account row', () => {
  it.each([
    ['credit below zero', 'posted_micros = -1', 'credit_never_negative'],
    ['holds beyond the credit', 'posted_micros = 5, held_micros = 6', 'credit_never_negative'],
    ['a negative hold', 'held_micros = -1', 'amounts_not_negative'],
    ['a negative debt', 'owed_micros = -1', 'amounts_not_negative'],
    ['a negative sum of the month', 'topped_up_micros = -1', 'amounts_not_negative'],
    ['a remainder of a whole micro', 'remainder_millionths = 1000000', 'remainder_below_a_micro'],
    ['a negative remainder', 'remainder_millionths = -1', 'remainder_below_a_micro'],
    ['half an attempt', "attempt_deposit_id = 'dep_1'", 'attempt_whole_or_absent'],
    ['an open exhaustion with no charge', 'stands_at_second = 5', 'stands_only_for_a_charge'],
  ])('cannot have %s', async (_, set, constraint) => {
    expect(await refused(`UPDATE accounts SET ${set} WHERE team_id = $1`, [team])).toBe(`23514 ${constraint}`);
  });

  it('can have the values at the limits', async () => {
    const set = 'posted_micros = 5, held_micros = 5, remainder_millionths = 999999';
    expect(await refused(`UPDATE accounts SET ${set} WHERE team_id = $1`, [team])).toBeNull();
  });
});

describe('instances and their segments', () => {
  const instance = (id: string, more = 'NULL, NULL') => [
    `INSERT INTO instances (id, team_id, gpu_type, region, pricing, request_hash, start_second, end_second, reason)
     VALUES ($1, $2, 'h100', 'eu', 'on_demand', 'hash', 10, ${more})`,
    [id, team],
  ];
  const segment = (id: string, number: number, end: number | null, start = 10) => [
    `INSERT INTO segments (instance_id, segment, team_id, rate_micros_per_hour, list_micros_per_hour, given, start_second, end_second,
       posted_micros)
     VALUES ($1, $2, $3, 1, 1, true, $4, $5, 0)`,
    [id, number, team, start, end],
  ];
  const refusedRow = ([sql, values]: unknown[]) => refused(sql as string, values as unknown[]);

  it('refuse a second running segment until the first has ended', async () => {
    const id = `i-${team}`;
    expect(await refusedRow(instance(id))).toBeNull();
    expect(await refusedRow(segment(id, 1, null))).toBeNull();
    expect(await refusedRow(segment(id, 2, null))).toBe('23505 segments_one_running_idx');
    expect(await refused('UPDATE segments SET end_second = 20 WHERE instance_id = $1', [id])).toBeNull();
    expect(await refusedRow(segment(id, 2, null, 20))).toBeNull();
    expect(await refusedRow(segment(id, 2, 30, 20))).toBe('23505 segments_pkey');
  });

  it('refuse an end before the start, an end without a reason, and a segment without an instance', async () => {
    expect(await refusedRow(instance(`a-${team}`, "9, 'stopped'"))).toBe('23514 instances_end_after_start');
    expect(await refusedRow(instance(`b-${team}`, '20, NULL'))).toBe('23514 instances_end_has_reason');
    expect(await refusedRow(instance(`c-${team}`, "NULL, 'stopped'"))).toBe('23514 instances_end_has_reason');
    expect(await refusedRow(segment(`d-${team}`, 1, null))).toBe('23503 segments_instance_id_fkey');
    expect(await refusedRow(instance(`e-${team}`, "10, 'stopped'"))).toBeNull();
    expect(await refusedRow(segment(`e-${team}`, 1, 9))).toBe('23514 segments_end_after_start');
  });

  it('refuse an id of another team’s instance', async () => {
    expect(await refusedRow(instance(`same-${team}`))).toBeNull();
    expect(await refusedRow(instance(`same-${team}`))).toBe('23505 instances_pkey');
  });
});

describe('deposits and cards', () => {
  const deposit = (id: string, attempt: number | null, amount = 1) => [
    `INSERT INTO deposits (id, team_id, kind, method, label, amount_micros, status, attempt, opened_second)
     VALUES ($1, $2, 'auto_top_up', 'card', 'Auto Top-Up', $3, 'pending', $4, 0)`,
    [id, team, amount, attempt],
  ];
  const refusedRow = ([sql, values]: unknown[]) => refused(sql as string, values as unknown[]);

  it('refuse a repeated attempt number of a team', async () => {
    expect(await refusedRow(deposit(`d1-${team}`, 1))).toBeNull();
    expect(await refusedRow(deposit(`d2-${team}`, 1))).toBe('23505 deposits_attempt_idx');
    expect(await refusedRow(deposit(`d2-${team}`, null))).toBeNull();
    expect(await refusedRow(deposit(`d3-${team}`, null))).toBeNull();
  });

  it('refuse a deposit of zero', async () => {
    expect(await refusedRow(deposit(`d4-${team}`, null, 0))).toBe('23514 deposits_amount_positive');
  });

  it('refuse a second default card of a team', async () => {
    const card = (id: string, isDefault: boolean) => [
      `INSERT INTO payment_methods (id, team_id, stripe_payment_method_id, brand, last4, exp_month, exp_year, is_default, created_second)
       VALUES ($1, $2, $1, 'visa', '4242', 1, 2030, $3, 0)`,
      [`${id}-${team}`, team, isDefault],
    ];
    expect(await refusedRow(card('pm1', true))).toBeNull();
    expect(await refusedRow(card('pm2', true))).toBe('23505 payment_methods_one_default_idx');
    expect(await refusedRow(card('pm2', false))).toBeNull();
  });
});
