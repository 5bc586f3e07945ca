/**
 * How long the work under way may still use the database. A caller who is answered 503 is told that nothing was recorded,
 * so no statement begins and no transaction commits once its answer is due. The limits follow the work through every
 * function that it calls.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';
import pg from 'pg';

export interface Limits {
  /** Milliseconds left in which a statement may begin. */
  statementLeftMs(): number;
  /** Milliseconds left in which a transaction that writes may commit. */
  commitLeftMs(): number;
}

const UNLIMITED: Limits = {
  statementLeftMs: () => Number.POSITIVE_INFINITY,
  commitLeftMs: () => Number.POSITIVE_INFINITY,
};
const current = new AsyncLocalStorage<Limits>();

/** Limits by which statements and commits end in so many milliseconds. */
export function commitsWithin(leftMs: number): Limits {
  const endMs = performance.now() + leftMs;
  const left = () => endMs - performance.now();
  return { statementLeftMs: left, commitLeftMs: left };
}

/** Runs `work` within limits, instead of those that its caller has. */
export const withinLimits = <T>(limits: Limits, work: () => T): T => current.run(limits, work);

/** Runs `work` without limits: a file that is streamed takes as long as its reader does. */
export const withoutLimits = <T>(work: () => T): T => current.run(UNLIMITED, work);

export const limitsNow = (): Limits => current.getStore() ?? UNLIMITED;

/** Thrown instead of a statement or a commit that would come too late. Reads as Postgres' own `query_canceled`. */
export class OutOfTime extends Error {
  readonly code = '57014';
  readonly severity = 'ERROR';

  constructor() {
    super('the time for this call is over: nothing of it was kept');
  }
}

/** @throws OutOfTime when a commit would come too late */
export function mustBeInTimeToCommit(): void {
  if (limitsNow().commitLeftMs() <= 0) throw new OutOfTime();
}

type Connected = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: unknown) => void,
) => void;

/** A pool that gives no connection to work whose time was over before it had one. */
export class LimitedPool extends pg.Pool {
  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Connected): void;
  // biome-ignore lint/suspicious/noConfusingVoidType: the two ways in which pg declares it
  override connect(callback?: Connected): Promise<pg.PoolClient> | void {
    const { statementLeftMs } = limitsNow();
    if (callback === undefined)
      return super.connect().then((client) => {
        if (statementLeftMs() > 0) return client;
        client.release();
        throw new OutOfTime();
      });
    super.connect((error, client, done) => {
      if (error || statementLeftMs() > 0) return callback(error, client, done);
      done();
      callback(new OutOfTime(), undefined, () => {});
    });
  }
}
