/** Webhooks from CopperX. An event is a hint to look at a deposit, in any state, because coins can arrive late. */

import type { RequestHandler } from 'express';
import type { CopperxHint } from '../../activities/copperx/events.ts';
import { BillingError } from '../../billing/errors.ts';
import { copperxEventId } from '../../billing/ids.ts';
import { findDeposit, findDepositByCopperxSession } from '../../prisma/deposits.ts';
import { engineUnavailable } from '../engine/engine.ts';
import type { Call } from '../http/calls.ts';
import { recording } from '../http/outcome.ts';
import type { ApiWorld } from '../world.ts';
import { rawBody, takeInOnce } from './events.ts';

/**
 * Wakes the deposit of an event. Returns whether a deposit was found: by its page, or by our own reference while the
 * page is not stored yet or belongs to an earlier try.
 */
async function wakeDeposit({ db, engine }: ApiWorld, { sessionId, depositId: named }: CopperxHint): Promise<boolean> {
  const byPage = sessionId === null ? null : await findDepositByCopperxSession(db, sessionId);
  const deposit = byPage ?? (named === null ? null : await findDeposit(db, named));
  if (deposit?.method !== 'crypto') return false;
  const { id: depositId, teamId, kind } = deposit;
  try {
    await engine.wake.deposit({ depositId, teamId, kind });
  } catch (error) {
    // The event is not stored as received, so CopperX sends the event again.
    throw engineUnavailable(error);
  }
  return true;
}

/** POST /v1/webhooks/copperx. The body stays raw, because the signature covers the bytes. */
export const copperxWebhook = (world: ApiWorld): RequestHandler =>
  recording(async (request, response) => {
    const call = response.locals.call as Call;
    const event = verified(world, call, request.body, request.get('x-webhook-signature'));
    const id = copperxEventId(event.eventId);
    await takeInOnce(world, call, { id, type: event.type, provider: 'copperx' }, () => wakeDeposit(world, event));
    response.json({ received: true });
  });

function verified(world: ApiWorld, call: Call, body: unknown, signature: string | undefined): CopperxHint {
  const { verifyCopperxEvent } = world;
  if (verifyCopperxEvent === null) throw new BillingError('not_found', 'crypto deposits are not offered here');
  try {
    return verifyCopperxEvent(rawBody(body), signature ?? '', call.receivedMs);
  } catch (error) {
    call.log.warn(
      { code: (error as BillingError).code },
      'a webhook that CopperX did not sign, or not now, was refused',
    );
    throw error;
  }
}
