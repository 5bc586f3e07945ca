/** Auto top-up: the policy, its limits, and what a card's refusal means. Source: rules.md, "Auto top-up". */
import { BillingError } from './errors.ts';
import { formatForPeople, isWholeCents, type Micros, micros } from './money.ts';

export interface TopUpPolicy {
  enabled: boolean;
  thresholdMicros: Micros;
  amountMicros: Micros;
  /** Null when none is saved: the next charge then fails safely. */
  paymentMethodId: string | null;
  /** Captured + in flight in one UTC month, at the most. Null: no cap. */
  monthlyCapMicros: Micros | null;
}

const dollars = (amount: number) => micros(amount * 1_000_000);

export const TOP_UP_LIMITS = {
  thresholdMinMicros: dollars(5),
  thresholdMaxMicros: dollars(500),
  amountMinMicros: dollars(15),
  amountMaxMicros: dollars(5000),
};

/**
 * Refuses an amount outside `[min, max]` or with a fraction of a cent.
 * @throws BillingError `amount_out_of_range`, naming `param`
 */
export function checkPayment(param: string, amountMicros: Micros, minMicros: Micros, maxMicros: Micros): void {
  if (amountMicros < minMicros || amountMicros > maxMicros)
    throw new BillingError(
      'amount_out_of_range',
      `${param} must be between ${formatForPeople(minMicros)} and ${formatForPeople(maxMicros)}`,
      param,
    );
  if (!isWholeCents(amountMicros)) throw new BillingError('amount_out_of_range', `${param} must be whole cents`, param);
}

/**
 * Refuses a policy that breaks the limits: threshold $5–$500, amount $15–$5,000, a cap not below one charge.
 * @throws BillingError `amount_out_of_range`, `payment_method_required`
 */
export function checkPolicy(policy: TopUpPolicy): void {
  const limits = TOP_UP_LIMITS;
  checkPayment('threshold', policy.thresholdMicros, limits.thresholdMinMicros, limits.thresholdMaxMicros);
  checkPayment('amount', policy.amountMicros, limits.amountMinMicros, limits.amountMaxMicros);
  if (policy.monthlyCapMicros !== null && policy.monthlyCapMicros < policy.amountMicros)
    throw new BillingError(
      'amount_out_of_range',
      'monthlyCap must not be below amount: no charge would ever fit',
      'monthlyCap',
    );
  if (policy.enabled && policy.paymentMethodId === null)
    throw new BillingError('payment_method_required', 'save a card before switching auto top-up on', 'paymentMethod');
}

/** Why a charge failed, in a word that ledger, mail and api share. */
export type DeclineReason =
  | 'insufficient_funds'
  | 'card_expired'
  | 'authentication_required'
  | 'card_removed'
  | 'card_not_supported'
  | 'incorrect_details'
  | 'declined';

const DECLINES = new Map<string, DeclineReason>([
  ['insufficient_funds', 'insufficient_funds'],
  ['withdrawal_count_limit_exceeded', 'insufficient_funds'],
  ['card_velocity_exceeded', 'insufficient_funds'],
  ['expired_card', 'card_expired'],
  ['authentication_required', 'authentication_required'],
  ['authentication_not_handled', 'authentication_required'],
  ['payment_intent_authentication_failure', 'authentication_required'],
  ['card_removed', 'card_removed'],
  ['resource_missing', 'card_removed'],
  ['card_not_supported', 'card_not_supported'],
  ['currency_not_supported', 'card_not_supported'],
  ['incorrect_cvc', 'incorrect_details'],
  ['incorrect_number', 'incorrect_details'],
  ['incorrect_zip', 'incorrect_details'],
  ['invalid_cvc', 'incorrect_details'],
]);

/** The class of a card error. `declineCode` is Stripe's finer word (docs.stripe.com/declines/codes), `code` its coarser one. */
export const declineReason = (code: string, declineCode: string | null): DeclineReason =>
  DECLINES.get(declineCode ?? '') ?? DECLINES.get(code) ?? 'declined';

/** What happened and what to do, in words for the person who holds the card. */
export const DECLINE_IN_WORDS: Record<DeclineReason, { why: string; whatToDo: string }> = {
  insufficient_funds: {
    why: 'your bank says that the card does not have enough funds or has reached its limit',
    whatToDo: 'Add credit with another card, or make funds available and switch auto top-up on again.',
  },
  card_expired: { why: 'the card has expired', whatToDo: 'Save a card that is valid and switch auto top-up on again.' },
  authentication_required: {
    why: 'your bank wants you to confirm the payment yourself, which cannot be done while you are away',
    whatToDo:
      'Make a deposit by hand, or save a card that allows charges in your absence, and switch auto top-up on again.',
  },
  card_removed: {
    why: 'the card is no longer saved with us',
    whatToDo: 'Save a card and switch auto top-up on again.',
  },
  card_not_supported: {
    why: 'the card does not support this kind of purchase',
    whatToDo: 'Save another card and switch auto top-up on again.',
  },
  incorrect_details: {
    why: 'the details of the card do not match those that your bank has',
    whatToDo: 'Save the card again with its correct details and switch auto top-up on again.',
  },
  declined: {
    why: 'your bank declined the charge without telling us why',
    whatToDo: 'Ask your bank, or save another card, and switch auto top-up on again.',
  },
};
