/** A call: the caller, the time of receipt, and the ids that are made for the call. */

import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { BillingError } from '../../billing/errors.ts';
import { type IdPrefix, prefixedId } from '../../billing/ids.ts';
import { secondOf } from '../../billing/time.ts';
import type { KeyScope } from '../../prisma/api-keys.ts';
import { digest128 } from '../../prisma/digest.ts';

/** The session of a signed-in person. */
export interface CallerSession {
  sessionId: string;
  userId: string;
}

/**
 * `platform`: the platform's key, or an operator's session. `key`: a key of a team. `session`: the session of a member
 * of a team. `provider`: a webhook, whose signature is checked by its route. `stranger`: a person who exchanges a link.
 */
export type Caller =
  | { kind: 'platform'; operator?: CallerSession }
  | { kind: 'provider' | 'stranger' }
  | { kind: 'key'; keyId: string; teamId: string; scopes: KeyScope[] }
  | ({ kind: 'session'; teamId: string; role: 'viewer' | 'billing' } & CallerSession);

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

/** The team to which a caller is limited; null for the platform. */
export const teamOfCaller = (caller: Caller): string | null =>
  caller.kind === 'key' || caller.kind === 'session' ? caller.teamId : null;

/** The session of a call by a person; null for a call by a key. */
export const sessionOf = (caller: Caller): CallerSession | null => {
  if (caller.kind === 'platform') return caller.operator ?? null;
  return caller.kind === 'session' ? caller : null;
};

/** The name of a caller in logs and in the scopes of limits and repeats: a key, a session, or the kind of caller. */
export const nameOfCaller = (caller: Caller): string =>
  caller.kind === 'key' ? caller.keyId : (sessionOf(caller)?.sessionId ?? caller.kind);

/** Whom a consent or an audit row names: a key, `user/{id}`, `operator/{id}` or `platform`. */
export const actorOf = ({ caller }: Call): string => {
  if (caller.kind === 'session') return `user/${caller.userId}`;
  if (caller.kind === 'platform' && caller.operator) return `operator/${caller.operator.userId}`;
  return caller.kind === 'key' ? caller.keyId : caller.kind;
};

/**
 * Refuses another team's objects as not found.
 * @throws BillingError `not_found`
 */
export function mustSee(call: Call, teamId: string, what: string, param: string): void {
  const { caller } = call;
  if (caller.kind !== 'platform' && teamOfCaller(caller) !== teamId)
    throw new BillingError('not_found', `no such ${what}`, param);
}
