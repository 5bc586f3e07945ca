/**
 * Tests stops, suspensions and archives of whole teams, in races with the acts that they refuse, and grants that are
 * reversed.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { parseDollars } from '../../billing/money.ts';
import { type EndedPiece, markSignalled, nextEndedPiece } from '../../prisma/ended-pieces.ts';
import { insertTeamStops } from '../../prisma/team-stops.ts';
import { resendMissedWakes } from '../../worker/missed-wakes.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, billOf, booksOf, type Desk } from './desk.ts';

const DOLLAR = '3600';

let one: Desk;
let two: Desk;
let teams = 0;
let team: string;

useOffice(async (opened) => {
  ({ one, two } = opened);
  await one.price('a-model', '1', 0);
});
beforeEach(() => {
  teams += 1;
  team = `state-${teams}`;
});

const either = (i: number) => (i % 2 === 0 ? one : two);
const stop = (desk: Desk, at: number, project: string | null = null) =>
  desk.ledger.stopTeam({ teamId: team, project, nowSecond: at }, 'test');
const suspend = (desk: Desk, at: number, stop = false) =>
  desk.ledger.suspendTeam({ teamId: team, note: null, stop, nowSecond: at }, 'test');
const archive = (desk: Desk, at: number) =>
  desk.ledger.archiveTeam({ teamId: team, keepsBalance: true, actor: 'me', nowSecond: at }, 'test');
const start = (desk: Desk, id: string, at: number, hourly = DOLLAR) => desk.start({ teamId: team, id, hourly, at });
const refusalOf = (error: unknown) => (error as { code?: string }).code;

async function booksAgree(): Promise<void> {
  expect(await booksOf(one.db, team)).toEqual(await billOf(one.db, team));
}

describe('a stop of a whole team', () => {
  it('in a race with single stops ends each instance once, and the bill follows the formula', async () => {
    await one.team(team, '100');
    const ids = Array.from({ length: 6 }, (_, i) => `${team}-${i}`);
    for (const id of ids) await start(one, id, 0);
    const ends = await atOnce(8, async (i) => {
      if (i >= 6) return (await stop(either(i), 10)).ended.map(({ instanceId }) => instanceId);
      await either(i).stop(ids[i] ?? '', 10);
      return [];
    });
    const ended = ends.flat();
    expect(new Set(ended).size).toBe(ended.length);
    const rows = await one.db.instance.findMany({ where: { teamId: team } });
    expect(rows.map(({ endSecond }) => Number(endSecond))).toEqual(ids.map(() => 10));
    expect((await billOf(one.db, team)).netMicros).toBe(40_000_000n);
    await booksAgree();
  });

  it('of many instances is announced in batches, with each instance once', async () => {
    await one.team(team, '100');
    await start(one, `${team}-first`, 0);
    expect((await stop(one, 5)).ended).toHaveLength(1);
    const more = Array.from({ length: 204 }, (_, i) => `${team}-${i}`);
    await insertTeamStops(one.db, team, 5, more);
    const ids = [`${team}-first`, ...more];
    const woken: string[] = [];
    const tell = { watch: async (teamId: string) => void woken.push(teamId) };
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    await resendMissedWakes(one.db, tell, log);
    expect(woken).toContain(team);
    const signalledIds: string[] = [];
    const next = (): Promise<EndedPiece | null> => nextEndedPiece(one.db, team);
    for (let piece = await next(); piece; piece = await next()) {
      const { of, number, from, instanceIds } = piece;
      expect(instanceIds.length).toBeLessThanOrEqual(100);
      signalledIds.push(...instanceIds);
      await markSignalled(one.db, team, { of, number, signalled: from + instanceIds.length });
    }
    expect(signalledIds.sort()).toEqual(ids.sort());
  });

  it('continues after the instances that were already signalled, and a row that is announced stays announced', async () => {
    await one.team(team, '100');
    const ids = Array.from({ length: 120 }, (_, i) => `${team}-${i}`);
    await insertTeamStops(one.db, team, 5, ids);
    const look = () => nextEndedPiece(one.db, team);
    const { of, number } = (await look()) as EndedPiece;
    await markSignalled(one.db, team, { of, number, signalled: 70 });
    expect(await look()).toEqual({ of, number, from: 70, instanceIds: ids.slice(70), machineIds: [] });
    // A mark that comes late takes nothing back.
    await markSignalled(one.db, team, { of, number, signalled: 30 });
    expect(await look()).toMatchObject({ from: 70 });
    await markSignalled(one.db, team, { of, number, signalled: 120 });
    expect(await look()).toBeNull();
    await markSignalled(one.db, team, { of, number, signalled: 100 });
    expect(await look()).toBeNull();
  });

  it('lists the machines still to be stopped, in the order of the row', async () => {
    await one.team(team, '100');
    for (const name of ['a', 'b', 'c']) await start(one, `${team}-${name}`, 0);
    await stop(one, 5);
    await one.ledger.confirmTerminated({ instanceId: `${team}-b`, nowSecond: 6 });
    const { instanceIds, machineIds } = (await nextEndedPiece(one.db, team)) as EndedPiece;
    expect(instanceIds).toHaveLength(3);
    expect(machineIds).toEqual(instanceIds.filter((id) => id !== `${team}-b`));
  });

  it('during a charge that delays the end of credit ends the instances at X', async () => {
    await one.team(team, '10');
    await one.policy(team, { threshold: '5', amount: '15' }, 0);
    await start(one, `${team}-i`, 0);
    const { ended } = await stop(one, 40);
    expect(ended.map(({ endSecond }) => endSecond)).toEqual([10]);
    await booksAgree();
  });
});

describe('a suspension', () => {
  it('in a race with starts, holds and reservations refuses each later act, and leaves no act half done', async () => {
    await one.team(team, '100');
    const outcomes = await atOnce(12, async (i): Promise<string> => {
      if (i === 5) return suspend(two, 10).then(() => 'suspended');
      if (i % 2 === 0) {
        const { status } = await start(either(i / 2), `${team}-${i}`, 10);
        return `start ${status}`;
      }
      return one.hold(team, `${team}-${i}`, 'a-model', 1, 10).then(
        () => 'hold placed',
        (error) => `hold ${refusalOf(error)}`,
      );
    });
    const admitted = outcomes.filter((outcome) => outcome === 'start admitted').length;
    expect(await one.db.instance.count({ where: { teamId: team } })).toBe(admitted);
    for (const outcome of outcomes)
      expect(['suspended', 'start admitted', 'start refused', 'hold placed', 'hold team_suspended']).toContain(outcome);
    expect(await start(one, `${team}-late`, 11)).toMatchObject({ status: 'refused', code: 'team_suspended' });
    await booksAgree();
  });

  it('opens no attempt until it ends, whichever call reads and whenever', async () => {
    await one.team(team, '10');
    await one.policy(team, { threshold: '5', amount: '15' }, 0);
    await start(one, `${team}-i`, 0, '0.36');
    await suspend(one, 1);
    await start(two, `${team}-j`, 2);
    const far = 100_000;
    for (const desk of [one, two])
      expect(await desk.ledger.openAttempt({ teamId: team, nowSecond: far }, 'test')).toMatchObject({
        policyOn: true,
        attemptDepositId: null,
        state: 'suspended',
      });
    await one.ledger.unsuspendTeam({ teamId: team, nowSecond: far + 1 }, 'test');
    const decision = await one.ledger.openAttempt({ teamId: team, nowSecond: far + 1 }, 'test');
    expect(decision).toMatchObject({ attemptDepositId: `dep_${team}_top_up_1`, state: 'charging' });
  });

  it('lets a charge in progress complete', async () => {
    await one.team(team, '4');
    await one.policy(team, { threshold: '5', amount: '15' }, 0);
    await suspend(one, 1);
    await one.credit(`dep_${team}_top_up_1`, 2);
    expect((await billOf(one.db, team)).netMicros).toBe(19_000_000n);
    await booksAgree();
  });

  it('ends a reservation at the end of its term instead of renewing it', async () => {
    await one.team(team, '100');
    const cent = parseDollars('0.01');
    const reservedMicros = { '1m': cent, '3m': cent, '6m': cent, '12m': cent };
    const pair = { gpuType: `gpu-${team}`, region: 'eu' };
    const price = { ...pair, onDemandMicros: parseDollars('0.02'), spotMicros: cent, reservedMicros };
    await one.ledger.changeGpuPrice({ price, effectiveFromSecond: null, actor: 'me', nowSecond: 0 });
    await one.reserve({ teamId: team, id: `${team}-r`, gpuType: `gpu-${team}`, at: 0, renew: true });
    await suspend(one, 10);
    const twoMonths = 62 * 86_400;
    await one.ledger.lookAhead({ teamId: team, nowSecond: twoMonths }, 'test');
    const reservation = await one.db.reservation.findUniqueOrThrow({ where: { id: `${team}-r` } });
    expect(reservation.endedHow).toBe('ended');
    await booksAgree();
  });
});

describe('an archive', () => {
  it('in a race with a start refuses one of the two', async () => {
    for (let round = 0; round < 4; round += 1) {
      team = `state-${teams}-${round}`;
      await one.team(team, '100');
      const [archived, started] = await Promise.all([
        archive(either(round), 10).then(
          () => 'archived',
          (error) => refusalOf(error),
        ),
        start(either(round + 1), `${team}-i`, 10),
      ]);
      const outcome = [archived, started.status === 'refused' ? started.code : started.status];
      expect([
        ['archived', 'team_archived'],
        ['team_in_use', 'admitted'],
      ]).toContainEqual(outcome);
    }
  });

  it('refuses grants, policies and deposits in their own transactions', async () => {
    await one.team(team, '100');
    await archive(one, 10);
    await expect(one.grant(team, `${team}-g`, '1', 11)).rejects.toMatchObject({ code: 'team_archived' });
    await expect(one.policy(team, { threshold: '5', amount: '15' }, 11)).rejects.toMatchObject({
      code: 'team_archived',
    });
    expect(await one.openDeposit(team, '20', 11, `${team}-d`)).toBeNull();
    expect(await one.db.deposit.count({ where: { id: `${team}-d` } })).toBe(0);
  });
});

describe('a reversed grant', () => {
  it('in a race with its spending is taken once, and the books agree', async () => {
    await one.team(team, '5');
    const grantId = `${team}-g`;
    await one.grant(team, grantId, '20', 0);
    await start(one, `${team}-i`, 0);
    await atOnce(6, (i) => either(i).ledger.revokeGrant({ grantId, note: null, nowSecond: 4 + i }, 'test'));
    expect(await one.db.transfer.count({ where: { teamId: team, code: 'grant_revoked' } })).toBe(1);
    await one.ledger.lookAhead({ teamId: team, nowSecond: 60 }, 'test');
    const instance = await one.db.instance.findUniqueOrThrow({ where: { id: `${team}-i` } });
    expect(instance.reason).toBe('out_of_credits');
    await booksAgree();
  });

  it('leaves the spent part owed, to the micro', async () => {
    await one.team(team);
    const grantId = `${team}-g`;
    await one.grant(team, grantId, '20', 0);
    await start(one, `${team}-i`, 0);
    await one.stop(`${team}-i`, 7);
    const { revocation } = await one.ledger.revokeGrant({ grantId, note: null, nowSecond: 8 }, 'test');
    expect(revocation?.creditMicros).toBe(parseDollars('13'));
    expect((await billOf(one.db, team)).netMicros).toBe(-7_000_000n);
    await booksAgree();
  });
});
