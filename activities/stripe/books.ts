/**
 * Stripe's books, read page by page. Money is what a charge captured, at the second of the charge: an intent may have been
 * created days before. Source: https://docs.stripe.com/api/charges/list, https://docs.stripe.com/api/refunds/list,
 * https://docs.stripe.com/api/disputes/list, https://docs.stripe.com/api/checkout/sessions/list.
 */
import type Stripe from 'stripe';
import { fromCents } from '../../billing/money.ts';
import {
  type LedgerDeposit,
  type LedgerRows,
  NO_PROVIDER_ROWS,
  type ProviderDispute,
  type ProviderPayment,
  type ProviderRefund,
  type ProviderRows,
} from '../../billing/reconciliation/rows.ts';
import { type Day, SECONDS_PER_DAY } from '../../billing/time.ts';
import { orNull } from '../failures.ts';
import type { ProviderBooks } from '../reconciliation/provider-books.ts';

/** The margin around a day: the ledger's clock and Stripe's may differ, and a webhook may have come late. */
const MARGIN_SECONDS = 3_600;
const PAGE = 100;

export const createStripeBooks = (stripe: Stripe): ProviderBooks => ({
  read: (day, onProgress) => readDay(stripe, day, onProgress),
  lookUp: (ledger, seen, onProgress) => lookUp(stripe, ledger, seen, onProgress),
});

async function readDay(stripe: Stripe, day: Day, onProgress: () => void): Promise<ProviderRows> {
  const from = Math.max(0, day.fromSecond - MARGIN_SECONDS);
  const created = { gte: from, lt: day.toSecond + MARGIN_SECONDS };
  // A page lives for a day, so a paid page was opened the day before at the earliest.
  const pagesCreated = { gte: Math.max(0, from - SECONDS_PER_DAY), lt: created.lt };
  const pageOfIntent = new Map<string, string>();
  for await (const page of stripe.checkout.sessions.list({ created: pagesCreated, limit: PAGE })) {
    const intentId = idOf(page.payment_intent);
    if (intentId !== null) pageOfIntent.set(intentId, page.id);
    onProgress();
  }

  const charges = new Map<string, Stripe.Charge>();
  const refunds: ProviderRefund[] = [];
  const disputes: ProviderDispute[] = [];
  for await (const charge of stripe.charges.list({ created, limit: PAGE })) {
    charges.set(charge.id, charge);
    onProgress();
  }
  for await (const refund of stripe.refunds.list({ created, limit: PAGE, expand: ['data.charge'] })) {
    keepCharge(charges, refund.charge);
    refunds.push(refundOf(refund));
    onProgress();
  }
  for await (const dispute of stripe.disputes.list({ created, limit: PAGE, expand: ['data.charge'] })) {
    keepCharge(charges, dispute.charge);
    disputes.push(disputeOf(dispute));
    onProgress();
  }
  await readMovements(stripe, created, { refunds, disputes, charges }, onProgress);
  const payments = [...charges.values()]
    .filter(({ status }) => status === 'succeeded')
    .map((charge) => paymentOf(charge, pageOfIntent.get(idOf(charge.payment_intent) ?? '') ?? null));
  return { ...NO_PROVIDER_ROWS, payments, refunds, disputes };
}

/** Kinds of balance transactions for an earlier refund or dispute, weeks after its making. */
const LATE_MOVEMENTS = ['adjustment', 'refund_failure', 'payment_failure_refund'] as const;

/** Refunds that came back and disputes decided on the day, of any age: their money moves on the day. */
async function readMovements(
  stripe: Stripe,
  created: { gte: number; lt: number },
  listed: { refunds: ProviderRefund[]; disputes: ProviderDispute[]; charges: Map<string, Stripe.Charge> },
  onProgress: () => void,
): Promise<void> {
  const { refunds, disputes, charges } = listed;
  const knownIds = new Set([...refunds, ...disputes].map(({ providerId }) => providerId));
  for (const type of LATE_MOVEMENTS)
    for await (const { source, created: second } of stripe.balanceTransactions.list({ created, type, limit: PAGE })) {
      onProgress();
      const id = idOf(source);
      if (id === null || knownIds.has(id)) continue;
      knownIds.add(id);
      if (/^(re|pyr)_/.test(id)) {
        const refund = await orNull(() => stripe.refunds.retrieve(id, { expand: ['charge'] }));
        if (!refund) continue;
        keepCharge(charges, refund.charge);
        refunds.push({ ...refundOf(refund), second });
      } else if (/^(du|dp)_/.test(id)) {
        const dispute = await orNull(() => stripe.disputes.retrieve(id, { expand: ['charge'] }));
        if (!dispute) continue;
        keepCharge(charges, dispute.charge);
        disputes.push({ ...disputeOf(dispute), second });
      }
    }
}

/** A call for each id. There are few, such as an open deposit, or a deposit that was paid days before its credit. */
async function lookUp(
  stripe: Stripe,
  ledger: LedgerRows,
  seen: ProviderRows,
  onProgress: () => void,
): Promise<ProviderRows> {
  const seenIds = new Set([
    ...seen.payments.flatMap(({ paymentId, pageId }) => [paymentId, pageId]),
    ...seen.refunds.map(({ providerId }) => providerId),
    ...seen.disputes.map(({ providerId }) => providerId),
  ]);
  const rowsOfProvider: ProviderRows = { payments: [], refunds: [], disputes: [], outputs: [] };
  for (const deposit of ledger.deposits) {
    const isSeen = deposit.providerIds.some((id) => seenIds.has(id));
    if (deposit.provider !== 'stripe' || isSeen || deposit.status === 'failed') continue;
    const payment = await paymentForDeposit(stripe, deposit);
    if (payment) rowsOfProvider.payments.push(payment);
    onProgress();
  }
  for (const { providerId } of ledger.refunds) {
    if (providerId === null || seenIds.has(providerId)) continue;
    const refund = await orNull(() => stripe.refunds.retrieve(providerId, { expand: ['charge'] }));
    if (refund) rowsOfProvider.refunds.push(refundOf(refund));
    onProgress();
  }
  for (const { providerId } of ledger.disputes) {
    if (seenIds.has(providerId)) continue;
    const dispute = await orNull(() => stripe.disputes.retrieve(providerId, { expand: ['charge'] }));
    if (dispute) rowsOfProvider.disputes.push(disputeOf(dispute));
    onProgress();
  }
  return rowsOfProvider;
}

async function paymentForDeposit(stripe: Stripe, { providerIds }: LedgerDeposit): Promise<ProviderPayment | null> {
  const pageId = providerIds.find((id) => id.startsWith('cs_')) ?? null;
  const intentId = providerIds.find((id) => id.startsWith('pi_')) ?? null;
  if (intentId === null && pageId !== null) {
    const page = await orNull(() => stripe.checkout.sessions.retrieve(pageId));
    const onPage = page && idOf(page.payment_intent);
    if (!onPage) return page?.status === 'expired' ? expiredPage(page) : null;
    return paymentOfIntent(stripe, onPage, pageId);
  }
  return intentId === null ? null : paymentOfIntent(stripe, intentId, pageId);
}

async function paymentOfIntent(
  stripe: Stripe,
  intentId: string,
  pageId: string | null,
): Promise<ProviderPayment | null> {
  const intent = await orNull(() => stripe.paymentIntents.retrieve(intentId, { expand: ['latest_charge'] }));
  if (!intent) return null;
  const charge = typeof intent.latest_charge === 'object' ? intent.latest_charge : null;
  if (charge?.status === 'succeeded') return paymentOf(charge, pageId);
  return {
    provider: 'stripe',
    paymentId: intent.id,
    pageId,
    depositId: intent.metadata.deposit ?? null,
    teamId: intent.metadata.team ?? null,
    customerId: idOf(intent.customer),
    amountMicros: fromCents(intent.amount),
    refundedMicros: fromCents(0),
    currency: intent.currency,
    status: intent.status === 'canceled' ? 'failed' : 'open',
    second: intent.canceled_at ?? intent.created,
  };
}

/** Stripe does not say when a page expired. The second of its making is early enough for the comparison. */
const expiredPage = (page: Stripe.Checkout.Session): ProviderPayment => ({
  provider: 'stripe',
  paymentId: page.id,
  pageId: page.id,
  depositId: page.metadata?.deposit ?? null,
  teamId: page.metadata?.team ?? null,
  customerId: idOf(page.customer),
  amountMicros: fromCents(page.amount_total ?? 0),
  refundedMicros: fromCents(0),
  currency: page.currency ?? 'usd',
  status: 'failed',
  second: page.created,
});

/** The metadata of an intent is copied to its charges. */
const paymentOf = (charge: Stripe.Charge, pageId: string | null): ProviderPayment => ({
  provider: 'stripe',
  paymentId: idOf(charge.payment_intent) ?? charge.id,
  pageId,
  depositId: charge.metadata.deposit ?? null,
  teamId: charge.metadata.team ?? null,
  customerId: idOf(charge.customer),
  amountMicros: fromCents(charge.amount_captured),
  refundedMicros: fromCents(charge.amount_refunded),
  currency: charge.currency,
  status: 'succeeded',
  second: charge.created,
});

function refundOf(refund: Stripe.Refund): ProviderRefund {
  const ended = refund.status === 'succeeded' ? 'succeeded' : 'open';
  return {
    provider: 'stripe',
    providerId: refund.id,
    refundId: refund.metadata?.refund ?? null,
    paymentId: idOf(refund.payment_intent) ?? idOf(refund.charge),
    depositId: refund.metadata?.deposit ?? depositOfCharge(refund.charge),
    amountMicros: fromCents(refund.amount),
    currency: refund.currency,
    status: refund.status === 'failed' || refund.status === 'canceled' ? 'failed' : ended,
    second: refund.created,
  };
}

const disputeOf = (dispute: Stripe.Dispute): ProviderDispute => ({
  provider: 'stripe',
  providerId: dispute.id,
  paymentId: idOf(dispute.payment_intent) ?? idOf(dispute.charge),
  depositId: depositOfCharge(dispute.charge),
  amountMicros: fromCents(dispute.amount),
  currency: dispute.currency,
  status: standingOf(dispute.status),
  second: dispute.created,
});

function standingOf(status: string): ProviderDispute['status'] {
  if (status === 'won' || status === 'lost') return status;
  return status.startsWith('warning') || status === 'prevented' ? 'inquiry' : 'open';
}

type Named = string | { id: string } | null | undefined;
const idOf = (named: Named): string | null => (typeof named === 'object' ? (named?.id ?? null) : (named ?? null));

const depositOfCharge = (charge: string | Stripe.Charge | null): string | null =>
  typeof charge === 'object' ? (charge?.metadata.deposit ?? null) : null;

function keepCharge(charges: Map<string, Stripe.Charge>, charge: string | Stripe.Charge | null): void {
  if (charge !== null && typeof charge === 'object') charges.set(charge.id, charge);
}
