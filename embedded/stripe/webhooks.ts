import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { eventFits } from './events.ts';

const SLOWEST_ANSWER_MS = 20_000;
const MOST_DELIVERIES_KEPT = 10_000;

export interface WebhookEndpoint {
  url: string;
  secret: string;
  /** Types such as `payment_intent.succeeded` or `charge.*`; all by default. */
  events?: string[];
}

export interface RetryPolicy {
  /** The delay before the second attempt, doubled with each attempt. */
  firstMs: number;
  longestMs: number;
  attempts: number;
}

/** An event to send: its type selects the endpoints, and the event stays pending until accepted. */
export interface Announced {
  id: string;
  type: string;
  pending_webhooks: number;
}

/** A provider's form of an event in transit. */
export type Dress<E> = (event: E, secret: string) => { body: string; headers: Record<string, string> };

const asStripe: Dress<Announced> = (event, secret) => {
  const body = JSON.stringify({ ...event, pending_webhooks: 1 }, null, 2);
  return {
    body,
    headers: {
      'User-Agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
      'Stripe-Signature': signatureHeader(body, secret),
    },
  };
};

/** An attempt to deliver an event, with its result. */
export interface Delivery {
  event: string;
  type: string;
  attempt: number;
  /** The endpoint's status, or null for an unreachable endpoint. */
  status: number | null;
  at: number;
}

type Script =
  | { kind: 'lose'; type: string; left: number }
  | { kind: 'duplicate'; type: string; left: number; copies: number }
  | { kind: 'delay'; type: string; left: number; ms: number };

/** Sends events to the configured endpoint: at least once, in no promised order, as Stripe does. */
export class Webhooks<E extends Announced = Announced> {
  readonly #retry: RetryPolicy;
  readonly #dress: Dress<E>;
  readonly #agents = [new http.Agent({ keepAlive: true }), new https.Agent({ keepAlive: true })] as const;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #requests = new Set<http.ClientRequest>();
  #endpoint: WebhookEndpoint | undefined;
  #scripts: Script[] = [];
  #diverted: (event: E) => boolean = () => false;
  #paused = false;
  #reorderBy = 0;
  #held: E[] = [];
  #idle: (() => void)[] = [];
  #closed = false;
  readonly deliveries: Delivery[] = [];
  /** Told when an event needs to be sent no more. */
  onDelivered: () => void = () => {};

  constructor(endpoint: WebhookEndpoint | undefined, retry: RetryPolicy, dress: Dress<E> = asStripe) {
    this.#dress = dress;
    this.#endpoint = endpoint;
    this.#retry = retry;
  }

  setEndpoint(endpoint: WebhookEndpoint | undefined): void {
    this.#endpoint = endpoint;
  }

  /** Every event comes here once. */
  announce(event: E): void {
    if (this.#closed || !this.#endpoint || !isWanted(event, this.#endpoint)) return;
    if (this.#diverted(event)) return;
    const script = this.#take(event.type);
    if (script?.kind === 'lose') return;
    event.pending_webhooks = 1;
    if (this.#paused) {
      this.#held.push(event);
      return;
    }
    if (this.#reorderBy > 0) {
      this.#held.push(event);
      if (this.#held.length >= this.#reorderBy) this.#releaseReversed();
      return;
    }
    const copies = script?.kind === 'duplicate' ? script.copies : 1;
    const delay = script?.kind === 'delay' ? script.ms : 0;
    for (let copy = 0; copy < copies; copy++) this.#later(delay, () => this.#attempt(event, 1));
  }

  /** Sends an event again, in any state. Resolves after the answer or the failure. */
  resend(event: E): Promise<void> {
    if (this.#closed || !this.#endpoint) return Promise.resolve();
    return new Promise((resolve) => this.#attempt(event, 1, resolve));
  }

  /** From now on, an event for which `takes` answers true is not sent, except by `resend`. */
  divert(takes: (event: E) => boolean): void {
    this.#diverted = takes;
  }

  /** Holds events back until `resume`. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const event of this.#held.splice(0)) this.#attempt(event, 1);
  }

  /** The next `count` events (of a type) never arrive. */
  lose(count = 1, type = '*'): void {
    this.#scripts.push({ kind: 'lose', type, left: count });
  }

  /** The next `count` events arrive `copies` times. */
  duplicate(count = 1, type = '*', copies = 2): void {
    this.#scripts.push({ kind: 'duplicate', type, left: count, copies });
  }

  delay(ms: number, count = 1, type = '*'): void {
    this.#scripts.push({ kind: 'delay', type, left: count, ms });
  }

  /** The next events are gathered until there are `count`, and then sent newest first. */
  reorder(count: number): void {
    this.#reorderBy = count;
  }

  reset(): void {
    this.#scripts = [];
    this.#reorderBy = 0;
    this.resume();
  }

  /** Events held by `pause` or `reorder`. */
  get held(): readonly E[] {
    return this.#held;
  }

  /**
   * Resolves when no delivery is under way: no attempt running, and none waiting for its turn. Held events do not
   * count.
   */
  async settled(): Promise<void> {
    if (this.#timers.size === 0 && this.#requests.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const request of this.#requests) request.destroy();
    this.#requests.clear();
    for (const agent of this.#agents) agent.destroy();
    this.#noticeIdle();
  }

  #take(type: string): Script | undefined {
    const script = this.#scripts.find((candidate) => eventFits(type, candidate.type));
    if (script && --script.left === 0) this.#scripts = this.#scripts.filter((candidate) => candidate !== script);
    return script;
  }

  #releaseReversed(): void {
    this.#reorderBy = 0;
    const [first, ...rest] = this.#held.splice(0).reverse();
    if (!first) return;
    // One after the other, because parallel deliveries would arrive in any order.
    const next = () => {
      const event = rest.shift();
      if (event) this.#attempt(event, 1, next);
    };
    this.#attempt(first, 1, next);
  }

  #attempt(event: E, attempt: number, then?: () => void): void {
    const endpoint = this.#endpoint;
    if (this.#closed || !endpoint) return;
    const { body, headers } = this.#dress(event, endpoint.secret);
    const target = new URL(endpoint.url);
    const secure = target.protocol === 'https:';
    const request = (secure ? https : http).request(target, {
      method: 'POST',
      agent: this.#agents[secure ? 1 : 0],
      timeout: SLOWEST_ANSWER_MS,
      headers: {
        'Content-Type': 'application/json; charset=utf-8',
        'Content-Length': Buffer.byteLength(body),
        ...headers,
      },
    });
    this.#requests.add(request);
    const finish = (status: number | null) => {
      if (!this.#requests.delete(request) || this.#closed) return;
      this.deliveries.push({ event: event.id, type: event.type, attempt, status, at: Date.now() });
      if (this.deliveries.length > MOST_DELIVERIES_KEPT) this.deliveries.shift();
      if (status !== null && status >= 200 && status < 300) {
        event.pending_webhooks = 0;
        this.onDelivered();
      } else this.#retryLater(event, attempt);
      then?.();
      this.#noticeIdle();
    };
    request.on('response', (response) => {
      response.resume();
      response.on('end', () => finish(response.statusCode ?? null));
      response.on('close', () => finish(null));
    });
    request.on('timeout', () => request.destroy(new Error('the endpoint took too long')));
    request.on('error', () => finish(null));
    request.end(body);
  }

  #retryLater(event: E, attempt: number): void {
    if (attempt >= this.#retry.attempts) return;
    const wait = Math.min(this.#retry.firstMs * 2 ** (attempt - 1), this.#retry.longestMs);
    this.#later(wait, () => this.#attempt(event, attempt + 1));
  }

  #later(ms: number, task: () => void): void {
    if (ms === 0) {
      task();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      task();
      this.#noticeIdle();
    }, ms);
    this.#timers.add(timer);
  }

  #noticeIdle(): void {
    if (this.#timers.size > 0 || this.#requests.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/**
 * Stripe's scheme: an HMAC of the time and the body. The time is the real time even where the stand-in's clock is
 * scripted, because a receiver compares the time with the clock of its own machine.
 */
export function signatureHeader(body: string, secret: string, atMs = Date.now()): string {
  const time = Math.floor(atMs / 1000);
  const signature = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
  return `t=${time},v1=${signature}`;
}

function isWanted(event: Announced, { events }: WebhookEndpoint): boolean {
  return events?.some((pattern) => eventFits(event.type, pattern)) ?? true;
}
