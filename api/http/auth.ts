/** Authentication and authorization of callers. Source: docs/http.md#who-may. */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { BillingError } from '../../billing/errors.ts';
import { findApiKey, type KeyScope } from '../../prisma/api-keys.ts';
import { digestOf } from '../../prisma/digest.ts';
import type { ApiWorld } from '../world.ts';
import type { Caller } from './calls.ts';

/**
 * The caller that a route requires: the platform's key, or a team's key with a scope. `any_scope`: a team's key with
 * any scope.
 */
export type Who = 'platform' | KeyScope | 'any_scope';

/** A new team key's secret: 256 random bits with a prefix, so leaked keys can be recognised. */
export const newSecret = (): string => `bk_${randomBytes(32).toString('base64url')}`;

/** Digests are compared in constant time, so response times reveal neither the length nor the first wrong character. */
const sameSecret = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());

/** The secret of an Authorization header, or null when there is none. */
export const bearerOf = (header: string | undefined): string | null =>
  /^Bearer +(\S.{0,511}?) *$/i.exec(header ?? '')?.[1] ?? null;

/**
 * Finds the caller of a key.
 * @param placed runs the read of the key table once a place is free, so strangers who try keys take few connections
 * @throws BillingError `unauthenticated`, `overloaded`
 */
export async function callerOf(
  world: ApiWorld,
  secret: string | null,
  placed: <T>(look: () => Promise<T>) => Promise<T>,
): Promise<Caller> {
  if (secret === null) throw new BillingError('unauthenticated', 'send a key as "Authorization: Bearer KEY"');
  if (sameSecret(secret, world.platformKey)) return { kind: 'platform' };
  const key = secret.startsWith('bk_') ? await placed(() => findApiKey(world.db, digestOf(secret))) : null;
  if (!key) throw new BillingError('unauthenticated', 'the key is not known, or was revoked');
  return { kind: 'key', keyId: key.id, teamId: key.teamId, scopes: key.scopes };
}

/** Scope `billing` may also read the objects that the scope changes. */
const GRANTED_BY: Record<Exclude<Who, 'platform'>, KeyScope[]> = {
  read: ['read', 'billing'],
  billing: ['billing'],
  usage: ['usage'],
  any_scope: ['read', 'billing', 'usage'],
};

/**
 * Refuses calls outside the caller's rights: another team's path is not found, and a call beyond the key's scopes is
 * forbidden.
 * @param teamId the team in the path, if any
 * @throws BillingError `not_found`, `forbidden`
 */
export function authorize(caller: Caller, who: Who, teamId: string | undefined): void {
  if (caller.kind === 'platform') return;
  if (caller.kind === 'provider') throw new BillingError('forbidden', 'a provider calls no route but its webhook');
  if (teamId !== undefined && teamId !== caller.teamId) throw new BillingError('not_found', 'no such team', 'team');
  if (who === 'platform') throw new BillingError('forbidden', 'only the platform may do this');
  if (!caller.scopes.some((scope) => GRANTED_BY[who].includes(scope)))
    throw new BillingError('forbidden', `the key lacks the scope "${who}"`);
}
