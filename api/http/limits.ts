/** Rate limits: per key, and per address for unknown keys. */
import type { Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { BillingError } from '../../billing/errors.ts';
import { type Call, nameOfCaller } from './calls.ts';

const MINUTE_MS = 60_000;
const STRANGERS_PER_MINUTE = 600;

const tooMany: RequestHandler = (_request, _response, next) =>
  next(new BillingError('rate_limited', 'too many calls within a minute: wait as long as Retry-After says'));

/** Each process counts for itself. */
export const limitKeys = (limit: number): RequestHandler =>
  rateLimit({
    windowMs: MINUTE_MS,
    limit,
    standardHeaders: 'draft-7',
    legacyHeaders: false,
    validate: false,
    keyGenerator: (_request, response) => nameOfCaller((response.locals.call as Call).caller),
    handler: tooMany,
  });

/** Limits by address: for calls with unknown keys, so guessing slows down nobody else, and for pages without a key. */
export const limitStrangers = (): RequestHandler =>
  rateLimit({
    windowMs: MINUTE_MS,
    limit: STRANGERS_PER_MINUTE,
    standardHeaders: 'draft-7',
    legacyHeaders: false,
    validate: false,
    keyGenerator: (request) => ipKeyGenerator(request.ip ?? ''),
    handler: tooMany,
  });

/** Bodies of callers who are not authenticated yet. A quarter of a MiB each, so 16 MiB at the most together. */
const STRANGERS_BODIES = 64;
const BODY_WITHIN_MS = 5_000;

/**
 * Reads few bodies of unauthenticated callers at once, each for a few seconds at the most. When all places are taken,
 * the oldest body gives way, so slow bodies never keep out a fast one.
 */
export function fewBodiesAtOnce(most = STRANGERS_BODIES, withinMs = BODY_WITHIN_MS): RequestHandler {
  const underWay = new Map<Request, NodeJS.Timeout>();
  const giveUp = (request: Request): void => {
    clearTimeout(underWay.get(request));
    underWay.delete(request);
    request.destroy();
  };
  return (request, _response, next) => {
    const [oldest] = underWay.keys();
    if (underWay.size >= most && oldest) giveUp(oldest);
    underWay.set(request, setTimeout(giveUp, withinMs, request).unref());
    const done = (): void => {
      clearTimeout(underWay.get(request));
      underWay.delete(request);
    };
    request.once('end', done);
    request.once('close', done);
    next();
  };
}

/** The number of connections of a process, and the time for each to send its request. */
export const SERVER_LIMITS = {
  maxConnections: 2_000,
  headersWithinMs: 10_000,
  /** A connection is looked at so often. */
  checkEveryMs: 5_000,
};
