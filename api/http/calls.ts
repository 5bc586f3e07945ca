/** A call: the caller, the time of receipt, and the ids that are made for the call. */

import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { BillingError } from '../../billing/errors.ts';
import { type IdPrefix, prefixedId } from '../../billing/ids.ts';
import { secondOf } from '../../billing/time.ts';
import type { KeyScope } from '../../prisma/api-keys.ts';
import { digest128 } from '../../prisma/digest.ts';

/** `provider`: a webhook, whose signature is checked by its route. */
export type Caller =
  | { kind: 'platform' }
  | { kind: 'provider' }
  | { kind: 'key'; keyId: string; teamId: string; scopes: KeyScope[] };

export interface Call {
  requestId: string;
  /** Unix milliseconds. */
  receivedMs: number;
  receivedSecond: number;
  caller: Caller;
  log: Logger;
  /** The seed of ids under an Idempotency-Key, so a repeat of an interrupted call makes the same ids. */
  seed: string | null;
}

export const random128 = (): string => randomBytes(16).toString('hex');

export const newCall = (requestId: string, receivedMs: number, caller: Caller, log: Logger): Call => ({
  requestId,
  receivedMs,
  receivedSecond: secondOf(receivedMs),
  caller,
  log,
  seed: null,
});

/** An id for an object of this call: each call makes one id of each prefix. */
export const newId = (call: Call, prefix: IdPrefix): string =>
  prefixedId(prefix, call.seed === null ? random128() : digest128(`${prefix}/${call.seed}`));

/** Whom a consent or an audit row names. */
export const actorOf = ({ caller }: Call): string => (caller.kind === 'key' ? caller.keyId : caller.kind);

/**
 * Refuses another team's objects as not found.
 * @throws BillingError `not_found`
 */
export function mustSee(call: Call, teamId: string, what: string, param: string): void {
  const { caller } = call;
  if (caller.kind !== 'platform' && (caller.kind !== 'key' || caller.teamId !== teamId))
    throw new BillingError('not_found', `no such ${what}`, param);
}
