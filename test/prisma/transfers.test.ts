/** Tests the lists of transfers and deposits, their cursors, and the trial balance. */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Transfer } from '../../billing/ledger.ts';
import { micros } from '../../billing/money.ts';
import { listDeposits, openDeposit } from '../../prisma/deposits.ts';
import { writeTogether } from '../../prisma/statements.ts';
import { createTeam } from '../../prisma/teams.ts';
import { listTransfers } from '../../prisma/transfer-lists.ts';
import { lastPostingOf, transferWrites, trialBalance } from '../../prisma/transfers.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let team: string;
let teams = 0;
let references = 0;

beforeAll(async () => {
  database = await newDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  team = `t${++teams}`;
  await createTeam(database.db, { id: team, name: 'A team', email: 'a@example.com' }, 0);
});

const credit = (second: number, amount = 1, more: Partial<Transfer> = {}): Transfer => ({
  debitAccount: 'platform/stripe',
  creditAccount: `team/${team}/credit`,
  amountMicros: micros(amount),
  code: 'deposit',
  reference: `deposit/${++references}`,
  second,
  ...more,
});
const insert = (...transfers: Transfer[]) => writeTogether(database.db, transferWrites(team, 'test', transfers));

/** Reads a list to its end; `between` happens after each page. */
async function allPages(limit: number, between: (page: number) => Promise<void> = async () => {}): Promise<string[]> {
  const seen: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; ; page += 1) {
    const { data, nextCursor } = await listTransfers(database.db, team, { limit, ...(cursor && { cursor }) });
    expect(data.length).toBeLessThanOrEqual(limit);
    seen.push(...data.map(({ reference }) => reference));
    if (nextCursor === null) return seen;
    cursor = nextCursor;
    await between(page);
  }
}

describe('the list of transfers', () => {
  it('is newest first with each row once, for any number of rows in a second and any page size', async () => {
    const rows = Array.from({ length: 23 }, (_, i) => credit(Math.floor(i / 5)));
    for (const row of rows) await insert(row);
    const newestFirst = rows.map(({ reference }) => reference).reverse();
    for (const limit of [1, 2, 5, 22, 23, 100]) expect(await allPages(limit)).toEqual(newestFirst);
  });

  it('shows each existing row once, while other rows arrive before, among and after the page', async () => {
    const rows = Array.from({ length: 12 }, (_, i) => credit(Math.floor(i / 4)));
    await insert(...rows);
    const there = await allPages(100);
    const seen = await allPages(5, async () => insert(credit(0), credit(1), credit(2), credit(9)));
    expect(seen.filter((reference) => there.includes(reference))).toEqual(there);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('shows only the team’s own rows', async () => {
    await insert(credit(1));
    const { data } = await listTransfers(database.db, 'another', { limit: 10 });
    expect(data).toEqual([]);
  });

  it('ends without a cursor to an empty page', async () => {
    await insert(credit(1), credit(2));
    expect((await listTransfers(database.db, team, { limit: 2 })).nextCursor).toBeNull();
    expect((await listTransfers(database.db, team, { limit: 1 })).nextCursor).not.toBeNull();
  });
});

describe('an invalid cursor', () => {
  const encode = (text: string) => Buffer.from(text).toString('base64url');
  const ask = (cursor: string) => listTransfers(database.db, team, { limit: 1, cursor });

  it.each([
    ['nothing', ''],
    ['no base64', '%%%'],
    ['words', encode('hello')],
    ['no id', encode('5.')],
    ['no second', encode('.id')],
    ['a negative second', encode('-5.0199b1f0-0000-7000-8000-000000000000')],
    ['a second beyond all', encode('9999999999999999999.0199b1f0-0000-7000-8000-000000000000')],
    ['an id of another list', encode('5.dep_t_top_up_1')],
    ['a character that no text may hold', encode('5.\0')],
    ['SQL', encode("5.' OR 1=1 --")],
  ])('is refused without a server error: %s', async (_, cursor) => {
    await expect(ask(cursor)).rejects.toThrow(expect.objectContaining({ code: 'invalid_request', param: 'cursor' }));
  });

  it('is refused by lists with ids of their own, too', async () => {
    for (const cursor of ['', 'x', encode('5.a\0b'), encode('5.a b')])
      await expect(listDeposits(database.db, team, { limit: 1, cursor })).rejects.toThrow(
        expect.objectContaining({ code: 'invalid_request' }),
      );
  });

  it('of any content is refused or answered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.string({ unit: 'binary' }).map(encode)), async (cursor) => {
        await ask(cursor).catch((error) => expect(error).toMatchObject({ code: 'invalid_request' }));
      }),
      { numRuns: 200 },
    );
  });
});

describe('the list of deposits', () => {
  it('continues at its place when deposits are opened between pages', async () => {
    const open = (id: string, openedSecond: number) =>
      openDeposit(database.db, {
        id: `${id}-${team}`,
        teamId: team,
        kind: 'saved_card',
        amountMicros: micros(15_000_000),
        openedSecond,
        paymentMethodId: null,
      });
    for (const id of ['a', 'b', 'c', 'd']) await open(id, 5);
    const first = await listDeposits(database.db, team, { limit: 2 });
    await open('e', 5);
    await open('f', 6);
    const second = await listDeposits(database.db, team, { limit: 9, cursor: first.nextCursor! });
    expect([...first.data, ...second.data].map(({ id }) => id[0])).toEqual(['d', 'c', 'b', 'a']);
    expect(second.nextCursor).toBeNull();
  });
});

describe('the last posting for an instance', () => {
  it('is the posting that a correction names: the latest by second, and by time of writing within a second', async () => {
    const posting = (through: number, second: number) =>
      credit(second, 1, {
        code: 'instance_usage',
        reference: `instance/i-${team}/through/${through}`,
        instanceId: `i-${team}`,
      });
    const last = async () => {
      const { sql, of } = lastPostingOf(`i-${team}`);
      const [row] = await database.db.$queryRaw<Array<{ value: unknown }>>`SELECT (${sql}) AS value`;
      return of(row?.value);
    };
    expect(await last()).toBeNull();
    await insert(posting(10, 10));
    await insert(posting(20, 20), posting(15, 20));
    await insert({ ...credit(30), instanceId: `i-${team}`, code: 'instance_correction' });
    expect(await last()).toBe(`instance/i-${team}/through/15`);
  });
});

describe('the trial balance', () => {
  const differencesOf = async () =>
    (await trialBalance(database.db)).differences.filter(({ teamId }) => teamId === team);

  it('finds nothing if every stored balance is the sum of its transfers', async () => {
    const own = await newDatabase();
    await createTeam(own.db, { id: 'a', name: 'A', email: 'a@example.com' }, 0);
    expect(await trialBalance(own.db)).toEqual({ balanced: true, sumMicros: 0n, differences: [] });
    await own.close();
  });

  it('finds credit without a transfer, to the micro', async () => {
    await insert(credit(1, 100));
    await database.db.account.update({ where: { teamId: team }, data: { postedMicros: 101 } });
    expect(await differencesOf()).toEqual([
      { teamId: team, account: 'credit', storedMicros: 101n, summedMicros: 100n },
    ]);
    expect((await trialBalance(database.db)).balanced).toBe(false);
    await database.db.account.update({ where: { teamId: team }, data: { postedMicros: 100 } });
    expect(await differencesOf()).toEqual([]);
  });

  it('finds a missing transfer, and a debt without a cause', async () => {
    await insert(credit(1, 100));
    await database.db.account.update({ where: { teamId: team }, data: { owedMicros: 7 } });
    expect(await differencesOf()).toEqual([
      { teamId: team, account: 'credit', storedMicros: 0n, summedMicros: 100n },
      { teamId: team, account: 'owed', storedMicros: -7n, summedMicros: 0n },
    ]);
  });
});
