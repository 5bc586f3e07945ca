/** Tests a spot instance that the platform reclaims, in skipped time through the real workflows. */
import { setTimeout as realTime } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { noticesOf } from '../../prisma/notices.ts';
import { trialBalance } from '../../prisma/transfers.ts';
import type { Engine } from '../../simulate/engine.ts';
import { workflowId } from '../../workflows/messages.ts';
import { useEngine } from '../support/use-engine.ts';
import { aTeam, changePrice, costOf, HOUR, priceOf, sawOf, start, untilQuiet } from './renting.ts';

let engine: Engine;
useEngine((started) => {
  engine = started;
});

/** Asked for without waiting for the result, which would let time pass. */
const statusOf = async (id: string): Promise<string> =>
  (await engine.client.workflow.getHandle(workflowId.instance(id)).describe()).status.name;

async function untilClosed(id: string): Promise<void> {
  for (let looks = 0; (await statusOf(id)) !== 'COMPLETED'; looks += 1) {
    if (looks > 1_500) throw new Error(`the workflow of ${id} goes on`);
    await realTime(20);
  }
}

async function announce(instanceId: string, reclaimSecond: number): Promise<void> {
  await engine.ledger.announceReclaim({ instanceId, reclaimSecond, nowSecond: engine.clock.now }, 'test');
  await engine.wake.watch('team');
}

it('a reclaimed instance and its workflow end at the last announced second, hours before the next settlement', async () => {
  const { clock, db } = engine;
  await clock.goTo(0);
  await changePrice(engine, priceOf('4', '1.234567', 0), null);
  await aTeam(engine, 'team', '50');
  await clock.goTo(60);
  for (const id of ['taken', 'kept']) await start(engine, { teamId: 'team', id, pricing: 'spot' });
  await clock.goTo(HOUR + 1);
  await announce('taken', clock.second(HOUR + 600));
  await clock.goTo(HOUR + 300);
  const reclaimAt = HOUR + 1_907;
  await announce('taken', clock.second(reclaimAt));

  await clock.goTo(reclaimAt - 1);
  expect(await statusOf('taken')).toBe('RUNNING');
  await clock.goTo(reclaimAt + 2);
  await untilClosed('taken');
  await untilQuiet(engine, 'team');
  // They settle every six hours.
  expect(clock.offset(clock.now)).toBeLessThan(reclaimAt + HOUR);
  expect(await statusOf('kept')).toBe('RUNNING');
  expect((await sawOf(engine, 'kept')).endedAt).toBeNull();

  const { endedAt, reason, segments } = await sawOf(engine, 'taken');
  expect([endedAt, reason]).toEqual([reclaimAt, 'spot_reclaimed']);
  expect(segments.map(({ rate, from, to, posted }) => ({ rate, from, to, posted }))).toEqual([
    { rate: 1_234_567, from: 60, to: reclaimAt, posted: costOf(1_234_567, reclaimAt - 60) },
  ]);
  const row = await db.instance.findUniqueOrThrow({ where: { id: 'taken' } });
  expect(row.terminatedConfirmedSecond).not.toBeNull();
  const reclaimNotices = (await noticesOf(db, 'team')).filter(({ kind }) => kind === 'spot_reclaim');
  expect(new Set(reclaimNotices.map(({ data }) => data.reclaimSecond))).toEqual(
    new Set([clock.second(HOUR + 600), clock.second(reclaimAt)]),
  );
  const usage = { instanceId: 'taken', code: 'instance_usage' };
  const { _sum } = await db.transfer.aggregate({ _sum: { amountMicros: true }, where: usage });
  expect(Number(_sum.amountMicros)).toBe(costOf(1_234_567, reclaimAt - 60));
  expect((await trialBalance(db)).balanced).toBe(true);
});
