/**
 * Classifies the errors of neighbours as final (a retry brings the same answer) or passing (retried until the outcome
 * is known). An outage delays and never decides. Source: docs/rules.md#each-charge-once.
 *
 * Thrown failures are stored in Temporal's history, so they contain codes only: a neighbour's own message can hold an
 * address or a name.
 */
import { ApplicationFailure, Context } from '@temporalio/activity';
import Stripe from 'stripe';
import { BillingError } from '../billing/errors.ts';
import { type DeclineReason, declineReason } from '../billing/failure-reasons.ts';
import { Uncountable } from '../billing/money.ts';
import { isPassingState, sqlStateOf } from '../prisma/sqlstate.ts';
import { enhancedCodes, smtpVerdict } from './mail/smtp-answers.ts';

export type Neighbour = 'stripe' | 'copperx' | 'mail' | 'platform' | 'database' | 'clock';

/** Thrown for Temporal to try again. */
export const passing = (neighbour: Neighbour, what: string): ApplicationFailure =>
  ApplicationFailure.retryable(`${neighbour}: ${what}`, `${neighbour}_unavailable`);

/** Thrown to fail the workflow visibly for operators, because no retry will ever succeed. */
export const final = (neighbour: Neighbour, what: string, type = `${neighbour}_refused`): ApplicationFailure =>
  ApplicationFailure.nonRetryable(`${neighbour}: ${what}`, type);

/**
 * A database or clock error as an activity failure, in codes, because Prisma's own message has the statement and its
 * values. Null for every other error.
 */
export function databaseFailure(error: unknown): ApplicationFailure | null {
  if (error instanceof BillingError && error.code === 'clock_wrong') return passing('clock', error.message);
  // No retry makes the balance larger, so the workflow fails visibly for operators.
  if (error instanceof Uncountable) return ApplicationFailure.nonRetryable(error.message, 'amount_out_of_range');
  const state = sqlStateOf(error);
  return state !== null && isPassingState(state) ? passing('database', state) : null;
}

// ── Stripe ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * - `declined`: the card's answer, and nobody else's
 * - `refused`: the request is wrong or names a missing object; a retry fails in the same way
 * - `passing`: no network, timeout, 409, 429, 5xx; also 401 and 403, a fault of our key that an operator corrects
 *
 * Source: https://docs.stripe.com/error-low-level, https://docs.stripe.com/api/errors
 */
export type StripeFault = { kind: 'declined'; reason: DeclineReason } | { kind: 'refused' } | { kind: 'passing' };

const { errors } = Stripe;

export function stripeFault(error: unknown): StripeFault {
  if (error instanceof errors.StripeCardError)
    return { kind: 'declined', reason: declineReason(error.code ?? '', error.decline_code ?? null) };
  if (error instanceof errors.StripeInvalidRequestError) return { kind: 'refused' };
  return { kind: 'passing' };
}

/**
 * True when Stripe has no object with the id of a call: the object was deleted, or belongs to another account or mode.
 * @param what the parameter with the object's id; Stripe names an id in the path differently for each endpoint
 */
export function isMissing(error: unknown, what?: 'customer'): boolean {
  if (!(error instanceof errors.StripeInvalidRequestError) || error.code !== 'resource_missing') return false;
  return what === undefined || error.param === what || /^no such customer/i.test(error.message);
}

/** Null for an object that Stripe does not have. Other failures are thrown. */
export async function orNull<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** True for a key that Stripe does not accept: our own configuration, which an operator corrects. */
export const isOfOurKey = (error: unknown): boolean =>
  error instanceof errors.StripeAuthenticationError || error instanceof errors.StripePermissionError;

export const isStripeError = (error: unknown): error is Stripe.errors.StripeError =>
  error instanceof errors.StripeError;

/** A Stripe error in codes. The request id leads to the details in Stripe's dashboard. */
export function inCodes(error: unknown): string {
  if (!isStripeError(error)) return error instanceof Error ? error.name : 'unknown error';
  const network = error.detail instanceof Error ? (error.detail as NodeJS.ErrnoException).code : undefined;
  return [error.type, error.statusCode, error.code, error.param, network, error.requestId].filter(Boolean).join(' ');
}

/** Runs Stripe calls of an activity, and turns errors into failures that Temporal can store. */
export async function withStripe<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isStripeError(error)) throw passing('stripe', inCodes(error));
    if (error instanceof BillingError) throw ApplicationFailure.nonRetryable(error.message, error.code);
    throw error;
  }
}

// ── SMTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** An error of nodemailer. `command` is the refused SMTP command. */
interface SmtpError extends Error {
  code?: string;
  /** The code of the operating system or of TLS: `ECONNREFUSED`, `CERT_HAS_EXPIRED`. */
  originalCode?: string;
  responseCode?: number;
  command?: string;
  response?: string;
}

/**
 * From this attempt on, some two hours after the first, a recipient or message that is still refused is retried hourly.
 */
const PATIENT_ATTEMPTS = 30;
const SLOW_RETRY = '1 hour';

/** The failure of a mail, in codes: an SMTP answer can hold the recipient's address. Source of the classes: smtp-answers.ts */
export function mailFailure(error: unknown): ApplicationFailure {
  const { code, originalCode, responseCode, command, response = '' } = error as SmtpError;
  const codes = [
    code,
    originalCode === code ? undefined : originalCode,
    responseCode,
    ...enhancedCodes(response),
    command && `to ${command}`,
  ];
  const what = codes.filter(Boolean).join(' ') || 'unknown error';
  if (smtpVerdict({ command, responseCode, response }) === 'refused')
    return final('mail', `the server refused the recipient for good (${what})`);
  // Nothing was sent: nodemailer found no valid recipient address. The sender's address was checked when the process
  // started.
  if (code === 'EENVELOPE' && command === 'API')
    return final('mail', 'the recipient has no address that mail can go to');
  const isAboutThisMail = command === 'RCPT TO' || command === 'DATA';
  return isAboutThisMail && Context.current().info.attempt >= PATIENT_ATTEMPTS
    ? ApplicationFailure.create({ message: `mail: ${what}`, type: 'mail_unavailable', nextRetryDelay: SLOW_RETRY })
    : passing('mail', what);
}
