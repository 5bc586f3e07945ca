import { CardScripts } from './card-scripts.ts';
import { newId } from './ids.ts';
import type { CheckoutSession, Event } from './objects.ts';
import { emptyState, type State } from './state.ts';

/** The API version whose shapes the objects have: that of the SDK whose types they are checked against. */
export const API_VERSION = '2026-10-28.endive';

/** Everything that an endpoint may touch. Endpoints are synchronous, so that one request's effect is never seen half done. */
export class World {
  readonly now: () => number;
  readonly cards = new CardScripts();
  state: State = emptyState();
  /** Where the hosted pages are; known once the server listens. */
  url = '';
  /** How far the search index is behind, as at Stripe, where a new object is found only after a while. */
  searchLagSeconds = 0;
  /** The request being executed; events name it. */
  request: Event['request'] = { id: null, idempotency_key: null };
  /** Told of every event, once it is kept. */
  onEvent: (event: Event) => void = () => {};
  /** Told whenever something that must outlive a restart may have changed. */
  onChange: () => void = () => {};

  constructor(now: () => number) {
    this.now = now;
  }

  seconds(): number {
    return Math.floor(this.now() / 1000);
  }

  *openSessions(): Generator<CheckoutSession> {
    for (const session of this.state.checkoutSessions.values()) if (session.status === 'open') yield session;
  }

  /** What Stripe does shortly after it has answered: a dispute of a card made to be disputed, the end of a pending refund. */
  soon(task: () => void): void {
    setImmediate(() => {
      this.request = { id: null, idempotency_key: null };
      task();
      this.onChange();
    });
  }

  /** Keeps an event with the object as it is at this moment. */
  emit(type: string, object: unknown, previous?: Record<string, unknown>): void {
    const event: Event = {
      id: newId('evt'),
      object: 'event',
      api_version: API_VERSION,
      created: this.seconds(),
      data: { object: structuredClone(object), ...(previous ? { previous_attributes: previous } : {}) },
      livemode: false,
      pending_webhooks: 0,
      request: { ...this.request },
      type,
    };
    this.state.events.set(event.id, event);
    this.onEvent(event);
  }
}
