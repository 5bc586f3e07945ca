/** One call: who makes it, when it was received, and the ids that are made for it. */
import { createHash, randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { BillingError } from '../billing/errors.ts';
import { type IdPrefix, prefixedId } from '../billing/ids.ts';
import { secondOf } from '../billing/time.ts';
import type { KeyScope } from '../prisma/api-keys.ts';

export type Caller = { kind: 'platform' } | { kind: 'key'; keyId: string; teamId: string; scopes: KeyScope[] };

export interface Call {
  requestId: string;
  /** Unix milliseconds. */
  receivedMs: number;
  receivedSecond: number;
  caller: Caller;
  log: Logger;
  /** Under an Idempotency-Key: what ids are made from, so that a call which was cut off makes the same ones again. */
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

/** An id for what this call makes: one of each prefix a call. */
export const newId = (call: Call, prefix: IdPrefix): string =>
  prefixedId(
    prefix,
    call.seed === null ? random128() : createHash('sha256').update(`${prefix}/${call.seed}`).digest('hex').slice(0, 32),
  );

/** Whom a consent or an audit row names. */
export const actorOf = ({ caller }: Call): string => (caller.kind === 'platform' ? 'platform' : caller.keyId);

/**
 * Refuses another team's things as if they were not there.
 * @throws BillingError `not_found`
 */
export function mustSee(call: Call, teamId: string, what: string, param: string): void {
  if (call.caller.kind === 'key' && call.caller.teamId !== teamId)
    throw new BillingError('not_found', `no such ${what}`, param);
}
