/**
 * Webhooks from CopperX, used only as hints of the object to fetch. The signature is an HMAC of the body, and the
 * signed body has the time of sending. Source: https://docs.copperx.io/integrate-payments/webhooks-and-events
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { BillingError } from '../../billing/errors.ts';

/** The ids of an event's object. `depositId` is our own, from the session's reference. */
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
 * The fields that are read from an event. A body without the envelope is refused. An id of an odd shape within the
 * object is left out, because the event is only a hint.
 */
const event = z.object({
  id: ID,
  type: ID,
  /** Milliseconds. */
  created: z.number(),
  data: z.object({ object: z.object({ id: anId, clientReferenceId: anId }) }),
});

/**
 * Checks the signature and the age, and returns the ids of the event.
 * @param rawBody the body as received, because a body that was parsed and written again has another signature
 * @throws BillingError `webhook_invalid`
 */
export function verifyCopperxEvent(rawBody: Buffer, signature: string, secret: string, nowMs: number): CopperxHint {
  const expected = createHmac('sha256', secret).update(rawBody).digest();
  const signatureBytes = /^[0-9a-f]{64}$/i.test(signature) ? Buffer.from(signature, 'hex') : Buffer.alloc(0);
  if (signatureBytes.length !== expected.length || !timingSafeEqual(signatureBytes, expected))
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
