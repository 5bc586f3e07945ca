/**
 * Why a payment or a refund failed, as one closed list of codes. Providers use many more codes; each is classified
 * here, and failure-words.ts has the sentences for every code of the list. Sources: docs.stripe.com/declines/codes,
 * docs.stripe.com/error-codes, docs.stripe.com/refunds#failed-refunds
 */

/**
 * Errors of the card or of its bank. Only these are answered as `card_declined` and switch auto top-up off as a
 * decline.
 */
export const DECLINE_REASONS = [
  'insufficient_funds',
  'card_expired',
  'authentication_required',
  'card_removed',
  'card_not_supported',
  'incorrect_details',
  'processing_error',
  'declined',
] as const;

export type DeclineReason = (typeof DECLINE_REASONS)[number];

/**
 * Failures without an error of a card:
 * - `provider_rejected`: the provider refuses our request; an operator must look
 * - `payment_missing`: the provider no longer has the payment or its page, so the outcome cannot be learnt
 * - `expired`: the payment page closed unpaid
 */
export const PAYMENT_FAILURES = [...DECLINE_REASONS, 'provider_rejected', 'payment_missing', 'expired'] as const;

export type PaymentFailure = (typeof PAYMENT_FAILURES)[number];

/** Stripe's codes under Stripe's names, and three of our own: `no_payment`, `payment_missing`, `provider_rejected`. */
export const REFUND_FAILURES = [
  'expired_or_canceled_card',
  'lost_or_stolen_card',
  'declined',
  'unknown',
  'charge_already_refunded',
  'charge_disputed',
  'charge_for_pending_refund_disputed',
  'insufficient_funds',
  'balance_insufficient',
  'merchant_request',
  'canceled',
  'no_payment',
  'payment_missing',
  'withdrawn',
  'provider_rejected',
] as const;

export type RefundFailure = (typeof REFUND_FAILURES)[number];

const DECLINES = new Map<string, DeclineReason>([
  ['insufficient_funds', 'insufficient_funds'],
  ['withdrawal_count_limit_exceeded', 'insufficient_funds'],
  ['card_velocity_exceeded', 'insufficient_funds'],
  ['expired_card', 'card_expired'],
  ['authentication_required', 'authentication_required'],
  ['authentication_not_handled', 'authentication_required'],
  ['mobile_device_authentication_required', 'authentication_required'],
  ['approve_with_id', 'authentication_required'],
  ['payment_intent_authentication_failure', 'authentication_required'],
  ['card_removed', 'card_removed'],
  ['resource_missing', 'card_removed'],
  ['card_not_supported', 'card_not_supported'],
  ['currency_not_supported', 'card_not_supported'],
  ['transaction_not_allowed', 'card_not_supported'],
  ['service_not_allowed', 'card_not_supported'],
  ['not_permitted', 'card_not_supported'],
  ['incorrect_cvc', 'incorrect_details'],
  ['incorrect_number', 'incorrect_details'],
  ['incorrect_zip', 'incorrect_details'],
  ['incorrect_address', 'incorrect_details'],
  ['invalid_cvc', 'incorrect_details'],
  ['invalid_number', 'incorrect_details'],
  ['invalid_account', 'incorrect_details'],
  ['invalid_expiry_month', 'incorrect_details'],
  ['invalid_expiry_year', 'incorrect_details'],
  ['new_account_information_available', 'incorrect_details'],
  ['processing_error', 'processing_error'],
  ['issuer_not_available', 'processing_error'],
  ['reenter_transaction', 'processing_error'],
  ['try_again_later', 'processing_error'],
  ['duplicate_transaction', 'processing_error'],
]);

/**
 * Classifies a card error. `declineCode` is Stripe's finer code, `code` the coarser. Codes of suspected fraud (stolen,
 * lost, blocked) stay `declined`: Stripe asks platforms to tell the payer no more.
 */
export const declineReason = (code: string, declineCode: string | null): DeclineReason =>
  DECLINES.get(declineCode ?? '') ?? DECLINES.get(code) ?? 'declined';

/** Reads a stored failure code of a payment. An unknown code is `declined`, the least specific reason. */
export const paymentFailure = (code: string | null): PaymentFailure =>
  PAYMENT_FAILURES.find((known) => known === code) ?? declineReason('', code);

/** Reads a refund's failure code, Stripe's own or a stored one. An unknown code is `provider_rejected`. */
export const refundFailure = (code: string | null): RefundFailure =>
  REFUND_FAILURES.find((known) => known === code) ?? 'provider_rejected';

const REFUSED_BY_BANK: readonly RefundFailure[] = [
  'expired_or_canceled_card',
  'lost_or_stolen_card',
  'declined',
  'unknown',
];

/** True where the bank of the card sent the refund back. */
export const isRefusedByBank = (failure: RefundFailure): boolean => REFUSED_BY_BANK.includes(failure);

/** True for an error of the card or its bank. */
export const isDecline = (failure: PaymentFailure): failure is DeclineReason =>
  DECLINE_REASONS.some((reason) => reason === failure);

/**
 * True where auto top-up must not charge again by itself: after an error of the card, and where the outcome of the last
 * charge cannot be learnt. A request of Burnrate that the provider refuses leaves the policy on.
 */
export const switchesTopUpOff = (failure: PaymentFailure): boolean => failure !== 'provider_rejected';
