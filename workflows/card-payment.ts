/** A payment by a saved card or on a Checkout page, until its outcome is recorded. */
import { patched } from '@temporalio/workflow';
import type { PaymentOutcome } from '../activities/providers.ts';
import { isOpen } from '../billing/deposits.ts';
import type { DepositOrder } from '../ledger/deposits.ts';
import { dollars } from './details.ts';
import { ledger, payments } from './neighbours.ts';
import { FIRST_POLL_MS, type Payment } from './payment.ts';
import { nowSecond, pollLater } from './waiting.ts';

type FinalOutcome = Extract<PaymentOutcome, { status: 'succeeded' | 'failed' | 'expired' }>;

const PACE = { firstMs: FIRST_POLL_MS, slowestMs: 15 * 60_000, summary: 'ask the provider again' };

/**
 * A closed deposit is never charged again.
 * @param isRepeat the deposit's request was repeated, in a run that opens the deposit itself
 */
export async function payByCard(
  payment: Payment,
  order: DepositOrder,
  { isRepeat }: { isRepeat: boolean },
): Promise<DepositOrder> {
  if (isOpen(order.status)) return recordOutcome(payment, await charge(payment, order));
  // A repeated request needs no look, and neither does a credited payment.
  const mayBePaidLater = !isRepeat && (order.status === 'failed' || order.status === 'expired');
  return mayBePaidLater && patched('looks-at-failed-payments') ? lookAtFailed(payment, order) : order;
}

/** A failed payment can succeed later, for example by an operator in the provider's dashboard. */
async function lookAtFailed(payment: Payment, failed: DepositOrder): Promise<DepositOrder> {
  const outcome = await untilFinal(payment, await fetchOutcome(payment), async () => {});
  return outcome.status === 'succeeded' ? recordOutcome(payment, outcome) : failed;
}

function charge(payment: Payment, order: DepositOrder): Promise<FinalOutcome> {
  payment.show('charging', order);
  return order.kind === 'checkout' ? chargeOnCheckoutPage(payment, order) : chargeSavedCard(payment, order);
}

/** The intent is created unconfirmed, and its id is stored before the confirmation. From then on the intent decides. */
async function chargeSavedCard(payment: Payment, order: DepositOrder): Promise<FinalOutcome> {
  const { depositId } = payment;
  const summary = `create the charge of ${dollars(order.amountMicros)}`;
  const intent = await payments.createIntent.executeWithOptions({ summary }, [{ depositId }]);
  if ('failureCode' in intent) return { status: 'failed', intentId: null, failureCode: intent.failureCode };
  await ledger.noteDeposit({ depositId, change: { stripeIntentId: intent.intentId } });
  const confirmed = await payments.confirmIntent.executeWithOptions({ summary: 'confirm the charge' }, [
    { depositId, intentId: intent.intentId },
  ]);
  return untilFinal(payment, confirmed, (actionUrl) => askForAction(payment, order, actionUrl));
}

async function chargeOnCheckoutPage(payment: Payment, order: DepositOrder): Promise<FinalOutcome> {
  const { depositId } = payment;
  const page = await payments.createCheckout({ depositId });
  if ('failureCode' in page) return { status: 'failed', intentId: null, failureCode: page.failureCode };
  const { sessionId, checkoutUrl } = page;
  await ledger.noteDeposit({ depositId, change: { stripeSessionId: sessionId, checkoutUrl } });
  payment.answer.checkoutUrl = checkoutUrl;
  payment.show('on_checkout_page', order);
  const stillOpen = { status: 'processing' as const, intentId: null };
  return untilFinal(payment, stillOpen, (actionUrl) => askForAction(payment, order, actionUrl));
}

async function untilFinal(
  payment: Payment,
  first: PaymentOutcome,
  onAction: (actionUrl: string | null) => Promise<void>,
): Promise<FinalOutcome> {
  const { answer, reads, wakeSignal } = payment;
  const finalOrUndefined = async (outcome: PaymentOutcome): Promise<FinalOutcome | undefined> => {
    if (outcome.status !== 'processing' && outcome.status !== 'requires_action') return outcome;
    if (outcome.status === 'requires_action' && answer.status !== 'requires_action') await onAction(outcome.actionUrl);
    reads.count();
    reads.end();
    return undefined;
  };
  return (
    (await finalOrUndefined(first)) ??
    pollLater(wakeSignal, PACE, async () => finalOrUndefined(await fetchOutcome(payment)))
  );
}

function fetchOutcome({ depositId, reads }: Payment): Promise<PaymentOutcome> {
  reads.begin();
  return payments.fetchOutcome.executeWithOptions({ summary: 'ask what became of the charge' }, [{ depositId }]);
}

async function askForAction(payment: Payment, order: DepositOrder, checkoutUrl: string | null): Promise<void> {
  await ledger.noteDeposit({ depositId: payment.depositId, change: { status: 'requires_action', checkoutUrl } });
  payment.answer.status = 'requires_action';
  payment.answer.checkoutUrl = checkoutUrl;
  payment.show('requires_action', order);
}

async function recordOutcome({ depositId }: Payment, outcome: FinalOutcome): Promise<DepositOrder> {
  if (outcome.status === 'succeeded')
    return ledger.creditDeposit({ depositId, nowSecond: nowSecond(), receiptUrl: outcome.receiptUrl });
  const failureCode = outcome.status === 'failed' ? outcome.failureCode : 'expired';
  return ledger.failDeposit({ depositId, nowSecond: nowSecond(), status: outcome.status, failureCode });
}
