import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** The platform's side of the demo: plain HTTP calls, like those of any cloud. */
export interface Api {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: object): Promise<T>;
  put<T>(path: string, body: object): Promise<T>;
}

/** A call without a successful answer. */
export class Refusal extends Error {
  /** The code of the error, if the answer has a code. */
  readonly code: string | null;

  constructor(call: string, status: number | null, text: string) {
    super(`${call} answered ${status ?? 'nothing'}: ${text}`);
    this.code = /"code":"(\w+)"/.exec(text)?.[1] ?? null;
  }
}

/** The number of repeats of a call that a busy machine answers 503, and the default wait. */
const TRIES = 30;
const WAIT_MS = 1_000;

/**
 * Calls the API like a careful platform: a call that is answered 503, or not at all, is repeated under the same
 * Idempotency-Key, so the call takes effect once.
 */
export function apiAt(baseUrl: string, key: string): Api {
  const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const headers = {
      authorization: `Bearer ${key}`,
      ...(body && { 'content-type': 'application/json' }),
      ...(method === 'POST' && { 'idempotency-key': randomUUID() }),
    };
    for (let tries = 1; ; tries += 1) {
      const response = await fetch(`${baseUrl}${path}`, {
        method,
        headers,
        ...(body && { body: JSON.stringify(body) }),
      }).catch(() => null);
      const text = (await response?.text().catch(() => null)) ?? null;
      if (response?.ok && text !== null) return JSON.parse(text) as T;
      const passes =
        response === null || text === null || response.status === 503 || text.includes('idempotency_in_flight');
      if (!passes || tries === TRIES) throw new Refusal(`${method} ${path}`, response?.status ?? null, text ?? '');
      const retryAfterSeconds = Number(response?.headers.get('retry-after') ?? 0);
      await sleep(Math.max(WAIT_MS, retryAfterSeconds * 1_000));
    }
  };
  return {
    get: (path) => call('GET', path),
    post: (path, body = {}) => call('POST', path, body),
    put: (path, body) => call('PUT', path, body),
  };
}
