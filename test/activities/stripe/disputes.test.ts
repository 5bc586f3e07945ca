/** Tests the reads of disputes at Stripe. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Disputes } from '../../../activities/providers.ts';
import { createStripe } from '../../../activities/stripe/client.ts';
import { createStripeDisputes } from '../../../activities/stripe/disputes.ts';
import { type StripeStandIn, startStripeStandIn } from '../../../embedded/stripe/index.ts';
import { insertDispute } from '../../../prisma/disputes.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { dollars, NOW, newDeposit, newTeam, SILENT } from '../fixtures.ts';

let database: TestDatabase;
let standIn: StripeStandIn;
let stripe: ReturnType<typeof createStripe>;
let disputes: Disputes;

beforeAll(async () => {
  [database, standIn] = await Promise.all([newDatabase(), startStripeStandIn()]);
  stripe = createStripe({ secretKey: 'sk_test_disputes', apiBase: standIn.url });
  disputes = createStripeDisputes({ stripe, db: database.db, log: SILENT });
});
afterAll(async () => {
  await standIn.close();
  await database.close();
});

/** A charge of $100 that is contested. Answers the dispute's id. */
async function contested(opening: Parameters<StripeStandIn['control']['openDispute']>[1] = {}): Promise<string> {
  const intent = await stripe.paymentIntents.create({
    amount: 10_000,
    currency: 'usd',
    payment_method: 'pm_card_visa',
    confirm: true,
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
  });
  return standIn.control.openDispute(intent.id, opening).id;
}

describe('a dispute at Stripe', () => {
  it('is open with its amount and the bank’s reason', async () => {
    const stripeDisputeId = await contested({ amount: 4000, reason: 'product_not_received' });
    expect(await disputes.fetchDispute({ stripeDisputeId })).toEqual({
      status: 'open',
      amountMicros: dollars(40),
      reason: 'product_not_received',
    });
  });

  it('stays open while evidence is reviewed', async () => {
    const stripeDisputeId = await contested();
    await stripe.disputes.update(stripeDisputeId, { evidence: { uncategorized_text: 'words' }, submit: true });
    expect(await disputes.fetchDispute({ stripeDisputeId })).toMatchObject({ status: 'open' });
  });

  it.each(['won', 'lost'] as const)('is %s after the bank has decided', async (outcome) => {
    const stripeDisputeId = await contested();
    standIn.control.closeDispute(stripeDisputeId, outcome);
    expect(await disputes.fetchDispute({ stripeDisputeId })).toMatchObject({ status: outcome });
  });

  it('that is only an inquiry holds nothing, and is withdrawn when the inquiry is closed', async () => {
    const stripeDisputeId = await contested({ inquiry: true });
    expect(await disputes.fetchDispute({ stripeDisputeId })).toMatchObject({ status: 'inquiry' });
    standIn.control.closeDispute(stripeDisputeId, 'won');
    expect(await disputes.fetchDispute({ stripeDisputeId })).toMatchObject({ status: 'withdrawn' });
  });

  it('is not decided by an outage, in which the activity fails and is retried', async () => {
    const stripeDisputeId = await contested();
    standIn.control.faults.beginOutage('error');
    await expect(disputes.fetchDispute({ stripeDisputeId })).rejects.toMatchObject({ type: 'stripe_unavailable' });
    standIn.control.faults.endOutage();
    expect(await disputes.fetchDispute({ stripeDisputeId })).toMatchObject({ status: 'open' });
  });
});

describe('a dispute that Stripe no longer has', () => {
  it('keeps its recorded state, so that its credit stays held', async () => {
    const stripeDisputeId = await contested();
    const { db } = database;
    const { id: teamId } = await newTeam(db);
    const depositId = await newDeposit(db, { teamId, kind: 'saved_card' });
    const row = { teamId, depositId, stripeDisputeId, reason: 'fraudulent', openedSecond: NOW };
    await insertDispute(db, { ...row, id: `disp_${stripeDisputeId}`, amountMicros: dollars(100) });
    standIn.control.forget(stripeDisputeId);
    expect(await disputes.fetchDispute({ stripeDisputeId })).toEqual({
      status: 'open',
      amountMicros: dollars(100),
      reason: 'fraudulent',
    });
  });

  it('and that was never recorded holds nothing', async () => {
    expect(await disputes.fetchDispute({ stripeDisputeId: 'du_nowhere' })).toMatchObject({ status: 'withdrawn' });
  });
});
