/**
 * A limit on calls under way that follows the measured service time: additive increase, multiplicative decrease. It grows
 * while calls that wait for a place could be served quickly, and shrinks while calls under way are served slowly.
 */

export interface LimitTerms {
  /** The limit never falls below this, however slow the machine is. */
  floor: number;
  ceiling: number;
  /** The limit shrinks while the mean service time is above this, and grows while it is below half of it. */
  targetMs: number;
}

const GROWS_BY = 4;
const SHRINKS_TO = 0.75;
/** The limit is adjusted after so many calls, or after fewer once a window has lasted so long. */
const WINDOW_CALLS = 32;
const LEAST_WINDOW_CALLS = 4;
const WINDOW_MS = 1_000;

export class AdaptiveLimit {
  readonly #terms: LimitTerms;
  #limit: number;
  #meanMs: number | null = null;
  #window = { startedMs: 0, calls: 0, totalMs: 0, wasFull: false };

  constructor(terms: LimitTerms) {
    this.#terms = terms;
    this.#limit = terms.floor;
  }

  get value(): number {
    return Math.floor(this.#limit);
  }

  /** Mean service time of the last window; null before the first window has ended. */
  get meanMs(): number | null {
    return this.#meanMs;
  }

  /** Notes that a call found no free place: only then is a higher limit of use. */
  noteFull(): void {
    this.#window.wasFull = true;
  }

  /** Notes that a call was served, and adjusts the limit at the end of a window. */
  noteServed(tookMs: number, nowMs: number): void {
    const window = this.#window;
    if (window.calls === 0) window.startedMs = nowMs;
    window.calls += 1;
    window.totalMs += tookMs;
    const isOver = window.calls >= LEAST_WINDOW_CALLS && nowMs - window.startedMs >= WINDOW_MS;
    if (window.calls < WINDOW_CALLS && !isOver) return;
    const meanMs = window.totalMs / window.calls;
    this.#meanMs = meanMs;
    const { floor, ceiling, targetMs } = this.#terms;
    if (meanMs > targetMs) this.#limit = Math.max(floor, this.#limit * SHRINKS_TO);
    else if (window.wasFull && meanMs < targetMs / 2) this.#limit = Math.min(ceiling, this.#limit + GROWS_BY);
    this.#window = { startedMs: nowMs, calls: 0, totalMs: 0, wasFull: false };
  }
}
