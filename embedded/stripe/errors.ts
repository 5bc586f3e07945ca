import type { Refusal } from './faults.ts';
import type { PaymentIntent, PaymentMethod, SetupIntent } from './objects.ts';

export type ErrorType = 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error';

const TYPES: readonly string[] = ['api_error', 'card_error', 'idempotency_error', 'invalid_request_error'];

export interface ErrorBody {
  type: ErrorType;
  message: string;
  code?: string;
  param?: string;
  decline_code?: string;
  charge?: string;
  doc_url?: string;
  payment_intent?: PaymentIntent;
  payment_method?: PaymentMethod;
  setup_intent?: SetupIntent;
}

/** An answer of Stripe's other than a 2xx. Thrown anywhere below an endpoint, written once by the server. */
export class StripeRefusal extends Error {
  readonly status: number;
  readonly body: ErrorBody;

  constructor(status: number, body: ErrorBody) {
    super(body.message);
    this.status = status;
    this.body = body.code === undefined ? body : { ...body, doc_url: docUrl(body.code) };
  }
}

export function docUrl(code: string): string {
  return `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`;
}

export function invalidRequest(message: string, more: { code?: string; param?: string; status?: number } = {}) {
  const { status = 400, ...rest } = more;
  return new StripeRefusal(status, { type: 'invalid_request_error', message, ...rest });
}

/**
 * Stripe answers 404 when the path names the missing object, and 400 when a parameter does; `code` and `param` are the
 * same in both.
 */
export function resourceMissing(noun: string, id: string, param: string, place: 'path' | 'parameter', hint = '') {
  return invalidRequest(`No such ${noun}: '${id}'${hint}`, {
    code: 'resource_missing',
    param,
    status: place === 'path' ? 404 : 400,
  });
}

export function parameterMissing(param: string) {
  return invalidRequest(`Missing required param: ${param}.`, { code: 'parameter_missing', param });
}

export function parameterUnknown(params: string[]) {
  const noun = params.length === 1 ? 'parameter' : 'parameters';
  return invalidRequest(`Received unknown ${noun}: ${params.join(', ')}`, {
    code: 'parameter_unknown',
    ...(params[0] === undefined ? {} : { param: params[0] }),
  });
}

export function unexpectedState(message: string, paymentIntent: PaymentIntent) {
  return new StripeRefusal(400, {
    type: 'invalid_request_error',
    code: 'payment_intent_unexpected_state',
    message,
    payment_intent: paymentIntent,
  });
}

export function apiError(message = 'An unknown error occurred') {
  return new StripeRefusal(500, { type: 'api_error', message });
}

export function rateLimited() {
  return new StripeRefusal(429, {
    type: 'invalid_request_error',
    code: 'rate_limit',
    message:
      'Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits. You might also want to consider retrying with an exponential backoff.',
  });
}

/** The answer of a fault. Without a type, the type follows from the status. */
export function refusalOf({ status = 400, type, code, declineCode, param, message }: Refusal = {}) {
  const usual: ErrorType = status >= 500 ? 'api_error' : status === 402 ? 'card_error' : 'invalid_request_error';
  const named = TYPES.find((each) => each === type) as ErrorType | undefined;
  return new StripeRefusal(status, {
    type: named ?? usual,
    message: message ?? 'Your request was refused.',
    ...(code !== undefined && { code }),
    ...(declineCode !== undefined && { decline_code: declineCode }),
    ...(param !== undefined && { param }),
  });
}
