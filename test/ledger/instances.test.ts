/** Tests how the ledger records starts, stops, re-prices, settlements and the end of credit, in races and repeats. */
import { beforeEach, describe, expect, it } from 'vitest';
import { unannouncedExhaustions } from '../../prisma/exhaustions.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, billOf, booksOf, type Desk, dollars, lifeOf, type Office } from './desk.ts';

/** $36 an hour is a cent a second, $3,600 a dollar. */
const CENT = '36';
const DOLLAR = '3600';

let office: Office;
let one: Desk;
let two: Desk;
let teams = 0;
let team: string;

useOffice((opened) => {
  office = opened;
  ({ one, two } = office);
});
beforeEach(() => {
  teams += 1;
  team = `t${teams}`;
});

const either = (i: number) => (i % 2 === 0 ? one : two);
const rowsOf = (id: string) => one.db.instance.count({ where: { id } });

describe('twenty concurrent starts with $3', () => {
  it('are all admitted in one second, since nothing has been used yet', async () => {
    await one.team(team, '3');
    const answers = await atOnce(20, (i) => either(i).start({ teamId: team, id: `${team}-${i}`, hourly: CENT, at: 5 }));
    expect(answers.every(({ status }) => status === 'admitted')).toBe(true);
    expect(await one.db.segment.count({ where: { teamId: team, endSecond: null } })).toBe(20);
    // 20 cents a second: $3 lasts 15 s.
    await one.look(team, 1000);
    expect(await unannouncedExhaustions(one.db, team)).toMatchObject([{ number: 1, second: 20 }]);
    expect(await booksOf(one.db, team)).toEqual(await billOf(one.db, team));
  });

  it('with a second each are admitted only up to the first recorded second', async () => {
    await one.team(team, '3');
    const answers = await atOnce(20, (i) =>
      either(i).start({ teamId: team, id: `${team}-${i}`, hourly: CENT, at: 100 - i }),
    );
    const admitted = answers.flatMap((answer) => (answer.status === 'admitted' ? [answer.startSecond] : []));
    const refused = answers.flatMap((answer) => (answer.status === 'refused' ? [answer.code] : []));
    // The first to have the lock sets the second; those whose clocks lay behind it are in the same second.
    expect(new Set(admitted).size).toBe(1);
    expect(new Set(refused).size).toBeLessThanOrEqual(1);
    expect(refused.every((code) => code === 'insufficient_credit')).toBe(true);
    expect(await one.db.instance.count({ where: { teamId: team } })).toBe(admitted.length);
    for (const [i, answer] of answers.entries())
      expect(answer.status).toBe(100 - i <= admitted[0]! ? 'admitted' : 'refused');
  });

  it('whose first second cannot be paid for end at once, and leave the credit unchanged', async () => {
    await one.team(team, '3');
    const answers = await atOnce(20, (i) =>
      either(i).start({ teamId: team, id: `${team}-${i}`, hourly: '10801', at: 5 }),
    );
    expect(answers.every(({ status }) => status === 'admitted')).toBe(true);
    expect(await booksOf(one.db, team)).toMatchObject({ netMicros: 3_000_000n });
    expect(await one.db.exhaustion.count({ where: { teamId: team } })).toBe(20);
    expect(await one.db.transfer.count({ where: { teamId: team } })).toBe(1);
  });
});

describe('a start', () => {
  it('repeated at once in two processes is one admission', async () => {
    await one.team(team, '10');
    const call = { teamId: team, id: `${team}-i`, hourly: CENT, at: 5 };
    const answers = await atOnce(6, (i) => either(i).start({ ...call, at: 5 + i }));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 'admitted', rateMicrosPerHour: dollars(CENT) });
    expect(await lifeOf(one.db, call.id)).toHaveLength(2);
  });

  it('repeated later is the same admission, even after the end and at another current price', async () => {
    await one.team(team, '10');
    const call = { teamId: team, id: `${team}-i`, hourly: CENT, at: 5 };
    const first = await one.start(call);
    await one.stop(call.id, 50);
    expect(await two.start({ ...call, hourly: '72', at: 60 })).toEqual(first);
    expect(await one.db.segment.count({ where: { teamId: team, endSecond: null } })).toBe(0);
  });

  it('is refused under the id of another request or of another team', async () => {
    await one.team(team, '10');
    await one.team(`${team}-other`, '10');
    const call = { teamId: team, id: `${team}-i`, hourly: CENT, at: 5 };
    await one.start(call);
    const taken = { status: 'refused', code: 'id_taken', message: 'another instance has this id' };
    expect(await one.start({ ...call, body: 'another' })).toEqual(taken);
    expect(await one.start({ ...call, teamId: `${team}-other` })).toEqual(taken);
  });

  it('of two teams under one id is admitted for only one of the teams', async () => {
    const ids = await atOnce(8, (i) => one.team(`${team}-${i}`, '10'));
    const answers = await Promise.all(
      ids.map((teamId, i) => either(i).start({ teamId, id: `${team}-i`, hourly: CENT, at: 5 })),
    );
    expect(answers.filter(({ status }) => status === 'admitted')).toHaveLength(1);
    expect(answers.filter((answer) => answer.status === 'refused' && answer.code === 'id_taken')).toHaveLength(7);
    expect(await rowsOf(`${team}-i`)).toBe(1);
  });

  it('that is refused leaves no row, and its id stays free', async () => {
    await one.team(team, '2.999999');
    const call = { teamId: team, id: `${team}-i`, hourly: CENT, at: 5 };
    expect(await one.start(call)).toMatchObject({ status: 'refused', code: 'insufficient_credit' });
    expect([await rowsOf(call.id), await one.db.segment.count({ where: { teamId: team } })]).toEqual([0, 0]);
    await one.deposit(team, '1', 6);
    expect(await one.start({ ...call, body: 'another', at: 7 })).toMatchObject({ status: 'admitted', startSecond: 7 });
  });

  it('of an unknown team is refused', async () => {
    await expect(one.start({ teamId: 'nobody', id: `${team}-i`, hourly: CENT, at: 5 })).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('that was answered 503 is refused when it runs later, and a newer start is admitted', async () => {
    await one.team(team, '10');
    const id = `${team}-i`;
    const callId = `instance/${id}@100-a`;
    await one.abandon(`instance/${id}`, 100);
    const call = { teamId: team, id, hourly: CENT };
    const refused = { status: 'refused', code: 'start_expired', message: 'the caller was answered already' };
    expect(await two.start({ ...call, at: 100, callId })).toEqual(refused);
    expect(await two.start({ ...call, at: 99, callId: `instance/${id}@99-b` })).toEqual(refused);
    expect(await two.start({ ...call, at: 200, callId, nowMs: 2, notAfterMs: 1 })).toEqual(refused);
    expect(await rowsOf(id)).toBe(0);
    const later = `instance/${id}@101-c`;
    expect(await two.start({ ...call, at: 101, callId: later })).toMatchObject({
      status: 'admitted',
      startSecond: 101,
    });
  });

  it('whose answer was lost is found by the next try, even if that try is too late to admit anything', async () => {
    await one.team(team, '10');
    const call = { teamId: team, id: `${team}-i`, hourly: CENT, at: 100, callId: 'a-call', notAfterMs: 8_000 };
    const admitted = await one.start({ ...call, nowMs: 1_000 });
    expect(admitted).toMatchObject({ status: 'admitted', startSecond: 100 });
    expect(await two.start({ ...call, nowMs: 12_000 })).toEqual(admitted);
  });
});

describe('a stop', () => {
  it('repeated at once gives one receipt', async () => {
    await one.team(team, '10');
    await one.start({ teamId: team, id: `${team}-i`, hourly: CENT, at: 0 });
    const receipts = await atOnce(6, (i) => either(i).stop(`${team}-i`, 100 + i));
    expect(new Set(receipts.map((receipt) => JSON.stringify(receipt))).size).toBe(1);
    const { endSecond } = receipts[0]!;
    expect(receipts[0]).toMatchObject({ seconds: endSecond, costMicros: endSecond * 10_000, reason: 'stopped' });
    expect(await one.db.transfer.count({ where: { instanceId: `${team}-i` } })).toBe(1);
  });

  it('in a race with the end of credit gives one of the two ends, and the same receipt to every caller', async () => {
    const ends = new Set<string>();
    for (let round = 0; round < 6; round += 1) {
      const id = `${team}-${round}`;
      await one.team(id, '15');
      await one.start({ teamId: id, id: `${id}-i`, hourly: DOLLAR, at: 0 });
      const acts = [() => one.stop(`${id}-i`, 14), () => two.look(id, 20), () => two.settle(`${id}-i`, 20)];
      await Promise.all((round % 2 ? acts : acts.reverse()).map((act) => act()));
      const receipt = await one.stop(`${id}-i`, 30);
      const expected = { stopped: [14, 14_000_000], out_of_credits: [15, 15_000_000] }[receipt.reason as 'stopped'];
      expect([receipt.endSecond, receipt.costMicros]).toEqual(expected);
      expect(await one.db.exhaustion.count({ where: { teamId: id } })).toBe(receipt.reason === 'stopped' ? 0 : 1);
      expect(await booksOf(one.db, id)).toEqual(await billOf(one.db, id));
      ends.add(receipt.reason);
    }
    expect(ends.size).toBeGreaterThan(0);
  });

  it('of an unknown instance, before the start or in the future is refused', async () => {
    await one.team(team, '10');
    await one.start({ teamId: team, id: `${team}-i`, hourly: CENT, at: 50 });
    await expect(one.stop('nothing', 60)).rejects.toMatchObject({ code: 'not_found' });
    await expect(one.stop(`${team}-i`, 60, { backTo: 49 })).rejects.toMatchObject({ code: 'at_out_of_range' });
    await expect(one.stop(`${team}-i`, 60, { backTo: 61 })).rejects.toMatchObject({ code: 'at_out_of_range' });
    expect(await one.settle(`${team}-i`, 60)).toMatchObject({ status: 'running', costMicros: 100_000 });
  });

  it('in the past, across re-prices, is billed by the formula, with a correction that names the corrected row', async () => {
    for (const [backTo, cost] of [
      [0, 0],
      [50, 500_000],
      [150, 2_000_000],
      [250, 4_500_000],
    ] as const) {
      const teamId = `${team}-${backTo}`;
      const id = `${teamId}-i`;
      await one.team(teamId, '100');
      await one.start({ teamId, id, hourly: CENT, at: 0 });
      await one.reprice(id, '72', 100);
      await one.reprice(id, '108', 200);
      await one.settle(id, 280);
      const receipt = await one.stop(id, 300, { backTo });
      expect(receipt).toMatchObject({ endSecond: backTo, seconds: backTo, costMicros: cost });
      expect(await one.stop(id, 400, { backTo: 10 })).toEqual(receipt);
      const correction = await one.db.transfer.findFirst({ where: { instanceId: id, code: 'instance_correction' } });
      expect(correction).toMatchObject({
        amountMicros: BigInt(5_400_000 - cost),
        correctsReference: `instance/${id}/through/280`,
        reference: `instance/${id}/end/${backTo}`,
        second: 300n,
      });
      expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
      expect((await lifeOf(one.db, id)).at(-1) ?? 0).toBe(backTo);
    }
  });

  it('by the platform leaves no machine to stop, and a stop by an operator does', async () => {
    await one.team(team, '10');
    for (const [id, platformAsked] of [
      ['a', true],
      ['b', false],
    ] as const) {
      await one.start({ teamId: team, id: `${team}-${id}`, hourly: CENT, at: 0 });
      await one.stop(`${team}-${id}`, 10, { platformAsked, reason: platformAsked ? 'stopped' : 'operator' });
      expect(await one.settle(`${team}-${id}`, 20)).toMatchObject({ status: 'ended', machineGone: platformAsked });
    }
    await one.ledger.confirmTerminated({ instanceId: `${team}-b`, nowSecond: 30 });
    expect(await one.settle(`${team}-b`, 40)).toMatchObject({ machineGone: true });
  });
});

describe('a re-price', () => {
  it('with the same price changes nothing, and is refused for an ended instance', async () => {
    await one.team(team, '10');
    await one.start({ teamId: team, id: `${team}-i`, hourly: '0.000001', at: 0 });
    await one.reprice(`${team}-i`, '0.000002', 1800);
    await one.reprice(`${team}-i`, '0.000002', 2000);
    expect(await lifeOf(one.db, `${team}-i`)).toEqual([0, 1800, 1800, -1]);
    expect(await one.stop(`${team}-i`, 3600)).toMatchObject({ costMicros: 1 });
    await expect(one.reprice(`${team}-i`, '1', 4000)).rejects.toMatchObject({ code: 'instance_ended' });
  });

  it('in a race with a stop and settlements leaves segments without gaps or overlaps', async () => {
    await one.team(team, '100');
    await one.start({ teamId: team, id: `${team}-i`, hourly: CENT, at: 0 });
    const done = await Promise.allSettled([
      one.reprice(`${team}-i`, '72', 100),
      two.settle(`${team}-i`, 101),
      one.reprice(`${team}-i`, '108', 102),
      two.stop(`${team}-i`, 103),
      one.settle(`${team}-i`, 104),
    ]);
    for (const act of done) if (act.status === 'rejected') expect(act.reason).toMatchObject({ code: 'instance_ended' });
    const life = await lifeOf(one.db, `${team}-i`);
    const { endSecond } = await one.stop(`${team}-i`, 200);
    expect([life[0], life.at(-1)]).toEqual([0, endSecond]);
    for (let i = 1; i + 1 < life.length; i += 2) expect(life[i]).toBe(life[i + 1]);
    expect(await booksOf(one.db, team)).toEqual(await billOf(one.db, team));
  });
});

describe('settlements', () => {
  it('every second, every minute, every hour or never give the same bill', async () => {
    const bills = [];
    for (const every of [1, 60, 3600, 0]) {
      const teamId = `${team}-${every}`;
      await one.team(teamId, '5');
      for (const [i, hourly] of ['24.9', '0.000001', '77.777777'].entries())
        await one.start({ teamId, id: `${teamId}-${i}`, hourly, at: i * 7 });
      // Some seconds past the end of credit, but not a whole hour of single ones.
      for (let at = every; every > 0 && at <= Math.max(200, every); at += every)
        for (let i = 0; i < 3; i += 1) await either(at).settle(`${teamId}-${i}`, at);
      const receipts = [];
      for (let i = 0; i < 3; i += 1) receipts.push(await one.stop(`${teamId}-${i}`, 4001));
      expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
      bills.push(receipts.map(({ endSecond, costMicros, reason }) => ({ endSecond, costMicros, reason })));
    }
    const [credit, first, third] = [5_000_000n, 24_900_000n, 77_777_777n];
    let exact = 14;
    const spentAt = (second: number) => (first * BigInt(second)) / 3600n + (third * BigInt(second - 14)) / 3600n;
    while (spentAt(exact + 1) <= credit) exact += 1;
    expect(bills[0]!.map(({ endSecond, reason }) => [endSecond, reason])).toEqual(
      [0, 1, 2].map(() => [exact, 'out_of_credits']),
    );
    for (const bill of bills) expect(bill).toEqual(bills[0]);
  });

  it('at once post the cost once', async () => {
    await one.team(team, '10');
    await one.start({ teamId: team, id: `${team}-i`, hourly: CENT, at: 0 });
    await atOnce(10, (i) => either(i).settle(`${team}-i`, 100));
    const rows = await one.db.transfer.findMany({ where: { instanceId: `${team}-i` } });
    expect(rows.map(({ reference, amountMicros }) => [reference, amountMicros])).toEqual([
      [`instance/${team}-i/through/100`, 1_000_000n],
    ]);
  });
});

describe('a settlement before the watch’s read', () => {
  it('reports once that the watch must read an end of credit, a warning or a charge', async () => {
    await one.team(team, '20');
    await one.start({ teamId: team, id: `${team}-i`, hourly: CENT, at: 0 });
    expect(await one.settle(`${team}-i`, 100)).not.toHaveProperty('watchMustKnow');
    expect(await one.settle(`${team}-i`, 1001)).toMatchObject({ status: 'running', watchMustKnow: true });
    expect(await one.settle(`${team}-i`, 1002)).not.toHaveProperty('watchMustKnow');
    expect(await one.settle(`${team}-i`, 3000)).toMatchObject({ status: 'ended', watchMustKnow: true });
    expect(await one.settle(`${team}-i`, 3001)).not.toHaveProperty('watchMustKnow');
  });
});

describe('the end of credit of two hundred instances in forty teams', () => {
  it('is at the exact X of each team, with overdraft 0, however late and by however many calls it is recorded', async () => {
    const ids = await atOnce(40, (i) => one.team(`${team}-${i}`, `${3 + (i % 7)}.${100000 + 7 * i}`));
    const rateOf = (i: number, k: number) => `${37 + 13 * i + 101 * k}.${String(123457 * (k + 1)).slice(0, 6)}`;
    // Forty at once and not two hundred: the last would wait for a connection longer than a call may.
    for (const k of [0, 1, 2, 3, 4])
      await atOnce(40, (i) => either(i).start({ teamId: ids[i]!, id: `${ids[i]}-${k}`, hourly: rateOf(i, k), at: 0 }));
    // Whoever comes first records it: the watch, a settlement, a deposit, a stop that comes too late.
    await Promise.all(
      ids.map((teamId, i) => {
        const late = 500 + 13 * i;
        const acts = [
          () => one.look(teamId, late),
          () => two.settle(`${teamId}-1`, late),
          () => one.deposit(teamId, '15', late),
          () => two.stop(`${teamId}-2`, late),
        ];
        return Promise.all([acts[i % 4]!(), acts[(i + 1) % 4]!()]);
      }),
    );
    for (const [i, teamId] of ids.entries()) {
      const rates = [0, 1, 2, 3, 4].map((k) => BigInt(dollars(rateOf(i, k))));
      const credit = BigInt(dollars(`${3 + (i % 7)}.${100000 + 7 * i}`));
      const spentAt = (second: number) => rates.reduce((sum, rate) => sum + (rate * BigInt(second)) / 3600n, 0n);
      let exact = 0;
      while (spentAt(exact + 1) <= credit) exact += 1;
      const ended = await one.db.instance.findMany({ where: { teamId } });
      expect(ended.map(({ endSecond, reason }) => [endSecond, reason])).toEqual(
        Array.from({ length: 5 }, () => [BigInt(exact), 'out_of_credits']),
      );
      const exhaustions = await unannouncedExhaustions(one.db, teamId);
      expect(exhaustions).toMatchObject([{ number: 1, second: exact }]);
      expect(exhaustions[0]!.instanceIds).toHaveLength(5);
      expect(await booksOf(one.db, teamId)).toEqual(await billOf(one.db, teamId));
    }
  });
});

describe('the end of credit of twelve thousand instances of one team', () => {
  it('is recorded within the time limit of a transaction', async () => {
    await one.team(team, '12');
    const count = 12_000;
    await one.db.$executeRaw`
      INSERT INTO instances (id, team_id, gpu_type, region, pricing, request_hash, start_second)
      SELECT ${team} || '-' || n, ${team}, 'H100', 'eu', 'on_demand', 'hash', 10 FROM generate_series(1, ${count}) AS n`;
    // Rows that come in by the thousand in one statement are otherwise unknown to the planner until autovacuum comes by: a
    // connection goes on to look each segment's instance up as it did when there were five of them.
    await office.owner.$executeRaw`ANALYZE instances`;
    await one.db.$executeRaw`
      INSERT INTO segments (instance_id, segment, team_id, rate_micros_per_hour, list_micros_per_hour, given, start_second, posted_micros)
      SELECT ${team} || '-' || n, 1, ${team}, 360000, 360000, true, 10, 0 FROM generate_series(1, ${count}) AS n`;
    await office.owner.$executeRaw`ANALYZE segments`;
    await one.look(team, 1000);
    const ended = { teamId: team, endSecond: 20, reason: 'out_of_credits', exhaustion: 1 };
    expect(await one.db.instance.count({ where: ended })).toBe(count);
    const account = await one.db.account.findUniqueOrThrow({ where: { teamId: team } });
    expect(account.postedMicros).toBe(0n);
    expect(await one.db.transfer.count({ where: { teamId: team, code: 'instance_usage' } })).toBe(count);
  });
});
