import type { Form } from './params.ts';

export interface LoggedRequest {
  id: string;
  method: string;
  path: string;
  params: Form;
  idempotencyKey: string | null;
  /** By the stand-in's clock, in milliseconds. */
  at: number;
  /** Null while unanswered, and for ever after a fault without an answer. */
  status: number | null;
  /** Answered from an idempotency key's memory. */
  replayed: boolean;
}

const LONGEST = 10_000;

/** The latest requests to the API, oldest first. */
export class RequestLog {
  #entries: LoggedRequest[] = [];

  begin(request: Omit<LoggedRequest, 'status' | 'replayed'>): LoggedRequest {
    const entry = { ...request, status: null, replayed: false };
    this.#entries.push(entry);
    if (this.#entries.length > LONGEST * 1.1) this.#entries = this.#entries.slice(-LONGEST);
    return entry;
  }

  entries(): LoggedRequest[] {
    return [...this.#entries];
  }

  clear(): void {
    this.#entries = [];
  }
}
