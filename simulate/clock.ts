/**
 * Scenario time on the time-skipping server. Its clock starts at now and cannot be set, so offsets are mapped from a
 * whole second; and the real time that work takes passes as scenario time there, so what a workflow passes on as "now" is
 * held back to the second that the scenario has reached. The product knows nothing of it: an activity interceptor does it.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';

/** A fault of the test server: after some races its clock skips no more, and whoever waits for a time waits for ever. */
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
  /** The unix second that is second 0 of the scenario. */
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

  /** Lets time pass to an offset; everything that falls due on the way happens on the way. */
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

  /** Rejects once the server has skipped no time for a while, though it was asked to. */
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
