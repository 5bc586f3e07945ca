/**
 * Calls at once, over HTTP, on the product's own processes with their own settings: how many are served, how fast, and how
 * many are refused. The throughput of served calls must not fall when more are offered.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startNeighbours } from '../embedded/neighbours.ts';
import { answers, startProduct } from '../embedded/product.ts';
import { migrateBy } from '../prisma/migrate.ts';
import { SEARCH_ATTRIBUTES } from '../workflows/messages.ts';
import type { Measured } from './measured.ts';

const OFFERED = [1, 8, 32, 64, 128, 256, 512];
const TEAMS = 512;
const ROUNDS = 3;
/** The curve is held against what 32 callers get, who are always served. */
const REFERENCE = 32;
const CREDIT = '1000';
const REST_MS = 1_000;
const MODEL = 'llama-3.3-70b-instruct';

interface Outcome {
  status: number;
  /** The code of a refusal. */
  code: string | null;
  ms: number;
}

type Send = (method: string, path: string, body?: object) => Promise<Outcome>;

/** The parts of `npm run bench -- load`, by their names. */
export const LOAD_PARTS: Record<string, () => Promise<Measured[]>> = { curve };

async function curve(): Promise<Measured[]> {
  return onProduct(async (send) => {
    const measured: Measured[] = [];
    let number = 0;
    const start = (index: number) => {
      const machine = { gpuType: 'h100', region: 'eu', pricing: 'on_demand', hourly: '0.01' };
      return send('POST', '/v1/instances', { id: `load-${number++}`, team: teamOf(index), ...machine });
    };
    const report = (index: number) => {
      const event = { id: `event-${number++}`, team: teamOf(index), model: MODEL, inputTokens: 100, outputTokens: 10 };
      return send('POST', '/v1/usage', { events: [event] });
    };
    const read = (index: number) => send('GET', `/v1/teams/${teamOf(index)}/balance`);
    // The first calls of a process are slow: its programs are not compiled yet.
    for (let round = 0; round < 4; round += 1) for (const act of [start, report, read]) await atOnce(REFERENCE, act);
    for (const [what, act] of [
      ['starts', start],
      ['usage', report],
      ['balances', read],
    ] as const)
      measured.push(...(await curveOf(what, act)));
    return measured;
  });
}

const teamOf = (index: number): string => `load-team-${index % TEAMS}`;

async function atOnce(count: number, act: (index: number) => Promise<Outcome>) {
  const beganMs = performance.now();
  const outcomes = await Promise.all(Array.from({ length: count }, (_, index) => act(index)));
  return { outcomes, tookMs: performance.now() - beganMs };
}

async function curveOf(what: string, act: (index: number) => Promise<Outcome>): Promise<Measured[]> {
  const points: Array<{ offered: number; perSecond: number; counts: Record<string, number> }> = [];
  for (const offered of OFFERED) {
    const all: Outcome[] = [];
    let tookMs = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const { outcomes, tookMs: roundMs } = await atOnce(offered, act);
      all.push(...outcomes);
      tookMs += roundMs;
      await sleep(REST_MS);
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
  const reference = points.find(({ offered }) => offered === REFERENCE)?.perSecond ?? 0;
  return points.map(({ offered, perSecond, counts }) => ({
    bench: 'load curve',
    what: `${what}, ${offered} offered at once, ${ROUNDS} times`,
    figure: perSecond,
    unit: 'served/s',
    reference: `${what} served a second when ${REFERENCE} are offered at once`,
    referenceFigure: reference,
    ...(offered > REFERENCE && { atLeast: 1 }),
    counts,
  }));
}

/** Runs `measure` against an api and a worker beside embedded neighbours. */
async function onProduct<T>(measure: (send: Send) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'burnrate-bench-'));
  const neighbours = await startNeighbours({
    dataDir: folder,
    environment: { LOG_LEVEL: 'warn', RATE_LIMIT_PER_MINUTE: '1000000' },
    searchAttributes: SEARCH_ATTRIBUTES,
  });
  const { environment } = neighbours;
  const agent = new Agent({ keepAlive: true, maxSockets: 1_000 });
  try {
    await migrateBy(environment);
    const processes = await Promise.all((['worker', 'api'] as const).map((name) => startProduct(name, environment)));
    try {
      const base = `http://127.0.0.1:${environment.PORT}`;
      while (!(await answers(`${base}/readyz`))) await sleep(200);
      const send = sender(agent, base, environment.BURNRATE_PLATFORM_KEY ?? '');
      await addTeams(send);
      return await measure(send);
    } finally {
      await Promise.all(processes.map((child) => child.end()));
    }
  } finally {
    agent.destroy();
    await neighbours.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function addTeams(send: Send): Promise<void> {
  const insist = async (path: string, body: object): Promise<void> => {
    while ((await send('POST', path, body)).status === 503) await sleep(1_000);
  };
  for (let index = 0; index < TEAMS; index += 16)
    await Promise.all(
      Array.from({ length: 16 }, async (_, offset) => {
        const id = teamOf(index + offset);
        await insist('/v1/teams', { id, name: 'Load', email: 'load@teams.example' });
        await insist(`/v1/teams/${id}/grants`, { id: `grant-${id}`, amount: CREDIT, note: 'bench' });
      }),
    );
}

const sender =
  (agent: Agent, base: string, key: string): Send =>
  async (method, path, body) => {
    const sent = body === undefined ? '' : JSON.stringify(body);
    const beganMs = performance.now();
    const headers = {
      authorization: `Bearer ${key}`,
      ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }),
    };
    const call = request(base + path, { method, agent, headers });
    call.end(sent);
    const [response] = await once(call, 'response');
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    const code = response.statusCode < 400 ? null : JSON.parse(text).error.code;
    return { status: response.statusCode, code, ms: performance.now() - beganMs };
  };
