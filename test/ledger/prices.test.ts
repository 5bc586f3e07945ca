/** Tests how the ledger records price changes and withdrawals, in races with starts and other changes. */
import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { micros } from '../../billing/money.ts';
import { inTransaction } from '../../prisma/client.ts';
import { instanceInsert } from '../../prisma/instances.ts';
import { gpuPriceAt, gpuPricesFor, lockGpuPrice, modelPriceAt } from '../../prisma/prices.ts';
import { writeTogether } from '../../prisma/statements.ts';
import { useOffice } from '../support/use-office.ts';
import { atOnce, type Desk, dollars } from './desk.ts';

let one: Desk;
let two: Desk;
let names = 0;
let gpuType: string;
let model: string;

useOffice((opened) => {
  ({ one, two } = opened);
});
beforeEach(() => {
  names += 1;
  gpuType = `gpu-${names}`;
  model = `model-${names}`;
});

const either = (i: number) => (i % 2 === 0 ? one : two);
const pair = (region = 'eu') => ({ gpuType, region });
const priceOf = (onDemand: string, region = 'eu') => {
  const hourly = dollars(onDemand);
  const less = (percent: number) => micros(Math.round((hourly * (100 - percent)) / 100));
  const reservedMicros = { '1m': less(30), '3m': less(37), '6m': less(43), '12m': less(50) };
  return { gpuType, region, onDemandMicros: hourly, spotMicros: less(50), reservedMicros };
};
const set = (desk: Desk, onDemand: string, nowSecond: number, effectiveFromSecond: number | null = null) =>
  desk.ledger.changeGpuPrice({ price: priceOf(onDemand), effectiveFromSecond, actor: 'me', nowSecond });
const withdraw = (nowSecond: number) => one.ledger.withdrawGpuPrice({ pair: pair(), actor: 'me', nowSecond });
const onDemandAt = async (second: number) => (await gpuPriceAt(one.db, pair(), second))?.onDemandMicros ?? null;

let instances = 0;
interface Run {
  pricing?: 'spot' | 'on_demand';
  region?: string;
  hourly?: string | null;
}
/** A running instance as a start leaves it, at the price of the list unless an hourly rate is given. */
async function running(
  teamId: string,
  startSecond: number,
  { pricing = 'spot', region = 'eu', hourly = null }: Run = {},
): Promise<string> {
  instances += 1;
  const id = `price-instance-${instances}`;
  const spec = { id, teamId, project: null, gpuType, region, pricing, shedOrder: null, resumedFrom: null };
  const hourlyMicros = hourly === null ? null : dollars(hourly);
  await writeTogether(one.db, [instanceInsert({ ...spec, hourlyMicros, requestHash: 'hash' }, startSecond)]);
  return id;
}
const team = (name: string, asOfSecond: number) => one.team(`${gpuType}-${name}`, '10', asOfSecond);

describe('a change of a GPU’s price', () => {
  it('takes effect at its stated second, or at the second of its call', async () => {
    expect(await set(one, '10', 100)).toEqual({ effectiveSecond: 100, teamIds: [] });
    expect(await set(one, '12', 100, 200)).toEqual({ effectiveSecond: 200, teamIds: [] });
    expect([await onDemandAt(99), await onDemandAt(199), await onDemandAt(200)]).toEqual([
      null,
      10_000_000,
      12_000_000,
    ]);
  });

  it('is refused for a second in the past or after the year 9999', async () => {
    await set(one, '10', 100);
    for (const second of [99, 0, -1, 253_402_300_800])
      await expect(set(one, '12', 100, second)).rejects.toMatchObject({
        code: 'at_out_of_range',
        param: 'effectiveFrom',
      });
    await expect(set(one, '0', 100)).rejects.toMatchObject({ code: 'amount_out_of_range', param: 'onDemand' });
    expect(await gpuPricesFor(one.db, [pair()], 0)).toHaveLength(1);
    expect(await set(one, '12', 100, 100)).toMatchObject({ effectiveSecond: 100 });
  });

  it('takes effect no earlier than the change before it, even if that change came from a fast clock', async () => {
    await set(one, '10', 105);
    expect(await set(two, '11', 100)).toMatchObject({ effectiveSecond: 105 });
    expect(await onDemandAt(200)).toBe(11_000_000);
    await expect(set(two, '12', 100, 104)).rejects.toMatchObject({ code: 'at_out_of_range' });
  });

  it('keeps the changes that are planned for later', async () => {
    await set(one, '10', 100, 500);
    expect(await set(one, '11', 101)).toMatchObject({ effectiveSecond: 101 });
    expect([await onDemandAt(499), await onDemandAt(500)]).toEqual([11_000_000, 10_000_000]);
  });

  it('in concurrent calls leaves a row for each, and the price of the last row', async () => {
    const answers = await atOnce(12, (i) => set(either(i), `${10 + i}`, 100 + (i % 5)));
    const rows = await one.db.gpuPrice.findMany({ where: pair(), orderBy: { id: 'asc' } });
    expect(rows).toHaveLength(12);
    // In the order of their recording, no second lies before the one before it.
    const seconds = rows.map(({ effectiveSecond }) => Number(effectiveSecond));
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
    expect([...seconds].sort()).toEqual(answers.map(({ effectiveSecond }) => effectiveSecond).sort());
    expect(await onDemandAt(200)).toBe(Number(rows.at(-1)?.onDemandMicros));
  });

  it('affects the teams with a running spot instance at the list price, and no other team', async () => {
    await set(one, '10', 0);
    const [a, b, c, d, e, f] = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => team(name, 50)));
    await running(b!, 50);
    await running(a!, 50);
    await running(a!, 50);
    await running(c!, 50, { pricing: 'on_demand' });
    await running(d!, 50, { region: 'us' });
    await running(e!, 50, { hourly: '1' });
    const ended = await running(f!, 50);
    await one.db.instance.update({ where: { id: ended }, data: { endSecond: 60, reason: 'stopped' } });
    expect(await set(one, '12', 100)).toEqual({ effectiveSecond: 100, teamIds: [a, b] });
  });

  it('takes effect no earlier than the last fact of a team that it re-prices', async () => {
    await set(one, '10', 0);
    const [ahead, behind] = [await team('ahead', 130), await team('behind', 90)];
    await running(ahead, 80);
    await running(behind, 80);
    await expect(set(one, '12', 100, 120)).rejects.toMatchObject({ code: 'at_out_of_range', param: 'effectiveFrom' });
    expect(await set(one, '12', 100)).toMatchObject({ effectiveSecond: 130 });
    expect(await set(one, '13', 100, 140)).toMatchObject({ effectiveSecond: 140 });
  });

  it('takes effect no earlier than a start that was charged the old list price', async () => {
    await set(one, '10', 0);
    const teamId = await team('t', 150);
    await running(teamId, 150, { pricing: 'on_demand' });
    await running(teamId, 170, { pricing: 'on_demand', hourly: '1' });
    await running(teamId, 180, { pricing: 'on_demand', region: 'us' });
    expect(await set(one, '12', 100)).toEqual({ effectiveSecond: 150, teamIds: [] });
  });

  it('waits for a start in progress, and is seen by a start that comes after', async () => {
    await set(one, '10', 0);
    const teamId = await team('t', 50);
    const changing = await inTransaction(one.db, async (tx) => {
      await lockGpuPrice(tx, pair(), 'shared');
      const change = set(two, '12', 100);
      const waiting = () => one.db.$queryRaw<unknown[]>`
        SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`;
      await expect.poll(waiting).toHaveLength(1);
      expect((await gpuPriceAt(tx, pair(), 110))?.onDemandMicros).toBe(10_000_000);
      const spec = { id: `${gpuType}-i`, teamId, project: null, ...pair(), pricing: 'spot' as const };
      const rest = { hourlyMicros: null, shedOrder: null, resumedFrom: null, requestHash: 'hash' };
      await writeTogether(tx, [instanceInsert({ ...spec, ...rest }, 110)]);
      return { change };
    });
    expect(await changing.change).toEqual({ effectiveSecond: 110, teamIds: [teamId] });
    const seen = await inTransaction(one.db, async (tx) => {
      await lockGpuPrice(tx, pair(), 'shared');
      return gpuPriceAt(tx, pair(), 110);
    });
    expect(seen?.onDemandMicros).toBe(12_000_000);
  });

  it('waits for a fact in progress of a team that it re-prices, and takes effect at or after that fact', async () => {
    await set(one, '10', 0);
    const teamId = await team('t', 50);
    await running(teamId, 50);
    const changing = await inTransaction(one.db, async (tx) => {
      await tx.$executeRaw`UPDATE accounts SET as_of_second = 140 WHERE team_id = ${teamId}`;
      const change = set(two, '12', 100);
      await pause(200);
      return { change };
    });
    expect(await changing.change).toEqual({ effectiveSecond: 140, teamIds: [teamId] });
  });

  it('of two regions at once causes no deadlock over the teams that run in both', async () => {
    await set(one, '10', 0);
    const ids = await atOnce(6, (i) => team(`t${i}`, 50));
    for (const id of ids) {
      await running(id, 50);
      await running(id, 50, { region: 'us' });
    }
    const change = (i: number) => ({
      price: priceOf('10', i % 2 === 0 ? 'eu' : 'us'),
      effectiveFromSecond: null,
      actor: 'me',
      nowSecond: 100,
    });
    const answers = await atOnce(8, (i) => either(i >> 1).ledger.changeGpuPrice(change(i)));
    for (const { teamIds } of answers) expect(teamIds).toEqual([...ids].sort());
  });
});

describe('a withdrawn GPU', () => {
  it('is no longer offered from that second, and its planned changes are withdrawn too', async () => {
    await set(one, '10', 100);
    await set(one, '11', 100, 300);
    await set(one, '12', 100, 400);
    expect(await withdraw(200)).toEqual({ effectiveSecond: 200, teamIds: [] });
    expect(await onDemandAt(199)).toBe(10_000_000);
    expect(await Promise.all([200, 300, 400, 10 ** 9].map(onDemandAt))).toEqual([null, null, null, null]);
    await set(one, '13', 200);
    expect(await onDemandAt(400)).toBeNull();
    expect(await onDemandAt(300 - 1)).toBe(13_000_000);
  });

  it('is refused a second withdrawal, and a withdrawal without a listing', async () => {
    await expect(withdraw(100)).rejects.toMatchObject({ code: 'not_found', param: 'gpuType' });
    await set(one, '10', 100, 300);
    await withdraw(150);
    await expect(withdraw(200)).rejects.toMatchObject({ code: 'not_found' });
    expect(await onDemandAt(300)).toBeNull();
  });

  it('is withdrawn once by concurrent calls', async () => {
    await set(one, '10', 100);
    const answers = await Promise.allSettled([1, 2, 3, 4].map(() => withdraw(200)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await one.db.gpuPrice.count({ where: pair() })).toBe(2);
  });
});

describe('a change of a model’s price', () => {
  const change = (desk: Desk, input: string, nowSecond: number, effectiveFromSecond: number | null = null) =>
    desk.ledger.changeModelPrice({
      price: { model, inputMicrosPerMillion: dollars(input), outputMicrosPerMillion: dollars('2') },
      effectiveFromSecond,
      actor: 'me',
      nowSecond,
    });
  const remove = (nowSecond: number) => one.ledger.withdrawModelPrice({ model, actor: 'me', nowSecond });
  const inputAt = async (second: number) => (await modelPriceAt(one.db, model, second))?.inputMicrosPerMillion ?? null;

  it('takes effect at its second, and leaves earlier seconds unchanged', async () => {
    expect(await change(one, '1', 100)).toBe(100);
    expect(await change(one, '3', 100, 200)).toBe(200);
    expect(await change(two, '2', 90)).toBe(100);
    expect(await Promise.all([99, 100, 199, 200].map(inputAt))).toEqual([null, 2_000_000, 2_000_000, 3_000_000]);
    expect(await remove(300)).toBe(300);
    expect(await Promise.all([299, 300].map(inputAt))).toEqual([3_000_000, null]);
  });

  it('is refused for a past second, an implausible amount, and a withdrawal of an unlisted model', async () => {
    await expect(remove(100)).rejects.toMatchObject({ code: 'not_found', param: 'model' });
    await expect(change(one, '1', 100, 99)).rejects.toMatchObject({ code: 'at_out_of_range', param: 'effectiveFrom' });
    await expect(change(one, '1000.01', 100)).rejects.toMatchObject({ code: 'amount_out_of_range', param: 'input' });
    expect(await one.db.modelPrice.count({ where: { model } })).toBe(0);
  });

  it('in concurrent calls leaves the price of the last call', async () => {
    await atOnce(10, (i) => change(either(i), `${i + 1}`, 100 + (i % 3)));
    const rows = await one.db.modelPrice.findMany({ where: { model }, orderBy: { id: 'asc' } });
    expect(rows).toHaveLength(10);
    expect(await inputAt(200)).toBe(Number(rows.at(-1)?.inputMicrosPerMillion));
  });
});
