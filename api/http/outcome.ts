/**
 * Calls with an unknown outcome. `engine_unavailable` promises that a call has recorded nothing. Where the promise is
 * not certain, the answer is `outcome_unknown`, and a repeat of the call finds the outcome.
 */
import type { Request, Response } from 'express';
import { BillingError, type FailureCode } from '../../billing/errors.ts';
import { hasRecorded, notingRecords } from '../../prisma/recorded.ts';
import { isCommitUnknown, isDatabaseAway } from '../../prisma/sqlstate.ts';

const NOT_KNOWN = 'whether the call was recorded is not known: send the same again';
const NOT_READ = 'the call was recorded, but its outcome cannot be read just now: send the same again';

export const outcomeUnknown = (message = NOT_KNOWN, cause?: unknown): BillingError =>
  Object.assign(new BillingError('outcome_unknown', message), { cause });

/** The call was recorded, and its outcome cannot be read. */
export const outcomeUnread = (cause?: unknown): BillingError => outcomeUnknown(NOT_READ, cause);

export const isOutcomeUnknown = (error: unknown): boolean =>
  error instanceof BillingError && error.code === 'outcome_unknown';

/** Codes that promise that nothing was recorded. */
const PROMISE_NOTHING: ReadonlySet<FailureCode> = new Set(['engine_unavailable', 'clock_wrong', 'start_expired']);

const promisesNothing = (error: unknown): boolean =>
  error instanceof BillingError ? PROMISE_NOTHING.has(error.code) : isDatabaseAway(error);

/**
 * Runs a call that records.
 * @throws BillingError `outcome_unknown` when a commit has an unknown outcome, or when the call fails after a commit
 *   with an error that would promise that nothing was recorded
 */
const knowingOutcome = <T>(work: () => Promise<T>): Promise<T> =>
  notingRecords(async () => {
    try {
      return await work();
    } catch (error) {
      if (isCommitUnknown(error)) throw outcomeUnknown(NOT_KNOWN, error);
      if (hasRecorded() && promisesNothing(error)) throw outcomeUnread(error);
      throw error;
    }
  });

/** Serves a call that records. A late answer says that the outcome is not known. */
export const recording =
  (serve: (request: Request, response: Response) => Promise<void>) =>
  async (request: Request, response: Response): Promise<void> => {
    response.locals.records = true;
    await knowingOutcome(() => serve(request, response));
  };
