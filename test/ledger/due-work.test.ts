/**
 * Tests the due marks: a fact marks the work that a workflow must do, in its own transaction, and the read of the
 * workflow clears the mark.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { micros } from '../../billing/money.ts';
import {
  dueDeposits,
  dueInstances,
  dueLooks,
  dueRefunds,
  dueReservations,
  FROM_THE_FIRST,
  overdueLooks,
  paymentsWait,
  runsUnwatched,
} from '../../prisma/due-work.ts';
import { makeDefault, savePaymentMethod } from '../../prisma/payment-methods.ts';
import { useOffice } from '../support/use-office.ts';
import { type Office, usageEvent } from './desk.ts';

let office: Office;
let team: string;
let teams = 0;
useOffice((opened) => {
  office = opened;
});
beforeEach(async () => {
  teams += 1;
  team = await office.one.team(`due-${teams}`, '100');
  await office.one.look(team, 0);
});

const FAR_AHEAD = 2 ** 40;
const looks = async (throughSecond = FAR_AHEAD) =>
  (await dueLooks(office.one.db, throughSecond, FROM_THE_FIRST, 1_000))
    .filter(({ teamId }) => teamId === team)
    .map(({ dueSecond }) => dueSecond);
/** The second until which the watch sleeps. */
const planned = async () =>
  (await overdueLooks(office.one.db, FAR_AHEAD, FROM_THE_FIRST, 1_000))
    .filter(({ teamId }) => teamId === team)
    .map(({ dueSecond }) => dueSecond);
const instances = async (throughSecond = FAR_AHEAD) =>
  (await dueInstances(office.one.db, throughSecond, FROM_THE_FIRST, 1_000))
    .filter(({ instance }) => instance.teamId === team)
    .map(({ instance, dueSecond }) => [instance.id, dueSecond]);
const start = (id: string, at: number, hourly = '3.6') => office.one.start({ teamId: team, id, hourly, at });

describe('the read of a team’s watch', () => {
  it('is due since the first fact that the watch has not read, and not earlier', async () => {
    expect(await looks()).toEqual([]);
    await start(`${team}-a`, 10);
    await start(`${team}-b`, 20);
    expect(await looks()).toEqual([10]);
    expect(await looks(9)).toEqual([]);
  });

  it('is no longer due after the watch has read, until a fact that brings the next crossing before the planned read', async () => {
    await start(`${team}-a`, 10);
    const { next, crossing } = await office.one.look(team, 11);
    expect(await looks()).toEqual([]);
    expect(next).toEqual({ second: 11 + Math.floor(((crossing?.second ?? 0) - 11) / 2), what: 'halfway' });
    expect(await planned()).toEqual([next?.second]);
    await start(`${team}-b`, 12);
    expect(await looks()).toEqual([]);
    await start(`${team}-c`, 13);
    expect(await looks()).toEqual([13]);
  });

  it('is planned halfway to a distant crossing each time, and at the crossing once it is near', async () => {
    await start(`${team}-a`, 10);
    const seen: Array<[number, string]> = [];
    for (let at = 10; seen.at(-1)?.[1] !== 'low'; ) {
      const { next } = await office.one.look(team, at);
      if (next === null || seen.length > 20) throw new Error('the credit comes to no low level');
      seen.push([next.second, next.what]);
      at = next.second;
    }
    const low = seen.at(-1)?.[0] ?? 0;
    expect(seen.slice(0, -1)).toEqual(seen.slice(0, -1).map(([second]) => [second, 'halfway']));
    const ahead = [10, ...seen.map(([second]) => second)].slice(0, -1).map((second) => low - second);
    for (const [i, seconds] of ahead.slice(1).entries()) expect(seconds).toBe(Math.ceil((ahead[i] ?? 0) / 2));
    expect(ahead.at(-1)).toBeLessThan(600);
    expect(ahead.at(-2)).toBeGreaterThanOrEqual(600);
  });

  it('is not due after a stop or a start that only put the next crossing off', async () => {
    await start(`${team}-a`, 10);
    await start(`${team}-b`, 10);
    await office.one.look(team, 11);
    const before = await planned();
    await office.one.stop(`${team}-a`, 12);
    await start(`${team}-c`, 13, '1.8');
    expect(await looks()).toEqual([]);
    expect(await planned()).toEqual(before);
    await start(`${team}-d`, 14, '36');
    expect(await looks()).toEqual([14]);
  });

  it('is due after usage that one statement writes, and after a hold, where these bring the next crossing forward', async () => {
    await office.one.useAll([usageEvent(team, 'e1', 1_000)], 30);
    await office.one.price(`model-${team}`, '1', 31);
    expect(await looks()).toEqual([]);
    await office.one.hold(team, `hold-${team}`, `model-${team}`, 1_000, 32);
    expect(await looks()).toEqual([32]);
    await office.one.look(team, 33);
    await office.one.hold(team, `longer-${team}`, `model-${team}`, 1_000, 34);
    expect(await looks()).toEqual([]);
    await start(`${team}-a`, 35, '3600');
    await office.one.look(team, 35);
    await office.one.useAll([usageEvent(team, 'e2', 20_000_000)], 36);
    expect(await looks()).toEqual([36]);
  });

  it('is due after a saved card and another default, because the watch announces when the default card expires', async () => {
    const card = (id: string) => ({
      ...{ id, teamId: team, stripePaymentMethodId: `pm_${id}`, brand: 'visa', last4: '4242', expMonth: 12 },
      ...{ expYear: 2099, fingerprint: null, createdSecond: 40 },
    });
    await savePaymentMethod(office.one.db, card(`${team}-1`));
    expect(await looks()).toEqual([40]);
    await office.one.look(team, 41);
    await savePaymentMethod(office.one.db, card(`${team}-2`));
    expect(await looks()).toEqual([]);
    await makeDefault(office.one.db, team, `${team}-2`, 42);
    expect(await looks()).toEqual([42]);
  });

  it('is not due after a settlement without anything to announce', async () => {
    await start(`${team}-a`, 10);
    await office.one.look(team, 10);
    await office.one.settle(`${team}-a`, 20);
    expect(await looks()).toEqual([]);
  });

  it('is due after a settlement that finds the end of credit', async () => {
    await start(`${team}-a`, 10, '3600');
    await office.one.look(team, 10);
    expect(await office.one.settle(`${team}-a`, 200)).toMatchObject({ status: 'ended', watchMustKnow: true });
    expect(await looks()).toHaveLength(1);
  });

  it('is not due after a refused call', async () => {
    const poor = await office.one.team(`poor-${team}`);
    const refused = office.one.start({ teamId: poor, id: `${poor}-a`, hourly: '1', at: 10 });
    expect(await refused).toMatchObject({ status: 'refused', code: 'insufficient_credit' });
    team = poor;
    expect(await looks()).toEqual([]);
    expect(await instances()).toEqual([]);
  });
});

describe('the workflow of an instance', () => {
  it('is due from the start until its first settlement', async () => {
    await start(`${team}-a`, 10);
    expect(await instances()).toEqual([[`${team}-a`, 10]]);
    expect(await instances(9)).toEqual([]);
    await office.one.settle(`${team}-a`, 11);
    expect(await instances()).toEqual([]);
  });

  it('is due from the end until it has read the end, whichever act recorded it', async () => {
    for (const id of ['stopped', 'dry'])
      await start(`${team}-${id}`, 10, '1.8').then(() => office.one.settle(`${team}-${id}`, 10));
    await office.one.stop(`${team}-stopped`, 20);
    expect(await instances()).toEqual([[`${team}-stopped`, 20]]);
    await office.one.look(team, 10_000_000);
    const due = await instances();
    expect(due.map(([id]) => id).sort()).toEqual([`${team}-dry`, `${team}-stopped`]);
    for (const [id] of due) await office.one.settle(String(id), 10_000_000);
    expect(await instances()).toEqual([]);
  });

  it('that starts and ends before a settlement is due since the start', async () => {
    await start(`${team}-a`, 10);
    await office.one.stop(`${team}-a`, 20);
    expect(await instances()).toEqual([[`${team}-a`, 10]]);
  });

  it('is due only for its own team, and only while the instance runs', async () => {
    const other = await office.one.team(`other-of-${team}`, '100');
    await start(`${team}-a`, 10);
    expect(await runsUnwatched(office.one.db, team, 10)).toBe(true);
    expect(await runsUnwatched(office.one.db, team, 9)).toBe(false);
    expect(await runsUnwatched(office.one.db, other, 10)).toBe(false);
    await office.one.stop(`${team}-a`, 20);
    expect(await runsUnwatched(office.one.db, team, 30)).toBe(false);
  });
});

describe('the workflow of a reservation', () => {
  const reservations = async (throughSecond = FAR_AHEAD) =>
    (await dueReservations(office.one.db, throughSecond, FROM_THE_FIRST, 1_000))
      .filter(({ reservation }) => reservation.teamId === team)
      .map(({ reservation, firstTerm, dueSecond }) => [reservation.id, firstTerm.termNumber, dueSecond]);
  const begin = async (at: number) => {
    const spec = { ...{ id: `${team}-r`, teamId: team, gpuType: `gpu-${team}`, region: 'eu', count: 1 } };
    await office.one.list(spec.gpuType, '0.01', at);
    const whole = { ...spec, term: '1m' as const, renew: false, requestHash: 'hash' };
    return office.one.ledger.beginReservation({ spec: whole, receivedSecond: at }, 'test');
  };

  it('is due from the beginning until its first settlement', async () => {
    await begin(10);
    expect(await reservations()).toEqual([[`${team}-r`, 1, 10]]);
    expect(await reservations(9)).toEqual([]);
    await office.one.settleReservation(`${team}-r`, 11);
    expect(await reservations()).toEqual([]);
  });

  it('is due from a change of the renewal until it has read the change', async () => {
    await begin(10);
    await office.one.settleReservation(`${team}-r`, 11);
    await office.one.renew(`${team}-r`, true, 20);
    await office.one.renew(`${team}-r`, false, 30);
    expect(await reservations()).toEqual([[`${team}-r`, 1, 20]]);
    await office.one.settleReservation(`${team}-r`, 31);
    expect(await reservations()).toEqual([]);
  });
});

describe('the workflow of a deposit', () => {
  const deposits = async (throughSecond = FAR_AHEAD) =>
    (await dueDeposits(office.one.db, throughSecond, FROM_THE_FIRST, 1_000)).filter(({ teamId }) => teamId === team);

  it('is due from the second at which the deposit is recorded until its first read', async () => {
    const depositId = `dep-${team}`;
    await office.one.recordDeposit(team, '15', 10, depositId);
    const due = { depositId, teamId: team, kind: 'saved_card', dueSecond: 10 };
    expect(await deposits()).toEqual([due]);
    expect(await deposits(9)).toEqual([]);
    expect(await paymentsWait(office.one.db, team, 10)).toBe(true);
    expect(await paymentsWait(office.one.db, team, 9)).toBe(false);
    await office.one.recordDeposit(team, '15', 20, depositId);
    expect(await deposits()).toEqual([due]);
    expect(await office.one.ledger.getDepositOrder({ depositId })).toMatchObject({ depositId, status: 'pending' });
    expect(await deposits()).toEqual([]);
    expect(await paymentsWait(office.one.db, team, 10)).toBe(false);
    await office.one.recordDeposit(team, '15', 30, depositId);
    expect(await deposits()).toEqual([]);
  });

  it('is not due for a deposit that a workflow has opened', async () => {
    await office.one.openDeposit(team, '15', 10, `dep-${team}`);
    expect(await deposits()).toEqual([]);
  });
});

describe('the workflow of a refund', () => {
  const refunds = async (throughSecond = FAR_AHEAD) =>
    (await dueRefunds(office.one.db, throughSecond, FROM_THE_FIRST, 1_000)).filter(({ teamId }) => teamId === team);

  it('is due from the second at which the credit is taken until its first read', async () => {
    const depositId = await office.one.deposit(team, '50', 5);
    const refundId = `ref-${team}`;
    const asked = { refundId, depositId, teamId: team, amountMicros: micros(1_000_000), actor: 'me' };
    await office.one.ledger.takeRefund({ ...asked, receivedSecond: 10 }, 'test');
    expect(await refunds()).toEqual([{ refundId, teamId: team, depositId, dueSecond: 10 }]);
    expect(await refunds(9)).toEqual([]);
    expect(await paymentsWait(office.one.db, team, 10)).toBe(true);
    expect(await paymentsWait(office.one.db, team, 9)).toBe(false);
    expect(await paymentsWait(office.one.db, `no-${team}`, 10)).toBe(false);
    expect(await office.one.ledger.findRefundOrder({ refundId })).toMatchObject({ refundId, status: 'pending' });
    expect(await refunds()).toEqual([]);
    expect(await paymentsWait(office.one.db, team, 10)).toBe(false);
  });

  it('is not due for a refund that was found at the provider, because its workflow is already running', async () => {
    const depositId = await office.one.deposit(team, '50', 5);
    await office.one.foundRefund(depositId, '10', 10, `re_${team}`);
    expect(await refunds()).toEqual([]);
  });
});
