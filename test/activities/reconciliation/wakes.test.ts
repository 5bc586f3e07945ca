/** Tests that the nightly comparison wakes the workflows that correct its differences, for each class of difference. */
import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Payments } from '../../../activities/providers.ts';
import { createReconciler, type Reconciler } from '../../../activities/reconciliation/reconcile.ts';
import { wakeForDifferences } from '../../../activities/reconciliation/wakes.ts';
import { createStripeBooks } from '../../../activities/stripe/books.ts';
import { type Cards, createCards } from '../../../activities/stripe/cards.ts';
import { createStripe } from '../../../activities/stripe/client.ts';
import { createStripeDisputes } from '../../../activities/stripe/disputes.ts';
import { createStripePayments } from '../../../activities/stripe/payments.ts';
import { createStripeRefunds } from '../../../activities/stripe/refunds.ts';
import type { WorkflowWakes } from '../../../activities/world.ts';
import { disputeIdOf } from '../../../billing/ids.ts';
import { type StripeStandIn, startStripeStandIn } from '../../../embedded/stripe/index.ts';
import { createLedger, type Ledger } from '../../../ledger/index.ts';
import { updateDeposit } from '../../../prisma/deposits.ts';
import { trialBalance } from '../../../prisma/transfers.ts';
import { SETTINGS } from '../../ledger/desk.ts';
import { untilAnswered } from '../../support/activity.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { NOW, newDeposit, newTeam, SILENT, saveCard } from '../fixtures.ts';

const DAY = 86_400;
const STARTS = NOW - (NOW % DAY);
const nameOf = (second: number) => new Date(second * 1000).toISOString().slice(0, 10);

let database: TestDatabase;
let standIn: StripeStandIn;
let stripe: Stripe;
let cards: Cards;
let payments: Payments;
let ledger: Ledger;
let reconciler: Reconciler;
let mend: (day: string) => Promise<string[]>;
/** Stripe's clock. */
let second = STARTS + DAY / 2;

beforeAll(async () => {
  [database, standIn] = await Promise.all([newDatabase(), startStripeStandIn({ now: () => second * 1000 })]);
  const { db } = database;
  stripe = createStripe({ secretKey: 'sk_test_wakes', apiBase: standIn.url, timeoutMs: 20_000 });
  cards = createCards({ stripe, db, publicUrl: 'https://burnrate.test', log: SILENT });
  payments = createStripePayments({
    stripe,
    db,
    publicUrl: 'https://burnrate.test',
    brandName: 'Burnrate',
    log: SILENT,
  });
  ledger = createLedger({ db, settings: SETTINGS });
  reconciler = createReconciler({ db, books: [createStripeBooks(stripe)], log: SILENT });
  mend = mending();
});
afterAll(async () => {
  expect(await trialBalance(database.db)).toMatchObject({ balanced: true, differences: [] });
  await standIn.close();
  await database.close();
});

/** Wakes what a comparison finds, does what the woken workflows do at their next look, and compares again. */
function mending() {
  const refunds = createStripeRefunds({ stripe, db: database.db, log: SILENT });
  const disputes = createStripeDisputes({ stripe, db: database.db, log: SILENT });
  const wake: Pick<WorkflowWakes, 'deposit' | 'refund' | 'dispute'> = {
    deposit: async ({ depositId }) => {
      const seen = await payments.fetchOutcome({ depositId });
      if (seen.status === 'succeeded')
        await ledger.creditDeposit({ depositId, nowSecond: second, receiptUrl: seen.receiptUrl }, 'test');
      else if (seen.status === 'failed')
        await ledger.failDeposit(
          { depositId, nowSecond: second, status: 'failed', failureCode: seen.failureCode },
          'test',
        );
    },
    refund: async ({ refundId, depositId, stripeRefundId }) => {
      const seen = await refunds.fetchRefund({ stripeRefundId: stripeRefundId ?? '' });
      const { amountMicros, namedRefundId, status: outcome } = seen;
      const of = { refundId, depositId, stripeRefundId: stripeRefundId ?? '', namedRefundId, amountMicros };
      if (!(await ledger.findRefundOrder({ refundId }))) await ledger.bookRefund({ ...of, nowSecond: second }, 'test');
      await ledger.closeRefund({ refundId, outcome, failureCode: null, amountMicros, nowSecond: second }, 'test');
    },
    dispute: async ({ disputeId, depositId, stripeDisputeId }) => {
      const { status, amountMicros, reason } = await disputes.fetchDispute({ stripeDisputeId });
      const of = { disputeId, depositId, stripeDisputeId, amountMicros, reason };
      await ledger.openDispute({ ...of, nowSecond: second }, 'test');
      if (status === 'won' || status === 'lost')
        await ledger.closeDispute({ disputeId, outcome: status, amountMicros, nowSecond: second }, 'test');
      else await ledger.changeDispute({ disputeId, amountMicros, nowSecond: second }, 'test');
    },
  };
  return async (day: string) => {
    const nowSecond = second + 2 * DAY;
    const { differences } = await reconciler.reconcile({ day, nowSecond });
    await wakeForDifferences({ db: database.db, wake })(differences);
    expect((await reconciler.reconcile({ day, nowSecond })).differences).toEqual([]);
    return differences.map((found) => found.class);
  };
}

/** Charged at Stripe and credited, on a day of its own. */
async function paid({ credited = true } = {}): Promise<{ depositId: string; teamId: string; intentId: string }> {
  second += 3 * DAY;
  const { db } = database;
  const { id: teamId } = await newTeam(db);
  const card = await saveCard(cards, teamId);
  const depositId = await newDeposit(db, { teamId, kind: 'saved_card', paymentMethodId: card.id });
  const { answer } = await untilAnswered(() => payments.createIntent({ depositId }));
  const { intentId } = answer as { intentId: string };
  await updateDeposit(db, depositId, { stripeIntentId: intentId });
  await untilAnswered(() => payments.confirmIntent({ depositId, intentId }));
  if (credited) await ledger.creditDeposit({ depositId, nowSecond: second, receiptUrl: null }, 'test');
  return { depositId, teamId, intentId };
}

const today = () => nameOf(second);
const posted = async (teamId: string) => {
  const { postedMicros, heldMicros } = await database.db.account.findUniqueOrThrow({ where: { teamId } });
  return [Number(postedMicros) / 1_000_000, Number(heldMicros) / 1_000_000];
};

describe('the nightly comparison corrects', () => {
  it('a payment that is open or failed here, and was charged at the provider', async () => {
    const open = await paid({ credited: false });
    expect(await mend(today())).toEqual(['stuck_open']);
    expect(await posted(open.teamId)).toEqual([100, 0]);
    const failed = await paid({ credited: false });
    const failure = { depositId: failed.depositId, nowSecond: second, status: 'failed' as const };
    await ledger.failDeposit({ ...failure, failureCode: 'declined' }, 'test');
    expect(await mend(today())).toEqual(['charged_though_failed']);
    expect(await posted(failed.teamId)).toEqual([100, 0]);
  });

  it('a refund that was never reported, was returned weeks later, and was sent after that', async () => {
    const { intentId, teamId } = await paid();
    const { id } = await stripe.refunds.create({ payment_intent: intentId, amount: 2_500 });
    expect(await mend(today())).toEqual(['refund_not_in_ledger']);
    expect(await posted(teamId)).toEqual([75, 0]);
    second += 20 * DAY;
    standIn.control.settleRefund(id, 'failed');
    expect(await mend(today())).toEqual(['refund_status_differs']);
    expect(await posted(teamId)).toEqual([100, 0]);
  });

  it('a dispute that was never reported, changed its amount, was lost, and was decided again months later', async () => {
    const { intentId, teamId } = await paid();
    const { id } = standIn.control.openDispute(intentId);
    expect(await mend(today())).toEqual(['dispute_not_in_ledger']);
    expect(await posted(teamId)).toEqual([100, 100]);
    standIn.control.changeDisputeAmount(id, 2_000);
    expect(await mend(today())).toEqual(['dispute_amount_differs']);
    expect(await posted(teamId)).toEqual([100, 20]);
    standIn.control.decideDispute(id, 'lost');
    expect(await mend(today())).toEqual(['dispute_status_differs']);
    expect(await posted(teamId)).toEqual([80, 0]);
    second += 60 * DAY;
    standIn.control.decideDispute(id, 'won');
    expect(await mend(today())).toEqual(['dispute_status_differs']);
    expect(await posted(teamId)).toEqual([100, 0]);
    const row = await database.db.dispute.findUniqueOrThrow({ where: { id: disputeIdOf(id) } });
    expect(row).toMatchObject({ status: 'won', takenMicros: 0n });
  });
});
