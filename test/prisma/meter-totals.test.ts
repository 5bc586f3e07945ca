/** Tests the sums that the database calculates for a balance against the pure functions of billing/. */
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { remaindersOf } from '../../billing/meter-sums.ts';
import { costBetweenMicros } from '../../billing/usage.ts';
import { Prisma } from '../../prisma/generated/client.ts';
import { remaindersAt } from '../../prisma/meter-totals.ts';
import { sumOfCosts } from '../../prisma/usage-sums.ts';
import { asMicros } from '../billing/book.ts';
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

const second = fc.integer({ min: 0, max: 253_402_300_799 });

it('the remainders at a second are those of the pure function', async () => {
  const remainder = fc.nat(3_599);
  const row = fc.record({ rateRemainder: remainder, startRemainder: remainder, count: fc.nat(1_000_000) });
  const rows = fc.uniqueArray(row, { selector: (one) => `${one.rateRemainder}/${one.startRemainder}`, minLength: 1 });
  await fc.assert(
    fc.asyncProperty(rows, second, async (counts, at) => {
      await owner.query('DELETE FROM meter_remainders');
      for (const { rateRemainder, startRemainder, count } of counts)
        await owner.query('INSERT INTO meter_remainders VALUES ($1, $2, $3, $4)', [
          't',
          rateRemainder,
          startRemainder,
          count,
        ]);
      const { rows } = await owner.query<{ sum: string }>(`SELECT (${remaindersAt("'t'", String(at % 3_600))}) AS sum`);
      expect(Number(rows[0]?.sum)).toBe(counts.reduce((sum, each) => sum + remaindersOf(each, at), 0));
    }),
    { numRuns: 60 },
  );
});

it('the cost of ended stretches within a range is that of the pure function', async () => {
  const stretch = fc.record({ rate: fc.nat(90_000_000_000), start: second, lasts: fc.nat(100_000_000) });
  await fc.assert(
    fc.asyncProperty(fc.array(stretch, { minLength: 1 }), second, fc.nat(100_000_000), async (drawn, from, lasts) => {
      const to = from + lasts;
      const within = drawn
        .map(({ rate, start, lasts }) => ({
          rateMicrosPerHour: asMicros(rate),
          startSecond: start,
          end: start + lasts,
        }))
        .filter(({ startSecond, end }) => end > from && startSecond < to);
      const sum = sumOfCosts(Prisma.raw('end_second'), Prisma.raw(String(from)), Prisma.raw(String(to)));
      const { rows } = await owner.query<{ sum: string }>(
        `SELECT (${sum.text})::text AS sum
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS stretch (rate_micros_per_hour, start_second, end_second)`,
        [
          within.map((each) => each.rateMicrosPerHour),
          within.map((each) => each.startSecond),
          within.map((each) => each.end),
        ],
      );
      const costs = within.map((each) => BigInt(costBetweenMicros(each, from, Math.min(each.end, to))));
      expect(BigInt(rows[0]?.sum ?? -1)).toBe(costs.reduce((total, cost) => total + cost, 0n));
    }),
    { numRuns: 60 },
  );
});
