/**
 * A limit on calls under way that follows the measured service time: additive increase, multiplicative decrease. The
 * limit grows while waiting calls could be served quickly, and shrinks while calls under way are served slowly.
 */

export interface LimitSettings {
  /** The lowest limit, however slow the machine is. */
  floor: number;
  ceiling: number;
  /**
   * The limit shrinks while the mean service time is above this value, and grows while the mean is below half of the
   * value.
   */
  targetMs: number;
}

const GROWS_BY = 4;
const SHRINKS_TO = 0.75;
/** The limit is adjusted after so many calls, or after fewer once a window has lasted so long. */
const WINDOW_CALLS = 32;
const LEAST_WINDOW_CALLS = 4;
const WINDOW_MS = 1_000;

export class AdaptiveLimit {
  readonly #settings: LimitSettings;
  #limit: number;
  #meanMs: number | null = null;
  #window = { startedMs: 0, calls: 0, totalMs: 0, wasFull: false };

  constructor(settings: LimitSettings) {
    this.#settings = settings;
    this.#limit = settings.floor;
  }

  get value(): number {
    return Math.floor(this.#limit);
  }

  /** Mean service time of the last window; null before the first window has ended. */
  get meanMs(): number | null {
    return this.#meanMs;
  }

  /** Notes that a call found no free place. A higher limit is of use only then. */
  noteFull(): void {
    this.#window.wasFull = true;
  }

  /** Notes a served call, and adjusts the limit at the end of a window. */
  noteServed(tookMs: number, nowMs: number): void {
    const window = this.#window;
    if (window.calls === 0) window.startedMs = nowMs;
    window.calls += 1;
    window.totalMs += tookMs;
    const isOver = window.calls >= LEAST_WINDOW_CALLS && nowMs - window.startedMs >= WINDOW_MS;
    if (window.calls < WINDOW_CALLS && !isOver) return;
    const meanMs = window.totalMs / window.calls;
    this.#meanMs = meanMs;
    const { floor, ceiling, targetMs } = this.#settings;
    if (meanMs > targetMs) this.#limit = Math.max(floor, this.#limit * SHRINKS_TO);
    else if (window.wasFull && meanMs < targetMs / 2) this.#limit = Math.min(ceiling, this.#limit + GROWS_BY);
    this.#window = { startedMs: nowMs, calls: 0, totalMs: 0, wasFull: false };
  }
}
