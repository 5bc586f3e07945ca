/**
 * Scenario time on the time-skipping server. The server's clock starts at now and cannot be set, so offsets are counted
 * from a whole second. The real time of work passes as scenario time on the server, so the "now" of a workflow is
 * limited to the second that the scenario has reached. An activity interceptor does so without the product's knowledge.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';

/** A fault of the test server: after some races its clock skips no more, and every wait for a time lasts for ever. */
export class ClockStandsStill extends Error {
  constructor() {
    super("the time-skipping server's clock stands still");
  }
}

const STANDS_STILL_AFTER_MS = 20_000;
/** Time enough to set a scenario up before its second 0. */
const HEADROOM_MS = 2_000;

export class ScenarioClock {
  private readonly env: TestWorkflowEnvironment;
  /** The unix second of the scenario's second 0. */
  readonly startSecond: number;
  private reachedSecond: number;

  private constructor(env: TestWorkflowEnvironment, startSecond: number) {
    this.env = env;
    this.startSecond = startSecond;
    this.reachedSecond = startSecond;
  }

  static async startingSoon(env: TestWorkflowEnvironment): Promise<ScenarioClock> {
    const nowMs = await env.currentTimeMs();
    return new ScenarioClock(env, Math.ceil((nowMs + HEADROOM_MS) / 1000));
  }

  /** Unix second of an offset. */
  second(at: number): number {
    return this.startSecond + at;
  }

  offset(second: number): number {
    return second - this.startSecond;
  }

  get now(): number {
    return this.reachedSecond;
  }

  /** Lets time pass to an offset. Everything due on the way happens on the way. */
  async goTo(at: number): Promise<void> {
    this.reachedSecond = this.second(at);
    const ms = this.reachedSecond * 1000 - (await this.env.currentTimeMs());
    if (ms <= 0) return;
    const watch = new AbortController();
    try {
      await Promise.race([this.env.sleep(ms), this.standsStill(watch.signal)]);
    } finally {
      watch.abort();
    }
  }

  /** Rejects when the server has skipped no time for a while in spite of a request. */
  private async standsStill(stop: AbortSignal): Promise<never> {
    let skippedMs = 0;
    for (;;) {
      await sleep(STANDS_STILL_AFTER_MS, undefined, { signal: stop });
      const aheadMs = (await this.env.currentTimeMs()) - Date.now();
      if (aheadMs - skippedMs < STANDS_STILL_AFTER_MS) throw new ClockStandsStill();
      skippedMs = aheadMs;
    }
  }

  readonly holdBack: ActivityInterceptorsFactory = () => ({
    inbound: {
      execute: (input, next) => {
        const [given] = input.args as [{ nowSecond?: number } | undefined];
        if (given?.nowSecond === undefined) return next(input);
        const nowSecond = Math.min(given.nowSecond, this.reachedSecond);
        return next({ ...input, args: [{ ...given, nowSecond }, ...input.args.slice(1)] });
      },
    },
  });
}
