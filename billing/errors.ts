/**
 * The list of refusals. The doc comment of each act names the codes that the act throws, and the api has a table from
 * code to HTTP status.
 */
export type FailureCode =
  | 'invalid_request'
  | 'invalid_amount'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'insufficient_credit'
  | 'budget_met'
  | 'burn_limit'
  | 'card_declined'
  | 'not_refundable'
  | 'deposit_disputed'
  | 'withdrawal_refused'
  | 'refund_refused'
  | 'refund_not_supported'
  | 'payment_method_required'
  | 'payment_method_invalid'
  | 'payment_method_in_use'
  | 'amount_out_of_range'
  | 'id_taken'
  | 'version_conflict'
  | 'instance_ended'
  | 'instance_active'
  | 'team_suspended'
  | 'team_archived'
  | 'team_in_use'
  | 'at_out_of_range'
  | 'too_many_groups'
  | 'price_not_found'
  | 'no_reservation'
  | 'not_spot'
  | 'reservation_ended'
  | 'hold_closed'
  | 'idempotency_key_reused'
  | 'idempotency_in_flight'
  | 'webhook_invalid'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'rate_limited'
  | 'start_expired'
  | 'engine_unavailable'
  | 'outcome_unknown'
  | 'overloaded'
  | 'clock_wrong'
  | 'provider_unavailable'
  | 'provider_rejected'
  | 'internal';

/** A refusal with its code and, where one argument is at fault, the name of the argument. */
export class BillingError extends Error {
  readonly code: FailureCode;
  readonly param: string | undefined;

  constructor(code: FailureCode, message: string, param?: string) {
    super(message);
    this.name = 'BillingError';
    this.code = code;
    this.param = param;
  }
}

/** The code of an error, if the error is an expected refusal; null for any other error. */
export const refusalAmong = <C extends FailureCode>(expected: readonly C[], error: unknown): C | null =>
  error instanceof BillingError ? (expected.find((code) => code === error.code) ?? null) : null;
