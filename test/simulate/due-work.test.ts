/**
 * Tests starts whose process dies between the commit and the call to the engine, in the real engine. Two sweepers run
 * at once: each instance has a workflow, whatever happens before the workflow exists, and no effect is repeated.
 */
import { describe, expect, it } from 'vitest';
import { machineOf } from '../../embedded/platform/event.ts';
import type { Engine } from '../../simulate/engine.ts';
import type { Surroundings } from '../../simulate/surroundings.ts';
import { createSweeper } from '../../worker/sweeper.ts';
import { workflowId } from '../../workflows/messages.ts';
import {
  inputOfBegun,
  inputOfStarted,
  startInstanceWorkflow,
  startReservationWorkflow,
  wakeDepositWorkflow,
  wakeInstanceWorkflow,
  wakeRefundWorkflow,
  wakeReservationWorkflow,
} from '../../workflows/signals.ts';
import { mulberry32 } from '../oracle/random-scenario.ts';
import { useEngineEach } from '../support/use-engine.ts';
import { aTeam, changePrice, PAIR, priceOf, recordStart } from './renting.ts';

let surroundings: Surroundings;
let engine: Engine;
useEngineEach(async (started, shared) => {
  engine = started;
  surroundings = shared;
  await engine.clock.goTo(0);
});

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Records a start, as the api does. */
const start = (teamId: string, id: string, hourly: string) => recordStart(engine, { teamId, id, hourly });

const stop = (instanceId: string, platformAsked: boolean) =>
  engine.ledger.stopInstance({ instanceId, reason: 'stopped', nowSecond: engine.clock.now, platformAsked }, 'test');

/** A sweeper of a process of its own, by the scenario's clock. */
const sweeper = () =>
  createSweeper({
    db: engine.db,
    deliver: {
      look: engine.wake.watch,
      instance: (started) => wakeInstanceWorkflow(engine.client, inputOfStarted(started, 0)),
      reservation: (begun) => wakeReservationWorkflow(engine.client, inputOfBegun(begun, 0)),
      deposit: (deposit) => wakeDepositWorkflow(engine.client, deposit),
      refund: (refund) => wakeRefundWorkflow(engine.client, refund),
    },
    log: SILENT,
    nowMs: () => engine.clock.now * 1_000,
  });

/** Sweeps by two processes at once until nothing is due, and answers what stays due. */
async function sweepUntilSeen(): Promise<unknown[]> {
  const [one, another] = [sweeper(), sweeper()];
  const where = { workflowDueSecond: { not: null } };
  const due = async () => [
    ...(await engine.db.instance.findMany({ where, select: { id: true, endSecond: true } })),
    ...(await engine.db.reservation.findMany({ where, select: { id: true, endedSecond: true } })),
    ...(await engine.db.refund.findMany({ where, select: { id: true, status: true } })),
  ];
  const deadline = Date.now() + 120_000;
  for (let left = await due(); ; left = await due()) {
    if (left.length === 0 || Date.now() > deadline) return left;
    await Promise.all([one.sweep(), another.sweep()]);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** How often the platform was asked to stop a machine. */
const stopOrders = (instanceId: string) =>
  surroundings.platform
    .events()
    .filter((event) => event.type === 'instance.terminate' && machineOf(event) === instanceId).length;

const statusOf = async (instanceId: string) =>
  (await engine.client.workflow.getHandle(workflowId.instance(instanceId)).describe()).status.name;

describe('an instance whose process died after the commit', () => {
  it('has its workflow after a sweep', async () => {
    await aTeam(engine, 'acme', '100');
    await start('acme', 'kept', '1');
    await expect(statusOf('kept')).rejects.toThrow();
    await engine.clock.goTo(5);
    expect(await sweepUntilSeen()).toEqual([]);
    expect(await statusOf('kept')).toBe('RUNNING');
  });

  it('and that the platform stopped before the sweep has a workflow that completes at once, without a stop order', async () => {
    await aTeam(engine, 'acme', '100');
    await start('acme', 'stopped', '1');
    await stop('stopped', true);
    await engine.clock.goTo(5);
    expect(await sweepUntilSeen()).toEqual([]);
    await expect.poll(() => statusOf('stopped')).toBe('COMPLETED');
    expect(stopOrders('stopped')).toBe(0);
  });

  it('and whose credit ended before the sweep has its machine stopped once', async () => {
    await aTeam(engine, 'acme', '10');
    await start('acme', 'dry', '3600');
    await engine.clock.goTo(60);
    await engine.wake.watch('acme');
    expect(await sweepUntilSeen()).toEqual([]);
    await expect.poll(() => statusOf('dry')).toBe('COMPLETED');
    expect(stopOrders('dry')).toBe(1);
    const row = await engine.db.instance.findUniqueOrThrow({ where: { id: 'dry' } });
    expect(row).toMatchObject({ reason: 'out_of_credits' });
    expect(row.terminatedConfirmedSecond).not.toBeNull();
  });
});

describe('a reservation whose process died after the commit', () => {
  const statusOfReservation = async (id: string) =>
    (await engine.client.workflow.getHandle(workflowId.reservation(id)).describe()).status.name;
  const begin = async (id: string) => {
    await changePrice(engine, priceOf('2', '1', engine.clock.now), null);
    const spec = { id, teamId: 'acme', ...PAIR, count: 1, term: '1m' as const, renew: false, requestHash: id };
    return engine.ledger.beginReservation({ spec, receivedSecond: engine.clock.now }, 'test');
  };

  it('has one workflow after the sweeps of two processes, which runs to the end of the term', async () => {
    await aTeam(engine, 'acme', '5000');
    const { firstTerm } = await begin('kept');
    await expect(statusOfReservation('kept')).rejects.toThrow();
    await engine.clock.goTo(5);
    expect(await sweepUntilSeen()).toEqual([]);
    expect(await statusOfReservation('kept')).toBe('RUNNING');
    await engine.clock.goTo(engine.clock.offset(firstTerm.endSecond) + 60);
    await expect.poll(() => statusOfReservation('kept')).toBe('COMPLETED');
    const receipt = await engine.client.workflow.getHandle(workflowId.reservation('kept')).result();
    expect(receipt).toMatchObject({ how: 'ended', terms: 1, endSecond: firstTerm.endSecond });
  });

  it('and that the engine received too has a workflow that runs once', async () => {
    await aTeam(engine, 'acme', '5000');
    const begun = await begin('both');
    await startReservationWorkflow(engine.client, inputOfBegun(begun, 0), 'test');
    const { runId } = await engine.client.workflow.getHandle(workflowId.reservation('both')).describe();
    await engine.clock.goTo(5);
    expect(await sweepUntilSeen()).toEqual([]);
    await wakeReservationWorkflow(engine.client, inputOfBegun(begun, 0));
    const described = await engine.client.workflow.getHandle(workflowId.reservation('both')).describe();
    expect([described.runId, described.status.name]).toEqual([runId, 'RUNNING']);
  });
});

describe('random starts, each received by the engine never, once or twice,', () => {
  it('each have one workflow that has read them, and each machine without credit is stopped once', async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    const random = mulberry32(seed);
    const among = (count: number) => random.int(0, count - 1);
    const fates = new Map<string, 'runs' | 'stopped' | 'operator' | 'dry'>();
    for (let n = 0; n < 6; n++) await aTeam(engine, `team-${n}`, n < 3 ? '1000' : '10');
    for (let n = 0; n < 40; n++) {
      const of = among(6);
      const id = `r${n}`;
      const rate = of < 3 ? '1' : '600';
      const started = await start(`team-${of}`, id, rate).catch(() => null);
      if (!started) continue;
      const input = inputOfStarted(started, 0);
      const given = among(3);
      for (let times = 0; times < given; times++) await startInstanceWorkflow(engine.client, input, 'test');
      if (of < 3 && among(3) === 0) {
        const byPlatform = among(2) === 0;
        await stop(id, byPlatform);
        if (given > 0 && among(2) === 0) await engine.wake.instance(id);
        fates.set(id, byPlatform ? 'stopped' : 'operator');
      } else fates.set(id, of < 3 ? 'runs' : 'dry');
    }
    await engine.clock.goTo(120);
    for (let n = 0; n < 6; n++) await engine.wake.watch(`team-${n}`);
    const about = `seed ${seed}`;
    expect(await sweepUntilSeen(), about).toEqual([]);
    for (const [id, fate] of fates) {
      const ended = fate === 'runs' ? 'RUNNING' : 'COMPLETED';
      await expect.poll(() => statusOf(id), { message: `${id} ${fate}, ${about}` }).toBe(ended);
      expect(stopOrders(id), `${id} ${fate}, ${about}`).toBe(fate === 'dry' || fate === 'operator' ? 1 : 0);
    }
  });
});
