/**
 * The outcome of a payment intent, and the end of a failed one. The fetched intent decides, whatever a call answered.
 * Source: https://docs.stripe.com/payments/paymentintents/lifecycle
 */
import type Stripe from 'stripe';
import { daysAfter, secondOf } from '../../billing/time.ts';
import type { Db } from '../../prisma/client.ts';
import { type Deposit, updateDeposit } from '../../prisma/deposits.ts';
import { findByStripeId } from '../../prisma/payment-methods.ts';
import { inCodes, orNull, stripeFault } from '../failures.ts';
import { DEFAULT_BRAND } from '../mail/brand.ts';
import type { ChargeFailure, PaymentOutcome } from '../providers.ts';
import type { Log } from '../world.ts';
import { adoptCard, adoptedId } from './card-adoption.ts';
import { cardOf, failureOf, receiptOf, WITH_CHARGE } from './outcome.ts';

export interface StripeWorld {
  stripe: Stripe;
  db: Db;
  /** The address to which people return, without a slash at the end. */
  publicUrl: string;
  /** The seller's name on payment pages and in Stripe's receipts. */
  brandName?: string;
  log: Log;
}

/** The name of the sold credit, for payment pages. */
export const creditName = ({ brandName = DEFAULT_BRAND.name }: { brandName?: string | undefined }): string =>
  `${brandName} credit`;

export const isOffSession = ({ kind }: Deposit): boolean => kind === 'auto_top_up';

export const findById = ({ stripe }: StripeWorld, intentId: string): Promise<Stripe.PaymentIntent | null> =>
  orNull(() => stripe.paymentIntents.retrieve(intentId, WITH_CHARGE));

/**
 * Stripe deletes no payment, so a missing payment belongs to another account or mode. The payment may have succeeded
 * there: no other charge is made in its place, and auto top-up is switched off.
 */
export function missing({ log }: StripeWorld, { id: depositId }: Deposit, intentId: string | null): PaymentOutcome {
  log.error({ depositId, intentId }, 'Stripe no longer has the payment or the page of a deposit');
  return { status: 'failed', intentId, failureCode: 'payment_missing' };
}

export async function outcomeOf(
  world: StripeWorld,
  deposit: Deposit,
  intent: Stripe.PaymentIntent,
): Promise<PaymentOutcome> {
  const intentId = intent.id;
  await keepCard(world.db, deposit, intent);
  // A Checkout page's intent is known only now. Refunds and disputes name the intent.
  if (deposit.stripeIntentId === null) await updateDeposit(world.db, deposit.id, { stripeIntentId: intentId });
  switch (intent.status) {
    case 'succeeded':
      if (deposit.saveCard) await adoptPaidCard(world, deposit, intent);
      return { status: 'succeeded', intentId, receiptUrl: receiptOf(intent) };
    case 'canceled':
      return { status: 'failed', intentId, failureCode: failureOf(intent) };
    case 'requires_payment_method':
      return giveUp(world, deposit, intent, failureOf(intent));
    case 'requires_action':
      // Nobody is there to act on an auto top-up, and nobody came back to a deposit within a day.
      if (isOffSession(deposit) || secondOf(Date.now()) > daysAfter(intent.created, 1))
        return giveUp(world, deposit, intent, 'authentication_required');
      return { status: 'requires_action', intentId, actionUrl: intent.next_action?.redirect_to_url?.url ?? null };
    default:
      return { status: 'processing', intentId };
  }
}

/** The process that finds a page paid saves the card of the page, so a lost webhook loses no card. */
async function adoptPaidCard(
  { stripe, db, log }: StripeWorld,
  deposit: Deposit,
  { payment_method: methodId }: Stripe.PaymentIntent,
): Promise<void> {
  if (typeof methodId !== 'string' || (await findByStripeId(db, methodId))) return;
  try {
    await adoptCard({ stripe, db }, methodId, { nowSecond: secondOf(Date.now()), newId: adoptedId(methodId) });
  } catch (error) {
    if (stripeFault(error).kind === 'passing') throw error;
    // Taken away since: the payment counts all the same.
    log.warn({ depositId: deposit.id, error: inCodes(error) }, 'the card of a paid page could not be saved');
  }
}

/** The charged or refused card is stored on the deposit's row here, because a workflow's history must hold no card. */
export async function keepCard(db: Db, { id }: Deposit, intent: Stripe.PaymentIntent): Promise<void> {
  const card = cardOf(intent);
  if (card) await updateDeposit(db, id, { cardBrand: card.brand, cardLast4: card.last4 });
}

/**
 * Cancels a payment and returns its failure. A failure is returned only once the payment can no longer succeed. After a
 * decline this is so at once, as the intent has forgotten its card, so an outage does not delay the team then.
 */
export async function giveUp(
  world: StripeWorld,
  deposit: Deposit,
  intent: Stripe.PaymentIntent,
  failureCode: ChargeFailure,
): Promise<PaymentOutcome> {
  const { stripe, log } = world;
  const failed: PaymentOutcome = { status: 'failed', intentId: intent.id, failureCode };
  try {
    await stripe.paymentIntents.update(intent.id, { metadata: { failure: failureCode } });
    await stripe.paymentIntents.cancel(intent.id, { cancellation_reason: 'abandoned' });
    return failed;
  } catch (error) {
    if (intent.status === 'requires_payment_method') {
      log.warn({ depositId: deposit.id, error: inCodes(error) }, 'a declined payment could not be cancelled');
      return failed;
    }
    if (stripeFault(error).kind === 'passing') throw error;
    const current = await findById(world, intent.id);
    if (current === null) return failed;
    if (current.status === 'succeeded' || current.status === 'canceled') return outcomeOf(world, deposit, current);
    throw error;
  }
}
