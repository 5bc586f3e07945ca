/** Structured logs: a line a call, with its request id, and never a secret, an address or a body. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type DestinationStream, type Logger, pino } from 'pino';
import { type HttpLogger, pinoHttp } from 'pino-http';
import { prefixedId } from '../billing/ids.ts';
import { describeError } from '../worker/described.ts';
import { random128 } from './calls.ts';
import type { ApiWorld } from './world.ts';

/** A second line of defence: what is logged does not hold these in the first place. */
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
  locals?: { route?: string; call?: { caller: { kind: string; keyId?: string } } };
}

/** Gives every call its request id, answers it as X-Request-Id, and writes a line when the call is answered. */
export const logCalls = ({ log }: ApiWorld): HttpLogger<IncomingMessage, Answered> =>
  pinoHttp<IncomingMessage, Answered>({
    logger: log,
    quietReqLogger: true,
    // As they are: wrapped, an error would come here described already, with all its words.
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
    customProps: (_request, response) => {
      const caller = response.locals?.call?.caller;
      return { ...(caller && { caller: caller.keyId ?? caller.kind }), route: response.locals?.route };
    },
    customLogLevel: (request, response, error) => {
      if (QUIET_PATHS.has(request.url?.split('?')[0] ?? '')) return 'debug';
      if (response.statusCode === 503) return 'warn';
      return error || response.statusCode >= 500 ? 'error' : 'info';
    },
    customSuccessMessage: () => 'answered',
    customErrorMessage: () => 'answered',
  });
