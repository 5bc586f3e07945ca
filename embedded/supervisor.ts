/** Restarts the processes of `npm start` that end by themselves, and reports the restarts. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Supervised {
  /** Its name in messages: "Postgres". */
  readonly name: string;
  /** Resolves when the present process has gone, with the manner of its end. */
  exited(): Promise<string>;
  /** Starts the part again with the same data and port. */
  start(): Promise<void>;
}

export interface Supervisor {
  /** Begins to watch a running part. */
  watch(part: Supervised): void;
  /** Rejects with a sentence when a part cannot be kept running. */
  readonly failed: Promise<never>;
  /** Restarts nothing from now on. Resolves once no restart is under way. */
  stop(): Promise<void>;
}

export interface SupervisorOptions {
  say: (line: string) => void;
  /** Called after each restart. */
  restarted?: () => void;
  /** Delays before the first, second, … restart in a row. After the last one the part is given up. */
  delaysMs?: readonly number[];
  /** A part with this running time has recovered, and the next end counts as the first. */
  steadyMs?: number;
  /** False: the last wait is repeated for ever. */
  givesUp?: boolean;
}

const DELAYS_MS = [0, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000];
const STEADY_MS = 60_000;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { say, restarted = () => {}, delaysMs = DELAYS_MS, steadyMs = STEADY_MS, givesUp = true } = options;
  const stopping = new AbortController();
  const restarts = new Set<Promise<unknown>>();
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Prevents an unhandled rejection, because the promise may be rejected before a caller waits for it.
  failed.catch(() => {});

  /** Tries until the part runs again. `failures` is the number of ends in a row. */
  async function startAgain(part: Supervised, how: string, failures: number): Promise<number> {
    for (let inARow = failures, why = how; ; inARow++) {
      const delayMs = delaysMs[inARow] ?? delaysMs.at(-1) ?? 0;
      if (givesUp && inARow >= delaysMs.length)
        throw new Error(`${part.name} ended ${inARow + 1} times in a row and is not started again. ${why}`);
      say(`${part.name} ended (${why}): it is started again${delayMs > 0 ? ` in ${delayMs / 1000} s` : ''}.`);
      await sleep(delayMs, undefined, { signal: stopping.signal });
      try {
        await part.start();
        return inARow + 1;
      } catch (error) {
        if (stopping.signal.aborted) throw error;
        why = (error as Error).message;
      }
    }
  }

  async function watch(part: Supervised): Promise<void> {
    let failures = 0;
    let startedAtMs = Date.now();
    for (;;) {
      const how = await part.exited();
      if (stopping.signal.aborted) return;
      if (Date.now() - startedAtMs >= steadyMs) failures = 0;
      const restart = startAgain(part, how, failures);
      restarts.add(restart);
      try {
        failures = await restart;
      } finally {
        restarts.delete(restart);
      }
      // A stop waits for restarts under way, and ends the parts only then.
      if (stopping.signal.aborted) return;
      startedAtMs = Date.now();
      say(`${part.name} is back.`);
      restarted();
    }
  }

  return {
    watch: (part) =>
      void watch(part).catch((error: Error) => {
        if (!stopping.signal.aborted) fail(error);
      }),
    failed,
    async stop() {
      stopping.abort();
      await Promise.allSettled(restarts);
    },
  };
}
