/** Auto top-up: the policy and its limits. Source: docs/rules.md#auto-top-up. */
import { BillingError } from './errors.ts';
import { formatForPeople, isWholeCents, type Micros, micros } from './money.ts';

export interface TopUpPolicy {
  enabled: boolean;
  thresholdMicros: Micros;
  amountMicros: Micros;
  /** Null when none is saved: the next charge then fails safely. */
  paymentMethodId: string | null;
  /** The most that may be captured and in flight in a UTC month. Null: no cap. */
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
 * Refuses a policy outside the limits: threshold $5–$500, amount $15–$5,000, a cap not below one charge.
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
