/** Who calls, and what they may. Source: docs/http.md#who-may. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { BillingError } from '../billing/errors.ts';
import { findApiKey, type KeyScope } from '../prisma/api-keys.ts';
import type { Caller } from './calls.ts';
import type { ApiWorld } from './world.ts';

/** What a route asks for: the platform's key, or a team's key with a scope; `any_scope`: whichever it has. */
export type Who = 'platform' | KeyScope | 'any_scope';

export const digestOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** A new team key's secret: 256 random bits, told by their prefix when they turn up where they should not. */
export const newSecret = (): string => `bk_${randomBytes(32).toString('base64url')}`;

/** Digests are compared, so that neither the length nor the first wrong character shows in the time that it takes. */
const sameSecret = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());

/** The secret of an Authorization header, or null when there is none. */
export const bearerOf = (header: string | undefined): string | null =>
  /^Bearer +(\S.{0,511}?) *$/i.exec(header ?? '')?.[1] ?? null;

/**
 * Finds out whose key it is.
 * @param placed runs the look at the table of keys once there is a place for it: strangers who try keys must not take the
 *   connections of others
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

/** `billing` may also read: it sees what it changes. */
const GRANTED_BY: Record<Exclude<Who, 'platform'>, KeyScope[]> = {
  read: ['read', 'billing'],
  billing: ['billing'],
  usage: ['usage'],
  any_scope: ['read', 'billing', 'usage'],
};

/**
 * Refuses a caller what is not theirs: another team's path is not there, what a key's scopes do not cover is forbidden.
 * @param teamId the team that the path names, if it does
 * @throws BillingError `not_found`, `forbidden`
 */
export function authorize(caller: Caller, who: Who, teamId: string | undefined): void {
  if (caller.kind === 'platform') return;
  if (teamId !== undefined && teamId !== caller.teamId) throw new BillingError('not_found', 'no such team', 'team');
  if (who === 'platform') throw new BillingError('forbidden', 'only the platform may do this');
  if (!caller.scopes.some((scope) => GRANTED_BY[who].includes(scope)))
    throw new BillingError('forbidden', `the key lacks the scope "${who}"`);
}
