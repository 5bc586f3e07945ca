/** Turns refusals into HTTP answers: one table from failure codes to statuses, and one form of an error. */
import { randomInt } from 'node:crypto';
import { BillingError, type FailureCode } from '../../billing/errors.ts';
import { Uncountable } from '../../billing/money.ts';
import { isDatabaseAway } from '../../prisma/sqlstate.ts';
import { InvalidRequest, type Problem } from './messages.ts';

export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'payment_error'
  | 'conflict_error'
  | 'rate_limit_error'
  | 'unavailable_error'
  | 'provider_error'
  | 'internal_error';

export const STATUS_OF: Record<FailureCode, number> = {
  invalid_request: 400,
  invalid_amount: 400,
  webhook_invalid: 400,
  unauthenticated: 401,
  insufficient_credit: 402,
  budget_met: 402,
  burn_limit: 402,
  card_declined: 402,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  id_taken: 409,
  version_conflict: 409,
  instance_ended: 409,
  instance_active: 409,
  team_suspended: 409,
  team_archived: 409,
  team_in_use: 409,
  payment_method_in_use: 409,
  not_refundable: 409,
  deposit_disputed: 409,
  withdrawal_refused: 409,
  refund_refused: 409,
  refund_not_supported: 409,
  no_reservation: 409,
  not_spot: 409,
  reservation_ended: 409,
  hold_closed: 409,
  idempotency_key_reused: 409,
  idempotency_in_flight: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  amount_out_of_range: 422,
  at_out_of_range: 422,
  too_many_groups: 422,
  payment_method_required: 422,
  payment_method_invalid: 422,
  price_not_found: 422,
  rate_limited: 429,
  internal: 500,
  provider_rejected: 502,
  start_expired: 503,
  engine_unavailable: 503,
  outcome_unknown: 503,
  overloaded: 503,
  clock_wrong: 503,
  provider_unavailable: 503,
};

const TYPE_OF_STATUS: Record<number, ErrorType> = {
  401: 'authentication_error',
  402: 'payment_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  429: 'rate_limit_error',
  500: 'internal_error',
  502: 'provider_error',
  503: 'unavailable_error',
};

export const typeOf = (code: FailureCode): ErrorType => TYPE_OF_STATUS[STATUS_OF[code]] ?? 'invalid_request_error';

const RETRY_AFTER_SECONDS: Partial<Record<FailureCode, number>> = {
  engine_unavailable: 2,
  outcome_unknown: 2,
  clock_wrong: 5,
  provider_unavailable: 5,
  start_expired: 2,
  idempotency_in_flight: 1,
};

/** A refusal with details beyond its code: `card_declined` names the deposit and the reason. */
export class DetailedError extends BillingError {
  readonly details: Record<string, string>;

  constructor(code: FailureCode, message: string, details: Record<string, string>) {
    super(code, message);
    this.details = details;
  }
}

/** The upper bound of Retry-After. The values are random, so refused calls do not come back all at once. */
const LONGEST_RETRY_SECONDS = 5;

/** The refusal of a call without a place, with its own Retry-After. */
export class Overloaded extends BillingError {
  readonly retryAfterSeconds: number;

  constructor() {
    super(
      'overloaded',
      'more calls are under way than can be served in time; nothing was recorded: repeat the call after Retry-After',
    );
    this.retryAfterSeconds = randomInt(1, LONGEST_RETRY_SECONDS + 1);
  }
}

export interface ErrorAnswer {
  status: number;
  headers: Record<string, string>;
  body: {
    error: {
      type: ErrorType;
      code: FailureCode;
      message: string;
      param?: string;
      errors?: readonly Problem[];
      requestId: string;
      [detail: string]: unknown;
    };
  };
}

/** The faults of an invalid request; undefined for other refusals, and where no argument is at fault. */
function problemsOfRefusal(refusal: BillingError): readonly Problem[] | undefined {
  if (refusal instanceof InvalidRequest) return refusal.problems;
  const { code, param, message } = refusal;
  return code === 'invalid_request' && param !== undefined ? [{ param, message }] : undefined;
}

/** The message is for people. `errors` has the complete list of faults. */
const LONGEST_MESSAGE = 1_000;

/** The answer to a refusal. Any other error is answered as `internal`, without its message. */
export function errorAnswer(error: unknown, requestId: string): ErrorAnswer {
  const refusal = toRefusal(error);
  const { code, param } = refusal;
  const status = STATUS_OF[code];
  const retryAfter = refusal instanceof Overloaded ? refusal.retryAfterSeconds : RETRY_AFTER_SECONDS[code];
  const details = refusal instanceof DetailedError ? refusal.details : {};
  const type = typeOf(code);
  const problems = problemsOfRefusal(refusal);
  return {
    status,
    headers: {
      ...(retryAfter !== undefined && { 'Retry-After': String(retryAfter) }),
      ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }),
    },
    body: {
      error: {
        type,
        code,
        message: refusal.message.slice(0, LONGEST_MESSAGE),
        ...(param !== undefined && { param }),
        ...(problems !== undefined && { errors: problems }),
        ...details,
        requestId,
      },
    },
  };
}

/** Our words for the errors of body parsers and other middleware. */
const REFUSAL_OF_PARSER: Record<string, [FailureCode, string]> = {
  'encoding.unsupported': ['unsupported_media_type', 'the content encoding is not supported'],
  'request.size.invalid': ['invalid_request', 'the length of the body differs from Content-Length'],
  'request.aborted': ['invalid_request', 'the body ended early'],
};

function toRefusal(error: unknown): BillingError {
  if (error instanceof BillingError) return error;
  const { type, status } = error as { type?: unknown; status?: unknown };
  if (type === 'entity.too.large') {
    const { limit } = error as { limit?: unknown };
    const most = limit === 256 * 1024 ? '256 KiB' : '1 MiB';
    return new BillingError('payload_too_large', `the body is larger than ${most}`);
  }
  const refusal = typeof type === 'string' ? REFUSAL_OF_PARSER[type] : undefined;
  if (refusal) return new BillingError(...refusal);
  // A body that does not unpack or a path that does not decode is the caller's error, by the status of the parser.
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new BillingError('invalid_request', 'the request could not be read');
  if (error instanceof Uncountable) return new BillingError('amount_out_of_range', error.message);
  if (isDatabaseAway(error))
    return new BillingError('engine_unavailable', 'the ledger cannot be reached just now; nothing was recorded');
  return new BillingError('internal', 'something went wrong on our side');
}
