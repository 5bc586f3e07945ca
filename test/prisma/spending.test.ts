/** Tests that the SQL of a team's daily spending gives the same costs as the formula in billing/usage.ts. */
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { micros } from '../../billing/money.ts';
import { SECONDS_PER_DAY } from '../../billing/time.ts';
import { costBetweenMicros, costOfSegmentsMicros, type Segment } from '../../billing/usage.ts';
import { readSpentByDay } from '../../prisma/spending.ts';
import { createTeam } from '../../prisma/teams.ts';
import { ofBudget } from '../support/budget.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';
import { connect } from './rows.ts';

const FIRST_DAY = 1_772_323_200;
const DAYS = 4;
const END = FIRST_DAY + DAYS * SECONDS_PER_DAY;

let database: TestDatabase;
let client: pg.Client;
let teams = 0;
beforeAll(async () => {
  database = await newDatabase();
  client = await connect(database.ownerUrl);
});
afterAll(async () => {
  await client?.end();
  await database?.close();
});

type EndedSegment = Segment & { endSecond: number };

/** Up to and over midnights, from before the first day; rates from a millionth to a million dollars an hour. */
const segment = fc
  .record({
    rate: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 1, max: 1_000_000_000_000 })),
    start: fc.integer({ min: FIRST_DAY - 2 * SECONDS_PER_DAY, max: END - 1 }),
    seconds: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 3 * SECONDS_PER_DAY })),
  })
  .map(
    ({ rate, start, seconds }): EndedSegment => ({
      rateMicrosPerHour: micros(rate),
      startSecond: start,
      endSecond: Math.min(start + seconds, END),
    }),
  );

async function insert(teamId: string, segments: EndedSegment[]): Promise<void> {
  await client.query(
    `INSERT INTO instances (id, team_id, gpu_type, region, pricing, request_hash, start_second, end_second, reason)
     VALUES ($1, $1, 'g', 'r', 'on_demand', 'h', 0, $2, 'stopped')`,
    [teamId, END],
  );
  for (const [number, { rateMicrosPerHour, startSecond, endSecond }] of segments.entries())
    await client.query(
      `INSERT INTO segments (instance_id, segment, team_id, rate_micros_per_hour, list_micros_per_hour, given,
         start_second, end_second, posted_micros)
       VALUES ($1, $2, $1, $3, $3, true, $4, $5, 0)`,
      [teamId, number + 1, rateMicrosPerHour, startSecond, endSecond],
    );
}

const costOfDay = (segments: EndedSegment[], day: number): number =>
  segments.reduce(
    (sum, each) =>
      sum +
      costBetweenMicros(
        each,
        Math.min(Math.max(day, each.startSecond), each.endSecond),
        Math.max(Math.min(day + SECONDS_PER_DAY, each.endSecond), each.startSecond),
      ),
    0,
  );

it('each day costs the same in SQL as by the formula, and the days of whole segments add up to their cost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(segment, { minLength: 1, maxLength: 6 }), async (segments) => {
      teams += 1;
      const teamId = `spent-${teams}`;
      await createTeam(database.db, { id: teamId, name: 'A team', email: 'a@example.com' }, 0);
      await insert(teamId, segments);
      const spent = await readSpentByDay(database.db, teamId, FIRST_DAY, END - 1);
      for (let day = FIRST_DAY; day < END; day += SECONDS_PER_DAY)
        expect(spent.get(day) ?? 0).toBe(costOfDay(segments, day));

      const whole = segments.filter(({ startSecond }) => startSecond >= FIRST_DAY);
      if (whole.length === segments.length)
        expect([...spent.values()].reduce<number>((sum, each) => sum + each, 0)).toBe(
          costOfSegmentsMicros(segments, END),
        );
    }),
    { numRuns: ofBudget({ test: 60, long: 500 }) },
  );
});
