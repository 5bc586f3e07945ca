/** Tests the failure codes of payments and refunds, and the text for each code. */
import { describe, expect, it } from 'vitest';
import {
  DECLINE_REASONS,
  declineReason,
  isDecline,
  PAYMENT_FAILURES,
  paymentFailure,
  REFUND_FAILURES,
  refundFailure,
  switchesTopUpOff,
} from '../../billing/failure-reasons.ts';
import { inSentences, paymentFailureWords, refundFailureWords } from '../../billing/failure-words.ts';

describe('the class of a card error', () => {
  it.each([
    ['card_declined', 'insufficient_funds', 'insufficient_funds'],
    ['card_declined', 'card_velocity_exceeded', 'insufficient_funds'],
    ['expired_card', null, 'card_expired'],
    ['card_declined', 'expired_card', 'card_expired'],
    ['authentication_required', null, 'authentication_required'],
    ['card_declined', 'authentication_required', 'authentication_required'],
    ['resource_missing', null, 'card_removed'],
    ['incorrect_cvc', null, 'incorrect_details'],
    ['card_declined', 'invalid_expiry_year', 'incorrect_details'],
    ['card_declined', 'card_not_supported', 'card_not_supported'],
    ['card_declined', 'transaction_not_allowed', 'card_not_supported'],
    ['processing_error', null, 'processing_error'],
    ['card_declined', 'issuer_not_available', 'processing_error'],
    ['card_declined', 'generic_decline', 'declined'],
    // Stripe asks that the payer is not told of a suspicion of fraud.
    ['card_declined', 'stolen_card', 'declined'],
    ['card_declined', 'fraudulent', 'declined'],
    ['card_declined', null, 'declined'],
    ['card_declined', 'a_word_of_tomorrow', 'declined'],
    ['', null, 'declined'],
    // Every object has these names; they are no decline codes.
    ['constructor', 'toString', 'declined'],
  ])('of %s, %s is %s', (code, declineCode, expected) => {
    expect(declineReason(code, declineCode)).toBe(expected);
  });
});

describe('a stored failure code', () => {
  it('of a payment is read as a code of the list', () => {
    for (const code of PAYMENT_FAILURES) expect(paymentFailure(code)).toBe(code);
    expect([null, '', 'lost_card', 'toString'].map(paymentFailure)).toEqual(Array(4).fill('declined'));
    expect(paymentFailure('expired_card')).toBe('card_expired');
  });

  it('of a refund is read as a code of the list', () => {
    for (const code of REFUND_FAILURES) expect(refundFailure(code)).toBe(code);
    expect([null, '', 'parameter_invalid', 'toString'].map(refundFailure)).toEqual(Array(4).fill('provider_rejected'));
  });
});

describe('the text for a failed payment', () => {
  const each = PAYMENT_FAILURES.flatMap((code) => (['card', 'crypto'] as const).map((method) => ({ code, method })));

  it.each(each)('with $code by $method contains the failure, the reason and the next step', ({ code, method }) => {
    const { what, why, whatToDo } = paymentFailureWords(code, method);
    expect(what).toMatch(/^[A-Z][^.]+$/);
    expect(why).toMatch(/^(the|your|our) [^.]+$/);
    expect(whatToDo).toMatch(/^[A-Z].+\.$/);
    expect(inSentences({ what, why, whatToDo })).toBe(`${what}: ${why}. ${whatToDo}`);
  });

  it.each(PAYMENT_FAILURES.filter((code) => !isDecline(code)))(
    'with %s names neither the card nor its bank as the cause',
    (code) => {
      for (const method of ['card', 'crypto'] as const)
        expect(paymentFailureWords(code, method).why).not.toMatch(
          /declin|your bank|bank of the card|the card (has|is|does)/,
        );
    },
  );

  it('names no card for a crypto payment', () => {
    for (const code of ['provider_rejected', 'payment_missing', 'expired']) {
      const { what, why } = paymentFailureWords(code, 'crypto');
      expect(`${what} ${why}`).not.toMatch(/card|bank/);
    }
  });

  it('does not claim that nothing was charged when the outcome is unknown', () => {
    expect(paymentFailureWords('payment_missing', 'card').what).not.toContain('not charged');
    expect(paymentFailureWords('payment_missing', 'card').whatToDo).toContain('statement');
  });
});

describe('the text for a failed refund', () => {
  it.each(REFUND_FAILURES)('with %s contains the failure, the reason and the next step', (code) => {
    const { what, why, whatToDo } = refundFailureWords(code);
    expect(what).toBe('The refund was not paid out');
    expect(why).toMatch(/^(the|our) [^.]+$/);
    expect(whatToDo).toMatch(/^[A-Z].+\.$/);
  });
});

describe('auto top-up', () => {
  it('is switched off after every card error, and after a charge with an unknown outcome', () => {
    for (const reason of DECLINE_REASONS) expect(switchesTopUpOff(reason)).toBe(true);
    expect(switchesTopUpOff('payment_missing')).toBe(true);
  });

  it('stays on after a request that the provider refuses', () => {
    expect(switchesTopUpOff('provider_rejected')).toBe(false);
  });
});
