/** Tests the ledger against a Postgres that is killed and restarted during a burst of acts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BillingError } from '../../billing/errors.ts';
import { type Postgres, RUNTIME_ROLE, startPostgres } from '../../embedded/postgres.ts';
import { connectDb } from '../../prisma/client.ts';
import { migrate } from '../../prisma/migrate.ts';
import { trialBalance } from '../../prisma/transfers.ts';
import { billOf, booksOf, Desk, lifeOf } from './desk.ts';

const TEAMS = 8;
const DEADLINE_MS = 60_000;

let dir: string;
let postgres: Postgres;
let desk: Desk;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'burnrate-restart-'));
  // A process that dies loses nothing that it has given to the operating system: fsync guards against more than is tried here.
  postgres = await startPostgres({ dataDir: join(dir, 'postgres'), settings: { fsync: 'off' } });
  await postgres.createDatabase('ledger');
  await migrate(postgres.databaseUrl('ledger'), RUNTIME_ROLE);
  desk = new Desk(connectDb(postgres.runtimeUrl('ledger')));
});
afterAll(async () => {
  await desk.db.$disconnect();
  await postgres.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Does an act until it is answered, as Temporal would; a refusal is an answer. Counts the tries that broke. */
async function untilAnswered<T>(act: () => Promise<T>, broke: () => void): Promise<T | string> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (error instanceof BillingError) return error.code;
      if (Date.now() > deadline) throw error;
      broke();
      await pause(20);
    }
  }
}

/** What happens to one team, in its order: each act may be repeated at any time. */
function storyOf(teamId: string): Array<() => Promise<unknown>> {
  const id = (k: number) => `${teamId}-${k}`;
  const start = (k: number, hourly: string, at: number) => () => desk.start({ teamId, id: id(k), hourly, at });
  const use = (k: number, at: number) => () => desk.use(teamId, `e${k}`, 10_007 * (k + 1), at);
  return [
    () => desk.deposit(teamId, '50', 1, `dep_${teamId}_1`),
    start(1, '36.123457', 2),
    use(1, 3),
    start(2, '0.999999', 5),
    () => desk.settle(id(1), 40),
    use(2, 41),
    () => desk.reprice(id(1), '72.5', 60),
    start(3, '3600', 70),
    () => desk.settle(id(3), 80),
    use(3, 85),
    () => desk.stop(id(3), 90, { backTo: 75 }),
    () => desk.deposit(teamId, '15', 95, `dep_${teamId}_2`),
    () => desk.settle(id(2), 100),
    use(4, 101),
    () => desk.stop(id(2), 110),
    start(4, '7200', 120),
    () => desk.look(teamId, 500), // out of credit by then
    use(5, 510),
    () => desk.deposit(teamId, '20', 520, `dep_${teamId}_3`),
    () => desk.stop(id(4), 530),
  ];
}

describe('a Postgres that is killed during a burst', () => {
  it('keeps each act whole or not at all, and repeats lead to the bill of the facts', async () => {
    const teamIds = Array.from({ length: TEAMS }, (_, i) => `t${i}`);
    for (const teamId of teamIds) await desk.team(teamId);
    const stories = teamIds.map(storyOf);
    const acts = stories.flat().length;
    let done = 0;
    let broken = 0;
    const broke = () => {
      broken += 1;
    };
    const killAt = new Set([Math.floor(acts / 4), Math.floor((acts * 2) / 3)]);
    const crashes: Promise<void>[] = [];
    const crash = async () => {
      await postgres.kill();
      await postgres.restart();
    };
    await Promise.all(
      stories.map(async (story) => {
        for (const act of story) {
          await untilAnswered(act, broke);
          done += 1;
          if (killAt.has(done)) crashes.push(crash());
        }
      }),
    );
    await Promise.all(crashes);
    expect(crashes).toHaveLength(2);
    expect(broken).toBeGreaterThan(0);

    const bills = await Promise.all(teamIds.map((teamId) => booksOf(desk.db, teamId)));
    // All of it again, as after a caller who never heard the answers: nothing moves.
    for (const story of stories) for (const act of story) await untilAnswered(act, broke);
    for (const [i, teamId] of teamIds.entries()) {
      expect(await booksOf(desk.db, teamId), teamId).toEqual(bills[i]);
      expect(bills[i], teamId).toEqual(await billOf(desk.db, teamId));
      expect(bills[i], teamId).toEqual(bills[0] && rename(bills[0], 't0', teamId));
      expect(await desk.db.usageEvent.count({ where: { teamId } })).toBe(5);
      expect(await desk.db.deposit.count({ where: { teamId, status: 'succeeded' } })).toBe(3);
      expect(await lifeOf(desk.db, `${teamId}-1`)).toEqual([2, 60, 60, expect.any(Number)]);
      expect(await lifeOf(desk.db, `${teamId}-3`)).toEqual([70, 75]);
      expect(await desk.db.exhaustion.count({ where: { teamId } })).toBe(1);
    }
    expect(await trialBalance(desk.db)).toMatchObject({ balanced: true, differences: [] });
  });
});

/** The same story has the same bill, whatever broke on the way. */
const rename = (bill: Awaited<ReturnType<typeof booksOf>>, from: string, to: string) => ({
  ...bill,
  instances: Object.fromEntries(
    Object.entries(bill.instances).map(([id, micros]) => [id.replace(`${from}-`, `${to}-`), micros]),
  ),
});
