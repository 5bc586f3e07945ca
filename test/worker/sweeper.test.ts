/**
 * Tests the sweeper, which delivers due work to the engine, with the teams in turns and with growing intervals between
 * repeats.
 */
import { beforeEach, expect, it, vi } from 'vitest';
import { termsOf } from '../../prisma/reservations.ts';
import { createSweeper, type Deliveries } from '../../worker/sweeper.ts';
import type { Office } from '../ledger/desk.ts';
import { useOffice } from '../support/use-office.ts';

let office: Office;
useOffice((opened) => {
  office = opened;
});

const log = { debug() {}, info() {}, warn: vi.fn(), error() {} };
let nowMs = 0;
let delivered: string[] = [];
const recording: Deliveries = {
  look: async (teamId) => void delivered.push(`look ${teamId}`),
  instance: async ({ instance }) => void delivered.push(`instance ${instance.id}`),
  reservation: async ({ reservation }) => void delivered.push(`reservation ${reservation.id}`),
  deposit: async ({ depositId, kind }) => void delivered.push(`deposit ${depositId} by ${kind}`),
  refund: async ({ refundId, depositId }) => void delivered.push(`refund ${refundId} of ${depositId}`),
};
const sweeperOf = (deliver: Partial<Deliveries> = {}) =>
  createSweeper({ db: office.one.db, deliver: { ...recording, ...deliver }, log, nowMs: () => nowMs });
const of = (team: string) => delivered.filter((what) => what.includes(team));

let teams = 0;
let team: string;
beforeEach(async () => {
  teams += 1;
  team = await office.one.team(`swept-${teams}`, '100');
  await office.one.lookAndTell(team, 0);
  delivered = [];
});
const start = (id: string, at: number, hourly = '0.01') => office.one.start({ teamId: team, id, hourly, at });

it('a sweep delivers a read and a start that have been due for three seconds, and nothing newer', async () => {
  await start(`${team}-a`, 100);
  const sweeper = sweeperOf();
  nowMs = 102_999;
  await sweeper.sweep();
  expect(of(team)).toEqual([]);
  nowMs = 103_000;
  await sweeper.sweep();
  expect(of(team).sort()).toEqual([`instance ${team}-a`, `look ${team}`]);
});

it('a sweep delivers nothing that a workflow has read', async () => {
  await start(`${team}-a`, 100);
  await office.one.settle(`${team}-a`, 101);
  await office.one.look(team, 101);
  nowMs = 200_000;
  await sweeperOf().sweep();
  expect(of(team)).toEqual([]);
});

it('a sweep wakes a watch that has not read ten seconds after the second of its timer', async () => {
  await start(`${team}-a`, 100);
  await office.one.settle(`${team}-a`, 101);
  const { next } = await office.one.look(team, 101);
  const plannedSecond = next?.second ?? 0;
  const sweeper = sweeperOf();
  nowMs = (plannedSecond + 10) * 1_000 - 1;
  await sweeper.sweep();
  expect(of(team)).toEqual([]);
  nowMs += 1;
  await sweeper.sweep();
  expect(of(team)).toEqual([`look ${team}`]);
  delivered = [];
  await office.one.lookAndTell(team, plannedSecond + 11);
  nowMs += 60_000;
  await sweeper.sweep();
  expect(of(team)).toEqual([]);
});

it('a sweep wakes the watch of a team with news that has waited for ten seconds, though no read is due', async () => {
  await start(`${team}-a`, 100);
  await office.one.settle(`${team}-a`, 101);
  await office.one.ledger.stopTeam({ teamId: team, project: null, nowSecond: 120 }, 'test');
  // The answer of this look is lost.
  await office.one.look(team, 120);
  await office.one.settle(`${team}-a`, 121);
  const sweeper = sweeperOf();
  nowMs = 129_999;
  await sweeper.sweep();
  expect(of(team)).toEqual([]);
  nowMs = 130_000;
  await sweeper.sweep();
  expect(of(team)).toEqual([`look ${team}`]);
  delivered = [];
  await office.one.lookAndTell(team, 131);
  nowMs = 200_000;
  await sweeper.sweep();
  expect(of(team)).toEqual([]);
});

it('sweeps deliver a reservation with its first term until its workflow has read it', async () => {
  const spec = { id: `${team}-r`, teamId: team, gpuType: `gpu-${team}`, region: 'eu', count: 1, term: '1m' as const };
  await office.one.list(spec.gpuType, '0.01', 100);
  const whole = { ...spec, renew: false, requestHash: 'hash' };
  const begun = await office.one.ledger.beginReservation({ spec: whole, receivedSecond: 100 }, 'test');
  await office.one.look(team, 100);
  const received: unknown[] = [];
  const deliver = { reservation: async (due: unknown) => void received.push(due) };
  nowMs = 103_000;
  await sweeperOf(deliver).sweep();
  const { closedSecond: _, ...firstTerm } = (await termsOf(office.one.db, [spec.id]))[0] ?? { closedSecond: null };
  expect(received).toMatchObject([{ reservation: begun.reservation, firstTerm }]);
  await office.one.settleReservation(spec.id, 104);
  nowMs = 200_000;
  await sweeperOf(deliver).sweep();
  expect(received).toHaveLength(1);
});

it('sweeps deliver a deposit until its workflow has read it', async () => {
  const depositId = `${team}-deposit`;
  await office.one.recordDeposit(team, '15', 100, depositId);
  nowMs = 103_000;
  await sweeperOf().sweep();
  expect(of(team)).toEqual([`deposit ${depositId} by saved_card`]);
  await office.one.ledger.getDepositOrder({ depositId });
  delivered = [];
  nowMs = 200_000;
  await sweeperOf().sweep();
  expect(of(team)).toEqual([]);
});

it('sweeps deliver a refund until its workflow has read it', async () => {
  const depositId = await office.one.deposit(team, '50', 100);
  const refundId = `${team}-refund`;
  const asked = { refundId, depositId, teamId: team, amountMicros: null, actor: 'me', receivedSecond: 100 };
  await office.one.ledger.takeRefund(asked, 'test');
  await office.one.lookAndTell(team, 100);
  nowMs = 103_000;
  await sweeperOf().sweep();
  expect(of(team)).toEqual([`refund ${refundId} of ${depositId}`]);
  await office.one.ledger.findRefundOrder({ refundId });
  delivered = [];
  nowMs = 200_000;
  await sweeperOf().sweep();
  expect(of(team)).toEqual([]);
});

it('sweeps repeat the delivery of unread work after 5, 10 and 20 seconds', async () => {
  await start(`${team}-a`, 100);
  await office.one.look(team, 100);
  const sweeper = sweeperOf();
  const deliveredAt: number[] = [];
  for (let second = 103; second < 145; second++) {
    nowMs = second * 1_000;
    delivered = [];
    await sweeper.sweep();
    if (of(team).length > 0) deliveredAt.push(second);
  }
  expect(deliveredAt).toEqual([103, 108, 118, 138]);
});

it('a sweep delivers a later fact at once while an earlier fact of the same team waits for its repeat', async () => {
  await start(`${team}-a`, 100);
  const sweeper = sweeperOf();
  nowMs = 103_000;
  await sweeper.sweep();
  await office.one.look(team, 103);
  // The planned look would be too late for the end of credit at this rate.
  await start(`${team}-b`, 104, '3600');
  delivered = [];
  nowMs = 107_000;
  await sweeper.sweep();
  expect(of(team).sort()).toEqual([`instance ${team}-b`, `look ${team}`]);
});

it('a sweep delivers the rest when the engine refuses a delivery, and the next sweep repeats the refused delivery', async () => {
  for (const id of ['a', 'b', 'c']) await start(`${team}-${id}`, 100);
  let isAway = true;
  const sweeper = sweeperOf({
    instance: async (started) => {
      if (isAway && started.instance.id === `${team}-b`) throw new Error('away');
      return recording.instance(started);
    },
  });
  nowMs = 103_000;
  expect((await sweeper.sweep()).failed).toBe(1);
  expect(of(team).sort()).toEqual([`instance ${team}-a`, `instance ${team}-c`, `look ${team}`]);
  isAway = false;
  delivered = [];
  nowMs = 104_000;
  await sweeper.sweep();
  expect(of(team)).toEqual([`instance ${team}-b`]);
});

it('a sweep takes one delivery of each team in turn, so that a team with many deliveries does not delay other teams', async () => {
  for (let n = 0; n < 60; n++) await start(`${team}-${n}`, 100);
  const other = await office.one.team(`small-${team}`, '100');
  await office.one.start({ teamId: other, id: `${other}-a`, hourly: '0.01', at: 100 });
  // The last of all by its second and its id.
  await office.one.look(team, 100);
  await office.one.lookAndTell(other, 100);
  nowMs = 103_000;
  await sweeperOf().sweep();
  const order = delivered.filter((what) => what.startsWith(`instance ${team}`) || what.includes(other));
  expect(order).toHaveLength(61);
  expect(order.indexOf(`instance ${other}-a`)).toBeLessThan(10);
});

it('the sweeper stops during a sweep without an error', async () => {
  await start(`${team}-a`, 100);
  nowMs = 103_000;
  const sweeper = sweeperOf({
    instance: async () => sweeper.stop(),
  });
  await sweeper.run();
  expect(log.warn.mock.calls.filter(([, message]) => String(message).includes('could not be read'))).toEqual([]);
});
