/** How the workflows wait: for news, or for a second to come. */
import { condition } from '@temporalio/workflow';
import { formatSecond, secondOf } from '../billing/time.ts';

/** The second in which the workflow is. Passed on to every fact; workflow time is the same in a replay. */
export const nowSecond = (): number => secondOf(Date.now());

/** Timers are set no longer than this; waking once a month to look again costs nothing. */
const LONGEST_SLEEP_MS = 30 * 24 * 3600 * 1000;
/** When the time to wait for is here but the one who decides does not see it yet, looking again at once would spin. */
const SHORTEST_SLEEP_MS = 1000;

/** Whether there is something new to look at; taking the news leaves none. */
export class News {
  private unread = false;

  readonly arrived = (): void => {
    this.unread = true;
  };

  take(): boolean {
    const { unread } = this;
    this.unread = false;
    return unread;
  }

  /** Waits for news, or until the second comes when one is given. The summary is what an operator reads beside the timer. */
  async orSecond(second: number | null, summary: string): Promise<void> {
    if (second === null) return condition(() => this.unread);
    const ms = second * 1000 - Date.now();
    await this.orMs(
      ms > 0 ? Math.min(ms, LONGEST_SLEEP_MS) : SHORTEST_SLEEP_MS,
      `${summary} at ${formatSecond(second)}`,
    );
  }

  async orMs(ms: number, summary: string): Promise<void> {
    await condition(() => this.unread, ms, { summary });
  }
}
