/** Tests the comparison of a process’s clock with the database’s clock. */
import { ApplicationFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ClockWatch, createClockWatch } from '../../activities/clock.ts';
import { createActivities } from '../../activities/index.ts';
import { micros } from '../../billing/money.ts';
import { createLedger } from '../../ledger/index.ts';
import { createTeam } from '../../prisma/teams.ts';
import { SCENARIO_SETTINGS as settings } from '../../simulate/settings.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';
import { worldOf } from './fixtures.ts';

let database: TestDatabase;
let aheadMs = 0;
const said: string[] = [];
const log = {
  warn: (_: object, message: string) => said.push(message),
  info: (_: object, message: string) => said.push(message),
};
let clock: ClockWatch;

beforeAll(async () => {
  database = await newDatabase();
  await createTeam(database.db, { id: 'acme', name: 'Acme', email: 'a@example.com' }, 0);
});
afterAll(() => database.close());
beforeEach(() => {
  aheadMs = 0;
  said.length = 0;
  clock = createClockWatch(database.db, log, () => Date.now() + aheadMs);
  database.db.clock = null;
});

describe('the clock of a process', () => {
  it.each([
    ['an hour ahead', 3_600_000, '3600.0 s ahead of'],
    ['an hour behind', -3_600_000, '3600.0 s behind'],
    ['nine seconds behind', -9_000, '9.0 s behind'],
    ['three seconds ahead', 3_000, '3.0 s ahead of'],
  ])('is wrong when it is %s of the database’s clock, and the message says by how much', async (_, ahead, words) => {
    aheadMs = ahead;
    await clock.look();
    expect(clock.isRight()).toBe(false);
    expect(() => clock.mustBeRight()).toThrow(`the clock of this server is ${words} the database’s`);
    expect(said).toEqual([expect.stringContaining(words)]);
  });

  it.each([0, 1_000, -1_500])('is right when it is %i ms ahead', async (ahead) => {
    aheadMs = ahead;
    await clock.look();
    expect(clock.isRight()).toBe(true);
    clock.mustBeRight();
  });

  it('is right again after a correction, and each change is logged once', async () => {
    aheadMs = 60_000;
    await clock.look();
    await clock.look();
    aheadMs = 0;
    await clock.look();
    clock.mustBeRight();
    expect(said).toEqual([expect.stringContaining('60.0 s ahead of'), 'the clock is right']);
  });

  it('is compared with half of a slow answer’s time subtracted', () => {
    let now = 0;
    const slow = createClockWatch(database.db, log, () => now);
    const seen = slow.reading();
    now = 20_000;
    seen(100);
    expect(slow.isRight()).toBe(true);
    const again = slow.reading();
    expect(() => again(now + 2_001)).toThrow('2.0 s behind');
  });

  it('keeps its last result while the database does not answer', async () => {
    aheadMs = 60_000;
    await clock.look();
    const away = createClockWatch({ ...database.db, $queryRaw: () => Promise.reject(new Error('away')) } as never, log);
    await away.look();
    expect([clock.isRight(), away.isRight()]).toEqual([false, true]);
  });
});

describe('a fact', () => {
  const grant = (grantId: string, nowSecond: number) => {
    const ledger = createLedger({ db: database.db, settings });
    return ledger.grant({ teamId: 'acme', grantId, amountMicros: micros(1_000_000), note: 'n', nowSecond }, 'test');
  };
  const grants = () => database.db.grant.count();

  it('is not recorded by a process whose clock has become wrong since the last comparison', async () => {
    database.db.clock = clock;
    await clock.look();
    const before = await grants();
    aheadMs = 3_600_000;
    await expect(grant('wrong', 10)).rejects.toMatchObject({ code: 'clock_wrong' });
    expect(await grants()).toBe(before);
    aheadMs = 0;
    await grant('right', 10);
    expect(await grants()).toBe(before + 1);
    clock.mustBeRight();
  });

  it('keeps the second that it is given, because only the clock of the process is compared', async () => {
    database.db.clock = clock;
    const before = await grants();
    await grant('past', 20);
    await grant('future', 4_000_000_000);
    expect(await grants()).toBe(before + 2);
  });

  it('receives the database’s time without an additional statement', async () => {
    await createTeam(database.db, { id: 'counted', name: 'Counted', email: 'a@example.com' }, 0);
    const statements = async (watch: ClockWatch | null): Promise<number> => {
      database.db.clock = watch;
      const sent = vi.spyOn(pg.Client.prototype, 'query');
      const ledger = createLedger({ db: database.db, settings });
      const order = { teamId: 'counted', amountMicros: micros(1), note: 'n', nowSecond: 1 };
      await ledger.grant({ ...order, grantId: `g-${watch === null}` }, 'test');
      const { length } = sent.mock.calls;
      sent.mockRestore();
      return length;
    };
    const without = await statements(null);
    expect(without).toBeGreaterThan(3);
    expect(await statements(clock)).toBe(without);
    expect(clock.aheadMs()).not.toBeNull();
  });
});

describe('a worker', () => {
  it('records nothing while its clock is wrong, retries, and continues when the clock is right', async () => {
    const { billing } = createActivities(worldOf({ ledger: createLedger({ db: database.db, settings }), clock }));
    const look = () =>
      new MockActivityEnvironment().run(billing.markTold, { teamId: 'acme', exhaustions: [], noticeIds: [] } as never);
    aheadMs = -3_600_000;
    await clock.look();
    const failure = await look().then(
      () => null,
      (error) => error,
    );
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({ type: 'clock_unavailable', nonRetryable: false });
    expect(failure.message).toContain('3600.0 s behind');
    aheadMs = 0;
    await clock.look();
    await look();
  });
});
