/**
 * The words for every failure code, in one table. The API, the mails, the history and the outgoing events all read this
 * table, so all name the same cause. The words never blame a bank for an error of Burnrate.
 */
import { type PaymentFailure, paymentFailure, type RefundFailure, refundFailure } from './failure-reasons.ts';

export interface FailureWords {
  /** The failure, a clause without a full stop. */
  what: string;
  /** The cause, a clause in lower case. */
  why: string;
  /** The reader's options, in whole sentences. */
  whatToDo: string;
}

type Reason = Pick<FailureWords, 'why' | 'whatToDo'>;

const PAYMENT_WORDS: Record<PaymentFailure, Reason> = {
  insufficient_funds: {
    why: 'your bank says that the card does not have enough funds or has reached its limit',
    whatToDo: 'Add credit with another card, or make funds available.',
  },
  card_expired: { why: 'the card has expired', whatToDo: 'Save a card that is valid.' },
  authentication_required: {
    why: 'your bank wants you to confirm the payment yourself, which cannot be done while you are away',
    whatToDo: 'Make a deposit by hand and confirm it, or save a card that allows charges in your absence.',
  },
  card_removed: { why: 'the card is no longer saved with us', whatToDo: 'Save a card.' },
  card_not_supported: {
    why: 'the card does not support this kind of purchase',
    whatToDo: 'Save another card.',
  },
  incorrect_details: {
    why: 'the details of the card do not match those that your bank has',
    whatToDo: 'Save the card again with its correct details.',
  },
  processing_error: {
    why: 'the bank of the card could not process the charge at that moment',
    whatToDo: 'Wait a few minutes and try again, or use another card.',
  },
  declined: {
    why: 'the charge was declined, and no reason was given',
    whatToDo: 'Ask the bank that issued the card, or use another card.',
  },
  provider_rejected: {
    why: 'our payment provider did not accept our request; the cause is not your card',
    whatToDo: 'Try again later. If the payment fails again, please write to us.',
  },
  payment_missing: {
    why: 'our payment provider no longer has this payment; the cause is not your card',
    whatToDo:
      'Look at your card statement first. If the statement shows the charge, please write to us and do not pay again. Otherwise, make a new deposit.',
  },
  expired: {
    why: 'the payment page closed before it was paid',
    whatToDo: 'Make a new deposit to open a new page.',
  },
};

/** A payment in crypto has no card and no bank. */
const CRYPTO_WORDS: Partial<Record<PaymentFailure, Reason>> = {
  provider_rejected: {
    why: 'our provider of crypto payments did not accept our request to open a page',
    whatToDo: 'Try again later, or pay by card. If the payment fails again, please write to us.',
  },
  payment_missing: {
    why: 'our provider of crypto payments no longer has the page of this payment',
    whatToDo: 'If you have sent coins, please write to us with the transaction hash. If not, make a new deposit.',
  },
  expired: {
    why: 'the payment page closed before coins arrived',
    whatToDo: 'Make a new deposit to open a new page. Coins that arrive late are still credited.',
  },
};

const ANOTHER_WAY = 'Please write to us if you want the money sent another way.';
const DISPUTED = {
  why: 'the payment is disputed at the bank',
  whatToDo: 'Wait until the bank has decided the dispute.',
};
const NO_BALANCE = {
  why: 'our balance at the card provider did not cover the refund',
  whatToDo: 'Refund again when the balance at the card provider covers it.',
};
const CANCELED = {
  why: 'the refund was cancelled at the card provider',
  whatToDo: 'Refund again if it is still wanted.',
};

const REFUND_WORDS: Record<RefundFailure, Reason> = {
  expired_or_canceled_card: { why: 'the card has expired or was closed', whatToDo: ANOTHER_WAY },
  lost_or_stolen_card: { why: 'the card is no longer in use', whatToDo: ANOTHER_WAY },
  declined: { why: 'the bank of the card did not take the money', whatToDo: ANOTHER_WAY },
  unknown: { why: 'the bank of the card sent the money back and gave no reason', whatToDo: ANOTHER_WAY },
  charge_already_refunded: {
    why: 'the payment has already been refunded at the card provider',
    whatToDo: 'Compare the refunds of the payment at the card provider with those of the deposit.',
  },
  charge_disputed: DISPUTED,
  charge_for_pending_refund_disputed: DISPUTED,
  insufficient_funds: NO_BALANCE,
  balance_insufficient: NO_BALANCE,
  merchant_request: CANCELED,
  canceled: CANCELED,
  no_payment: {
    why: 'the deposit has no payment at the card provider',
    whatToDo: 'Send the money back another way.',
  },
  payment_missing: {
    why: 'the card provider no longer has the payment',
    whatToDo: 'Find the account at the card provider that took the payment, and refund it there.',
  },
  withdrawn: {
    why: 'the card provider has no such refund',
    whatToDo: 'Refund the deposit again if the money is still to go back.',
  },
  provider_rejected: {
    why: 'the card provider did not accept our request',
    whatToDo: 'The log names the request at the card provider. Refund again when the cause is corrected.',
  },
};

const NOT_PAID = { card: 'The card was not charged', crypto: 'No crypto payment was taken' } as const;

/** Words for codes of payments that may have taken place: these words do not deny the payment. */
const WHAT_OF: Partial<Record<PaymentFailure, string>> = {
  payment_missing: 'The outcome of the payment is not known',
  expired: 'Nothing was paid',
};

/** The words of a failed payment. @param code the stored code, possibly a code of an earlier release */
export function paymentFailureWords(code: string | null, method: 'card' | 'crypto'): FailureWords {
  const failure = paymentFailure(code);
  const reason = (method === 'crypto' && CRYPTO_WORDS[failure]) || PAYMENT_WORDS[failure];
  return { what: WHAT_OF[failure] ?? NOT_PAID[method], ...reason };
}

/** The words of a failed refund. @param code Stripe's code or the stored one */
export const refundFailureWords = (code: string | null): FailureWords => ({
  what: 'The refund was not paid out',
  ...REFUND_WORDS[refundFailure(code)],
});

/** All three parts as sentences. */
export const inSentences = ({ what, why, whatToDo }: FailureWords): string => `${what}: ${why}. ${whatToDo}`;
