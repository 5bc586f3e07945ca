/**
 * Webhooks from Stripe. An event is only a hint of the object to look at. The workflow of the deposit, refund or
 * dispute asks the provider for the state, and its poll finds states without an event. Duplicates, reordering and
 * replays therefore change nothing.
 */

import type { RequestHandler } from 'express';
import type { StripeHint } from '../../activities/stripe/events.ts';
import { isOpen } from '../../billing/deposits.ts';
import { BillingError } from '../../billing/errors.ts';
import { type Deposit, findDeposit, findDepositByStripeId } from '../../prisma/deposits.ts';
import { engineUnavailable } from '../engine/engine.ts';
import { type Call, newId } from '../http/calls.ts';
import { recording } from '../http/outcome.ts';
import type { ApiWorld } from '../world.ts';
import { rawBody, takeInOnce } from './events.ts';
import { takeInMoneyBack } from './money-back.ts';

/** The deposit by its intent or page; by its own id while intent and page are not stored yet. */
async function depositOf({ db }: ApiWorld, { intentId, sessionId, depositId }: StripeHint): Promise<Deposit | null> {
  for (const id of [intentId, sessionId]) {
    const deposit = id === undefined ? null : await findDepositByStripeId(db, id);
    if (deposit) return deposit;
  }
  return depositId === undefined ? null : findDeposit(db, depositId);
}

/** Requests a look at the object of an event. Returns false if the object is not in the ledger. */
async function takeIn(world: ApiWorld, call: Call, hint: StripeHint): Promise<boolean> {
  if (hint.otherMode) return false;
  if (hint.setup || hint.paymentMethodId !== undefined || hint.customerDeleted) return takeInCard(world, call, hint);
  await takeInMoneyBack(world, call, hint);
  const deposit = await depositOf(world, hint);
  // Refunds and disputes without a deposit in the ledger are logged already.
  if (!deposit) return hint.refundId !== undefined || hint.disputeId !== undefined || hint.refunded === true;
  try {
    await wakeDeposit(world, deposit, hint.type);
  } catch (error) {
    // The event is not stored as received, so Stripe sends the event again.
    throw engineUnavailable(error);
  }
  return true;
}

/** Looks at a card, or at all cards of a customer. A refusal of Stripe is final: the event would only come again. */
async function takeInCard(world: ApiWorld, call: Call, hint: StripeHint): Promise<boolean> {
  const { cards } = world;
  const { sessionId, paymentMethodId, customerId } = hint;
  const nowSecond = call.receivedSecond;
  try {
    const look = async () => {
      if (hint.setup && sessionId !== undefined)
        return cards.adoptFromSetup({ sessionId, nowSecond, newId: newId(call, 'pm') });
      if (paymentMethodId !== undefined) return cards.refresh({ stripePaymentMethodId: paymentMethodId, nowSecond });
      if (hint.customerDeleted && customerId !== undefined)
        return cards.refreshOfCustomer({ stripeCustomerId: customerId, nowSecond });
      return null;
    };
    const card = await look();
    if (card === null) return false;
    await wakeWatch(world, card.teamId);
    return true;
  } catch (error) {
    if (
      !(error instanceof BillingError) ||
      error.code === 'provider_unavailable' ||
      error.code === 'engine_unavailable'
    )
      throw error;
    call.log.warn({ event: hint.eventId, code: error.code }, 'Stripe refuses to answer about the card of an event');
    return false;
  }
}

/** Events after which a payment recorded as failed may have succeeded. */
const SUCCESSES: ReadonlySet<string> = new Set([
  'payment_intent.succeeded',
  'checkout.session.completed',
  'checkout.session.async_payment_succeeded',
]);

/**
 * Has the workflow of an open deposit, or of a failed deposit that may have been paid since, ask the provider at once.
 */
export async function wakeDeposit(
  { engine }: ApiWorld,
  { id: depositId, teamId, kind, status }: Deposit,
  eventType?: string,
): Promise<void> {
  const isPaidLate = (status === 'failed' || status === 'expired') && SUCCESSES.has(eventType ?? '');
  if (isOpen(status) || isPaidLate) await engine.wake.deposit({ depositId, teamId, kind });
}

/** A card that was added, changed or removed can change the next expiry notice of the team. */
async function wakeWatch(world: ApiWorld, teamId: string): Promise<void> {
  try {
    await world.engine.wake.watch(teamId);
  } catch (error) {
    throw engineUnavailable(error);
  }
}

/** POST /v1/webhooks/stripe. The body stays raw, because the signature covers the bytes. */
export const stripeWebhook = (world: ApiWorld): RequestHandler =>
  recording(async (request, response) => {
    const call = response.locals.call as Call;
    const event = verified(world, call, request.body, request.get('Stripe-Signature'));
    const { eventId: id, type, otherMode } = event;
    await takeInOnce(world, call, { id, type, provider: 'stripe' }, () => takeIn(world, call, event), { otherMode });
    response.json({ received: true });
  });

function verified(world: ApiWorld, call: Call, body: unknown, signature: string | undefined): StripeHint {
  try {
    return world.verifyStripeEvent(rawBody(body), signature ?? '');
  } catch (error) {
    const { code, message } = error as BillingError;
    call.log.warn({ code, why: message }, 'a webhook that is not an event of Stripe was refused');
    throw error;
  }
}
