/**
 * Gates: a request to a stand-in can be held at a point of its way, so a test can act at this moment and then decide
 * how the request goes on.
 */
import type { Socket } from 'node:net';

/**
 * The continuation after a gate: `on` unchanged, `drop` with a closed connection, `rate_limit` with 429, `error` with
 * 500.
 */
export type Way = 'on' | 'drop' | 'rate_limit' | 'error';

/** `arrival`: read and not processed. `answer`: processed, and the answer not sent. */
export type Point = 'arrival' | 'answer';

export interface Held<T> {
  readonly passing: T;
  /** True if the sender has closed its connection. */
  hasGivenUp(): boolean;
  /** Resolves when the sender closes its connection. */
  readonly givenUp: Promise<void>;
}

export interface Gate<T> {
  /** Resolves when something stands at the gate. */
  readonly reached: Promise<Held<T>>;
  /** Continues the held request. A gate that was never reached is removed. */
  release(way?: Way): void;
}

interface Armed<T> {
  matches(passing: T): boolean;
  hold(held: Held<T>): void;
  readonly released: Promise<Way>;
}

export class Gates<T> {
  readonly #armed = new Set<Armed<T>>();
  readonly #closing: ((way: Way) => void)[] = [];

  /** Holds the first matching request. Later requests pass. */
  hold(matches: (passing: T) => boolean): Gate<T> {
    let hold: (held: Held<T>) => void = () => {};
    let release: (way: Way) => void = () => {};
    const reached = new Promise<Held<T>>((resolve) => {
      hold = resolve;
    });
    const released = new Promise<Way>((resolve) => {
      release = resolve;
    });
    const armed = { matches, hold, released };
    this.#armed.add(armed);
    this.#closing.push(release);
    return {
      reached,
      release: (way = 'on') => {
        this.#armed.delete(armed);
        release(way);
      },
    };
  }

  /** Called by the stand-in at each point for the continuation. Resolves at once without a gate. */
  async pass(passing: T, socket: Socket | undefined): Promise<Way> {
    const gate = [...this.#armed].find(({ matches }) => matches(passing));
    if (!gate) return 'on';
    this.#armed.delete(gate);
    const isGone = () => socket === undefined || socket.destroyed;
    let hasClosed: () => void = () => {};
    const givenUp = new Promise<void>((resolve) => {
      hasClosed = resolve;
    });
    if (isGone()) hasClosed();
    socket?.once('close', hasClosed);
    gate.hold({ passing, hasGivenUp: isGone, givenUp });
    const way = await gate.released;
    // A kept-alive connection comes to many gates.
    socket?.off('close', hasClosed);
    return way;
  }

  /** Opens all gates, for a stand-in that closes. */
  close(): void {
    this.#armed.clear();
    for (const release of this.#closing) release('drop');
  }
}
