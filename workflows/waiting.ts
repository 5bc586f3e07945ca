/** How the workflows wait: for news, or for a second to come. */
import { condition, patched, sleep } from '@temporalio/workflow';
import { formatSecond, secondOf } from '../billing/time.ts';

/** The second in which the workflow is. Passed on to every fact; workflow time is the same in a replay. */
export const nowSecond = (): number => secondOf(Date.now());

/** Timers are set no longer than this; waking once a month to look again costs nothing. */
const LONGEST_SLEEP_MS = 30 * 24 * 3600 * 1000;
/** When the time to wait for is here but the one who decides does not see it yet, looking again at once would spin. */
const SHORTEST_SLEEP_MS = 1000;
/** A timer due in less would fire about a second late. */
const SOON_MS = 1000;

/**
 * Whether there is something new to look at; taking the news leaves none. The time itself is news: an alarm that was set
 * earlier and is still out serves for any later second, so that a burst of changes sets no timers, and none is ever
 * cancelled. An alarm that rings for a plan that has changed since costs one look.
 */
export class News {
  private unread = false;
  /** When the timers that are out will ring, in unix milliseconds. */
  private alarmsMs: number[] = [];
  /** When the last timer rings that was set for `soon`. */
  private soonMs = 0;

  readonly arrived = (): void => {
    this.unread = true;
  };

  /**
   * News is to come within a second, and once a second however often this is called. Whoever calls may count on news that
   * is no less than a second away, in which all is seen that is recorded till then: an alarm that is out and rings earlier
   * is followed by another.
   */
  readonly soon = (): void => {
    const now = Date.now();
    if (this.soonMs >= now + SOON_MS) return;
    this.soonMs = Math.max(this.soonMs, now) + SOON_MS;
    this.ring(this.soonMs, 'what was recorded meanwhile');
  };

  /** Whether news that `soon` has promised is still to come. */
  isPromised(): boolean {
    return this.soonMs > Date.now();
  }

  take(): boolean {
    const { unread } = this;
    this.unread = false;
    return unread;
  }

  /** Waits for news, or until the second comes when one is given. The summary is what an operator reads beside the timer. */
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

/** Runs that were started before this existed answer an operator with the next look that ends. */
const BEGUN_SINCE = 'answers-by-a-look-begun-since';

/**
 * The looks of a workflow at its provider, for operators who ask for a look. A look that is under way when the request
 * arrives may have read an earlier state, so the request is answered by a look that begins after it.
 */
export class Looks {
  private begun = 0;
  /** The number of the last look whose finding is recorded. */
  private ended = 0;
  private counted = 0;
  private isClosed = false;
  private readonly news: News;

  constructor(news: News) {
    this.news = news;
  }

  /** Before the provider is asked. */
  begin(): void {
    this.begun += 1;
  }

  /** Once the finding of the look is recorded. */
  end(): void {
    this.ended = this.begun;
  }

  /** Counts a look where runs of before counted it. Their histories replay by this count. */
  count(): void {
    this.counted += 1;
  }

  /** No look follows any more: requests that wait are answered. */
  close(): void {
    this.isClosed = true;
  }

  /** Asks for a look and waits for its end, for `withinMs` at most. Runs of before wait no longer than until `isSettled`. */
  async next(withinMs: number, isSettled = () => false): Promise<void> {
    const { begun, counted } = this;
    const isSeen = patched(BEGUN_SINCE)
      ? () => this.ended > begun || this.isClosed
      : () => this.counted > counted || isSettled();
    this.news.arrived();
    await condition(isSeen, withinMs);
  }
}

const DAY_MS = 24 * 3600 * 1000;

interface Pace {
  firstMs: number;
  slowestMs: number;
  /** What an operator reads beside the timer. */
  summary: string;
}

/** Looks until `look` finds something. Waits twice as long after each look; news ends a wait at once. */
export async function pollUntil<T>(news: News, pace: Pace, look: () => Promise<T | undefined>): Promise<T> {
  const { firstMs, slowestMs, summary } = pace;
  for (let waitMs = firstMs; ; waitMs = Math.min(waitMs * 2, slowestMs)) {
    news.take();
    const found = await look();
    if (found !== undefined) return found;
    await news.orMs(waitMs, summary);
  }
}

/**
 * Looks 1, 2, 4 … days after the last change, up to `days`, and whenever news comes: a provider can change what it has
 * said. Answers whether `look` found that the matter is open again.
 */
export async function isOpenAgain(
  news: News,
  { days, summary }: { days: number; summary: string },
  look: () => Promise<'same' | 'changed' | 'open' | 'over'>,
): Promise<boolean> {
  let sinceMs = Date.now();
  for (let day = 1; day <= days; ) {
    const dueMs = sinceMs + day * DAY_MS;
    await news.orMs(Math.max(0, dueMs - Date.now()), summary);
    news.take();
    const seen = await look();
    if (seen === 'open' || seen === 'over') return seen === 'open';
    if (seen === 'changed') {
      sinceMs = Date.now();
      day = 1;
    } else if (Date.now() >= dueMs) day *= 2;
  }
  return false;
}
