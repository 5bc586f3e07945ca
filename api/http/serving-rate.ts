/**
 * The rate at which calls are served, measured while a condition holds, such as *calls are waiting*. The rate counts all
 * that a call costs the machine, so it also holds for a number of calls at once that was never measured. Recent calls
 * have more weight.
 */

/** Fewer calls give no rate. */
const LEAST_CALLS = 4;
/** The measured calls and their time are halved at this number of calls. */
const MOST_CALLS = 128;

export class ServingRate {
  #calls = 0;
  #ms = 0;
  #sinceMs: number | null = null;

  /** The condition holds from now on. */
  begin(nowMs: number): void {
    this.#sinceMs ??= nowMs;
  }

  /** The condition holds no more. */
  end(nowMs: number): void {
    this.#ms += this.#openMs(nowMs);
    this.#sinceMs = null;
  }

  /** Notes a served call, if the condition holds. */
  noteServed(nowMs: number): void {
    if (this.#sinceMs === null) return;
    this.#calls += 1;
    if (this.#calls < MOST_CALLS) return;
    this.#ms = (this.#ms + this.#openMs(nowMs)) / 2;
    this.#calls /= 2;
    this.#sinceMs = nowMs;
  }

  /** Calls per millisecond; null while too few calls are measured. Falls while no call is served. */
  perMs(nowMs: number): number | null {
    return this.#calls < LEAST_CALLS ? null : this.#calls / Math.max(1, this.#ms + this.#openMs(nowMs));
  }

  #openMs = (nowMs: number): number => (this.#sinceMs === null ? 0 : nowMs - this.#sinceMs);
}
