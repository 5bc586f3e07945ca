/**
 * Tests payments whose process dies between the commit and the call to the engine, in the real engine with Stripe's
 * stand-in: two sweepers run at once, and each payment is made at the provider once.
 */
import { describe, expect, it } from 'vitest';
import type { StripeStandIn } from '../../embedded/stripe/index.ts';
import type { Engine } from '../../simulate/engine.ts';
import { createSweeper } from '../../worker/sweeper.ts';
import { workflowId } from '../../workflows/messages.ts';
import { wakeDepositWorkflow, wakeRefundWorkflow } from '../../workflows/signals.ts';
import { useEngine } from '../support/use-engine.ts';
import { aTeamAboutToBeCharged, dollars } from './charged-team.ts';

let standIn: StripeStandIn;
let engine: Engine;
let teamId: string;

useEngine(async (started, around) => {
  engine = started;
  ({ standIn } = around);
  teamId = await aTeamAboutToBeCharged(engine);
});

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const unused = async () => {
  throw new Error('nothing else is due');
};

/** A sweeper of a process of its own. */
const sweeper = () =>
  createSweeper({
    db: engine.db,
    deliver: {
      look: engine.wake.watch,
      instance: unused,
      reservation: unused,
      deposit: (deposit) => wakeDepositWorkflow(engine.client, deposit),
      refund: (refund) => wakeRefundWorkflow(engine.client, refund),
    },
    log: SILENT,
    nowMs: () => engine.clock.now * 1_000,
  });

/** Two processes sweep at once, once what is due has waited long enough. */
async function sweepTwice(): Promise<void> {
  await engine.clock.goTo(engine.clock.offset(engine.clock.now) + 5);
  await Promise.all([sweeper().sweep(), sweeper().sweep()]);
}

const credit = async () =>
  Number((await engine.db.account.findUniqueOrThrow({ where: { teamId } })).postedMicros) / 1_000_000;

/** Records a deposit by the team's card, as the api does. */
const record = (depositId: string) =>
  engine.ledger.recordDeposit(
    {
      ...{ depositId, teamId, kind: 'saved_card', amountMicros: dollars(50), paymentMethodId: 'pm_acme' },
      receivedSecond: engine.clock.now,
    },
    'test',
  );

const deposit = (id: string) => engine.db.deposit.findUniqueOrThrow({ where: { id } });
const chargesOf = (id: string) =>
  standIn.control.paymentIntents().filter(({ metadata }) => metadata.deposit === id && metadata.team === teamId);

describe('a deposit whose process died after the commit', () => {
  it('is charged and credited once, by any number of sweeps', async () => {
    const before = await credit();
    await record('kept');
    expect(chargesOf('kept')).toEqual([]);
    const handle = engine.client.workflow.getHandle(workflowId.deposit('kept'));
    await expect(handle.describe()).rejects.toThrow();
    await sweepTwice();
    await expect.poll(async () => (await deposit('kept')).status).toBe('succeeded');
    expect((await deposit('kept')).workflowDueSecond).toBeNull();
    await sweepTwice();
    // A sweeper that has read the row before it was seen delivers it after the workflow has ended.
    await expect.poll(async () => (await handle.describe()).status.name).toBe('COMPLETED');
    await wakeDepositWorkflow(engine.client, { depositId: 'kept', teamId, kind: 'saved_card' });
    await expect.poll(async () => (await handle.describe()).status.name).toBe('COMPLETED');
    expect(chargesOf('kept')).toMatchObject([{ amount: 5_000, status: 'succeeded' }]);
    expect(await credit()).toBe(before + 50);
  });
});

describe('a refund whose process died after the commit', () => {
  it('is sent once by the provider, by any number of sweeps', async () => {
    const depositId = 'refunded';
    await record(depositId);
    await sweepTwice();
    await expect.poll(async () => (await deposit(depositId)).status).toBe('succeeded');
    const before = await credit();
    const asked = { refundId: 'sent-once', depositId, teamId, amountMicros: dollars(20), actor: 'me' };
    await engine.ledger.takeRefund({ ...asked, receivedSecond: engine.clock.now }, 'test');
    expect(await credit()).toBe(before - 20);
    expect(standIn.control.refunds()).toEqual([]);
    const handle = engine.client.workflow.getHandle(workflowId.refund('sent-once'));
    await expect(handle.describe()).rejects.toThrow();
    await sweepTwice();
    const row = () => engine.db.refund.findUniqueOrThrow({ where: { id: 'sent-once' } });
    await expect.poll(async () => (await row()).status).toBe('succeeded');
    expect((await row()).workflowDueSecond).toBeNull();
    await sweepTwice();
    expect(standIn.control.refunds()).toMatchObject([{ amount: 2_000, metadata: { refund: 'sent-once' } }]);
    expect(await credit()).toBe(before - 20);
    expect(await engine.db.transfer.count({ where: { teamId, code: 'refund' } })).toBe(1);
  });
});
