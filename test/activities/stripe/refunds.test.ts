/** Tests refunds through Stripe's API: creation, faults, refusals and lookups. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Refunds } from '../../../activities/providers.ts';
import { type Cards, createCards } from '../../../activities/stripe/cards.ts';
import { createStripe } from '../../../activities/stripe/client.ts';
import { createStripeLooks, type StripeLooks } from '../../../activities/stripe/lookups.ts';
import { createStripePayments } from '../../../activities/stripe/payments.ts';
import { createStripeRefunds } from '../../../activities/stripe/refunds.ts';
import { type StripeStandIn, startStripeStandIn } from '../../../embedded/stripe/index.ts';
import { createLedger } from '../../../ledger/index.ts';
import { findDeposit, updateDeposit } from '../../../prisma/deposits.ts';
import { updateRefund } from '../../../prisma/refunds.ts';
import { SCENARIO_SETTINGS as SETTINGS } from '../../../simulate/settings.ts';
import { onAttempt, untilAnswered } from '../../support/activity.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { dollars, NOW, newDeposit, newTeam, openPage, SILENT, saveCard } from '../fixtures.ts';

const CREATE = 'POST /v1/refunds';
const PUBLIC_URL = 'https://burnrate.test';

let database: TestDatabase;
let standIn: StripeStandIn;
let cards: Cards;
let refunds: Refunds;
let looks: StripeLooks;
let ledger: ReturnType<typeof createLedger>;
let payments: ReturnType<typeof createStripePayments>;

beforeAll(async () => {
  [database, standIn] = await Promise.all([newDatabase(), startStripeStandIn()]);
  const { db } = database;
  const stripe = createStripe({ secretKey: 'sk_test_refunds', apiBase: standIn.url, timeoutMs: 1_500 });
  cards = createCards({ stripe, db, publicUrl: PUBLIC_URL, log: SILENT });
  payments = createStripePayments({ stripe, db, publicUrl: PUBLIC_URL, log: SILENT });
  refunds = createStripeRefunds({ stripe, db, log: SILENT });
  looks = createStripeLooks(stripe);
  ledger = createLedger({ db, settings: SETTINGS });
});
afterEach(() => standIn.control.reset());
afterAll(async () => {
  await standIn.close();
  await database.close();
});

/** A deposit of $100 that was paid and credited. */
async function paid(stripePaymentMethod = 'pm_card_visa') {
  const { id: teamId } = await newTeam(database.db);
  const card = await saveCard(cards, teamId, stripePaymentMethod);
  const depositId = await newDeposit(database.db, { teamId, kind: 'saved_card', paymentMethodId: card.id });
  const created = await payments.createIntent({ depositId });
  if ('failureCode' in created) throw new Error(created.failureCode);
  await updateDeposit(database.db, depositId, { stripeIntentId: created.intentId });
  await payments.confirmIntent({ depositId, intentId: created.intentId });
  await ledger.creditDeposit({ depositId, nowSecond: NOW, receiptUrl: null }, 'test');
  return { teamId, depositId, intentId: created.intentId };
}

/** A refund whose credit is taken. Answers its id. */
async function taken(
  { teamId, depositId }: { teamId: string; depositId: string },
  amount: number | null = 20,
  refundId = `ref_${randomUUID().replaceAll('-', '')}`,
): Promise<string> {
  const of = { teamId, depositId };
  const amountMicros = amount === null ? null : dollars(amount);
  const call = { callId: 'c', receivedSecond: NOW, notAfterMs: 1, nowMs: 0 };
  const requested = await ledger.requestRefund({ refundId, ...of, amountMicros, actor: 'me', ...call }, 'test');
  if (requested.status !== 'taken') throw new Error(JSON.stringify(requested));
  return refundId;
}

const madeFor = (refundId: string) => standIn.control.refunds().filter(({ metadata }) => metadata?.refund === refundId);

describe('a refund at Stripe', () => {
  it('is made of the deposit’s payment, in cents, and names its deposit in the metadata', async () => {
    const of = await paid();
    const refundId = await taken(of);
    expect(await refunds.createRefund({ refundId })).toMatchObject({ status: 'succeeded' });
    expect(madeFor(refundId)).toMatchObject([
      {
        amount: 2000,
        payment_intent: of.intentId,
        reason: 'requested_by_customer',
        metadata: { refund: refundId, deposit: of.depositId, team: of.teamId },
      },
    ]);
  });

  it('is made of the payment of a Checkout page that only Stripe knows', async () => {
    const { id: teamId } = await newTeam(database.db);
    const depositId = await newDeposit(database.db, { teamId, kind: 'checkout' });
    const { sessionId } = await openPage(payments, depositId);
    await updateDeposit(database.db, depositId, { stripeSessionId: sessionId });
    standIn.control.submitCheckout(sessionId);
    await ledger.creditDeposit({ depositId, nowSecond: NOW, receiptUrl: null }, 'test');
    const refundId = await taken({ teamId, depositId });
    expect(await refunds.createRefund({ refundId })).toMatchObject({ status: 'succeeded' });
  });

  it('is the existing refund when its id is stored', async () => {
    const refundId = await taken(await paid());
    const made = await refunds.createRefund({ refundId });
    await updateRefund(database.db, refundId, { stripeRefundId: made.stripeRefundId });
    expect(await refunds.createRefund({ refundId })).toEqual(made);
    expect(madeFor(refundId)).toHaveLength(1);
  });

  it('is made once under an id that a deposit has too', async () => {
    const of = await paid();
    const refundId = await taken(of, 20, of.depositId);
    expect(await refunds.createRefund({ refundId })).toMatchObject({ status: 'succeeded' });
    await refunds.createRefund({ refundId });
    expect(madeFor(refundId)).toMatchObject([{ amount: 2_000, payment_intent: of.intentId }]);
  });

  it('is made a second time under another id, and not under the same id', async () => {
    const of = await paid();
    const [first, second] = [await taken(of), await taken(of)];
    for (const refundId of [first, second, first]) await refunds.createRefund({ refundId });
    expect([madeFor(first), madeFor(second)].map(({ length }) => length)).toEqual([1, 1]);
  });

  it('that is slow at the bank is pending, and then has the bank’s result', async () => {
    const refundId = await taken(await paid('pm_card_pendingRefund'));
    const made = await refunds.createRefund({ refundId });
    expect(made).toMatchObject({ status: 'pending' });
    const stripeRefundId = String(made.stripeRefundId);
    standIn.control.settleRefund(stripeRefundId, 'failed');
    expect(await refunds.fetchRefund({ stripeRefundId })).toMatchObject({
      status: 'failed',
      failureCode: 'expired_or_canceled_card',
      amountMicros: dollars(20),
      namedRefundId: refundId,
    });
  });
});

describe('one refund is the result, without a refusal, of', () => {
  // The client itself repeats a call whose connection was closed, once and under the same key: two drops make it fail.
  const faults: Array<[string, Parameters<StripeStandIn['control']['faults']['add']>[0]['kind'], number]> = [
    ['a 500 kept under its key', 'error', 1],
    ['two 500s, each kept under its key', 'error', 2],
    ['a 500 after it took effect', 'error_after_effect', 1],
    ['a connection dropped before', 'drop', 2],
    ['a connection dropped after', 'drop_after_effect', 1],
    ['a call that hangs', 'hang', 1],
    ['a call that was never answered', 'hang_after_effect', 1],
    ['a 429', 'rate_limit', 1],
  ];
  it.each(faults)('%s', async (_, kind, times) => {
    const refundId = await taken(await paid());
    standIn.control.faults.add({ on: CREATE, kind, times });
    const { answer } = await untilAnswered(() => refunds.createRefund({ refundId }));
    expect(answer).toMatchObject({ status: 'succeeded' });
    expect(madeFor(refundId)).toHaveLength(1);
    expect(standIn.control.faults.pending()).toEqual([]);
  });

  it('a call that is still in progress at the next try', async () => {
    const refundId = await taken(await paid());
    standIn.control.faults.add({ on: CREATE, kind: 'slow', ms: 2_400 });
    const { answer, failures } = await untilAnswered(
      () => refunds.createRefund({ refundId }),
      () => new Promise((resolve) => setTimeout(resolve, 200)),
    );
    expect(failures.length).toBeGreaterThan(0);
    expect(answer).toMatchObject({ status: 'succeeded' });
    expect(madeFor(refundId)).toHaveLength(1);
  });

  it.each(['error', 'drop', 'hang', 'rate_limit'] as const)('an outage (%s) that ends', async (kind) => {
    const refundId = await taken(await paid());
    standIn.control.faults.beginOutage(kind);
    const { answer, failures } = await untilAnswered(
      () => refunds.createRefund({ refundId }),
      (count) => {
        if (count === 3) standIn.control.faults.endOutage();
      },
    );
    expect(failures).toHaveLength(3);
    for (const failure of failures) expect(failure).toMatchObject({ type: 'stripe_unavailable', nonRetryable: false });
    expect(answer).toMatchObject({ status: 'succeeded' });
    expect(madeFor(refundId)).toHaveLength(1);
  });
});

describe('a refund that Stripe refuses', () => {
  it('has Stripe’s code as its reason: the charge is disputed', async () => {
    const of = await paid();
    const refundId = await taken(of);
    standIn.control.openDispute(of.intentId);
    const refused = { status: 'failed', stripeRefundId: null, failureCode: 'charge_disputed' };
    expect(await onAttempt(1, () => refunds.createRefund({ refundId }))).toEqual(refused);
    expect(madeFor(refundId)).toEqual([]);
  });

  it('has Stripe’s code as its reason if there is one, and otherwise says that it was refused', async () => {
    const of = await paid();
    const stripe = createStripe({ secretKey: 'sk_test_refunds', apiBase: standIn.url });
    const [whole, part] = [await taken(of, 90), await taken(of, 10)];
    await stripe.refunds.create({ payment_intent: of.intentId, amount: 9500 });
    expect(await refunds.createRefund({ refundId: part })).toMatchObject({ failureCode: 'provider_rejected' });
    await stripe.refunds.create({ payment_intent: of.intentId, amount: 500 });
    expect(await refunds.createRefund({ refundId: whole })).toMatchObject({ failureCode: 'charge_already_refunded' });
  });

  it('fails with no_payment when its deposit has no payment', async () => {
    const { id: teamId } = await newTeam(database.db);
    const depositId = await newDeposit(database.db, { teamId, kind: 'confirmed' });
    await ledger.creditDeposit({ depositId, nowSecond: NOW, receiptUrl: null }, 'test');
    const refundId = await taken({ teamId, depositId });
    expect(await refunds.createRefund({ refundId })).toMatchObject({ status: 'failed', failureCode: 'no_payment' });
  });
});

describe('a lookup for the api', () => {
  it('finds the deposit of a payment and its refunds, each with our refund that made it', async () => {
    const of = await paid();
    const refundId = await taken(of);
    const made = await refunds.createRefund({ refundId });
    const stripe = createStripe({ secretKey: 'sk_test_refunds', apiBase: standIn.url });
    const other = await stripe.refunds.create({ payment_intent: of.intentId, amount: 100 });
    expect(await looks.depositOfIntent(of.intentId)).toBe(of.depositId);
    expect(await looks.refundsOfIntent(of.intentId)).toEqual(
      expect.arrayContaining([
        { stripeRefundId: made.stripeRefundId, namedRefundId: refundId },
        { stripeRefundId: other.id, namedRefundId: null },
      ]),
    );
  });

  it('finds nothing for an unknown payment, and fails while Stripe is unavailable', async () => {
    expect(await looks.depositOfIntent('pi_none')).toBeNull();
    standIn.control.faults.beginOutage('error');
    await expect(looks.depositOfIntent('pi_none')).rejects.toMatchObject({ code: 'provider_unavailable' });
  });

  it('stores the payment of a Checkout page on its deposit, so that refunds and disputes are found by it', async () => {
    const { id: teamId } = await newTeam(database.db);
    const depositId = await newDeposit(database.db, { teamId, kind: 'checkout' });
    const { sessionId } = await openPage(payments, depositId);
    await updateDeposit(database.db, depositId, { stripeSessionId: sessionId });
    standIn.control.submitCheckout(sessionId);
    const outcome = await payments.fetchOutcome({ depositId });
    expect(outcome).toMatchObject({ status: 'succeeded' });
    expect((await findDeposit(database.db, depositId))?.stripeIntentId).toBe('intentId' in outcome && outcome.intentId);
  });
});
