/**
 * Limits of the running work: the time for which the work may use the database, and its connections. A 503 promises the
 * caller that nothing was recorded, so no statement begins and no transaction commits once the answer is due. The
 * limits follow the work through every function call.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';
import pg from 'pg';
import { noteConnection, noteEndOfTransaction } from './raw-queries.ts';

export interface Limits {
  /** Milliseconds left in which a statement may begin. */
  statementLeftMs(): number;
  /** Milliseconds left for the commit of a writing transaction. */
  commitLeftMs(): number;
  /** True if nobody waits for the work any more, and none of the work has begun. */
  isUnwanted?(): boolean;
  /** Called when the work is given a connection. */
  begins?(): void;
  /** The team of the recorded facts. Absent for work that only reads. */
  recordsFor?: string;
}

const UNLIMITED: Limits = {
  statementLeftMs: () => Number.POSITIVE_INFINITY,
  commitLeftMs: () => Number.POSITIVE_INFINITY,
};
const current = new AsyncLocalStorage<Limits>();

/** Limits for the end of statements and commits after a number of milliseconds. */
export function commitsWithin(leftMs: number): Limits {
  const endMs = performance.now() + leftMs;
  const left = () => endMs - performance.now();
  return { statementLeftMs: left, commitLeftMs: left };
}

/** Runs `work` within limits, instead of its caller's limits. */
export const withinLimits = <T>(limits: Limits, work: () => T): T => current.run(limits, work);

/** Runs `work` without limits: a streamed file takes as long as its reader does. */
export const withoutLimits = <T>(work: () => T): T => current.run(UNLIMITED, work);

export const limitsNow = (): Limits => current.getStore() ?? UNLIMITED;

/** The work of several callers recorded together takes turns at connections like one team. */
const TOGETHER = 'together, of several teams';

/**
 * Runs work for several callers at once, within the time of the first. The work goes on when the first caller has gone,
 * and waits for no turn of the caller's team.
 */
export function forSeveral<T>(work: () => T): T {
  const { statementLeftMs, commitLeftMs } = limitsNow();
  return withinLimits({ statementLeftMs, commitLeftMs, recordsFor: TOGETHER }, work);
}

/** Thrown instead of a statement or a commit that would be late. Has the code of Postgres' own `query_canceled`. */
export class OutOfTime extends Error {
  readonly code = '57014';
  readonly severity = 'ERROR';

  constructor() {
    super('the time for this call is over: nothing of it was kept');
  }
}

const isOver = ({ statementLeftMs, isUnwanted }: Limits): boolean => statementLeftMs() <= 0 || isUnwanted?.() === true;

/** @throws OutOfTime when a commit would come too late */
export function mustBeInTimeToCommit(): void {
  if (limitsNow().commitLeftMs() <= 0) throw new OutOfTime();
}

/** Statements that end a transaction are always sent. */
const ENDS_TRANSACTION = /^\s*(COMMIT|ROLLBACK)\b/i;

const textOf = (statement: unknown): string =>
  typeof statement === 'string' ? statement : String((statement as { text?: unknown } | null)?.text ?? '');

/**
 * Makes each statement of a transaction check the limits of its work. For other statements the pool checks the limits
 * when a connection is free.
 */
function limitStatements(client: pg.PoolClient): void {
  Object.assign(client, {
    query: (...args: unknown[]): unknown => {
      const answersByCallback = args.some((arg) => typeof arg === 'function');
      if (!answersByCallback && isOver(limitsNow()) && !ENDS_TRANSACTION.test(textOf(args[0])))
        return Promise.reject(new OutOfTime());
      if (ENDS_TRANSACTION.test(textOf(args[0]))) noteEndOfTransaction(client);
      return Reflect.apply(pg.Client.prototype.query, client, args);
    },
  });
}

type Connected = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: unknown) => void,
) => void;

/** A longer timer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The number of connections that recording work leaves to reading work. */
const LEFT_TO_READS = 2;

/**
 * A pool that gives no connection to late work, or to work whose caller has gone before the begin. Recording work
 * leaves some connections to reading work, and no team takes more than half of the connections for recording.
 */
export class LimitedPool extends pg.Pool {
  readonly #turns: Turns;

  constructor(config: pg.PoolConfig & { max: number }) {
    super(config);
    const recording = Math.max(1, config.max - LEFT_TO_READS);
    this.#turns = new Turns(recording, Math.ceil(recording / 2));
    this.on('connect', (client) => {
      // A connection can break before its user has a listener. The next statement on the connection then fails; without
      // a listener here, the process would end.
      client.on('error', () => {});
      limitStatements(client);
    });
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Connected): void;
  // biome-ignore lint/suspicious/noConfusingVoidType: the two ways in which pg declares it
  override connect(callback?: Connected): Promise<pg.PoolClient> | void {
    const connected = this.#connectWithin(limitsNow());
    if (callback === undefined) return connected;
    connected.then(
      (client) => callback(undefined, client, (error) => client.release(error as Error | boolean | undefined)),
      (error) => callback(error, undefined, () => {}),
    );
  }

  async #connectWithin(limits: Limits): Promise<pg.PoolClient> {
    if (isOver(limits)) throw new OutOfTime();
    const { recordsFor } = limits;
    const giveBack =
      recordsFor === undefined ? undefined : await this.#turns.take(recordsFor, limits.statementLeftMs());
    try {
      if (isOver(limits)) throw new OutOfTime();
      const client = await super.connect();
      if (isOver(limits)) {
        client.release();
        throw new OutOfTime();
      }
      limits.begins?.();
      noteConnection(client);
      if (giveBack) {
        const { release } = client;
        client.release = (error) => {
          giveBack();
          release(error);
        };
      }
      return client;
    } catch (error) {
      giveBack?.();
      throw error;
    }
  }
}

/** Turns of teams at connections: a number in all, and a number for each team. */
class Turns {
  readonly #most: number;
  readonly #mostOfTeam: number;
  readonly #held = new Map<string, number>();
  readonly #waiting: Array<{ team: string; grant: () => void }> = [];
  #taken = 0;

  constructor(most: number, mostOfTeam: number) {
    this.#most = most;
    this.#mostOfTeam = mostOfTeam;
  }

  /**
   * Waits for a turn, no longer than `withinMs`.
   * @returns gives the turn back; a second call does nothing
   * @throws OutOfTime
   */
  async take(team: string, withinMs: number): Promise<() => void> {
    if (!this.#isFreeFor(team)) await this.#wait(team, withinMs);
    else this.#count(team, 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#count(team, -1);
      this.#grantNext();
    };
  }

  #isFreeFor = (team: string): boolean => this.#taken < this.#most && (this.#held.get(team) ?? 0) < this.#mostOfTeam;

  #count(team: string, by: 1 | -1): void {
    this.#taken += by;
    const held = (this.#held.get(team) ?? 0) + by;
    if (held === 0) this.#held.delete(team);
    else this.#held.set(team, held);
  }

  #wait(team: string, withinMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(new OutOfTime());
      };
      const timer = Number.isFinite(withinMs) ? setTimeout(late, Math.min(withinMs, LONGEST_TIMER_MS)) : undefined;
      const grant = () => {
        clearTimeout(timer);
        this.#count(team, 1);
        resolve();
      };
      const waiting = { team, grant };
      this.#waiting.push(waiting);
    });
  }

  #grantNext(): void {
    const next = this.#waiting.findIndex(({ team }) => this.#isFreeFor(team));
    if (next !== -1) this.#waiting.splice(next, 1)[0]?.grant();
  }
}
