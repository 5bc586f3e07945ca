/**
 * Group commit: calls that arrive during a write are written together by the next flush, so many small calls cost
 * hardly more than one call. A team has one lane, and its calls follow each other in the lane: no two flushes of a
 * process write the same account. A few lanes run in parallel, so one lane writes while another computes.
 */
import type { UsageResult } from '../billing/usage-batch.ts';
import type { TeamAfterUsage, UsageAnswer, UsageCall, UsageOutcome } from './usage.ts';
import type { SaidUsage } from './usage-prices.ts';

export type RecordUsageOf = (calls: readonly UsageCall[]) => Promise<UsageOutcome[]>;

/**
 * Resolves once the call's events are recorded; rejects with the error that kept any of the events from being recorded.
 */
export type RecordUsageCall = (call: UsageCall) => Promise<UsageAnswer>;

const LANES = 3;
/** A flush takes no further call beyond this number of events. One call may have more. */
const MAX_EVENTS_A_FLUSH = 2_000;

export function createUsageLanes(record: RecordUsageOf, lanes = LANES): RecordUsageCall {
  const all = Array.from({ length: lanes }, () => new Lane(record));
  const laneOf = (teamId: string): Lane => all[hashOf(teamId) % lanes] as Lane;

  return async (call) => {
    const parts = new Map<Lane, SaidUsage[]>();
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

/** Merges the answers of the lanes, with results in the order of the call's events. */
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

  /** The calls that have waited longest. */
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

  /** A failed flush fails its own calls only, and no call that waits for the next flush. */
  private async flush(waiting: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.write(waiting.map(({ call }) => call));
      for (const [index, { resolve, reject }] of waiting.entries()) {
        const outcome = outcomes[index];
        if (outcome && 'answer' in outcome) resolve(outcome.answer);
        else reject(outcome?.error ?? new Error('a call was not answered'));
      }
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}
