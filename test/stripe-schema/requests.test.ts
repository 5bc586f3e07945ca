/** Tests every request that the product sends to Stripe against Stripe's published parameters. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createReconciler } from '../../activities/reconciliation/reconcile.ts';
import { createStripeBooks } from '../../activities/stripe/books.ts';
import { createCards } from '../../activities/stripe/cards.ts';
import { createStripe } from '../../activities/stripe/client.ts';
import { createStripeDisputes } from '../../activities/stripe/disputes.ts';
import { createStripeLooks } from '../../activities/stripe/lookups.ts';
import { createStripePayments } from '../../activities/stripe/payments.ts';
import { createStripeRefunds } from '../../activities/stripe/refunds.ts';
import { dayOf, secondOf } from '../../billing/time.ts';
import { type StripeStandIn, startStripeStandIn } from '../../embedded/stripe/index.ts';
import { createLedger } from '../../ledger/index.ts';
import { updateDeposit } from '../../prisma/deposits.ts';
import { SCENARIO_SETTINGS } from '../../simulate/simulate.ts';
import { newDeposit, newTeam, openPage, SILENT, saveCard } from '../activities/fixtures.ts';
import { untilAnswered } from '../support/activity.ts';
import { newDatabase, type TestDatabase } from '../support/database.ts';
import { operationOf, refusals, type SentRequest } from './check.ts';
import { CALLS } from './operations.ts';

const PUBLIC_URL = 'https://burnrate.test';
const NOW = secondOf(Date.now());

let database: TestDatabase;
let standIn: StripeStandIn;
let sent: SentRequest[];

beforeAll(async () => {
  [database, standIn] = await Promise.all([newDatabase(), startStripeStandIn()]);
  await everyStory();
  sent = standIn.control.requests();
});
afterAll(async () => {
  await standIn.close();
  await database.close();
});

/** Every way in which a payment goes, through the product's own activities: all that they ask of Stripe is in the log afterwards. */
async function everyStory(): Promise<void> {
  const { db } = database;
  const { control } = standIn;
  const stripe = createStripe({ secretKey: 'sk_test_schema', apiBase: standIn.url, timeoutMs: 2_000 });
  const world = { stripe, db, publicUrl: PUBLIC_URL, log: SILENT };
  const cards = createCards(world);
  const payments = createStripePayments(world);

  const pay = async (kind: 'auto_top_up' | 'saved_card', testCard = 'pm_card_visa') => {
    const { id: teamId } = await newTeam(db);
    const card = await saveCard(cards, teamId, testCard);
    const depositId = await newDeposit(db, { teamId, kind, paymentMethodId: card.id });
    const { answer } = await untilAnswered(() => payments.createIntent({ depositId }));
    const { intentId } = answer as { intentId: string };
    await updateDeposit(db, depositId, { stripeIntentId: intentId });
    const { answer: outcome } = await untilAnswered(() => payments.confirmIntent({ depositId, intentId }));
    return { teamId, card, depositId, intentId, outcome };
  };

  // A person's saved card; then the bank asks for its customer; then an auto top-up, one that is declined and cancelled.
  const saved = await pay('saved_card');
  expect(saved.outcome).toMatchObject({ status: 'succeeded' });
  const asked = await pay('saved_card', 'pm_card_authenticationRequired');
  expect(asked.outcome).toMatchObject({ status: 'requires_action' });
  control.authenticate(asked.intentId, 'complete');
  await payments.fetchOutcome({ depositId: asked.depositId });
  await pay('auto_top_up');
  expect((await pay('auto_top_up', 'pm_card_chargeCustomerFail')).outcome).toMatchObject({ status: 'failed' });

  // An intent and a page that an earlier try made, and whose answers were lost.
  control.faults.add({ on: 'POST /v1/payment_intents', kind: 'error_after_effect' });
  await pay('auto_top_up');
  const { id: teamId } = await newTeam(db);
  const pageDeposit = await newDeposit(db, { teamId, kind: 'checkout' });
  control.faults.add({ on: 'POST /v1/checkout/sessions', kind: 'error_after_effect' });
  const { answer: page } = await untilAnswered(() => openPage(payments, pageDeposit));
  await updateDeposit(db, pageDeposit, { stripeSessionId: page.sessionId });
  control.submitCheckout(page.sessionId);
  expect(await payments.fetchOutcome({ depositId: pageDeposit })).toMatchObject({ status: 'succeeded' });

  // A card saved on Stripe's page, adopted, and taken away.
  await cards.setupCheckout(teamId);
  const setup = control.checkoutSessions().find(({ mode }) => mode === 'setup');
  control.submitCheckout(setup?.id ?? '');
  const adopted = await cards.adoptFromSetup({ sessionId: setup?.id ?? '', nowSecond: NOW, newId: 'pm_adopted' });
  await cards.detach({ teamId, paymentMethodId: adopted?.id ?? '', nowSecond: NOW });

  // A team whose name changed, and whose customer was deleted: one that the first idempotency key still answers.
  await db.team.update({ where: { id: teamId }, data: { name: 'Acme Robotics' } });
  await cards.setupCheckout(teamId);
  const { stripeCustomerId } = await db.team.findUniqueOrThrow({ where: { id: teamId } });
  await db.team.update({ where: { id: teamId }, data: { stripeCustomerId: null, name: 'Acme' } });
  control.deleteCustomer(stripeCustomerId ?? '');
  await cards.setupCheckout(teamId);

  // A refund whose answer is lost, a dispute, and both as a webhook has them looked up.
  const refunds = createStripeRefunds({ stripe, db, log: SILENT });
  const ledger = createLedger({ db, settings: SCENARIO_SETTINGS });
  const { depositId, intentId } = saved;
  await ledger.creditDeposit({ depositId, nowSecond: NOW, receiptUrl: null }, 'test');
  const call = { callId: 'c', receivedSecond: NOW, notAfterMs: 1, nowMs: 0, actor: 'me', amountMicros: null };
  await ledger.requestRefund({ ...call, refundId: 'ref_sent', teamId: saved.teamId, depositId }, 'test');
  control.faults.add({ on: 'POST /v1/refunds', kind: 'drop_after_effect', times: 2 });
  const { answer: refunded } = await untilAnswered(() => refunds.createRefund({ refundId: 'ref_sent' }));
  expect(refunded).toMatchObject({ status: 'succeeded' });
  await refunds.fetchRefund({ stripeRefundId: refunded.stripeRefundId ?? '' });
  const looks = createStripeLooks(stripe);
  expect(await looks.refundsOfIntent(intentId)).toHaveLength(1);
  const disputed = control.openDispute(asked.intentId);
  await createStripeDisputes({ stripe, db, log: SILENT }).fetchDispute({ stripeDisputeId: disputed.id });
  await looks.depositOfIntent(asked.intentId);

  // The books: the day that is over, with rows that only the ledger names, so that each is looked up.
  const about = { depositId: saved.depositId, teamId: saved.teamId, amountMicros: 1_000_000n, openedSecond: NOW };
  await db.refund.create({
    data: { ...about, id: 'ref_1', stripeRefundId: 're_nowhere', status: 'open', origin: 'operator', actor: 'test' },
  });
  await db.dispute.create({
    data: {
      ...about,
      id: 'dis_1',
      stripeDisputeId: 'du_nowhere',
      status: 'open',
      heldMicros: 0n,
      reason: 'fraudulent',
    },
  });
  await database.owner.deposit.updateMany({
    where: { id: pageDeposit },
    data: { openedSecond: NOW, stripeSessionId: 'cs_elsewhere' },
  });
  const reconciler = createReconciler({ db, books: [createStripeBooks(stripe)], log: SILENT });
  await reconciler.reconcile({ day: dayOf(NOW), nowSecond: NOW + 2 * 86_400 });
}

/** `paymentIntents.create` and so on: every call of the SDK in the sources of the activities. */
function callsInSources(): string[] {
  const dir = join(import.meta.dirname, '..', '..', 'activities');
  const sources = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const found = sources.flatMap((name) => [
    ...readFileSync(join(dir, name), 'utf8').matchAll(/\bstripe\s*\.((?:\w+\s*\.\s*)+\w+)\s*\(/g),
  ]);
  return [...new Set(found.map(([, call = '']) => call.replace(/\s/g, '')))].sort();
}

describe('the product’s requests to Stripe', () => {
  it('include every call in the product’s sources', () => {
    const calls = callsInSources();
    expect(calls.length).toBeGreaterThan(15);
    expect(calls.filter((call) => CALLS[call] === undefined)).toEqual([]);
    const made = new Set(sent.map(operationOf));
    expect(calls.filter((call) => !made.has(CALLS[call] ?? ''))).toEqual([]);
  });

  it('are accepted by the parameters that Stripe publishes', async () => {
    expect(sent.length).toBeGreaterThan(40);
    expect(await refusals(sent)).toEqual([]);
  });

  it('would be refused with an unpublished name, type or value, without a required parameter, or at another path', async () => {
    const sentAs = (operation: string) => {
      const found = sent.find((request) => operationOf(request) === operation);
      if (!found) throw new Error(`${operation} was not sent`);
      return found;
    };
    const intent = sentAs('POST /v1/payment_intents');
    const page = sentAs('POST /v1/checkout/sessions');
    const cancel = sentAs('POST /v1/payment_intents/:id/cancel');
    const confirm = sentAs('POST /v1/payment_intents/:id/confirm');
    const list = sentAs('GET /v1/charges');
    const { currency: _, ...withoutCurrency } = intent.params as Record<string, unknown>;
    const wrong: Array<[SentRequest, object, RegExp]> = [
      [intent, { ...intent.params, made_up: 'x' }, /made_up/],
      [intent, { ...intent.params, automatic_payment_methods: { enabled: 'true', made_up: 'x' } }, /made_up/],
      [page, { ...page.params, line_items: [{ quantity: '1', made_up: 'x' }] }, /made_up/],
      [intent, { ...intent.params, amount: 'ten dollars' }, /ten dollars/],
      [intent, { ...intent.params, confirm: 'yes' }, /yes/],
      [cancel, { cancellation_reason: 'because' }, /because/],
      [confirm, { ...confirm.params, expand: 'latest_charge' }, /string/],
      [list, { ...list.params, created: { after: '1' } }, /after/],
      [intent, withoutCurrency, /currency/],
      [{ ...intent, path: '/v1/made_up' }, {}, /made_up/],
      [{ ...intent, method: 'DELETE' }, {}, /DELETE/],
    ];
    const found = await refusals(wrong.map(([request, params]) => ({ ...request, params })));
    expect(found).toHaveLength(wrong.length);
    for (const [index, [, , problem]] of wrong.entries()) expect(found[index]).toMatch(problem);
  });
});
