/** Tests the limits of auto top-up policies and payments. */
import { describe, expect, it } from 'vitest';
import { type Micros, parseDollars } from '../../billing/money.ts';
import { checkPayment, checkPolicy, type TopUpPolicy } from '../../billing/top-up.ts';
import { policyOf } from './book.ts';

const refusalOf = (policy: TopUpPolicy) => {
  try {
    checkPolicy(policy);
    return null;
  } catch (error) {
    const { code, param } = error as { code: string; param: string };
    return `${code} ${param}`;
  }
};

describe('an auto top-up policy', () => {
  it.each([
    ['5', '15', null],
    ['500', '5000', null],
    ['499.99', '4999.99', null],
    ['4.99', '15', 'amount_out_of_range threshold'],
    ['0', '15', 'amount_out_of_range threshold'],
    ['500.01', '15', 'amount_out_of_range threshold'],
    ['5', '14.99', 'amount_out_of_range amount'],
    ['5', '5000.01', 'amount_out_of_range amount'],
    ['5', '15.001', 'amount_out_of_range amount'],
  ])('with threshold %s and amount %s is answered %s', (threshold, amount, expected) => {
    expect(refusalOf(policyOf(threshold, amount))).toBe(expected);
  });

  it('can have a cap of one charge, and no smaller cap', () => {
    const capped = (cap: string): TopUpPolicy => policyOf('5', '15', { monthlyCapMicros: parseDollars(cap) });
    expect(refusalOf(capped('15'))).toBeNull();
    expect(refusalOf(capped('14.999999'))).toBe('amount_out_of_range monthlyCap');
  });

  it('cannot be switched on without a card, and can be off without a card', () => {
    expect(refusalOf(policyOf('5', '15', { paymentMethodId: null }))).toBe('payment_method_required paymentMethod');
    expect(refusalOf(policyOf('5', '15', { paymentMethodId: null, enabled: false }))).toBeNull();
  });
});

describe('a payment', () => {
  const within = (amount: string) => () =>
    checkPayment('amount', parseDollars(amount) as Micros, parseDollars('15'), parseDollars('5000'));

  it('is within its limits, both included, in whole cents', () => {
    for (const amount of ['15', '15.01', '5000']) expect(within(amount)).not.toThrow();
  });

  it.each(['14.99', '14.999999', '5000.01', '5000.000001', '15.005'])('cannot be %s', (amount) => {
    expect(within(amount)).toThrow(expect.objectContaining({ code: 'amount_out_of_range', param: 'amount' }));
  });
});
