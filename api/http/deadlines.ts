/**
 * The latest time of each part of a call. The parts add up to less than ten seconds. A call answered as failed must
 * have no later effect, so each part ends before the answer that depends on the part.
 */
import { performance } from 'node:perf_hooks';
import type { RequestHandler, Response } from 'express';
import { BillingError } from '../../billing/errors.ts';
import type { DbOptions } from '../../prisma/client.ts';
import { type Limits, withinLimits } from '../../prisma/limits.ts';
import { errorAnswer } from './errors.ts';
import { outcomeUnknown } from './outcome.ts';

/** Milliseconds since receipt. */
export interface CallTimes {
  /** The last commit of a call that wakes a workflow afterwards. A wake takes two seconds at the most. */
  commitMs: number;
  /** The last statement, which reads recorded facts or undoes an unfinished claim. */
  lastStatementMs: number;
  /** The answer, in any state of the call. */
  answerMs: number;
}

export const CALL_TIMES: CallTimes = {
  commitMs: 6_500,
  lastStatementMs: 9_200,
  answerMs: 9_500,
};

/** The api's connections: a lock, a statement and a connection are waited for less long than a call may take. */
export const API_DB: DbOptions = { statementTimeoutMs: 6_000, lockTimeoutMs: 5_000, connectionTimeoutMs: 4_000 };

/** The limits of a call: its statements and commits end before its answer. */
const limitsFrom = (startedMs: number, { commitMs, lastStatementMs }: CallTimes): Limits => ({
  statementLeftMs: () => startedMs + lastStatementMs - performance.now(),
  commitLeftMs: () => startedMs + commitMs - performance.now(),
});

const isLate = (mayHaveRecorded: boolean): BillingError =>
  mayHaveRecorded
    ? outcomeUnknown('the call took too long, and whether it was recorded is not known: send the same again')
    : new BillingError('engine_unavailable', 'the call took too long; nothing was recorded');

/** Aborts when the caller has closed the connection before the answer. */
export const callerGone = (response: Response): AbortSignal => response.locals.gone as AbortSignal;

/**
 * Answers 503 when a call is late, and runs the call within its limits. `response.locals.records` says that the call
 * has reached a route that records.
 */
export const answeringInTime =
  (times: CallTimes): RequestHandler =>
  (request, response, next) => {
    const timer = setTimeout(() => {
      if (response.headersSent) return;
      response.locals.overdue = true;
      const { status, headers, body } = errorAnswer(isLate(response.locals.records === true), String(request.id));
      response.locals.errorCode = body.error.code;
      response.status(status).set(headers).json(body);
    }, times.answerMs);
    const gone = new AbortController();
    response.locals.gone = gone.signal;
    response.once('close', () => {
      clearTimeout(timer);
      if (!response.writableFinished) gone.abort();
    });
    withinLimits(limitsFrom(performance.now(), times), next);
  };
