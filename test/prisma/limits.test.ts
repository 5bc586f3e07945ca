/**
 * Tests the limits of work that uses the database: which work gets a connection, which statements are sent, and which
 * rows are kept.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inTransaction } from '../../prisma/client.ts';
import { forSeveral, type Limits, OutOfTime, withinLimits } from '../../prisma/limits.ts';
import { isDatabaseAway } from '../../prisma/sqlstate.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
/** How many connections were given out. */
let given = 0;
beforeAll(async () => {
  database = await newDatabase({ poolSize: 6 });
  await database.db.$queryRaw`SELECT 1`;
  database.db.pool.on('acquire', () => {
    given += 1;
  });
});
afterAll(() => database.close());

const limits = (change: Partial<Limits> = {}): Limits => ({
  statementLeftMs: () => 30_000,
  commitLeftMs: () => 30_000,
  ...change,
});
const selectOne = () => database.db.$queryRaw`SELECT 1`;
const failure = (work: Promise<unknown>): Promise<unknown> => work.then(() => null).catch((error) => error);

describe('a connection that breaks', () => {
  it('before its work listens for errors fails a statement of the work, and does not end the process', async () => {
    const client = await database.db.pool.connect();
    expect(() => client.emit('error', new Error('the server has gone'))).not.toThrow();
    client.release(true);
    expect(await failure(selectOne())).toBeNull();
  });
});

describe('work after its time limit', () => {
  const over = limits({ statementLeftMs: () => 0, commitLeftMs: () => 0 });

  it('takes no connection, and fails as if the database were unavailable', async () => {
    given = 0;
    const errors = await withinLimits(over, () =>
      Promise.all([
        failure(selectOne()),
        failure(inTransaction(database.db, async () => 1)),
        failure(database.db.pool.query('SELECT 1')),
        failure(database.db.pool.connect()),
      ]),
    );
    expect(errors.map((error) => isDatabaseAway(error))).toEqual([true, true, true, true]);
    expect(given).toBe(0);
  });

  it('sends no further statement of a transaction, and keeps no row of the transaction', async () => {
    let leftMs = 30_000;
    const error = await withinLimits(limits({ statementLeftMs: () => leftMs }), () =>
      failure(
        inTransaction(database.db, async (tx) => {
          await tx.$executeRaw`INSERT INTO idempotent_calls (scope, path, key, request_hash, created_second) VALUES ('s', 'p', 'late', 'h', 1)`;
          leftMs = 0;
          await tx.$executeRaw`INSERT INTO idempotent_calls (scope, path, key, request_hash, created_second) VALUES ('s', 'p', 'later', 'h', 1)`;
        }),
      ),
    );
    expect(isDatabaseAway(error)).toBe(true);
    expect(await database.db.idempotentCall.count({ where: { scope: 's' } })).toBe(0);
    // The connection is whole and goes back to the pool.
    await selectOne();
    expect(database.db.pool.idleCount).toBe(database.db.pool.totalCount);
  });
});

describe('work whose caller has disconnected', () => {
  it('takes no connection before it has begun', async () => {
    given = 0;
    const error = await withinLimits(limits({ isUnwanted: () => true }), () => failure(selectOne()));
    expect(isDatabaseAway(error)).toBe(true);
    expect(given).toBe(0);
  });

  it('continues after it has begun', async () => {
    let hasBegun = false;
    let isGone = false;
    const begins = () => {
      hasBegun = true;
    };
    await withinLimits(limits({ isUnwanted: () => isGone && !hasBegun, begins }), async () => {
      await selectOne();
      isGone = true;
      expect(await failure(selectOne())).toBeNull();
    });
  });
});

it('work of several callers continues when the first caller has disconnected, and does not wait for its team’s turn', async () => {
  const own = limits({ recordsFor: 'a' });
  const held = await Promise.all([1, 2].map(() => withinLimits(own, () => database.db.pool.connect())));
  const gone = limits({ recordsFor: 'a', isUnwanted: () => true });
  expect(await failure(withinLimits(gone, () => forSeveral(selectOne)))).toBeNull();
  for (const client of held) client.release();
});

describe('connections', () => {
  /** Takes connections for a team until `release`. */
  const hold = (recordsFor: string | undefined, count: number) =>
    Promise.all(
      Array.from({ length: count }, () =>
        withinLimits(limits(recordsFor === undefined ? {} : { recordsFor }), () => database.db.pool.connect()),
      ),
    );

  it('are left for reads and other teams while one team records as much as it can', async () => {
    const held = await hold('a', 2);
    let more = 0;
    const waiting = Promise.all(
      [1, 2, 3].map(async () => {
        const [client] = await hold('a', 1);
        more += 1;
        client?.release();
      }),
    );
    // Of six, four are for work that records, and two of these for one team.
    expect(await withinLimits(limits({ recordsFor: 'b' }), selectOne)).toBeDefined();
    const others = await hold('b', 2);
    expect(more).toBe(0);
    const reads = await hold(undefined, 2);
    for (const client of reads) client.release();
    expect(await withinLimits(limits(), selectOne)).toBeDefined();
    for (const client of others) client.release();
    expect(more).toBe(0);
    for (const client of held) client.release();
    await waiting;
    expect(more).toBe(3);
    expect(database.db.pool.idleCount).toBe(database.db.pool.totalCount);
  });

  it('are waited for within the time limit of the work', async () => {
    const held = await hold('a', 2);
    const error = await withinLimits(limits({ recordsFor: 'a', statementLeftMs: () => 20 }), () =>
      failure(selectOne()),
    );
    expect(isDatabaseAway(error)).toBe(true);
    for (const client of held) client.release();
    expect(await withinLimits(limits({ recordsFor: 'a' }), selectOne)).toBeDefined();
  });

  it('that are not available in time cause an OutOfTime error', async () => {
    const late = failure(withinLimits(limits({ statementLeftMs: () => -1 }), () => database.db.pool.connect()));
    expect(await late).toBeInstanceOf(OutOfTime);
  });
});
