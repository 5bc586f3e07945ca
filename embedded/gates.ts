/**
 * Gates: what comes to a stand-in can be held at a point of its way, so that a test does in that very moment what it came
 * to do, and then says how it goes on.
 */
import type { Socket } from 'node:net';

/** How it goes on from a gate: as if nothing had been; the connection closed; "not so fast"; "an error of ours". */
export type Way = 'on' | 'drop' | 'rate_limit' | 'error';

/** `arrival`: read and not processed. `answer`: processed, its answer not given. */
export type Point = 'arrival' | 'answer';

export interface Held<T> {
  readonly passing: T;
  /** Whether the sender has closed its connection and waits no more. */
  hasGivenUp(): boolean;
  /** Resolves when it does. */
  readonly givenUp: Promise<void>;
}

export interface Gate<T> {
  /** Resolves when something stands at the gate. */
  readonly reached: Promise<Held<T>>;
  /** Lets it go on. A gate that was never reached is taken away. */
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

  /** Holds the first that matches; all that come after it pass. */
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

  /** Asked by the stand-in, at each point: how does it go on? Resolves at once where no gate is. */
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
    // A connection that is kept alive comes to many gates.
    socket?.off('close', hasClosed);
    return way;
  }

  /** Opens all, for a stand-in that closes. */
  close(): void {
    this.#armed.clear();
    for (const release of this.#closing) release('drop');
  }
}
