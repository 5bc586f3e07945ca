/** How often one may call: per key, and per address for keys that are not known. */
import type { RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { BillingError } from '../billing/errors.ts';
import type { Call } from './calls.ts';

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
    keyGenerator: (_request, response) => {
      const { caller } = response.locals.call as Call;
      return caller.kind === 'platform' ? 'platform' : caller.keyId;
    },
    handler: tooMany,
  });

/** By address. For calls whose key is not known, so that guessing does not slow down anybody else, and for pages without one. */
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
