/**
 * Tests the balance of the past: for random facts, the balance at each second is the balance that was read then, whatever was
 * recorded later.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBalance } from '../../api/views/balance.ts';
import { readPastBalance } from '../../api/views/past-balance.ts';
import { ofBudget } from '../support/budget.ts';
import { type Desk, type Office, openOffice, SETTINGS, usageEvent } from './desk.ts';

const START = Date.parse('2026-10-30T00:00:00Z') / 1000;

let office: Office;
let one: Desk;
let teams = 0;
beforeAll(async () => {
  office = await openOffice();
  one = office.one;
  await one.list('past-gpu', '2.000002', START - 1);
  await one.price('a-model', '1', START - 1);
});
afterAll(() => office?.close());

type Balance = Awaited<ReturnType<typeof readBalance>>;
const past = (teamId: string, atSecond: number, nowSecond: number) =>
  readPastBalance(one.db, SETTINGS, teamId, { atSecond, nowSecond });
const micros = (dollars: string) => Number(dollars.replace('.', ''));

const KINDS = [
  ...['start', 'start', 'stop', 'stop back', 'settle', 'reprice', 'tokens', 'hold', 'settle hold', 'void', 'grant'],
  ...['dispute', 'win', 'lose', 'refund', 'reserve', 'look'],
];
const fact = fc.record({
  wait: fc.oneof(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 4_000 }),
    fc.integer({ min: 0, max: 90_000 }),
  ),
  kind: fc.constantFrom(...KINDS),
  pick: fc.nat({ max: 1_000 }),
});
interface Play {
  teamId: string;
  running: Array<{ id: string; start: number }>;
  holds: string[];
  disputes: string[];
  deposit: string;
}

/** Records one fact, as far as it is possible now. */
async function record(play: Play, { kind, pick }: { kind: string; pick: number }, id: string, second: number) {
  const { teamId, running, holds, disputes, deposit } = play;
  const some = running.length > 0 ? running[pick % running.length] : undefined;
  const hold = holds[0];
  const dispute = disputes[0];
  if (kind === 'start') {
    const { status } = await one.start({
      teamId,
      id,
      hourly: ['0.07', '3.6', '20.000001'][pick % 3] ?? '1',
      at: second,
    });
    if (status === 'admitted') running.push({ id, start: second });
  } else if (some && kind.startsWith('stop')) {
    const backTo = kind === 'stop' ? second : Math.max(some.start, second - pick * 20);
    running.splice(running.indexOf(some), 1);
    await one.stop(some.id, second, { backTo });
  } else if (some && kind === 'settle') await one.settle(some.id, second);
  else if (some && kind === 'reprice')
    await one.reprice(some.id, ['1', '2.000003'][pick % 2] ?? '1', second).catch(isRefusal);
  else if (kind === 'tokens') await one.useAll([usageEvent(teamId, id, pick * 1_000)], second);
  else if (kind === 'hold') {
    const placed = await one.hold(teamId, id, 'a-model', pick * 500, second, 60 + pick * 3).catch(isRefusal);
    if (placed) holds.push(id);
  } else if (hold !== undefined && kind === 'settle hold') {
    holds.shift();
    await one.useAll([usageEvent(teamId, id, pick, { holdId: hold })], second);
  } else if (hold !== undefined && kind === 'void') {
    holds.shift();
    await one.void(hold, second).catch(isRefusal);
  } else if (kind === 'grant') await one.grant(teamId, id, `${1 + (pick % 40)}`, second);
  else if (kind === 'dispute' && disputes.length === 0) {
    disputes.push(id);
    await one.dispute(deposit, `${1 + (pick % 30)}`, second, id);
  } else if (dispute !== undefined && (kind === 'win' || kind === 'lose')) {
    disputes.shift();
    await one.decide(dispute, kind === 'win' ? 'won' : 'lost', second);
  } else if (kind === 'refund') await one.refund(teamId, deposit, '1', second, id).catch(isRefusal);
  else if (kind === 'reserve' && pick % 5 === 0) {
    await one.reserve({ teamId, id, gpuType: 'past-gpu', at: second });
  } else if (kind === 'look') await one.look(teamId, second);
}
const isRefusal = (error: unknown) => {
  if ((error as { name?: string }).name !== 'BillingError') throw error;
  return null;
};

describe('the balance at a second of the past', () => {
  it('is the balance that was read then', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fact, { minLength: 3, maxLength: 25 }), async (facts) => {
        teams += 1;
        const teamId = await one.team(`past-${teams}`, undefined);
        const deposit = await one.deposit(teamId, '30', START);
        const play: Play = { teamId, running: [], holds: [], disputes: [], deposit };
        const then = new Map<number, Balance>();
        let second = START;
        for (const [index, each] of facts.entries()) {
          // What a second is after all of its facts is known at the next one.
          const next = second + each.wait;
          if (next > second) {
            for (const between of new Set([second, Math.floor((second + next) / 2), next - 1]))
              then.set(between, await readBalance(one.db, SETTINGS, teamId, between));
          }
          second = next;
          await record(play, each, `${teamId}-${index}`, second);
        }
        await one.look(teamId, second + 1);
        for (const [at, balance] of then) {
          const read = await past(teamId, at, second + 1);
          expect({ at, ...read }).toEqual({
            at,
            ...balance,
            // The forecast of the past renews no reservation and knows only the rates of then.
            ...{ runsOutAt: read.runsOutAt, lowAt: read.lowAt },
          });
        }
      }),
      { numRuns: ofBudget({ test: 10, long: 300 }) },
    );
  });

  it('is unchanged by a stop that is recorded later with an earlier second, and by late settlements', async () => {
    const teamId = await one.team('past-stop', '100', START);
    await one.start({ teamId, id: 'past-stop-1', hourly: '36', at: START });
    const at = START + 500;
    const before = await readBalance(one.db, SETTINGS, teamId, at);
    expect(before).toMatchObject({ available: '95.000000', burnPerHour: '36.000000', activeInstances: 1 });
    await one.settle('past-stop-1', START + 900);
    await one.stop('past-stop-1', START + 1_000, { backTo: START + 100 });
    expect(await past(teamId, at, START + 1_000)).toEqual(before);
    expect(await past(teamId, START + 999, START + 1_000)).toMatchObject({
      available: '90.010000',
      activeInstances: 1,
    });
    expect(await past(teamId, START + 1_000, START + 1_000)).toMatchObject({
      available: '99.000000',
      activeInstances: 0,
    });
  });

  it('ends at X, however late the end of credit was recorded', async () => {
    const teamId = await one.team('past-dry', '10', START);
    await one.start({ teamId, id: 'past-dry-1', hourly: '36', at: START });
    await one.look(teamId, START + 5_000);
    expect(await past(teamId, START + 999, START + 6_000)).toMatchObject({ available: '0.010000', activeInstances: 1 });
    expect(await past(teamId, START + 1_000, START + 6_000)).toMatchObject({
      available: '0.000000',
      activeInstances: 0,
    });
    expect(await past(teamId, START + 4_000, START + 6_000)).toMatchObject({
      available: '0.000000',
      posted: '0.000000',
    });
  });

  it('has no usage of a month before which credit ended, like the balance that was read then', async () => {
    const teamId = await one.team('past-month', '30', START);
    await one.start({ teamId, id: 'past-month-1', hourly: '3.6', at: START });
    const november = Date.parse('2026-11-01T00:00:10Z') / 1000;
    const unrecorded = await readBalance(one.db, SETTINGS, teamId, november);
    expect(unrecorded).toMatchObject({ available: '0.000000', thisMonth: '0.000000', activeInstances: 0 });
    await one.look(teamId, november + 10);
    expect(await past(teamId, november, november + 10)).toMatchObject({ thisMonth: '0.000000', activeInstances: 0 });
  });

  it('shows nothing to spend while a charge in flight keeps the exhaustion open', async () => {
    const teamId = await one.team('past-grace', '10', START);
    await one.policy(teamId, { threshold: '5', amount: '15' }, START);
    await one.start({ teamId, id: 'past-grace-1', hourly: '3600', at: START });
    await one.look(teamId, START + 20);
    const open = await readBalance(one.db, SETTINGS, teamId, START + 20);
    expect(open.available).toBe('0.000000');
    await one.fail('dep_past-grace_top_up_1', START + 30);
    await one.grant(teamId, 'past-grace-late', '50', START + 40);
    expect(await past(teamId, START + 20, START + 50)).toMatchObject({ available: '0.000000' });
    expect(await past(teamId, START + 45, START + 50)).toMatchObject({ available: '50.000000', activeInstances: 0 });
  });

  it('reads what holds and disputes held, also after they ended', async () => {
    const teamId = await one.team('past-held', undefined);
    const deposit = await one.deposit(teamId, '20', START);
    await one.hold(teamId, 'past-hold', 'a-model', 3_000_000, START + 10, 60);
    await one.dispute(deposit, '15', START + 20, 'past-dispute');
    await one.decide('past-dispute', 'won', START + 200);
    const held = async (second: number) => micros((await past(teamId, START + second, START + 300)).held);
    expect([await held(9), await held(10), await held(20), await held(69), await held(70), await held(199)]).toEqual([
      ...[0, 3_000_000, 18_000_000, 18_000_000, 15_000_000, 15_000_000],
    ]);
    expect(await held(200)).toBe(0);
  });

  it('is refused before the life of the team and in the future', async () => {
    const teamId = await one.team('past-refused', '10', START);
    const created = Number((await one.db.team.findUniqueOrThrow({ where: { id: teamId } })).createdSecond);
    for (const at of [created - 1, START + 101])
      await expect(past(teamId, at, START + 100)).rejects.toMatchObject({ code: 'at_out_of_range', param: 'at' });
    expect(await past(teamId, START + 100, START + 100)).toMatchObject({ available: '10.000000' });
    await expect(past('nobodys', START, START)).rejects.toMatchObject({ code: 'not_found' });
  });
});
