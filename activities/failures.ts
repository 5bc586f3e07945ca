/**
 * What an error of a neighbour means: final (asking again brings the same answer) or passing (tried again until it is
 * known). An outage delays, it never decides. Source: rules.md, "Each charge once".
 *
 * What is thrown here ends up in Temporal's history, so it is said in codes: the neighbours' own words can hold an
 * address or a name.
 */
import { ApplicationFailure } from '@temporalio/activity';
import Stripe from 'stripe';
import { BillingError } from '../billing/errors.ts';
import { type DeclineReason, declineReason } from '../billing/failure-reasons.ts';

export type Neighbour = 'stripe' | 'copperx' | 'mail' | 'platform';

/** Thrown for Temporal to try again. */
export const passing = (neighbour: Neighbour, what: string): ApplicationFailure =>
  ApplicationFailure.retryable(`${neighbour}: ${what}`, `${neighbour}_unavailable`);

/** Thrown to fail the workflow where an operator sees it: no try will ever succeed. */
export const final = (neighbour: Neighbour, what: string, type = `${neighbour}_refused`): ApplicationFailure =>
  ApplicationFailure.nonRetryable(`${neighbour}: ${what}`, type);

// ── Stripe ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * - `declined`: the card's answer, and nobody else's
 * - `refused`: the request itself is wrong, or names what is not there; the same again brings the same
 * - `passing`: no network, timeout, 409, 429, 5xx; also 401 and 403, our own key's fault, which an operator mends
 *
 * Source: docs.stripe.com/error-low-level, docs.stripe.com/api/errors
 */
export type StripeFault = { kind: 'declined'; reason: DeclineReason } | { kind: 'refused' } | { kind: 'passing' };

const { errors } = Stripe;

export function stripeFault(error: unknown): StripeFault {
  if (error instanceof errors.StripeCardError)
    return { kind: 'declined', reason: declineReason(error.code ?? '', error.decline_code ?? null) };
  if (error instanceof errors.StripeInvalidRequestError) return { kind: 'refused' };
  return { kind: 'passing' };
}

export const isStripeError = (error: unknown): error is Stripe.errors.StripeError =>
  error instanceof errors.StripeError;

/** A Stripe error in codes. The request id leads to its whole story in Stripe's dashboard. */
export function inCodes(error: unknown): string {
  if (!isStripeError(error)) return error instanceof Error ? error.name : 'unknown error';
  const network = error.detail instanceof Error ? (error.detail as NodeJS.ErrnoException).code : undefined;
  return [error.type, error.statusCode, error.code, error.param, network, error.requestId].filter(Boolean).join(' ');
}

/** Runs what talks to Stripe in an activity: its errors leave as failures that Temporal can keep. */
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

/** What nodemailer says of a failure; `command` is the one that the server refused. */
interface SmtpError extends Error {
  code?: string;
  responseCode?: number;
  command?: string;
}

/**
 * A 5xx to the recipient or to the message is final: it would be refused for ever. One to the sender or the login is our
 * own configuration, which an operator mends, and so is passing, like 4xx, timeouts and refused connections.
 * Source: RFC 5321, 4.2.1
 */
export function mailFailure(error: unknown): ApplicationFailure {
  const { code, responseCode, command } = error as SmtpError;
  const what = [code, responseCode, command && `to ${command}`].filter(Boolean).join(' ') || 'unknown error';
  const aboutThisMail = command === 'RCPT TO' || command === 'DATA';
  if (aboutThisMail && responseCode !== undefined && responseCode >= 500)
    return final('mail', `the server refused the ${command === 'DATA' ? 'message' : 'recipient'} for good (${what})`);
  // Not sent to the server at all: the address cannot be one.
  if (code === 'EENVELOPE' && command === 'API')
    return final('mail', 'the recipient has no address that mail can go to');
  return passing('mail', what);
}
