/** Structured logs: one line for each call, with its request id. Secrets, mail addresses and bodies are not logged. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request } from 'express';
import { type DestinationStream, type Logger, pino } from 'pino';
import { type HttpLogger, pinoHttp } from 'pino-http';
import { prefixedId } from '../../billing/ids.ts';
import { describeError } from '../../process/log-errors.ts';
import type { ApiWorld } from '../world.ts';
import { type Caller, nameOfCaller, random128 } from './calls.ts';

/** A second line of defence: logged objects should not hold these fields in the first place. */
const SECRETS = [
  'req.headers',
  'authorization',
  '*.authorization',
  'cookie',
  '*.cookie',
  'body',
  '*.body',
  'email',
  '*.email',
  'secret',
  '*.secret',
];

export const createLogger = (level: string, destination?: DestinationStream): Logger => {
  const options = {
    level,
    base: { process: 'api' },
    redact: { paths: SECRETS, censor: '[redacted]' },
    serializers: { err: describeError },
  };
  return destination ? pino(options, destination) : pino(options);
};

/** Asked every few seconds by machines. */
const QUIET_PATHS = new Set(['/healthz', '/readyz', '/metrics']);

interface Answered extends ServerResponse {
  locals?: { route?: string; errorCode?: string; call?: { caller: Caller } };
}

/** Refusals by which an operator finds a leaked or guessed key, a runaway client or a forger. */
const REFUSED_STRANGERS = new Set(['unauthenticated', 'rate_limited', 'webhook_invalid']);

/** The caller's network address. Behind proxies in TRUSTED_PROXIES, the forwarded address. */
const addressOf = (request: IncomingMessage): string | undefined =>
  (request as Partial<Request>).ip ?? request.socket.remoteAddress;

/** Gives every call its request id, answers the id as X-Request-Id, and writes a line when the call is answered. */
export const logCalls = ({ log }: ApiWorld): HttpLogger<IncomingMessage, Answered> =>
  pinoHttp<IncomingMessage, Answered>({
    logger: log,
    quietReqLogger: true,
    // Unwrapped: a wrapped error would arrive here as a description with all its words.
    wrapSerializers: false,
    customAttributeKeys: { reqId: 'requestId', responseTime: 'ms' },
    genReqId: (_request, response) => {
      const requestId = prefixedId('req', random128());
      response.setHeader('X-Request-Id', requestId);
      return requestId;
    },
    serializers: {
      err: describeError,
      req: ({ method, url }: { method: string; url: string }) => ({ method, path: url.split('?')[0] }),
      res: ({ statusCode }: { statusCode: number }) => ({ status: statusCode }),
    },
    customProps: (request, response) => {
      const { call, route, errorCode: code } = response.locals ?? {};
      const caller = call && nameOfCaller(call.caller);
      return {
        ...(caller && { caller }),
        route,
        ...(code && { code }),
        ...(code && REFUSED_STRANGERS.has(code) && { address: addressOf(request) }),
      };
    },
    customLogLevel: (request, response, error) => {
      if (QUIET_PATHS.has(request.url?.split('?')[0] ?? '')) return 'debug';
      if (response.statusCode === 503) return 'warn';
      return error || response.statusCode >= 500 ? 'error' : 'info';
    },
    customSuccessMessage: () => 'answered',
    customErrorMessage: () => 'answered',
  });
