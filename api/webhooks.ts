/**
 * What providers tell. An event is only a hint of which object to look at: the deposit's, refund's or dispute's workflow
 * asks the provider what is so, and its poll finds what no event told. So duplicates, reordering and replays change nothing.
 */
import type { RequestHandler } from 'express';
import type { StripeHint } from '../activities/stripe-events.ts';
import type { BillingError } from '../billing/errors.ts';
import { type Deposit, findDeposit, findDepositByStripeId } from '../prisma/deposits.ts';
import { rememberEvent, wasTakenIn } from '../prisma/provider-events.ts';
import { type Call, newId } from './calls.ts';
import { engineUnavailable } from './engine.ts';
import { takeInMoneyBack } from './money-back.ts';
import type { ApiWorld } from './world.ts';

/** The deposit by its intent or page; by its own id while those are not kept yet. */
async function depositOf({ db }: ApiWorld, { intentId, sessionId, depositId }: StripeHint): Promise<Deposit | null> {
  for (const id of [intentId, sessionId]) {
    const deposit = id === undefined ? null : await findDepositByStripeId(db, id);
    if (deposit) return deposit;
  }
  return depositId === undefined ? null : findDeposit(db, depositId);
}

async function takeIn(world: ApiWorld, call: Call, hint: StripeHint): Promise<void> {
  if (hint.setup && hint.sessionId !== undefined) {
    const { sessionId } = hint;
    const card = await world.cards.adoptFromSetup({
      sessionId,
      nowSecond: call.receivedSecond,
      newId: newId(call, 'pm'),
    });
    if (card) await wakeWatch(world, card.teamId);
    return;
  }
  if (hint.paymentMethodId !== undefined) {
    const { paymentMethodId: stripePaymentMethodId } = hint;
    const card = await world.cards.refresh({ stripePaymentMethodId, nowSecond: call.receivedSecond });
    if (card) await wakeWatch(world, card.teamId);
    return;
  }
  await takeInMoneyBack(world, call, hint);
  const deposit = await depositOf(world, hint);
  if (!deposit) return;
  try {
    await wakeDeposit(world, deposit);
  } catch (error) {
    // Not remembered as taken in: Stripe sends it again.
    throw engineUnavailable(error);
  }
}

/** Has an open deposit ask its provider at once; one that is over has nothing to learn. */
export async function wakeDeposit(
  { engine }: ApiWorld,
  { id: depositId, teamId, kind, status }: Deposit,
): Promise<void> {
  if (status === 'pending' || status === 'requires_action') await engine.tell.deposit({ depositId, teamId, kind });
}

/** A card that came, changed or went can change when its team is to be told of its end. */
async function wakeWatch(world: ApiWorld, teamId: string): Promise<void> {
  try {
    await world.engine.tell.watch(teamId);
  } catch (error) {
    throw engineUnavailable(error);
  }
}

/** POST /v1/webhooks/stripe, its body as it came: the signature is over the bytes. */
export const stripeWebhook =
  (world: ApiWorld): RequestHandler =>
  async (request, response) => {
    const call = response.locals.call as Call;
    const event = verified(world, call, request.body, request.get('Stripe-Signature'));
    if (!(await wasTakenIn(world.db, event.eventId))) {
      await takeIn(world, call, event);
      const { eventId: id, type } = event;
      await rememberEvent(world.db, { id, type, provider: 'stripe', receivedSecond: call.receivedSecond });
    }
    response.json({ received: true });
  };

function verified(world: ApiWorld, call: Call, body: unknown, signature: string | undefined): StripeHint {
  try {
    return world.verifyStripeEvent(Buffer.isBuffer(body) ? body : Buffer.alloc(0), signature ?? '');
  } catch (error) {
    call.log.warn({ code: (error as BillingError).code }, 'a webhook that Stripe did not sign was refused');
    throw error;
  }
}
