/**
 * The cookie of a session, and the checks of calls by cookie. A browser adds the cookie to calls that other pages cause, so
 * each change needs a header that other pages cannot send, and an own Origin.
 * Source: docs/http.md#sessions, https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie
 */
import type { Request } from 'express';
import { BillingError } from '../../billing/errors.ts';
import { digestOf } from '../../prisma/digest.ts';
import { findSession, type Session } from '../../prisma/sessions.ts';
import type { ApiWorld } from '../world.ts';
import type { Caller } from './calls.ts';

export const SESSION_COOKIE = 'burnrate_session';
export const SESSION_HEADER = 'X-Burnrate-Session';

/** Secrets that this service makes, and no longer values. */
const SECRET = /^[\x21-\x7e]{1,512}$/;

/**
 * The secret in a Cookie header; null if the header has none. Two different values are refused: another site of the same
 * domain may have set one of them.
 * @throws BillingError `unauthenticated`
 */
export function cookieOf(header: string | undefined): string | null {
  const values = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${SESSION_COOKIE}=`))
    .map((pair) => pair.slice(SESSION_COOKIE.length + 1));
  const [value, ...others] = new Set(values);
  if (others.length > 0) throw new BillingError('unauthenticated', `the cookie ${SESSION_COOKIE} was sent twice`);
  return value !== undefined && SECRET.test(value) ? value : null;
}

/** @param maxAgeSeconds 0 deletes the cookie */
export const setCookie = ({ publicUrl }: ApiWorld, secret: string, maxAgeSeconds: number): string =>
  [
    `${SESSION_COOKIE}=${secret}`,
    'Path=/',
    `Max-Age=${maxAgeSeconds}`,
    'HttpOnly',
    'SameSite=Strict',
    ...(publicUrl.startsWith('https:') ? ['Secure'] : []),
  ].join('; ');

/**
 * Refuses a call from a page of another origin. Browsers send Origin with every call other than a GET, and other programs
 * send no Origin.
 * @throws BillingError `forbidden`
 */
export function mustBeOwnOrigin({ publicUrl }: ApiWorld, request: Request): void {
  const origin = request.get('Origin');
  if (origin !== undefined && origin !== new URL(publicUrl).origin)
    throw new BillingError('forbidden', 'the call comes from a page of another origin');
}

/** @throws BillingError `forbidden` for a change without the header, or from another origin */
export function mustBeOwnPage(world: ApiWorld, request: Request): void {
  if (request.method === 'GET' || request.method === 'HEAD') return;
  mustBeOwnOrigin(world, request);
  if (request.get(SESSION_HEADER) !== '1')
    throw new BillingError('forbidden', `send the header ${SESSION_HEADER}: 1 with every change by cookie`);
}

/** The caller of a session. */
export function callerOfSession({ id: sessionId, teamId, role, user }: Session): Caller {
  const session = { sessionId, userId: user.id };
  if (role === 'operator') return { kind: 'platform', operator: session };
  if (teamId === null) throw new Error(`the session ${sessionId} has no team`);
  return { kind: 'session', teamId, role, ...session };
}

/**
 * Finds the caller of a session's secret.
 * @param placed runs the read once a place is free, so strangers who try secrets take few connections
 * @throws BillingError `unauthenticated`, `overloaded`
 */
export async function callerOfCookie(
  { db }: ApiWorld,
  secret: string,
  nowSecond: number,
  placed: <T>(look: () => Promise<T>) => Promise<T>,
): Promise<Caller> {
  const session = await placed(() => findSession(db, digestOf(secret), nowSecond));
  if (!session) throw new BillingError('unauthenticated', 'the session is over: ask for a new link');
  return callerOfSession(session);
}
