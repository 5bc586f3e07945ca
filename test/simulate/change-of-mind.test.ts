/**
 * Tests later changes of refunds and disputes at the provider, through the real workflows, the real ledger and Stripe's
 * stand-in.
 */
import { describe, expect, it } from 'vitest';
import { disputeIdOf, foundRefundId } from '../../billing/ids.ts';
import type { StripeStandIn } from '../../embedded/stripe/index.ts';
import type { Engine } from '../../simulate/engine.ts';
import { lookAt } from '../../workflows/signals.ts';
import { useEngine } from '../support/use-engine.ts';
import { aTeamAboutToBeCharged, dollars, switchOn } from './charged-team.ts';

let standIn: StripeStandIn;
let engine: Engine;
let teamId: string;
let deposit: { id: string; stripeIntentId: string };

/** A team with $20 granted and $50 charged. */
useEngine(async (started, around) => {
  engine = started;
  ({ standIn } = around);
  teamId = await aTeamAboutToBeCharged(engine);
  await switchOn(engine, teamId);
  const row = await untilCredited();
  deposit = { id: row.id, stripeIntentId: row.stripeIntentId ?? '' };
  const off = {
    ...{ enabled: false, thresholdMicros: dollars(25), amountMicros: dollars(50) },
    ...{ paymentMethodId: 'pm_acme', monthlyCapMicros: null },
  };
  await engine.ledger.setPolicy({ teamId, policy: off, actor: 'a person', nowSecond: engine.clock.now }, 'test');
});

async function untilCredited() {
  for (let tries = 0; tries < 1200; tries += 1) {
    const row = await engine.db.deposit.findFirst({ where: { teamId, kind: 'auto_top_up', status: 'succeeded' } });
    if (row) return row;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the charge was not credited');
}

/** Credit, of it held, and debt, in dollars. */
async function balance() {
  const account = await engine.db.account.findUniqueOrThrow({ where: { teamId } });
  return [account.postedMicros, account.heldMicros, account.owedMicros].map((micros) => Number(micros) / 1_000_000);
}

describe('an operator’s refresh', () => {
  it('finds a refund that was made in the dashboard, returned by the bank, and then sent', async () => {
    const { id } = await engine.stripe.refunds.create({ payment_intent: deposit.stripeIntentId, amount: 1_000 });
    const of = { refundId: foundRefundId(id), teamId, depositId: deposit.id, stripeRefundId: id };
    const looked = async () => {
      await lookAt(engine.client).refund(of);
      return (await balance())[0];
    };
    expect(await looked()).toBe(60);
    standIn.control.settleRefund(id, 'failed');
    expect(await looked()).toBe(70);
    standIn.control.settleRefund(id, 'succeeded');
    expect(await looked()).toBe(60);
  });

  it('finds the current state of a dispute after each change of amount and decision, even after its workflow has ended', async () => {
    const { control } = standIn;
    const { id } = control.openDispute(deposit.stripeIntentId);
    const of = { disputeId: disputeIdOf(id), teamId, depositId: deposit.id, stripeDisputeId: id };
    const look = () => lookAt(engine.client).dispute(of);
    expect(await look()).toMatchObject({ state: 'open', heldMicros: 40_000_000 });
    control.changeDisputeAmount(id, 2_000);
    await look();
    expect(await balance()).toEqual([60, 20, 0]);
    control.decideDispute(id, 'lost');
    expect(await look()).toMatchObject({ state: 'lost' });
    expect(await balance()).toEqual([40, 0, 0]);
    control.decideDispute(id, 'won');
    expect(await look()).toMatchObject({ state: 'won' });
    expect(await balance()).toEqual([60, 0, 0]);
    await engine.client.workflow.getHandle(`dispute/${of.disputeId}`).terminate('as if forgotten');
    control.decideDispute(id, 'lost');
    expect(await look()).toMatchObject({ state: 'lost' });
    control.reopenDispute(id, 'under_review');
    expect(await look()).toMatchObject({ state: 'open' });
    expect(await balance()).toEqual([60, 20, 0]);
    control.decideDispute(id, 'won');
    await look();
    expect(await balance()).toEqual([60, 0, 0]);
    const rows = await engine.db.transfer.findMany({ where: { depositId: deposit.id }, orderBy: { id: 'asc' } });
    expect(rows.map(({ code }) => code)).toEqual([
      'auto_top_up',
      'refund',
      'refund_returned',
      'refund',
      'dispute_lost',
      'dispute_reinstated',
      'dispute_lost',
      'dispute_reinstated',
    ]);
  });
});
