/** The platform as a caller: repeats calls without an answer under the same key. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const CALL_WITHIN_MS = 45_000;
/** Detects a hang only: an engine too busy to take a call in time is "unavailable". */
const GIVE_UP_AFTER_MS = 240_000;
const AGAIN_AFTER_MS = 500;

/** "In flight" is the answer about an own earlier call that was cut off, until the call expires. */
const saysAgain = (status: number, body: string): boolean =>
  status >= 500 || status === 429 || (status === 409 && body.includes('idempotency_in_flight'));

export class Api {
  readonly #base: string;
  readonly #key: string;

  constructor(base: string, key: string) {
    this.#base = base;
    this.#key = key;
  }

  /** Calls until the answer is a 2xx. @throws Error at an answer that no repeat would change */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the api answers.
  async insist(method: 'POST' | 'PUT', path: string, body: object): Promise<any> {
    const headers = {
      authorization: `Bearer ${this.#key}`,
      'content-type': 'application/json',
      ...(method === 'POST' && { 'idempotency-key': randomUUID() }),
    };
    const deadline = Date.now() + GIVE_UP_AFTER_MS;
    for (;;) {
      const { status, text } = await this.#call(path, { method, headers, body: JSON.stringify(body) });
      if (status >= 200 && status < 300) return JSON.parse(text);
      const answered = `${method} ${path} was answered ${status} ${text.slice(0, 300)}`;
      if (status !== 0 && !saysAgain(status, text)) throw new Error(answered);
      if (Date.now() > deadline) throw new Error(`${answered}, for ${GIVE_UP_AFTER_MS / 1000} s`);
      await sleep(AGAIN_AFTER_MS);
    }
  }

  /** Status 0: the connection broke, or there was no answer. */
  async #call(path: string, init: RequestInit): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(this.#base + path, { ...init, signal: AbortSignal.timeout(CALL_WITHIN_MS) });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      return { status: 0, text: (error as Error).message };
    }
  }
}
