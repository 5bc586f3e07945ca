/** What CopperX tells: a hint of which deposit to look at, whatever has become of it; coins come late too. */
import type { RequestHandler } from 'express';
import type { CopperxHint } from '../activities/copperx-events.ts';
import { BillingError } from '../billing/errors.ts';
import { findDeposit, findDepositByCopperxSession } from '../prisma/deposits.ts';
import { rememberEvent, wasTakenIn } from '../prisma/provider-events.ts';
import type { Call } from './calls.ts';
import { engineUnavailable } from './engine.ts';
import { recording } from './outcome.ts';
import type { ApiWorld } from './world.ts';

/** Wakes the deposit of an event. Answers whether there is one. The deposit by its page; by our own reference while that is not kept yet, or for a page of an earlier try. */
async function wakeDeposit({ db, engine }: ApiWorld, { sessionId, depositId: named }: CopperxHint): Promise<boolean> {
  const byPage = sessionId === null ? null : await findDepositByCopperxSession(db, sessionId);
  const deposit = byPage ?? (named === null ? null : await findDeposit(db, named));
  if (deposit?.method !== 'crypto') return false;
  const { id: depositId, teamId, kind } = deposit;
  try {
    await engine.tell.deposit({ depositId, teamId, kind });
  } catch (error) {
    // Not remembered as taken in: CopperX sends it again.
    throw engineUnavailable(error);
  }
  return true;
}

/** POST /v1/webhooks/copperx, its body as it came: the signature is over the bytes. */
export const copperxWebhook = (world: ApiWorld): RequestHandler =>
  recording(async (request, response) => {
    const call = response.locals.call as Call;
    const event = verified(world, call, request.body, request.get('x-webhook-signature'));
    // Its ids are not Stripe's, and could be anything.
    const id = `copperx/${event.eventId}`;
    if (!(await wasTakenIn(world.db, id))) {
      const isOurs = await wakeDeposit(world, event);
      if (!isOurs) call.log.info({ event: id, type: event.type }, 'an event of CopperX is about nothing of ours');
      await rememberEvent(world.db, { id, type: event.type, provider: 'copperx', receivedSecond: call.receivedSecond });
    }
    response.json({ received: true });
  });

function verified(world: ApiWorld, call: Call, body: unknown, signature: string | undefined): CopperxHint {
  const { verifyCopperxEvent } = world;
  if (verifyCopperxEvent === null) throw new BillingError('not_found', 'crypto deposits are not offered here');
  try {
    return verifyCopperxEvent(Buffer.isBuffer(body) ? body : Buffer.alloc(0), signature ?? '', call.receivedMs);
  } catch (error) {
    call.log.warn(
      { code: (error as BillingError).code },
      'a webhook that CopperX did not sign, or not now, was refused',
    );
    throw error;
  }
}
