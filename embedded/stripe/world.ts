import { CardScripts } from './card-scripts.ts';
import { newId } from './ids.ts';
import type { CheckoutSession, Event } from './objects.ts';
import { emptyState, type State } from './state.ts';

/** The API version of the objects: the version of the SDK whose types check the objects. */
export const API_VERSION = '2026-10-28.endive';

/** Everything that an endpoint may use. Endpoints are synchronous, so no other request sees a half-done effect. */
export class World {
  readonly now: () => number;
  readonly cards = new CardScripts();
  state: State = emptyState();
  /** The address of the hosted pages. Set when the server listens. */
  url = '';
  /** The delay of the search index, like at Stripe, where a new object is found only after a while. */
  searchLagSeconds = 0;
  /** The request under execution. Events name the request. */
  request: Event['request'] = { id: null, idempotency_key: null };
  /** Called with every stored event. */
  onEvent: (event: Event) => void = () => {};
  /** Called whenever a change must survive a restart. */
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

  /** Stripe's acts shortly after an answer: a dispute of a card made to be disputed, the end of a pending refund. */
  soon(task: () => void): void {
    setImmediate(() => {
      this.request = { id: null, idempotency_key: null };
      task();
      this.onChange();
    });
  }

  /** Stores an event with the object in its present state. */
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
