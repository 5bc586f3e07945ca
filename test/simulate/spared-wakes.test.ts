/**
 * Tests in the real engine that facts wake a watch only if it would read too late, and that a watch that was lost reads
 * again at its second.
 */
import { expect, it } from 'vitest';
import { micros } from '../../billing/money.ts';
import { machineOf } from '../../embedded/platform/event.ts';
import { dueLooks, FROM_THE_FIRST, overdueLooks } from '../../prisma/due-work.ts';
import { isSpared } from '../../prisma/look-marks.ts';
import { notedWake, notingRecords } from '../../prisma/recorded.ts';
import type { Engine } from '../../simulate/engine.ts';
import type { Surroundings } from '../../simulate/surroundings.ts';
import { createSweeper } from '../../worker/sweeper.ts';
import { workflowId } from '../../workflows/messages.ts';
import {
  inputOfStarted,
  startInstanceWorkflow,
  wakeDepositWorkflow,
  wakeInstanceWorkflow,
  wakeRefundWorkflow,
} from '../../workflows/signals.ts';
import { useEngineEach } from '../support/use-engine.ts';
import { aTeam, recordStart, sawOf, untilQuiet } from './renting.ts';

let surroundings: Surroundings;
let engine: Engine;
useEngineEach(async (started, shared) => {
  engine = started;
  surroundings = shared;
  await engine.clock.goTo(0);
});

/** Records a fact about the team, and wakes the watch as the api does. Answers whether the watch was woken. */
const asCall = (teamId: string, fact: () => Promise<unknown>): Promise<boolean> =>
  notingRecords(async () => {
    await fact();
    if (isSpared(notedWake(teamId))) return false;
    await engine.wake.watch(teamId);
    return true;
  });

const start = (teamId: string, id: string, hourly: string) =>
  asCall(teamId, async () => {
    const started = await recordStart(engine, { teamId, id, hourly });
    await startInstanceWorkflow(engine.client, inputOfStarted(started, 0), 'test');
  });
const stop = (teamId: string, instanceId: string) =>
  asCall(teamId, async () => {
    const order = { instanceId, reason: 'stopped' as const, nowSecond: engine.clock.now, platformAsked: true };
    await engine.ledger.stopInstance(order, 'test');
    await engine.wake.instance(instanceId);
  });

const watchOf = (teamId: string) => engine.client.workflow.getHandle(workflowId.balanceWatch(teamId));
/** Numbers of Temporal's `EventType`. */
const EVENT = { workflowTask: 7, timer: 17 };
async function countOf(teamId: string, type: number): Promise<number> {
  const { events = [] } = await watchOf(teamId).fetchHistory();
  return (events ?? []).filter(({ eventType }) => eventType === type).length;
}
const isDue = async (teamId: string) =>
  (await dueLooks(engine.db, 2 ** 40, FROM_THE_FIRST, 100)).some((due) => due.teamId === teamId);
const plannedOf = async (teamId: string) =>
  (await overdueLooks(engine.db, 2 ** 40, FROM_THE_FIRST, 100)).find((due) => due.teamId === teamId)?.dueSecond;

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const sweeper = () =>
  createSweeper({
    db: engine.db,
    deliver: {
      look: engine.wake.watch,
      instance: (started) => wakeInstanceWorkflow(engine.client, inputOfStarted(started, 0)),
      reservation: async () => {},
      deposit: (deposit) => wakeDepositWorkflow(engine.client, deposit),
      refund: (refund) => wakeRefundWorkflow(engine.client, refund),
    },
    log: SILENT,
    nowMs: () => engine.clock.now * 1_000,
  });

it('five instances that start and stop one after the other wake the watch once, and it uses no further workflow task', async () => {
  await aTeam(engine, 'busy', '100');
  expect(await start('busy', 'i-0', '1')).toBe(true);
  await expect.poll(() => countOf('busy', EVENT.timer), { timeout: 30_000 }).toBe(1);
  const before = await countOf('busy', EVENT.workflowTask);
  const planned = await plannedOf('busy');
  const woken: boolean[] = [];
  for (let n = 1; n <= 5; n += 1) {
    await engine.clock.goTo(n * 10);
    woken.push(await stop('busy', `i-${n - 1}`), await start('busy', `i-${n}`, '1'));
  }
  expect(woken).toEqual(Array.from({ length: 10 }, () => false));
  expect(await isDue('busy')).toBe(false);
  expect(await countOf('busy', EVENT.workflowTask)).toBe(before);
  expect(await plannedOf('busy')).toBe(planned);
  // A second instance halves the time that is left, and the watch reads halfway in any case.
  expect(await start('busy', 'second', '1')).toBe(false);
  expect(await start('busy', 'third', '1')).toBe(true);
});

it('a watch that is not woken by starts of a growing team reads halfway, and credit ends at its second', async () => {
  await aTeam(engine, 'growing', '100');
  expect(await start('growing', 'g-0', '180')).toBe(true);
  await expect.poll(() => isDue('growing'), { timeout: 30_000 }).toBe(false);
  const halfway = engine.clock.offset((await plannedOf('growing')) ?? 0);
  await engine.clock.goTo(20);
  expect(await start('growing', 'g-1', '90')).toBe(false);
  await engine.clock.goTo(halfway + 5);
  const planned = async () => engine.clock.offset((await plannedOf('growing')) ?? 0);
  await expect.poll(planned, { timeout: 30_000 }).toBeGreaterThan(halfway);
  await engine.clock.goTo(3_000);
  // $0.05 a second for 20 s are $1; $0.075 a second use $99 in 1,320 s.
  const ended = { endedAt: 1_340, reason: 'out_of_credits' };
  const seen = async () => [await sawOf(engine, 'g-0'), await sawOf(engine, 'g-1')];
  await expect.poll(seen, { timeout: 30_000 }).toMatchObject([ended, ended]);
});

it('a watch whose timer fires before the next crossing reads once and sleeps until the crossing, and credit ends at its second', async () => {
  await aTeam(engine, 'early', '10');
  await start('early', 'first', '3600');
  await expect.poll(() => isDue('early'), { timeout: 30_000 }).toBe(false);
  await engine.clock.goTo(2);
  await expect.poll(async () => engine.clock.offset((await plannedOf('early')) ?? 0), { timeout: 30_000 }).toBe(10);
  const grant = { teamId: 'early', grantId: 'g', amountMicros: micros(90_000_000), note: 'more' };
  const granted = asCall('early', () => engine.ledger.grant({ ...grant, nowSecond: engine.clock.now }, 'test'));
  expect(await granted).toBe(false);
  await engine.clock.goTo(200);
  await untilQuiet(engine, 'early');
  expect(await sawOf(engine, 'first')).toMatchObject({ endedAt: 100, reason: 'out_of_credits' });
});

it('a watch that is gone is started by a sweep ten seconds after its second, and credit ends at its second', async () => {
  await aTeam(engine, 'lost', '100');
  const started = await recordStart(engine, { teamId: 'lost', id: 'runs-dry', hourly: '3600' });
  await startInstanceWorkflow(engine.client, inputOfStarted(started, 0), 'test');
  // The read of a watch that ends before it sets the timer.
  await engine.ledger.lookAhead({ teamId: 'lost', nowSecond: engine.clock.now }, 'test');
  expect(await isDue('lost')).toBe(false);
  const planned = engine.clock.offset((await plannedOf('lost')) ?? 0);
  await engine.clock.goTo(planned + 9);
  await sweeper().sweep();
  await expect(watchOf('lost').describe()).rejects.toThrow();
  await engine.clock.goTo(planned + 10);
  await sweeper().sweep();
  expect((await watchOf('lost').describe()).status.name).toBe('RUNNING');
  await engine.clock.goTo(160);
  await untilQuiet(engine, 'lost');
  expect(await sawOf(engine, 'runs-dry')).toMatchObject({ endedAt: 100, reason: 'out_of_credits' });
  await expect
    .poll(
      () =>
        surroundings.platform
          .events()
          .filter((event) => event.type === 'instance.terminate' && machineOf(event) === 'runs-dry').length,
      { timeout: 30_000 },
    )
    .toBe(1);
});
