/**
 * Idempotency-Key: the first answer again for a repeat, a conflict for another request under the same key.
 * Source: docs/http.md#repeats.
 */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { BillingError } from '../../billing/errors.ts';
import { secondOf } from '../../billing/time.ts';
import { digestOf } from '../../prisma/digest.ts';
import {
  type CallKey,
  claimCall,
  HEARTBEAT_MS,
  keepAnswer,
  releaseCall,
  renewClaim,
} from '../../prisma/idempotent-calls.ts';
import type { ApiWorld } from '../world.ts';
import { type Call, nameOfCaller } from './calls.ts';
import { errorAnswer } from './errors.ts';

export interface JsonAnswer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

const KEY = /^[\x21-\x7e]{1,255}$/;
const MAX_DEPTH = 64;
const KEPT_WITHIN_MS = 1_000;

/** JSON with sorted fields, equal for equal requests in any order of fields. */
function canonical(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) throw new BillingError('invalid_request', 'the body is nested too deeply');
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join()}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field, depth + 1)}`).join()}}`;
}

/**
 * Stored answers may hold secrets that are shown once. An answer is encrypted with the caller's key and the idempotency
 * key, so only a holder of both can read the answer.
 */
function sealWith(secret: string, key: string) {
  const sealingKey = Buffer.from(hkdfSync('sha256', secret, key, 'idempotent answer', 32));
  return {
    seal(text: string): string {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce);
      return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
        'base64',
      );
    },
    open(sealed: string): string {
      const bytes = Buffer.from(sealed, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', sealingKey, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(-16));
      return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
    },
  };
}

/**
 * Does the work once for a key, and answers a repeat with the first answer. 5xx and 429 are not kept.
 * @param secret the caller's own key, with which kept answers are sealed
 * @throws BillingError `invalid_request`, `idempotency_key_reused`, `idempotency_in_flight`
 */
export async function once(
  world: ApiWorld,
  request: { key: string; secret: string; path: string; body: unknown },
  call: Call,
  work: (call: Call) => Promise<JsonAnswer>,
): Promise<JsonAnswer> {
  if (!KEY.test(request.key))
    throw new BillingError(
      'invalid_request',
      'Idempotency-Key must be 1 to 255 printable ASCII characters without a space',
      'Idempotency-Key',
    );
  // The scope has a digest of the platform key, because the next platform key cannot open answers that this key sealed.
  const name = nameOfCaller(call.caller);
  const scope = name === 'platform' ? `platform/${digestOf(request.secret).slice(0, 16)}` : name;
  const id: CallKey = { scope, path: request.path, key: request.key };
  const requestHash = digestOf(canonical(request.body));
  const { seal, open } = sealWith(request.secret, request.key);

  const claim = await claimCall(world.db, id, requestHash, call.receivedSecond);
  if (claim.kind === 'other_request')
    throw new BillingError('idempotency_key_reused', 'the key was used for another request', 'Idempotency-Key');
  if (claim.kind === 'in_flight')
    throw new BillingError(
      'idempotency_in_flight',
      'the first request with this key is still under way',
      'Idempotency-Key',
    );
  if (claim.kind === 'answered')
    return {
      status: claim.status,
      body: JSON.parse(open(claim.body)),
      headers: { 'Idempotent-Replayed': 'true' },
    };

  const seed = `${canonical({ ...id })}/${requestHash}/${claim.createdSecond}`;
  const heartbeat = setInterval(() => {
    // A failed heartbeat is followed by another. A repeat that takes over the key finds the effects of this call.
    renewClaim(world.db, id, secondOf(world.nowMs())).catch((error) =>
      call.log.warn({ err: error }, 'the claim of an idempotency key was not renewed'),
    );
  }, HEARTBEAT_MS);
  const forget = async (): Promise<void> => {
    // If the release fails too, the claim expires after a while.
    const released = releaseCall(world.db, id);
    await soon(released.catch((error) => call.log.warn({ err: error }, 'an idempotency key is still held')));
  };
  const keep = async (answer: JsonAnswer): Promise<void> => {
    const sealedAnswer = { status: answer.status, body: seal(JSON.stringify(answer.body)) };
    // The work is done. A repeat makes the same ids and finds the work done.
    const saving = keepAnswer(world.db, id, sealedAnswer);
    await soon(
      saving.catch((error) => call.log.warn({ err: error }, 'the answer of an idempotent call was not saved')),
    );
  };
  try {
    const answer = await work({ ...call, seed });
    await keep(answer);
    return answer;
  } catch (error) {
    const { status, body } = errorAnswer(error, call.requestId);
    if (status >= 500 || status === 429) await forget();
    else await keep({ status, body });
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}

/** Waits at most a moment for work that the answer does not depend on. */
async function soon(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const moment = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, KEPT_WITHIN_MS);
  });
  await Promise.race([work, moment]);
  clearTimeout(timer);
}
