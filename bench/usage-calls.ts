/** The calls of the usage bench, and the measurement of how many events they record a second. */
import { micros } from '../billing/money.ts';
import type { UsageCall } from '../ledger/usage.ts';
import type { SaidUsage } from '../ledger/usage-prices.ts';
import type { Measured } from './measured.ts';

export const TEAMS = 40;
export const BATCH = 1_000;
export const BATCHES = 60;
export const ROUNDS = 5;
export const SMALL = 10;
export const SMALL_CALLS = 2_000;
export const SMALL_CALLERS = 64;
export const SECOND = 1_800_000_000;
export const MODEL = 'llama-3.3-70b-instruct';
export const PRICE = { inputMicrosPerMillion: micros(2_500_000), outputMicrosPerMillion: micros(10_000_000) };

export const teamOf = (index: number) => `team-${index % TEAMS}`;

let runs = 0;
/** A number that makes the event ids of a run unique. */
export const nextRun = (): number => {
  runs += 1;
  return runs;
};

const eventOf = (teamId: string, eventId: string, n: number): SaidUsage => ({
  teamId,
  eventId,
  model: MODEL,
  project: 'search',
  inputTokens: 1_200 + n,
  outputTokens: 340,
  atSecond: null,
  holdId: null,
  price: PRICE,
});

/** A number of calls with a number of events, each for one team. */
export function callsOf(count: number, size: number): UsageCall[] {
  const run = nextRun();
  return Array.from({ length: count }, (_, call) => ({
    events: Array.from({ length: size }, (_, n) => eventOf(teamOf(call), `r${run}-${call}-${n}`, n)),
    receivedSecond: SECOND,
    causedBy: 'bench',
  }));
}

/** Events a second when a number of callers make the calls, each caller the next call after the last answer. */
export async function perSecond<T>(
  calls: readonly T[],
  eventsEach: number,
  callers: number,
  act: (call: T) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (next < calls.length) {
        const call = calls[next] as T;
        next += 1;
        await act(call);
      }
    }),
  );
  return Math.round((calls.length * eventsEach) / ((performance.now() - started) / 1000));
}

export const median = (figures: number[]): number => figures.sort((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0;

/** Takes turns, and answers the median of each. */
export async function inTurns(measures: Array<() => Promise<number>>): Promise<number[]> {
  const figures = measures.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [index, measure] of measures.entries()) figures[index]?.push(await measure());
  return figures.map(median);
}

export const line = (
  what: string,
  figure: number,
  reference: string,
  referenceFigure: number,
  more: Pick<Measured, 'atLeast' | 'msPerCall'> = {},
): Measured => ({ bench: 'usage', what, figure, unit: 'events/s', reference, referenceFigure, ...more });
