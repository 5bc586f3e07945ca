/** Checkout pages: opened once, and followed until paid or expired. */

import type Stripe from 'stripe';
import { BillingError } from '../../billing/errors.ts';
import { stripeKey } from '../../billing/ids.ts';
import { toCents } from '../../billing/money.ts';
import { type Deposit, getDeposit } from '../../prisma/deposits.ts';
import { activityAttempt } from '../attempt.ts';
import { final, inCodes, isStripeError, orNull, passing, stripeFault } from '../failures.ts';
import { depositReturn } from '../links.ts';
import type { CheckoutPage, PaymentOutcome } from '../providers.ts';
import { withCustomer } from './customers.ts';
import { creditName, findById, missing, outcomeOf, type StripeWorld } from './intents.ts';

/** Opens the page, or finds the page of an earlier try. A page that Stripe refuses fails the deposit. */
export async function createCheckout(world: StripeWorld, depositId: string): Promise<CheckoutPage> {
  const { db, log } = world;
  const deposit = await getDeposit(db, depositId);
  const { stripeSessionId: sessionId, checkoutUrl, teamId } = deposit;
  if (sessionId !== null && checkoutUrl !== null) return { sessionId, checkoutUrl };
  try {
    return await withCustomer(world, teamId, (customer, keySuffix) => openPage(world, deposit, customer, keySuffix));
  } catch (error) {
    const rejected = error instanceof BillingError && error.code === 'provider_rejected';
    if (!rejected && (!isStripeError(error) || stripeFault(error).kind !== 'refused')) throw error;
    log.error({ depositId, error: inCodes(error) }, 'Stripe refuses a page that should be possible');
    return { failureCode: 'provider_rejected' };
  }
}

/** A page is good for 24 hours, Stripe's own limit; naming a time would give each retry other parameters. */
async function openPage(
  { stripe, publicUrl, brandName }: StripeWorld,
  { id: depositId, teamId, amountMicros, saveCard }: Deposit,
  customer: string,
  keySuffix: string,
): Promise<CheckoutPage> {
  const attempt = activityAttempt();
  const earlierSession = attempt > 1 ? await findSession(stripe, customer, depositId) : null;
  const metadata = { deposit: depositId, team: teamId };
  const back = depositReturn(publicUrl, depositId);
  const session =
    earlierSession ??
    (await stripe.checkout.sessions.create(
      {
        mode: 'payment',
        customer,
        client_reference_id: depositId,
        // A filter on the methods of the account: Link appears where the account has Link.
        allowed_payment_method_types: ['card', 'link'],
        line_items: [
          {
            price_data: {
              currency: 'usd',
              unit_amount: toCents(amountMicros),
              product_data: { name: creditName({ brandName }) },
            },
            quantity: 1,
          },
        ],
        metadata,
        payment_intent_data: {
          metadata,
          description: creditName({ brandName }),
          // Stripe saves the card with the customer, with the person's consent to later charges.
          ...(saveCard && { setup_future_usage: 'off_session' as const }),
        },
        success_url: back,
        cancel_url: back,
      },
      { idempotencyKey: stripeKey.createCheckout(depositId, attempt, keySuffix) },
    ));
  return { sessionId: session.id, checkoutUrl: session.url ?? back };
}

/** The page of an earlier try; the paid page, if any is paid. */
async function findSession(stripe: Stripe, customer: string, depositId: string) {
  let open: Stripe.Checkout.Session | null = null;
  for await (const session of stripe.checkout.sessions.list({ customer, limit: 100 })) {
    if (session.client_reference_id !== depositId) continue;
    if (session.status === 'complete') return session;
    if (session.status === 'open') open = session;
  }
  return open;
}

export async function checkoutOutcome(world: StripeWorld, deposit: Deposit): Promise<PaymentOutcome> {
  const { stripe } = world;
  const { stripeSessionId, stripeIntentId } = deposit;
  if (stripeSessionId === null) throw final('stripe', `deposit ${deposit.id} has no page yet`, 'no_payment');
  const session = await orNull(() => stripe.checkout.sessions.retrieve(stripeSessionId));
  if (session === null) {
    const savedIntent = stripeIntentId === null ? null : await findById(world, stripeIntentId);
    return savedIntent === null ? missing(world, deposit, stripeIntentId) : outcomeOf(world, deposit, savedIntent);
  }
  const intentId = idOf(session.payment_intent);
  const intent = intentId === null ? null : await findById(world, intentId);
  // A page's payment can succeed as the page expires, and a slow payment can fail after the page is complete.
  if (intent?.status === 'succeeded') return outcomeOf(world, deposit, intent);
  if (session.status === 'expired') return { status: 'expired' };
  if (session.status !== 'complete') return { status: 'processing', intentId };
  if (intentId === null) throw passing('stripe', `session ${session.id} is complete without a payment`);
  // The page states that it was paid.
  if (intent === null && session.payment_status === 'paid') return { status: 'succeeded', intentId, receiptUrl: null };
  if (intent?.status === 'requires_payment_method' || intent?.status === 'canceled')
    return outcomeOf(world, deposit, intent);
  return { status: 'processing', intentId };
}

const idOf = (named: string | { id: string } | null): string | null =>
  typeof named === 'object' ? (named?.id ?? null) : named;
