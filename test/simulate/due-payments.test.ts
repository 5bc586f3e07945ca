/**
 * Payments whose process dies between the commit and the call to the engine, in the real engine and with Stripe's stand-in:
 * with two sweepers at once, each is made at the provider, once.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { trialBalance } from '../../prisma/transfers.ts';
import { type Engine, startEngine } from '../../simulate/engine.ts';
import { type Surroundings, startSurroundings } from '../../simulate/surroundings.ts';
import { SCENARIO_TERMS } from '../../simulate/terms.ts';
import { createSweeper } from '../../worker/sweeper.ts';
import { workflowId } from '../../workflows/messages.ts';
import { wakeRefundWorkflow } from '../../workflows/telling.ts';
import { aTeamAboutToBeCharged, dollars, switchOn } from './charged-team.ts';

let surroundings: Surroundings;
let standIn: StripeStandIn;
let engine: Engine;
let teamId: string;

beforeAll(async () => {
  surroundings = await startSurroundings();
  standIn = await startStripeStandIn();
  engine = await startEngine(surroundings, { terms: SCENARIO_TERMS, standIn });
  teamId = await aTeamAboutToBeCharged(engine);
});
afterAll(async () => {
  expect(await trialBalance(engine.db)).toMatchObject({ balanced: true, differences: [] });
  await engine.close();
  await standIn.close();
  await surroundings.stop();
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
      look: engine.tell.watch,
      instance: unused,
      reservation: unused,
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

async function charged(): Promise<string> {
  await switchOn(engine, teamId);
  const find = () => engine.db.deposit.findFirst({ where: { teamId, kind: 'auto_top_up', status: 'succeeded' } });
  await expect.poll(find).not.toBeNull();
  const policy = {
    ...{ enabled: false, thresholdMicros: dollars(25), amountMicros: dollars(50) },
    ...{ paymentMethodId: 'pm_acme', monthlyCapMicros: null },
  };
  await engine.ledger.setPolicy({ teamId, policy, actor: 'a person', nowSecond: engine.clock.now }, 'test');
  return (await find())?.id ?? '';
}

describe('a refund whose process died after the commit', () => {
  it('is sent by the provider after a sweep, once, however often it is swept', async () => {
    const depositId = await charged();
    const before = await credit();
    const asked = { refundId: 'kept', depositId, teamId, amountMicros: dollars(20), actor: 'me' };
    await engine.ledger.takeRefund({ ...asked, receivedSecond: engine.clock.now }, 'test');
    expect(await credit()).toBe(before - 20);
    expect(standIn.control.refunds()).toEqual([]);
    const handle = engine.client.workflow.getHandle(workflowId.refund('kept'));
    await expect(handle.describe()).rejects.toThrow();
    await sweepTwice();
    const row = () => engine.db.refund.findUniqueOrThrow({ where: { id: 'kept' } });
    await expect.poll(async () => (await row()).status).toBe('succeeded');
    expect((await row()).workflowDueSecond).toBeNull();
    await sweepTwice();
    expect(standIn.control.refunds()).toMatchObject([{ amount: 2_000, metadata: { refund: 'kept' } }]);
    expect(await credit()).toBe(before - 20);
    expect(await engine.db.transfer.count({ where: { teamId, code: 'refund' } })).toBe(1);
  });
});
