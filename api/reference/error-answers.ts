/** The error answers of an operation: an answer for each status, with its codes and an example for each code. */
import type { OpenAPIRegistry } from '@asteasolutions/zod-to-openapi';
import type { FailureCode } from '../../billing/errors.ts';
import { STATUS_OF, typeOf } from '../http/errors.ts';
import { ErrorBody } from '../http/schemas.ts';
import { ERROR_CODES } from './error-codes.ts';

const MEANING_OF_STATUS: Record<number, string> = {
  400: 'The request is not valid',
  401: 'The key or the session is missing or unknown',
  402: 'Not enough credit, or the card was declined',
  403: 'The caller is not allowed to do this',
  404: 'Not found, or an object of another team',
  405: 'The path does not accept this method',
  409: 'In conflict with the current state',
  413: 'The body is too large',
  415: 'The body is not JSON',
  422: 'Well formed, but not possible',
  429: 'Too many calls',
  500: 'A fault of the service',
  502: 'A provider refused our request',
  503: 'The service, or a provider, is unavailable',
};

const codes = Object.keys(ERROR_CODES) as FailureCode[];
const EXAMPLE_PREFIX = 'error.';
const REQUEST_ID = 'req_0f6d3c1b9a8e7d5c4b3a29181716f5e4';

export const REQUEST_ID_HEADER = {
  description: 'The id of the call, which the service logs. Quote it when you report a problem.',
  required: true,
  schema: { type: 'string' as const, example: REQUEST_ID },
};
const RETRY_AFTER = {
  description: 'Seconds to wait before the call is repeated.',
  schema: { type: 'integer' as const, minimum: 0, example: 2 },
};

/** The body of an error as the service sends errors. */
const bodyOf = (code: FailureCode) => {
  const { message, param, details } = ERROR_CODES[code];
  return {
    error: {
      type: typeOf(code),
      code,
      message,
      ...(param !== undefined && { param }),
      ...(code === 'invalid_request' && { errors: [{ param, message }] }),
      ...details,
      requestId: REQUEST_ID,
    },
  };
};

export function registerErrorExamples(registry: OpenAPIRegistry): void {
  for (const code of codes)
    registry.registerComponent('examples', EXAMPLE_PREFIX + code, {
      summary: ERROR_CODES[code].meaning,
      description: ERROR_CODES[code].whatToDo,
      value: bodyOf(code),
    });
}

const list = (codes: FailureCode[]): string =>
  codes.map((code) => `- \`${code}\`: ${ERROR_CODES[code].meaning} ${ERROR_CODES[code].whatToDo}`).join('\n');

function answer(status: number, codes: FailureCode[]) {
  return {
    description: `${MEANING_OF_STATUS[status]}.\n\n${list(codes)}`,
    headers: {
      'X-Request-Id': REQUEST_ID_HEADER,
      ...((status === 429 || status === 503) && { 'Retry-After': { ...RETRY_AFTER, required: true } }),
      ...(codes.includes('idempotency_in_flight') && { 'Retry-After': RETRY_AFTER }),
      ...(status === 401 && {
        'WWW-Authenticate': {
          description: 'The authentication scheme.',
          required: true,
          schema: { type: 'string' as const, example: 'Bearer' },
        },
      }),
    },
    content: {
      'application/json': {
        schema: ErrorBody,
        examples: Object.fromEntries(
          codes.map((code) => [code, { $ref: `#/components/examples/${EXAMPLE_PREFIX}${code}` }]),
        ),
      },
    },
  };
}

/** Answers by status for the codes of an operation, in the order of the table of codes. */
export function errorAnswers(failures: Iterable<FailureCode>): Record<string, ReturnType<typeof answer>> {
  const failing = new Set(failures);
  const byStatus = new Map<number, FailureCode[]>();
  for (const code of codes)
    if (failing.has(code)) byStatus.set(STATUS_OF[code], [...(byStatus.get(STATUS_OF[code]) ?? []), code]);
  return Object.fromEntries(
    [...byStatus].sort(([a], [b]) => a - b).map(([status, codes]) => [String(status), answer(status, codes)]),
  );
}
