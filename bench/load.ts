/**
 * Calls at once, over HTTP, on the product's own processes with their own settings: how many are served, how fast, and how
 * many are refused. The throughput of served calls must not fall when more are offered.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { balance } from './balance.ts';
import { bigTeams } from './big-teams.ts';
import { exhaustion } from './exhaustion.ts';
import { factsUnderLoad } from './facts-under-load.ts';
import { lifecycles } from './lifecycles.ts';
import type { Measured } from './measured.ts';
import { memory, memoryOverTime } from './memory.ts';
import { type LoadOptions, scaled } from './options.ts';
import { addTeams, names, type Outcome, onProduct, type Send, startOf } from './product.ts';
import { simultaneous } from './simultaneous.ts';
import { starvation } from './starvation.ts';

const OFFERED = [1, 8, 32, 64, 128, 256, 512];
const TEAMS = 512;
const ROUNDS = 3;
/** The curve is compared with 32 callers, who are always served. */
const REFERENCE = 32;
const CREDIT = '1000';
const REST_MS = 1_000;
const MODEL = 'llama-3.3-70b-instruct';

/** The parts of `npm run bench -- load`, by name. */
export const LOAD_PARTS: Record<string, (options: LoadOptions) => Promise<Measured[]>> = {
  curve,
  lifecycles,
  facts: factsUnderLoad,
  balance,
  'big-teams': bigTeams,
  exhaustion,
  starvation,
  simultaneous,
  memory,
};

/** Parts that run only by name. */
export const NAMED_PARTS: typeof LOAD_PARTS = { 'memory-over-time': memoryOverTime };

async function curve(options: LoadOptions): Promise<Measured[]> {
  const teams = names('load-team', scaled(TEAMS, options, 8));
  const teamOf = (index: number): string => teams[index % teams.length] as string;
  const offered = [...new Set(OFFERED.map((count) => scaled(count, options)))];
  const reference = scaled(REFERENCE, options);
  return onProduct(async ({ send }) => {
    await addTeams(send, teams, CREDIT);
    const figures: Measured[] = [];
    let number = 0;
    const start = (index: number) => send('POST', '/v1/instances', startOf(teamOf(index), `load-${number++}`, '0.01'));
    const report = (index: number) => {
      const event = { id: `event-${number++}`, team: teamOf(index), model: MODEL, inputTokens: 100, outputTokens: 10 };
      return send('POST', '/v1/usage', { events: [event] });
    };
    const read = (index: number) => send('GET', `/v1/teams/${teamOf(index)}/balance`);
    // The first calls of a process are slow, because its programs are not compiled yet.
    for (let round = 0; round < 4; round += 1) for (const act of [start, report, read]) await atOnce(reference, act);
    await rest(send);
    for (const [what, act] of [
      ['starts', start],
      ['usage', report],
      ['balances', read],
    ] as const)
      figures.push(...(await curveOf(what, act, { counts: offered, heldAgainst: reference, rest: () => rest(send) })));
    return figures;
  });
}

/**
 * Waits until workflows have seen all starts, and watches all facts. A team whose start has waited for more than ten seconds is
 * refused the next: starts of one round would be refused for those of the round before.
 */
async function rest(send: Send): Promise<void> {
  await sleep(REST_MS);
  for (;;) {
    const { text } = await send('GET', '/metrics');
    const due = [...text.matchAll(/^burnrate_(?:workflows|looks)_due(?:\{[^}]*\})? (\d+)$/gm)];
    if (due.length > 0 && due.every(([, count]) => count === '0')) return;
    await sleep(REST_MS);
  }
}

async function atOnce(count: number, act: (index: number) => Promise<Outcome>) {
  const beganMs = performance.now();
  const outcomes = await Promise.all(Array.from({ length: count }, (_, index) => act(index)));
  return { outcomes, tookMs: performance.now() - beganMs };
}

async function curveOf(
  what: string,
  act: (index: number) => Promise<Outcome>,
  { counts, heldAgainst, rest }: { counts: readonly number[]; heldAgainst: number; rest: () => Promise<void> },
): Promise<Measured[]> {
  const points: Array<{ offered: number; perSecond: number; counts: Record<string, number> }> = [];
  for (const offered of counts) {
    const all: Outcome[] = [];
    let tookMs = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const { outcomes, tookMs: roundMs } = await atOnce(offered, act);
      all.push(...outcomes);
      tookMs += roundMs;
      await rest();
    }
    const served = all.filter(({ status }) => status < 300);
    const refused = all.filter(({ code }) => code === 'overloaded');
    const late = all.filter(({ status, code }) => status === 503 && code !== 'overloaded');
    const times = served.map(({ ms }) => ms).sort((a, b) => a - b);
    const quantile = (share: number) => Math.round(times[Math.ceil(times.length * share) - 1] ?? 0);
    points.push({
      offered,
      perSecond: Number(((served.length / tookMs) * 1_000).toFixed(1)),
      counts: {
        offered: all.length,
        served: served.length,
        refused: refused.length,
        late: late.length,
        failed: all.length - served.length - refused.length - late.length,
        p50Ms: quantile(0.5),
        p99Ms: quantile(0.99),
        slowestRefusalMs: Math.round(Math.max(0, ...refused.map(({ ms }) => ms))),
      },
    });
  }
  const reference = points.find(({ offered }) => offered === heldAgainst)?.perSecond ?? 0;
  return points.map(({ offered, perSecond, counts }) => ({
    bench: 'load curve',
    what: `${what}, ${offered} offered at once, ${ROUNDS} times`,
    figure: perSecond,
    unit: 'served/s',
    reference: `${what} served a second when ${heldAgainst} are offered at once`,
    referenceFigure: reference,
    ...(offered > heldAgainst && { atLeast: 1 }),
    counts,
  }));
}
