/** Tests raw queries that bypass the Prisma client: they answer the same values, and belong to their transaction. */
import { PrismaPg } from '@prisma/adapter-pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inTransaction, type Tx } from '../../prisma/client.ts';
import { Prisma, PrismaClient } from '../../prisma/generated/client.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { isUniqueViolation, sqlStateOf } from '../../prisma/sqlstate.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let own: PrismaClient;
beforeAll(async () => {
  database = await newDatabase({ poolSize: 3 });
  own = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }) });
});
afterAll(async () => {
  await own.$disconnect();
  await database.close();
});

const callsOf = async (key: string): Promise<number> =>
  Number(
    (
      await database.db.$queryRaw<Array<{ n: bigint }>>`SELECT count(*) AS n FROM idempotent_calls WHERE key = ${key}`
    )[0]?.n,
  );
const insertCall = (tx: Tx, key: string) =>
  tx.$executeRaw`INSERT INTO idempotent_calls (scope, path, key, request_hash, created_second) VALUES ('s', 'p', ${key}, 'h', 1)`;
const failure = (work: Promise<unknown>): Promise<unknown> => work.then(() => null).catch((error) => error);

describe('a raw query', () => {
  it.each([
    [
      'integers',
      Prisma.sql`SELECT 7::int2 AS a, 8::int4 AS b, 9007199254740993::int8 AS c, count(*) AS d FROM accounts`,
    ],
    [
      'numbers with decimals',
      Prisma.sql`SELECT 0.1::numeric AS a, 12345678901234567890.5::numeric AS b, 0.25::float8 AS c`,
    ],
    ['text, truth and nothing', Prisma.sql`SELECT 'Zoë'::text AS a, true AS b, NULL::int8 AS c, NULL::text AS d`],
    [
      'arrays',
      Prisma.sql`SELECT ARRAY[1,NULL,3]::int8[] AS a, ARRAY['a b','c,"d"']::text[] AS b, ARRAY[1.5]::numeric[] AS c`,
    ],
    ['documents', Prisma.sql`SELECT '{"a":[1,"b",null]}'::jsonb AS a, '[]'::json AS b`],
    [
      'instants',
      Prisma.sql`SELECT '2026-03-29 01:30:00.5+00'::timestamptz AS a, '2026-03-29 01:30:00'::timestamp AS b, '2026-03-29'::date AS c`,
    ],
    ['no rows', Prisma.sql`SELECT team_id FROM accounts WHERE team_id = ${'nobody'}`],
    [
      'arguments of each type',
      Prisma.sql`SELECT ${'x'}::text AS a, ${5}::int AS b, ${9007199254740993n}::bigint AS c, ${true}::boolean AS d,
        ${null}::text AS e, ${['a', 'b']}::text[] AS f, ${[1, 2]}::bigint[] AS g, ${new Date(1_800_000_000_500)}::timestamptz AS h`,
    ],
  ])('answers %s as the Prisma client does, in a transaction and outside', async (_what, query) => {
    const expected = await own.$queryRaw(query);
    expect(await database.db.$queryRaw(query)).toEqual(expected);
    expect(await inTransaction(database.db, (tx) => tx.$queryRaw(query))).toEqual(expected);
  });

  it('answers how many rows a statement has changed', async () => {
    const insert = (tx: Tx, keys: string[]) => tx.$executeRaw`
      INSERT INTO idempotent_calls (scope, path, key, request_hash, created_second)
      SELECT 's', 'p', key, 'h', 1 FROM unnest(${keys}::text[]) AS keys (key) ON CONFLICT DO NOTHING`;
    expect(await insert(database.db, ['counted-1', 'counted-2'])).toBe(2);
    expect(await inTransaction(database.db, (tx) => insert(tx, ['counted-2', 'counted-3']))).toBe(1);
    expect(await insert(database.db, ['counted-1'])).toBe(0);
  });

  it('throws an error with a readable SQLSTATE', async () => {
    await insertCall(database.db, 'twice');
    expect(isUniqueViolation(await failure(insertCall(database.db, 'twice')))).toBe(true);
    const error = await failure(inTransaction(database.db, (tx) => insertCall(tx, 'twice')));
    expect(isUniqueViolation(error)).toBe(true);
  });
});

describe('a raw query in a transaction', () => {
  it('belongs to the transaction, beside statements of the client, and is rolled back with it', async () => {
    const error = await failure(
      inTransaction(database.db, async (tx) => {
        await insertCall(tx, 'undone');
        expect(await tx.idempotentCall.count({ where: { key: 'undone' } })).toBe(1);
        expect(await callsOf('undone')).toBe(0);
        throw new Error('the work fails');
      }),
    );
    expect(error).toMatchObject({ message: 'the work fails' });
    expect(await callsOf('undone')).toBe(0);
  });

  it('reads the snapshot of the transaction', async () => {
    await inSnapshot(database.db, async (tx) => {
      const count = () => tx.$queryRaw`SELECT count(*) AS n FROM idempotent_calls WHERE key = 'later'`;
      expect(await count()).toEqual([{ n: 0n }]);
      await insertCall(database.db, 'later');
      expect(await count()).toEqual([{ n: 0n }]);
    });
    expect(await callsOf('later')).toBe(1);
  });

  it('is not sent after the end of the transaction, even when its connection serves another transaction', async () => {
    let kept: Tx | undefined;
    await inTransaction(database.db, async (tx) => {
      kept = tx;
    });
    const errors: unknown[] = [];
    const lanes = Array.from({ length: 3 }, () =>
      inTransaction(database.db, async () => {
        errors.push(await failure(insertCall(kept as Tx, 'too late')));
      }),
    );
    await Promise.all(lanes);
    expect(errors.map((error) => sqlStateOf(error))).toEqual(['57014', '57014', '57014']);
    expect(await callsOf('too late')).toBe(0);
  });

  it('is not sent after the transaction has timed out', async () => {
    let sent: unknown;
    const late = database.db.$transaction(
      async (tx) => {
        await tx.$queryRaw`SELECT pg_sleep(0.3)`.catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 20));
        sent = await failure(insertCall(tx, 'ended'));
      },
      { timeout: 50 },
    );
    expect(await failure(late)).not.toBeNull();
    await expect.poll(() => sent).toBeDefined();
    expect(sqlStateOf(sent)).toBe('57014');
    expect(await callsOf('ended')).toBe(0);
  });
});
