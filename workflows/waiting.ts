/** Waiting in workflows: for news, or for a second. */
import { condition, patched, sleep } from '@temporalio/workflow';
import { formatSecond, SECONDS_PER_DAY, secondOf } from '../billing/time.ts';

/** The present second of the workflow, passed on to every fact. Workflow time is the same in a replay. */
export const nowSecond = (): number => secondOf(Date.now());

const DAY_MS = SECONDS_PER_DAY * 1000;
/** The longest timer. A wake once a month to look again costs nothing. */
const LONGEST_SLEEP_MS = 30 * DAY_MS;
/** When the awaited time has come but the deciding side does not see the time yet, another look at once would spin. */
const SHORTEST_SLEEP_MS = 1000;
/** A timer due in less would fire about a second late. */
const SOON_MS = 1000;

/**
 * Holds whether there is news to look at; taking the news clears the flag. The time itself is news: an earlier pending
 * timer serves for any later second, so a burst of changes sets no timers, and no timer is ever cancelled. A timer of
 * an outdated plan costs one look.
 */
export class WakeSignal {
  private unread = false;
  /** The end of each pending timer, in unix milliseconds. */
  private alarmsMs: number[] = [];
  /** The end of the last timer that was set by `soon`. */
  private soonMs = 0;

  readonly arrived = (): void => {
    this.unread = true;
  };

  /**
   * Schedules news at least 1 s from now, at most one per second. The look after the news sees all facts that are
   * recorded until then. An earlier pending timer does not replace the scheduled news.
   */
  readonly soon = (): void => {
    const now = Date.now();
    if (this.soonMs >= now + SOON_MS) return;
    this.soonMs = Math.max(this.soonMs, now) + SOON_MS;
    this.ring(this.soonMs, 'what was recorded meanwhile');
  };

  /** True while news that `soon` has promised is still to come. */
  isPromised(): boolean {
    return this.soonMs > Date.now();
  }

  take(): boolean {
    const { unread } = this;
    this.unread = false;
    return unread;
  }

  /** Waits for news, or until the second if given. Operators read the summary beside the timer. */
  async orSecond(second: number | null, summary: string): Promise<void> {
    if (second !== null) this.setAlarm(second * 1000, `${summary} at ${formatSecond(second)}`);
    await condition(() => this.unread);
  }

  async orMs(ms: number, summary: string): Promise<void> {
    this.setAlarm(Date.now() + ms, summary);
    await condition(() => this.unread);
  }

  private setAlarm(atMs: number, summary: string): void {
    if (!this.alarmsMs.some((alarmMs) => alarmMs <= atMs)) this.ring(atMs, summary);
  }

  private ring(atMs: number, summary: string): void {
    const ms = atMs - Date.now();
    this.alarmsMs.push(atMs);
    void sleep(ms > 0 ? Math.min(ms, LONGEST_SLEEP_MS) : SHORTEST_SLEEP_MS, { summary }).then(() => {
      this.alarmsMs = this.alarmsMs.filter((alarmMs) => alarmMs !== atMs);
      this.arrived();
    });
  }
}

/** Runs from before this patch answer an operator at the end of the next look. */
const BEGUN_SINCE = 'answers-by-a-look-begun-since';

/**
 * The looks of a workflow at its provider, for requests of operators. A look that is under way at the request may have
 * read an earlier state, so a look that begins after the request answers the request.
 */
export class ProviderReads {
  private begunReads = 0;
  /** The number of the last look whose finding is recorded. */
  private endedReads = 0;
  private countedReads = 0;
  private isClosed = false;
  private readonly wakeSignal: WakeSignal;

  constructor(wakeSignal: WakeSignal) {
    this.wakeSignal = wakeSignal;
  }

  /** Before the provider is asked. */
  begin(): void {
    this.begunReads += 1;
  }

  /** Once the finding of the look is recorded. */
  end(): void {
    this.endedReads = this.begunReads;
  }

  /** Counts a look where earlier runs counted looks, because their histories replay by this count. */
  count(): void {
    this.countedReads += 1;
  }

  /** Ends the looks, and answers the waiting requests. */
  close(): void {
    this.isClosed = true;
  }

  /**
   * Requests a look and waits for its end, for `withinMs` at most. Earlier runs wait no longer than until `isSettled`.
   */
  async next(withinMs: number, isSettled = () => false): Promise<void> {
    const { begunReads, countedReads } = this;
    const isSeen = patched(BEGUN_SINCE)
      ? () => this.endedReads > begunReads || this.isClosed
      : () => this.countedReads > countedReads || isSettled();
    this.wakeSignal.arrived();
    await condition(isSeen, withinMs);
  }
}

export interface Pace {
  firstMs: number;
  slowestMs: number;
  /** The text beside the timer, for operators. */
  summary: string | (() => string);
  /** Changes a wait by what the last look has found. */
  adjustMs?(waitMs: number): number;
}

const waitAt = (wakeSignal: WakeSignal, { summary, adjustMs }: Pace, waitMs: number): Promise<void> =>
  wakeSignal.orMs(adjustMs ? adjustMs(waitMs) : waitMs, typeof summary === 'string' ? summary : summary());

const slower = (waitMs: number, { slowestMs }: Pace): number => Math.min(waitMs * 2, slowestMs);

/** Looks until `look` finds something. Waits twice as long after each look; news ends a wait at once. */
export async function pollUntil<T>(wakeSignal: WakeSignal, pace: Pace, look: () => Promise<T | undefined>): Promise<T> {
  for (let waitMs = pace.firstMs; ; waitMs = slower(waitMs, pace)) {
    wakeSignal.take();
    const result = await look();
    if (result !== undefined) return result;
    await waitAt(wakeSignal, pace, waitMs);
  }
}

/** Like `pollUntil`, with the first look after `firstMs` or at the next news. */
export async function pollLater<T>(wakeSignal: WakeSignal, pace: Pace, look: () => Promise<T | undefined>): Promise<T> {
  await waitAt(wakeSignal, pace, pace.firstMs);
  return pollUntil(wakeSignal, { ...pace, firstMs: slower(pace.firstMs, pace) }, look);
}

/**
 * Looks 1, 2, 4 … days after the last change, up to `days`, and at each news, because a provider can change an answer.
 * Returns whether `look` found the matter open again.
 */
export async function isOpenAgain(
  wakeSignal: WakeSignal,
  { days, summary }: { days: number; summary: string },
  look: () => Promise<'same' | 'changed' | 'open' | 'over'>,
): Promise<boolean> {
  let sinceMs = Date.now();
  for (let day = 1; day <= days; ) {
    const dueMs = sinceMs + day * DAY_MS;
    await wakeSignal.orMs(Math.max(0, dueMs - Date.now()), summary);
    wakeSignal.take();
    const state = await look();
    if (state === 'open' || state === 'over') return state === 'open';
    if (state === 'changed') {
      sinceMs = Date.now();
      day = 1;
    } else if (Date.now() >= dueMs) day *= 2;
  }
  return false;
}
