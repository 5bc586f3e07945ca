/** Authentication and authorization of callers. Source: docs/http.md#who-may. */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { BillingError } from '../../billing/errors.ts';
import { findApiKey, type KeyScope } from '../../prisma/api-keys.ts';
import { digestOf } from '../../prisma/digest.ts';
import type { ApiWorld } from '../world.ts';
import { type Caller, teamOfCaller } from './calls.ts';

/**
 * The caller that a route requires. `anyone`: no authentication. `session`: a signed-in person. `platform_key`: the
 * platform's key, and no operator's session. `platform`: the platform's key or an operator's session. `team_billing`: the
 * platform, or a session of role `billing`; no team key. A scope: a team's key with the scope, or a session whose role
 * includes the scope. `any_scope`: a team's key with any scope, or any session.
 */
export type Who = 'anyone' | 'session' | 'platform_key' | 'platform' | 'team_billing' | KeyScope | 'any_scope';

/** A new secret, of a team key by default: 256 random bits with a prefix, so leaked secrets can be recognised. */
export const newSecret = (prefix = 'bk'): string => `${prefix}_${randomBytes(32).toString('base64url')}`;

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
const GRANTED_BY: Record<KeyScope | 'any_scope', KeyScope[]> = {
  read: ['read', 'billing'],
  billing: ['billing'],
  usage: ['usage'],
  any_scope: ['read', 'billing', 'usage'],
};

/** The refusal of a team's key or session. */
const ONLY_FOR: Record<Who, string> = {
  anyone: 'this call takes no key',
  session: 'only a session may do this',
  platform_key: 'only the platform may do this',
  platform: 'only the platform may do this',
  team_billing: 'only the platform, or a session of role "billing", may do this',
  read: 'the caller lacks the scope "read"',
  billing: 'the caller lacks the scope "billing"',
  usage: 'the caller lacks the scope "usage"',
  any_scope: 'the caller lacks a scope',
};

/** A session of role `billing` may also stop instances, and manage keys and webhook endpoints of its team. */
const GRANTED_TO_ROLE: Record<'viewer' | 'billing', readonly Who[]> = {
  viewer: ['session', 'read', 'any_scope'],
  billing: ['session', 'read', 'any_scope', 'billing', 'team_billing'],
};

/** The reason why a caller may not call a route; null if the caller may. */
function refusalOf(caller: Caller, who: Who): string | null {
  switch (caller.kind) {
    case 'platform':
      if (who === 'session' && !caller.operator) return 'only a session may do this';
      return who === 'platform_key' && caller.operator ? 'only the platform key may do this' : null;
    case 'session':
      return GRANTED_TO_ROLE[caller.role].includes(who) ? null : ONLY_FOR[who];
    case 'key':
      return who in GRANTED_BY && caller.scopes.some((scope) => GRANTED_BY[who as KeyScope].includes(scope))
        ? null
        : ONLY_FOR[who];
    default:
      return 'a caller without a key calls no route but its own';
  }
}

/**
 * Refuses calls outside the caller's rights: another team's path is not found, and a call beyond the key's scopes or the
 * session's role is forbidden.
 * @param teamId the team in the path, if any
 * @throws BillingError `not_found`, `forbidden`
 */
export function authorize(caller: Caller, who: Who, teamId: string | undefined): void {
  if (who === 'anyone') return;
  const own = teamOfCaller(caller);
  if (own !== null && teamId !== undefined && teamId !== own)
    throw new BillingError('not_found', 'no such team', 'team');
  const refusal = refusalOf(caller, who);
  if (refusal !== null) throw new BillingError('forbidden', refusal);
}
