/** The fields with codes, each with the codes and the meanings. */
import { PAYMENT_FAILURES, REFUND_FAILURES } from '../../billing/failure-reasons.ts';
import { paymentFailureWords, refundFailureWords } from '../../billing/failure-words.ts';
import { ERROR_CODES } from './error-codes.ts';
import { TRANSACTION_CODES } from './transaction-codes.ts';

type Codes = Record<string, string>;

const paymentFailures: Codes = Object.fromEntries(
  PAYMENT_FAILURES.map((code) => [code, paymentFailureWords(code, 'card').why]),
);
const refundFailures: Codes = Object.fromEntries(REFUND_FAILURES.map((code) => [code, refundFailureWords(code).why]));
const errors: Codes = Object.fromEntries(Object.entries(ERROR_CODES).map(([code, { meaning }]) => [code, meaning]));

/** By schema and field, as in examples.ts. */
export const FIELD_CODES: Record<string, Codes> = {
  'Transaction.code': TRANSACTION_CODES,
  'Deposit.failureCode': paymentFailures,
  'Payment.failureCode': { ...refundFailures, ...paymentFailures },
  'AutoTopUpAttempt.failureCode': paymentFailures,
  'AutoTopUp.disabledReason': paymentFailures,
  'Error.error.code': errors,
  'Error.error.reason': { ...refundFailures, ...paymentFailures },
  'UsageEvent.error.code': errors,
};

/** `- code: meaning`, a line for each code, in Markdown. */
export const inLines = (codes: Codes): string =>
  Object.entries(codes)
    .map(([code, meaning]) => `- \`${code}\`: ${meaning}`)
    .join('\n');
