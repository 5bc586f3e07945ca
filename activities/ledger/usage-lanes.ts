/**
 * Group commit: calls that arrive while others are being written are written together by the next flush, so that many small
 * calls cost hardly more than one. A team has one lane, in which its calls follow each other: no two flushes of a process
 * are ever after the same account. A few lanes work side by side, so that one writes while another computes.
 */
import type { UsageEvent, UsageResult } from '../../billing/usage-batch.ts';
import type { TeamAfterUsage, UsageAnswer, UsageCall, UsageOutcome } from './usage.ts';

export type RecordUsageOf = (calls: readonly UsageCall[]) => Promise<UsageOutcome[]>;

/** Resolves once the call's events are recorded; rejects with what kept any of them from it. */
export type RecordUsageCall = (call: UsageCall) => Promise<UsageAnswer>;

const LANES = 3;
/** A flush takes no further call beyond so many events; one call may bring more. */
const MAX_EVENTS_A_FLUSH = 2_000;

export function createUsageLanes(record: RecordUsageOf, lanes = LANES): RecordUsageCall {
  const all = Array.from({ length: lanes }, () => new Lane(record));
  const laneOf = (teamId: string): Lane => all[hashOf(teamId) % lanes] as Lane;

  return async (call) => {
    const parts = new Map<Lane, UsageEvent[]>();
    for (const event of call.events) {
      const lane = laneOf(event.teamId);
      const part = parts.get(lane);
      if (part) part.push(event);
      else parts.set(lane, [event]);
    }
    const [only] = parts.keys();
    if (only && parts.size === 1) return only.record(call);

    const answers = await Promise.all([...parts].map(([lane, events]) => lane.record({ ...call, events })));
    const results = [...parts.keys()].map((lane, index) => [lane, answers[index]?.results.values()] as const);
    return merged(call, answers, new Map(results), laneOf);
  };
}

/** One answer from those of the lanes, its results in the order of the call's events. */
function merged(
  { events }: UsageCall,
  answers: readonly UsageAnswer[],
  results: ReadonlyMap<Lane, IterableIterator<UsageResult> | undefined>,
  laneOf: (teamId: string) => Lane,
): UsageAnswer {
  return {
    results: events.flatMap(({ teamId }) => {
      const next = results.get(laneOf(teamId))?.next();
      return next && !next.done ? [next.value] : [];
    }),
    teams: new Map<string, TeamAfterUsage>(answers.flatMap(({ teams }) => [...teams])),
  };
}

/** FNV-1a: the same team, the same lane. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return hash;
}

interface Waiting {
  call: UsageCall;
  resolve: (answer: UsageAnswer) => void;
  reject: (error: unknown) => void;
}

class Lane {
  private readonly write: RecordUsageOf;
  private waiting: Waiting[] = [];
  private isFlushing = false;

  constructor(write: RecordUsageOf) {
    this.write = write;
  }

  record(call: UsageCall): Promise<UsageAnswer> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ call, resolve, reject });
      if (!this.isFlushing) void this.flushAll();
    });
  }

  private async flushAll(): Promise<void> {
    this.isFlushing = true;
    while (this.waiting.length > 0) await this.flush(this.next());
    this.isFlushing = false;
  }

  /** Those who have waited longest. */
  private next(): Waiting[] {
    let events = 0;
    let calls = 0;
    for (const { call } of this.waiting) {
      events += call.events.length;
      if (calls > 0 && events > MAX_EVENTS_A_FLUSH) break;
      calls += 1;
    }
    return this.waiting.splice(0, calls);
  }

  /** A flush that fails fails those in it, and nobody who waits for the next. */
  private async flush(taken: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.write(taken.map(({ call }) => call));
      for (const [index, { resolve, reject }] of taken.entries()) {
        const outcome = outcomes[index];
        if (outcome && 'answer' in outcome) resolve(outcome.answer);
        else reject(outcome?.error ?? new Error('a call was not answered'));
      }
    } catch (error) {
      for (const { reject } of taken) reject(error);
    }
  }
}
