import { StripeRefusal } from './errors.ts';
import type { StoredAnswer } from './state.ts';
import type { World } from './world.ts';

const KEPT_MS = 24 * 3600 * 1000;

export type Answer = NonNullable<StoredAnswer['answer']>;

/**
 * A key stores its first request and the answer, a success, a decline or a 500, for 24 hours. A request refused before
 * its execution is not stored.
 */
export class IdempotencyKey {
  readonly #world: World;
  readonly #key: string;

  constructor(world: World, key: string) {
    this.#world = world;
    this.#key = key;
  }

  /** The stored answer, if the request was made before; otherwise the key is taken until `store` or `release`. */
  claim(endpoint: string, params: unknown): Answer | undefined {
    if (this.#key.length > 255)
      throw refusal(400, `Idempotency keys can be at most 255 characters; yours has ${this.#key.length}.`);
    const keys = this.#world.state.idempotencyKeys;
    this.#dropExpired(keys);
    const said = canonical(params);
    const kept = keys.get(this.#key);
    if (!kept) {
      keys.set(this.#key, { endpoint, params: said, at: this.#world.now(), answer: null });
      return undefined;
    }
    if (kept.endpoint !== endpoint)
      throw refusal(
        400,
        `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${endpoint.replace(/^\w+ /, '')}' vs '${kept.endpoint.replace(/^\w+ /, '')}'). Try using a key other than '${this.#key}' if you meant to execute a different request.`,
      );
    if (kept.params !== said)
      throw refusal(
        400,
        `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${this.#key}' if you meant to execute a different request.`,
      );
    if (kept.answer === null)
      throw refusal(
        409,
        `There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): ${this.#key}. Please try again later.`,
        'idempotency_key_in_use',
      );
    return kept.answer;
  }

  store(answer: Answer): void {
    const kept = this.#world.state.idempotencyKeys.get(this.#key);
    if (kept) kept.answer = answer;
  }

  /** The request was never executed, so the key is free again. */
  release(): void {
    const kept = this.#world.state.idempotencyKeys.get(this.#key);
    if (kept?.answer === null) this.#world.state.idempotencyKeys.delete(this.#key);
  }

  /** Keys are stored in the order of their first use, so the expired keys come first. */
  #dropExpired(keys: Map<string, StoredAnswer>): void {
    const expired = this.#world.now() - KEPT_MS;
    for (const [key, { at }] of keys) {
      if (at > expired) break;
      keys.delete(key);
    }
  }
}

/** The same parameters in the same words, in any order. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join()}}`;
  }
  return JSON.stringify(value ?? null);
}

function refusal(status: number, message: string, code?: string) {
  return new StripeRefusal(status, { type: 'idempotency_error', message, ...(code === undefined ? {} : { code }) });
}
