/** The receiving of provider events, shared by the webhooks of Stripe and CopperX. */
import { type ProviderEvent, rememberEvent, wasTakenIn } from '../../prisma/provider-events.ts';
import type { Call } from '../http/calls.ts';
import type { ApiWorld } from '../world.ts';

const NAMES = { stripe: 'Stripe', copperx: 'CopperX' };

/**
 * Takes in an event once. An event whose `takeIn` fails is not stored as received, so the provider sends the event
 * again.
 * @param takeIn returns false if the event's object is not in the ledger
 * @param about further fields of the log line about an event whose object is not in the ledger
 */
export async function takeInOnce(
  world: ApiWorld,
  call: Call,
  event: Omit<ProviderEvent, 'receivedSecond'>,
  takeIn: () => Promise<boolean>,
  about: Record<string, unknown> = {},
): Promise<void> {
  const { id, type, provider } = event;
  if (await wasTakenIn(world.db, id)) return;
  if (!(await takeIn()))
    call.log.info({ event: id, type, ...about }, `an event of ${NAMES[provider]} names no object of this deployment`);
  await rememberEvent(world.db, { id, type, provider, receivedSecond: call.receivedSecond });
}

/** The raw body of a webhook. Only the bytes have a signature. */
export const rawBody = (body: unknown): Buffer => (Buffer.isBuffer(body) ? body : Buffer.alloc(0));
