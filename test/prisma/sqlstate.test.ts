/** Tests the SQLSTATE of real errors, for each way of sending a statement, and the meaning of each state. */
import { createServer } from 'node:net';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDb, type Db, inTransaction } from '../../prisma/client.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { isDatabaseAway, isRefusedByDatabase, isUniqueViolation, sqlStateOf } from '../../prisma/sqlstate.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';
import { connect } from './rows.ts';

let database: TestDatabase;
let owner: pg.Client;

beforeAll(async () => {
  database = await newDatabase();
  owner = await connect(database.ownerUrl);
});
afterAll(async () => {
  await owner.end();
  await database.close();
});

const errorOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (error) => error,
  );
const team = (id: string) => ({ id, name: 'A', email: 'a@b.example', createdSecond: 0n });

/** Each way in which the product sends a statement. */
const WAYS: Record<string, (db: Db) => Promise<unknown>> = {
  'the client': (db) => db.team.create({ data: team('x') }),
  'a raw statement': (db) =>
    db.$executeRaw`INSERT INTO teams (id, name, email, created_second) VALUES ('x', 'A', 'a@b.example', 0)`,
  'the pool': (db) =>
    db.pool.query(`INSERT INTO teams (id, name, email, created_second) VALUES ('x', 'A', 'a@b.example', 0)`),
  'a transaction': (db) => inTransaction(db, (tx) => tx.team.create({ data: team('x') })),
  'a raw statement in a transaction': (db) =>
    inTransaction(
      db,
      (tx) => tx.$executeRaw`INSERT INTO teams (id, name, email, created_second) VALUES ('x', 'A', 'a@b.example', 0)`,
    ),
  'a snapshot': (db) => inSnapshot(db, (tx) => tx.team.create({ data: team('x') })),
};

const PASSING = [
  '08006',
  '25006',
  '40001',
  '40P01',
  '53100',
  '53200',
  '53300',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
  '58030',
];
const FINAL = ['23514', '22003', '42501', 'P0001', '23000'];

describe.each(Object.entries(WAYS))('an error of %s', (_, send) => {
  it.each([...PASSING, ...FINAL])('has a readable state: %s', async (state) => {
    await owner.query(`
      CREATE OR REPLACE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'a fault' USING ERRCODE = '${state}'; END $$;
      CREATE OR REPLACE TRIGGER fault BEFORE INSERT ON teams FOR EACH ROW EXECUTE FUNCTION fault()`);
    const error = await errorOf(send(database.db));
    expect(sqlStateOf(error)).toBe(state);
    expect(isDatabaseAway(error)).toBe(PASSING.includes(state));
    expect(isRefusedByDatabase(error)).toBe(/^2[23]/.test(state));
    await owner.query('DROP TRIGGER fault ON teams');
  });

  it('is recognized as a unique violation', async () => {
    await owner.query(`INSERT INTO teams (id, name, email, created_second) VALUES ('x', 'A', 'a@b.example', 0)`);
    const error = await errorOf(send(database.db));
    expect(isUniqueViolation(error)).toBe(true);
    expect(isDatabaseAway(error)).toBe(false);
    await owner.query(`DELETE FROM teams WHERE id = 'x'`);
  });

  it('is recognized when a server refuses, does not answer, or disconnects', async () => {
    const servers = {
      refuses: null,
      breaksOff: createServer((socket) => socket.destroy()),
      saysNothing: createServer(() => {}),
    };
    for (const [how, server] of Object.entries(servers)) {
      let port = 1;
      if (server) {
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        port = (server.address() as { port: number }).port;
      }
      const db = connectDb(`postgresql://nobody@127.0.0.1:${port}/nothing`, { connectionTimeoutMs: 300 });
      const error = await errorOf(send(db));
      expect(isDatabaseAway(error), `${how}: ${String(error)}`).toBe(true);
      await db.$disconnect();
      server?.close();
    }
  });

  it('is recognized for a missing database and for a refused login', async () => {
    for (const change of [(url: URL) => (url.pathname = '/not_there'), (url: URL) => (url.username = 'not_there')]) {
      const url = new URL(database.url);
      change(url);
      const db = connectDb(url.href);
      const error = await errorOf(send(db));
      expect(isDatabaseAway(error), String(error)).toBe(true);
      await db.$disconnect();
    }
  });

  it('is recognized when all connections of a pool are in use', async () => {
    const db = connectDb(database.url, { poolSize: 1, connectionTimeoutMs: 200 });
    const taken = await db.pool.connect();
    const error = await errorOf(send(db));
    taken.release();
    expect(isDatabaseAway(error), String(error)).toBe(true);
    await db.$disconnect();
  });
});

describe('a value that is no database error', () => {
  it.each([
    ['nothing', null],
    ['a word', 'ECONNREFUSED'],
    ['a fault of ours', new TypeError('x is not a function')],
    [
      'a Prisma validation error',
      Object.assign(new Error('Argument `id` is missing'), { name: 'PrismaClientValidationError' }),
    ],
    ['a row that is not there', Object.assign(new Error('not found'), { code: 'P2025', meta: {} })],
  ])('has no state: %s', (_, error) => {
    expect(sqlStateOf(error)).toBeNull();
    expect(isDatabaseAway(error)).toBe(false);
  });

  it('may contain a database error, in a list of errors or in a cause of a cause, which is found', () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    expect(sqlStateOf(new AggregateError([new Error('other'), refused]))).toBe('08001');
    expect(sqlStateOf(new Error('a', { cause: new Error('b', { cause: { originalCode: '53100' } }) }))).toBe('53100');
    const round: { cause?: unknown } = {};
    round.cause = round;
    expect(sqlStateOf(round)).toBeNull();
  });
});
