/**
 * Places for calls of one kind. The number of calls at once follows the measured service time. A few more calls wait
 * until a deadline, and the surplus is refused at once. Waiting calls are served by team: the team with the fewest
 * calls under way is next. If the queue is full, a call of a team with few waiting calls displaces a call of the team
 * with the most.
 */
import { AdaptiveLimit, type LimitSettings } from './adaptive-limit.ts';
import { Overloaded } from './errors.ts';
import { ServingRate } from './serving-rate.ts';

export interface GateSettings extends LimitSettings {
  /** So many calls may wait, however slow the calls under way are. */
  leastWaiting: number;
  mostWaiting: number;
  /** More calls may wait as long as the last one can expect a place within this time, by the measured rate. */
  expectedWaitMs: number;
  /** A call is refused after this wait. */
  longestWaitMs: number;
}

/** The reason for a refusal. `displaced`: a call of a team with fewer calls took the place in the queue. */
export type GateRefusal = 'full' | 'displaced' | 'waited' | 'gone';

/** A waiting call. */
interface Waiting {
  lane: Lane;
  sinceMs: number;
  timer: NodeJS.Timeout;
  resolve: () => void;
  reject: (why: GateRefusal) => void;
}

/** The calls of one team. */
interface Lane {
  name: string;
  running: number;
  waiting: Waiting[];
}

export interface GateState {
  running: number;
  waiting: number;
  limit: number;
}

const IDLE_BELOW = 2;

export class Gate {
  readonly #settings: GateSettings;
  readonly #limit: AdaptiveLimit;
  /** While calls wait, the machine serves as many calls as it can. */
  readonly #rateWhileWaiting = new ServingRate();
  readonly #rateWhileRunning = new ServingRate();
  readonly #lanes = new Map<string, Lane>();
  readonly #onRefused: (why: GateRefusal) => void;
  #running = 0;
  #waiting = 0;

  constructor(settings: GateSettings, onRefused: (why: GateRefusal) => void = () => {}) {
    this.#settings = settings;
    this.#limit = new AdaptiveLimit(settings);
    this.#onRefused = onRefused;
  }

  get state(): GateState {
    return { running: this.#running, waiting: this.#waiting, limit: this.#limit.value };
  }

  /** True while so few calls are under way that teams need not take turns. */
  get isIdle(): boolean {
    return this.#running < IDLE_BELOW;
  }

  /**
   * Refuses a call that would find no place now.
   * @param name the team of the call; undefined while the team is not known
   * @throws Overloaded
   */
  mustHaveRoomFor(name: string | undefined): void {
    if (this.#hasPlace() || this.#waiting < this.#room()) return;
    const waiting = name === undefined ? 0 : (this.#lanes.get(name)?.waiting.length ?? 0);
    if (this.#displaceable(waiting) === undefined) throw this.#refused('full');
  }

  /**
   * Runs `work` once a place is free, and holds the place until `work` has ended.
   * @param name the team of the call
   * @param gone aborts when the caller has gone; a waiting call is then dropped
   * @throws Overloaded, and then `work` is not run
   */
  async run<T>(name: string, work: () => Promise<T>, gone?: AbortSignal): Promise<T> {
    if (gone?.aborted) throw this.#refused('gone');
    const lane = this.#laneOf(name);
    if (this.#hasPlace()) this.#take(lane);
    else await this.#wait(lane, gone);
    const startedMs = performance.now();
    try {
      return await work();
    } finally {
      const nowMs = performance.now();
      this.#limit.noteServed(nowMs - startedMs, nowMs);
      this.#rateWhileWaiting.noteServed(nowMs);
      this.#rateWhileRunning.noteServed(nowMs);
      this.#running -= 1;
      lane.running -= 1;
      if (this.#running === 0) this.#rateWhileRunning.end(nowMs);
      this.#forgetIdle(lane);
      this.#admitNext();
    }
  }

  #hasPlace = (): boolean => this.#running < this.#limit.value && this.#waiting === 0;

  /**
   * The number of calls that may wait: as many as are served within the expected wait. Few calls at once do not show
   * how many the machine can serve, so the rate while calls wait counts if it is higher.
   */
  #room(): number {
    const { leastWaiting, mostWaiting, expectedWaitMs } = this.#settings;
    const nowMs = performance.now();
    const rates = [this.#rateWhileWaiting, this.#rateWhileRunning].map((rate) => rate.perMs(nowMs) ?? 0);
    return Math.floor(Math.min(mostWaiting, Math.max(leastWaiting, Math.max(...rates) * expectedWaitMs)));
  }

  #laneOf(name: string): Lane {
    const laneOfTeam = this.#lanes.get(name);
    if (laneOfTeam) return laneOfTeam;
    const lane: Lane = { name, running: 0, waiting: [] };
    this.#lanes.set(name, lane);
    return lane;
  }

  #forgetIdle(lane: Lane): void {
    if (lane.running === 0 && lane.waiting.length === 0) this.#lanes.delete(lane.name);
  }

  #take(lane: Lane): void {
    this.#rateWhileRunning.begin(performance.now());
    this.#running += 1;
    lane.running += 1;
  }

  #refused(why: GateRefusal): Overloaded {
    this.#onRefused(why);
    return new Overloaded();
  }

  /** The newest waiting call of the team with the most, if the team has at least two more than `waiting`. */
  #displaceable(waiting: number): Waiting | undefined {
    let longest: Lane | undefined;
    for (const lane of this.#lanes.values())
      if (lane.waiting.length > (longest?.waiting.length ?? waiting + 1)) longest = lane;
    return longest?.waiting.at(-1);
  }

  async #wait(lane: Lane, gone?: AbortSignal): Promise<void> {
    this.#limit.noteFull();
    if (this.#waiting >= this.#room()) {
      const displaced = this.#displaceable(lane.waiting.length);
      if (!displaced) {
        this.#forgetIdle(lane);
        throw this.#refused('full');
      }
      displaced.reject('displaced');
    }
    let leave: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const waiting: Waiting = {
          lane,
          sinceMs: performance.now(),
          timer: setTimeout(() => waiting.reject('waited'), this.#settings.longestWaitMs),
          resolve,
          reject: (why) => {
            if (!this.#dequeue(waiting)) return;
            this.#forgetIdle(lane);
            reject(this.#refused(why));
          },
        };
        lane.waiting.push(waiting);
        this.#waiting += 1;
        this.#rateWhileWaiting.begin(waiting.sinceMs);
        leave = () => waiting.reject('gone');
        gone?.addEventListener('abort', leave);
      });
    } finally {
      if (leave) gone?.removeEventListener('abort', leave);
    }
  }

  /** @returns false where the call waits no more */
  #dequeue(waiting: Waiting): boolean {
    clearTimeout(waiting.timer);
    const index = waiting.lane.waiting.indexOf(waiting);
    if (index === -1) return false;
    waiting.lane.waiting.splice(index, 1);
    this.#waiting -= 1;
    if (this.#waiting === 0) this.#rateWhileWaiting.end(performance.now());
    return true;
  }

  /** The call that has waited longest, of the team with the fewest calls under way. */
  #next(): Waiting | undefined {
    let next: Waiting | undefined;
    for (const { running, waiting } of this.#lanes.values()) {
      const [first] = waiting;
      if (!first) continue;
      const isBefore =
        !next || running < next.lane.running || (running === next.lane.running && first.sinceMs < next.sinceMs);
      if (isBefore) next = first;
    }
    return next;
  }

  #admitNext(): void {
    while (this.#running < this.#limit.value) {
      const next = this.#next();
      if (!next) return;
      this.#dequeue(next);
      this.#take(next.lane);
      next.resolve();
    }
  }
}
