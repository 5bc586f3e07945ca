/** Tests each difference between ledger and provider, with real rows, the real SDK and Stripe's stand-in. */
import { randomUUID } from 'node:crypto';
import type Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Payments } from '../../../activities/providers.ts';
import type { ProviderBooks } from '../../../activities/reconciliation/provider-books.ts';
import {
  createReconciler,
  createReconciliation,
  type Reconciler,
} from '../../../activities/reconciliation/reconcile.ts';
import { createStripeBooks } from '../../../activities/stripe/books.ts';
import { type Cards, createCards } from '../../../activities/stripe/cards.ts';
import { createStripe } from '../../../activities/stripe/client.ts';
import { createStripePayments } from '../../../activities/stripe/payments.ts';
import { DIFFERENCES } from '../../../billing/differences.ts';
import type { Micros } from '../../../billing/money.ts';
import { type LedgerRows, NO_PROVIDER_ROWS, type ProviderRows } from '../../../billing/reconciliation/rows.ts';
import { type StripeStandIn, startStripeStandIn } from '../../../embedded/stripe/index.ts';
import { createLedger, type Ledger } from '../../../ledger/index.ts';
import { updateDeposit } from '../../../prisma/deposits.ts';
import { readGauges } from '../../../prisma/gauges.ts';
import { findReconciliation, type Reconciliation } from '../../../prisma/reconciliations.ts';
import { writeTogether } from '../../../prisma/statements.ts';
import { setStripeCustomer } from '../../../prisma/teams.ts';
import { transferWrites } from '../../../prisma/transfers.ts';
import { SETTINGS } from '../../ledger/desk.ts';
import { onAttempt, untilAnswered } from '../../support/activity.ts';
import { newDatabase, type TestDatabase } from '../../support/database.ts';
import { dollars, NOW, newDeposit, newTeam, openPage, SILENT, saveCard } from '../fixtures.ts';

const DAY = '2026-03-01';
const NOON = NOW + 43_200;
const MIDNIGHT = NOW + 86_400;
/** When the Schedule looks. */
const LATER = MIDNIGHT + 1_800;
const PUBLIC_URL = 'https://burnrate.test';

let database: TestDatabase;
let standIn: StripeStandIn;
let stripe: Stripe;
let cards: Cards;
let payments: Payments;
let ledger: Ledger;
let reconciler: Reconciler;
let logged: Array<{ level: string; fields: object }>;
/** Stripe's clock. */
let stripeSecond: number;

beforeEach(async () => {
  stripeSecond = NOON;
  [database, standIn] = await Promise.all([newDatabase(), startStripeStandIn({ now: () => stripeSecond * 1000 })]);
  const { db } = database;
  stripe = createStripe({ secretKey: 'sk_test_books', apiBase: standIn.url, timeoutMs: 5_000 });
  cards = createCards({ stripe, db, publicUrl: PUBLIC_URL, log: SILENT });
  payments = createStripePayments({ stripe, db, publicUrl: PUBLIC_URL, log: SILENT });
  ledger = createLedger({ db, settings: SETTINGS });
  reconciler = reconcilerWith([createStripeBooks(stripe)]);
});
afterEach(async () => {
  await standIn.close();
  await database.close();
});

function reconcilerWith(books: ProviderBooks[]): Reconciler {
  logged = [];
  const at = (level: string) => (fields: object) => void logged.push({ level, fields });
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return createReconciler({ db: database.db, books, log });
}

const reconciled = (day = DAY, nowSecond = LATER): Promise<Reconciliation> => reconciler.reconcile({ day, nowSecond });
const found = ({ differences }: Reconciliation) => differences.map((each) => [each.class, each.depositId]);

interface Paid {
  depositId: string;
  teamId: string;
  intentId: string;
}

/** Opened, and charged at Stripe; not credited yet. */
async function charged(): Promise<Paid> {
  const { db } = database;
  const { id: teamId } = await newTeam(db);
  const card = await saveCard(cards, teamId);
  const depositId = await newDeposit(db, { teamId, kind: 'saved_card', paymentMethodId: card.id });
  const { answer } = await untilAnswered(() => payments.createIntent({ depositId }));
  const { intentId } = answer as { intentId: string };
  await updateDeposit(db, depositId, { stripeIntentId: intentId });
  await untilAnswered(() => payments.confirmIntent({ depositId, intentId }));
  return { depositId, teamId, intentId };
}

const credit = (depositId: string, nowSecond = stripeSecond + 2) =>
  ledger.creditDeposit({ depositId, nowSecond, receiptUrl: null }, 'test');

async function paid(): Promise<Paid> {
  const payment = await charged();
  await credit(payment.depositId);
  return payment;
}

/** Paid on Stripe's page, and credited. */
async function paidOnPage(): Promise<Paid & { sessionId: string }> {
  const { db } = database;
  const { id: teamId } = await newTeam(db);
  const depositId = await newDeposit(db, { teamId, kind: 'checkout' });
  const { answer } = await untilAnswered(() => openPage(payments, depositId));
  await updateDeposit(db, depositId, { stripeSessionId: answer.sessionId, checkoutUrl: answer.checkoutUrl });
  standIn.control.submitCheckout(answer.sessionId);
  await credit(depositId);
  const intent = standIn.control.paymentIntents().find(({ metadata }) => metadata.deposit === depositId);
  return { depositId, teamId, intentId: intent?.id ?? '', sessionId: answer.sessionId };
}

/** A second charge for a deposit, or one that was never ours: by hand, as in Stripe's dashboard. */
async function chargeByHand(metadata: Record<string, string>, more: Partial<Stripe.PaymentIntentCreateParams> = {}) {
  const { id } = await stripe.paymentIntents.create({
    amount: 10_000,
    currency: 'usd',
    payment_method: 'pm_card_visa',
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    confirm: true,
    metadata,
    ...more,
  });
  return id;
}

/** A deposit that was credited for a payment that is not what it should be. */
async function chargedOtherwise(than: Partial<Stripe.PaymentIntentCreateParams>): Promise<{ depositId: string }> {
  const { id: teamId } = await newTeam(database.db);
  const depositId = await newDeposit(database.db, { teamId, kind: 'saved_card' });
  const stripeIntentId = await chargeByHand({ deposit: depositId, team: teamId }, than);
  await updateDeposit(database.db, depositId, { stripeIntentId });
  await credit(depositId);
  return { depositId };
}

async function addRefund(
  { depositId, teamId }: Paid,
  stripeRefundId: string | null,
  change: { status?: string; amountMicros?: Micros } = {},
): Promise<void> {
  const { status = 'succeeded', amountMicros = dollars(100) } = change;
  const origin = { origin: 'operator', actor: 'platform', openedSecond: stripeSecond, closedSecond: stripeSecond };
  const data = { id: `ref_${randomUUID()}`, depositId, teamId, stripeRefundId, amountMicros, status, ...origin };
  await database.db.refund.create({ data });
}

async function addDispute(
  { depositId, teamId }: Paid,
  stripeDisputeId: string,
  change: { status?: string; amountMicros?: Micros } = {},
): Promise<void> {
  const { status = 'open', amountMicros = dollars(100) } = change;
  const held = { heldMicros: amountMicros, reason: 'fraudulent', openedSecond: stripeSecond };
  const data = { id: `dis_${randomUUID()}`, depositId, teamId, stripeDisputeId, amountMicros, status, ...held };
  await database.db.dispute.create({ data });
}

describe('a clean day', () => {
  it('has no difference: cards, pages, refunds, disputes, and declines', async () => {
    const { db } = database;
    const one = await paid();
    await paidOnPage();
    const refund = await stripe.refunds.create({ payment_intent: one.intentId, amount: 2_500 });
    await addRefund(one, refund.id, { amountMicros: dollars(25) });
    const two = await paid();
    await addDispute(two, standIn.control.openDispute(two.intentId).id);
    const { id: teamId } = await newTeam(db);
    const card = await saveCard(cards, teamId, 'pm_card_chargeCustomerFail');
    const declined = await newDeposit(db, { teamId, kind: 'auto_top_up', paymentMethodId: card.id });
    const { answer } = await untilAnswered(() => payments.createIntent({ depositId: declined }));
    const { intentId } = answer as { intentId: string };
    await updateDeposit(db, declined, { stripeIntentId: intentId });
    await untilAnswered(() => payments.confirmIntent({ depositId: declined, intentId }));
    await ledger.failDeposit(
      { depositId: declined, nowSecond: NOON, status: 'failed', failureCode: 'declined' },
      'test',
    );

    const report = await reconciled();
    expect(report).toMatchObject({ day: DAY, madeSecond: LATER, differences: [], foreign: [], underWay: 0 });
    expect(report.rows.map(({ kind }) => kind).sort()).toEqual(['dispute', 'payment', 'payment', 'payment', 'refund']);
    expect(report.rows.every((row) => row.ledgerMicros === row.providerMicros)).toBe(true);
    expect(logged).toMatchObject([{ level: 'info', fields: { day: DAY, compared: 5 } }]);
  });

  it('is read to its last page', async () => {
    const { id: teamId } = await newTeam(database.db);
    const first = await paid();
    for (let n = 0; n < 120; n++) await chargeByHand({ deposit: `dep_lost_${n}`, team: teamId });
    const report = await reconciled();
    expect(report.differences).toHaveLength(120);
    expect(report.rows.some(({ depositId }) => depositId === first.depositId)).toBe(true);
  });

  it('ends at midnight, and a charge of its last second that is credited after it is a difference on neither day', async () => {
    stripeSecond = MIDNIGHT - 1;
    const { depositId } = await charged();
    await credit(depositId, MIDNIGHT + 1);
    expect(await reconciled()).toMatchObject({ differences: [], rows: [{ depositId }] });
    expect(await reconciled('2026-03-02', LATER + 86_400)).toMatchObject({ differences: [], rows: [] });
  });

  it('with a charge that is credited days later has the charge found at Stripe by its id', async () => {
    const saved = await charged();
    const page = await paidOnPage();
    const late = NOW + 4 * 86_400;
    await database.db.deposit.updateMany({ where: { id: page.depositId }, data: { closedSecond: late } });
    expect(found(await reconciled())).toEqual([['stuck_open', saved.depositId]]);
    await credit(saved.depositId, late);
    expect(found(await reconciled('2026-03-05', late + 86_400))).toEqual([]);
    expect(found(await reconciled(DAY, late + 86_400))).toEqual([]);
  });
});

describe('the comparison finds', () => {
  const only = async (expected: [keyof typeof DIFFERENCES, string | null]) => {
    const report = await reconciled();
    expect(found(report)).toEqual([expected]);
    expect(report.differences[0]).toMatchObject({ day: DAY, ...DIFFERENCES[expected[0]] });
    expect(logged.at(-1)).toMatchObject({ level: 'error', fields: { differences: [{ class: expected[0] }] } });
    return report;
  };
  beforeEach(async () => {
    await paid();
  });

  it('a charge without a deposit, unless it was refunded', async () => {
    const intentId = await chargeByHand({ deposit: 'dep_lost', team: 'acme' });
    const report = await only(['charge_without_deposit', 'dep_lost']);
    expect(report.differences[0]).toMatchObject({
      providerId: intentId,
      providerMicros: dollars(100),
      ledgerMicros: null,
    });
    await stripe.refunds.create({ payment_intent: intentId });
    expect(found(await reconciled())).toEqual([]);
  });

  it('a deposit without a charge', async () => {
    const { id: teamId } = await newTeam(database.db);
    const depositId = await newDeposit(database.db, { teamId, kind: 'saved_card' });
    await credit(depositId);
    await only(['deposit_without_charge', depositId]);
  });

  it('a deposit whose payment was never confirmed', async () => {
    const { id: teamId } = await newTeam(database.db);
    const card = await saveCard(cards, teamId);
    const depositId = await newDeposit(database.db, { teamId, kind: 'saved_card', paymentMethodId: card.id });
    const { answer } = await untilAnswered(() => payments.createIntent({ depositId }));
    await updateDeposit(database.db, depositId, { stripeIntentId: (answer as { intentId: string }).intentId });
    await credit(depositId);
    await only(['deposit_without_charge', depositId]);
  });

  it('another amount', async () => {
    const { depositId } = await chargedOtherwise({ amount: 9_000 });
    const report = await only(['amount_differs', depositId]);
    expect(report.differences[0]).toMatchObject({ ledgerMicros: dollars(100), providerMicros: dollars(90) });
  });

  it('another currency', async () => {
    const { depositId } = await chargedOtherwise({ currency: 'eur' });
    await only(['currency_differs', depositId]);
  });

  it('a payment of another team’s customer', async () => {
    const { depositId, teamId } = await paid();
    await database.db.team.update({ where: { id: teamId }, data: { stripeCustomerId: null } });
    await setStripeCustomer(database.db, teamId, 'cus_other');
    await only(['wrong_team', depositId]);
  });

  it('a second charge for a deposit, by card and on a page', async () => {
    const { depositId, teamId } = await paid();
    const again = await chargeByHand({ deposit: depositId, team: teamId });
    const report = await only(['charged_twice', depositId]);
    expect(report.differences[0]).toMatchObject({ providerId: again });
    const page = await paidOnPage();
    stripeSecond = NOON - 600;
    const before = await chargeByHand({ deposit: page.depositId, team: page.teamId });
    expect((await reconciled()).differences.map(({ providerId }) => providerId)).toEqual([before, again]);
  });

  it('a second credit for a deposit', async () => {
    const { depositId, teamId } = await paid();
    await post(teamId, depositId, 'deposit/again', dollars(100));
    await only(['credited_twice', depositId]);
  });

  it('a credit that differs from the amount of its deposit', async () => {
    const { depositId, teamId } = await charged();
    await updateDeposit(database.db, depositId, { status: 'succeeded', closedSecond: NOON });
    await post(teamId, depositId, `deposit/${depositId}`, dollars(99));
    await only(['credit_differs', depositId]);
  });

  it('a deposit that is marked as credited, without its transfer', async () => {
    const { depositId } = await charged();
    await updateDeposit(database.db, depositId, { status: 'succeeded', closedSecond: NOON });
    await only(['credit_missing', depositId]);
  });

  it('a transfer without a deposit, or of a failed deposit', async () => {
    const { id: teamId } = await newTeam(database.db);
    await post(teamId, null, 'deposit/dep_nobody', dollars(100));
    await only(['credit_without_deposit', 'dep_nobody']);
    const depositId = await newDeposit(database.db, { teamId, kind: 'saved_card' });
    await ledger.failDeposit({ depositId, nowSecond: NOON, status: 'failed', failureCode: 'declined' }, 'test');
    await post(teamId, depositId, `deposit/${depositId}`, dollars(100));
    expect(found(await reconciled())).toContainEqual(['credit_without_deposit', depositId]);
  });

  it('a deposit that failed here and succeeded at the provider', async () => {
    const { depositId } = await charged();
    await ledger.failDeposit({ depositId, nowSecond: NOON, status: 'failed', failureCode: 'declined' }, 'test');
    await only(['charged_though_failed', depositId]);
  });

  it('a deposit that is open here, and succeeded or was cancelled at the provider long ago', async () => {
    const { depositId } = await charged();
    await only(['stuck_open', depositId]);
    const { id: teamId } = await newTeam(database.db);
    const card = await saveCard(cards, teamId);
    const cancelled = await newDeposit(database.db, { teamId, kind: 'saved_card', paymentMethodId: card.id });
    await database.owner.deposit.update({ where: { id: cancelled }, data: { openedSecond: NOON } });
    const { answer } = await untilAnswered(() => payments.createIntent({ depositId: cancelled }));
    const { intentId } = answer as { intentId: string };
    await updateDeposit(database.db, cancelled, { stripeIntentId: intentId });
    expect(found(await reconciled())).toEqual([['stuck_open', depositId]]);
    await stripe.paymentIntents.cancel(intentId);
    expect(found(await reconciled())).toContainEqual(['stuck_open', cancelled]);
  });

  it('a refund that the ledger does not have', async () => {
    const { depositId, intentId } = await paid();
    const { id } = await stripe.refunds.create({ payment_intent: intentId, amount: 1_000 });
    const report = await only(['refund_not_in_ledger', depositId]);
    expect(report.differences[0]).toMatchObject({ providerId: id, providerMicros: dollars(10) });
  });

  it('a refund that Stripe does not have', async () => {
    const payment = await paid();
    await addRefund(payment, 're_nowhere');
    await only(['refund_not_at_provider', payment.depositId]);
  });

  it('no difference in a refund that Stripe refused', async () => {
    await addRefund(await paid(), null, { status: 'failed' });
    expect(found(await reconciled())).toEqual([]);
  });

  it('a refund of another amount', async () => {
    const payment = await paid();
    const { id } = await stripe.refunds.create({ payment_intent: payment.intentId, amount: 1_000 });
    await addRefund(payment, id);
    await only(['refund_amount_differs', payment.depositId]);
  });

  it('a refund that failed at the provider and succeeded here', async () => {
    const payment = await paid();
    const { id } = await stripe.refunds.create({ payment_intent: payment.intentId });
    await addRefund(payment, id);
    standIn.control.settleRefund(id, 'failed');
    await only(['refund_status_differs', payment.depositId]);
  });

  it('a dispute that the ledger does not have, and no difference in an inquiry', async () => {
    const { depositId, intentId } = await paid();
    standIn.control.openDispute((await paid()).intentId, { inquiry: true });
    standIn.control.openDispute(intentId);
    await only(['dispute_not_in_ledger', depositId]);
  });

  it('a dispute that Stripe does not have', async () => {
    const payment = await paid();
    await addDispute(payment, 'du_nowhere');
    await only(['dispute_not_at_provider', payment.depositId]);
  });

  it('a dispute of another amount', async () => {
    const payment = await paid();
    await addDispute(payment, standIn.control.openDispute(payment.intentId, { amount: 5_000 }).id);
    await only(['dispute_amount_differs', payment.depositId]);
  });

  it('a dispute that was lost at the provider and is open here, even on a day long after it was opened', async () => {
    const payment = await paid();
    const { id } = standIn.control.openDispute(payment.intentId);
    await addDispute(payment, id);
    standIn.control.closeDispute(id, 'lost');
    await only(['dispute_status_differs', payment.depositId]);
    expect(found(await reconciled('2026-03-20', NOW + 30 * 86_400))).toEqual([
      ['dispute_status_differs', payment.depositId],
    ]);
  });

  it('no difference in other uses of the same account, which are listed', async () => {
    const theirs = await chargeByHand({});
    const refund = await stripe.refunds.create({ payment_intent: theirs, amount: 100 });
    const report = await reconciled();
    expect(report.differences).toEqual([]);
    expect(report.foreign.map(({ providerId }) => providerId)).toEqual([theirs, refund.id]);
  });
});

describe('crypto, whose provider’s books are compared beside Stripe’s,', () => {
  const amountMicros = dollars(60);
  const row = { provider: 'copperx', currency: 'usd', amountMicros, second: NOON } as const;
  const booksOf = (outputs: ProviderRows['outputs']): ProviderBooks => ({
    read: async () => ({ ...NO_PROVIDER_ROWS, outputs }),
    lookUp: async (_ledger: LedgerRows) => NO_PROVIDER_ROWS,
  });

  async function received(output = 0): Promise<{ depositId: string; outputId: string }> {
    const { db } = database;
    const { id: teamId } = await newTeam(db);
    const depositId = await newDeposit(db, { teamId, kind: 'checkout', amountMicros });
    await database.owner.deposit.update({
      where: { id: depositId },
      data: { method: 'crypto', receivedMicros: amountMicros, status: 'succeeded', closedSecond: NOON + 5 },
    });
    const transactionHash = `0x${randomUUID().replaceAll('-', '')}`;
    const of = { depositId, teamId, chain: 'base', currency: 'usdc', amountMicros, creditedSecond: NOON + 5 };
    await db.cryptoReceipt.create({ data: { transactionHash, output, ...of } });
    await post(teamId, depositId, `deposit/${depositId}`, amountMicros);
    return { depositId, outputId: `${transactionHash}/${output}` };
  }

  it('has no difference if each output was credited', async () => {
    const { depositId, outputId } = await received(3);
    reconciler = reconcilerWith([createStripeBooks(stripe), booksOf([{ ...row, depositId, outputId }])]);
    expect(await reconciled()).toMatchObject({
      differences: [],
      foreign: [],
      rows: [{ kind: 'credit' }, { kind: 'output' }],
    });
  });

  it('has differences for a missing output, an additional output and another amount', async () => {
    const { depositId, outputId } = await received();
    const second = { ...row, depositId, outputId: '0xabc/1' };
    reconciler = reconcilerWith([booksOf([{ ...row, depositId, outputId }, second])]);
    expect(found(await reconciled())).toEqual([['output_not_credited', depositId]]);
    reconciler = reconcilerWith([booksOf([])]);
    expect(found(await reconciled())).toEqual([['credit_without_output', depositId]]);
    reconciler = reconcilerWith([booksOf([{ ...row, depositId, outputId, amountMicros: dollars(61) }])]);
    expect(found(await reconciled())).toEqual([['output_amount_differs', depositId]]);
  });
});

describe('a report', () => {
  it('is stored, and a later comparison of the day overwrites it', async () => {
    const { depositId } = await charged();
    await reconciled();
    expect(await readGauges(database.db)).toMatchObject({ reconciliationDifferences: 1, reconciledDaySecond: NOW });
    await credit(depositId);
    const report = await reconciled(DAY, LATER + 60);
    expect(await findReconciliation(database.db, DAY)).toEqual(report);
    expect(await database.db.reconciliation.findMany()).toMatchObject([{ day: DAY, compared: 1, differences: 0 }]);
    expect(await readGauges(database.db)).toMatchObject({ reconciliationDifferences: 0, reconciledDaySecond: NOW });
  });

  it('on request is the stored report, unless a payment in it was pending', async () => {
    stripeSecond = MIDNIGHT - 1;
    const { depositId } = await charged();
    const soon = await reconciler.reportOf({ day: DAY, nowSecond: MIDNIGHT + 3 });
    expect(soon).toMatchObject({ underWay: 1, differences: [] });
    const later = await reconciler.reportOf({ day: DAY, nowSecond: LATER });
    expect(found(later)).toEqual([['stuck_open', depositId]]);
    await credit(depositId, LATER);
    expect(await reconciler.reportOf({ day: DAY, nowSecond: LATER + 60 })).toEqual(later);
  });

  it('does not exist while Stripe does not answer, and is retried', async () => {
    await paid();
    const { reconcileDay } = createReconciliation(reconciler);
    standIn.control.faults.beginOutage('error');
    await expect(onAttempt(1, () => reconcileDay({ day: DAY, nowSecond: LATER }))).rejects.toMatchObject({
      type: 'stripe_unavailable',
      nonRetryable: false,
    });
    expect(await findReconciliation(database.db, DAY)).toBeNull();
    standIn.control.faults.endOutage();
    const answer = await onAttempt(2, () => reconcileDay({ day: DAY, nowSecond: LATER }));
    expect(answer).toEqual({ day: DAY, compared: 1, differences: 0 });
  });

  it('of a day that is not over is refused permanently', async () => {
    const { reconcileDay } = createReconciliation(reconciler);
    await expect(onAttempt(1, () => reconcileDay({ day: DAY, nowSecond: NOON }))).rejects.toMatchObject({
      type: 'invalid_request',
      nonRetryable: true,
    });
  });
});

const post = (teamId: string, depositId: string | null, reference: string, amountMicros: Micros) =>
  writeTogether(
    database.db,
    transferWrites(teamId, 'test', [
      {
        debitAccount: 'platform/stripe',
        creditAccount: `team/${teamId}/credit`,
        amountMicros,
        code: 'deposit',
        reference,
        second: NOON,
        ...(depositId !== null && { depositId }),
      },
    ]),
  );
