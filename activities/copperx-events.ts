/**
 * Webhooks from CopperX: never believed, only taken as hints of what to fetch. The signature is an HMAC of the body; when it
 * was made stands in the body that is signed. Source: https://docs.copperx.io/integrate-payments/webhooks-and-events
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { BillingError } from '../billing/errors.ts';

/** What an event is about, as ids. `depositId` is our own, from the session's reference. */
export interface CopperxHint {
  eventId: string;
  type: string;
  /** Null for an event of another kind of object, or of an odd shape. */
  sessionId: string | null;
  depositId: string | null;
}

const TOLERANCE_MS = 300_000;

/** Printable characters without spaces: no other can be stored, or sent in the path of a call. */
const ID = z.string().regex(/^[\x21-\x7e]{1,200}$/);
const anId = ID.optional().catch(undefined);

/**
 * What is read of an event. Without the envelope, a body cannot be read as an event; an id of an odd shape within the object
 * is left out, since the event is only a hint.
 */
const event = z.object({
  id: ID,
  type: ID,
  /** Milliseconds. */
  created: z.number(),
  data: z.object({ object: z.object({ id: anId, clientReferenceId: anId }) }),
});

/**
 * Checks the signature and the age, and answers what the event is about.
 * @param rawBody the body as it came: parsed and written again, it would be signed no more
 * @throws BillingError `webhook_invalid`
 */
export function verifyCopperxEvent(rawBody: Buffer, signature: string, secret: string, nowMs: number): CopperxHint {
  const expected = createHmac('sha256', secret).update(rawBody).digest();
  const given = /^[0-9a-f]{64}$/i.test(signature) ? Buffer.from(signature, 'hex') : Buffer.alloc(0);
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new BillingError('webhook_invalid', 'the signature of the event does not fit');
  const parsed = event.safeParse(jsonOf(rawBody));
  if (!parsed.success) throw new BillingError('webhook_invalid', 'the event is not one of CopperX');
  const { id: eventId, type, created, data } = parsed.data;
  if (Math.abs(nowMs - created) > TOLERANCE_MS)
    throw new BillingError('webhook_invalid', 'the event is too old, or ahead of time');
  const { id: sessionId = null, clientReferenceId: depositId = null } = data.object;
  return { eventId, type, sessionId, depositId };
}

function jsonOf(rawBody: Buffer): unknown {
  try {
    return JSON.parse(rawBody.toString());
  } catch {
    return undefined;
  }
}
