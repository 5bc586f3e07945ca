/**
 * Shared parts of benches that measure the product's own processes, with their own settings, beside embedded
 * neighbours.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Neighbours, startNeighbours } from '../embedded/neighbours.ts';
import { answers, startProduct } from '../embedded/product.ts';
import { migrateBy } from '../prisma/migrate.ts';
import { SEARCH_ATTRIBUTES } from '../workflows/messages.ts';

export interface Outcome {
  status: number;
  /** The code of a refusal. */
  code: string | null;
  ms: number;
  text: string;
}

export type Send = (method: string, path: string, body?: object) => Promise<Outcome>;

export interface Product {
  send: Send;
  environment: Record<string, string>;
  neighbours: Neighbours;
  pids: { api: number; worker: number };
}

/** Runs `measure` against an api and a worker beside embedded neighbours, with settings of their own if given. */
export async function onProduct<T>(
  measure: (product: Product) => Promise<T>,
  settings: Record<string, string> = {},
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'burnrate-bench-'));
  const neighbours = await startNeighbours({
    dataDir: folder,
    environment: { LOG_LEVEL: 'warn', RATE_LIMIT_PER_MINUTE: '1000000', ...settings },
    searchAttributes: SEARCH_ATTRIBUTES,
  });
  const { environment } = neighbours;
  // A connection of each call at once, which stays open for the next calls.
  const agent = new Agent({ keepAlive: true, maxSockets: 1_000, maxFreeSockets: 1_000 });
  try {
    await migrateBy(environment);
    const [worker, api] = await Promise.all([startProduct('worker', environment), startProduct('api', environment)]);
    try {
      const base = `http://127.0.0.1:${environment.PORT}`;
      while (!(await answers(`${base}/readyz`))) await sleep(200);
      const send = sender(agent, base, environment.BURNRATE_PLATFORM_KEY ?? '');
      return await measure({ send, environment, neighbours, pids: { api: api.pid, worker: worker.pid } });
    } finally {
      await Promise.all([worker, api].map((child) => child.end()));
    }
  } finally {
    agent.destroy();
    await neighbours.stop();
    await rm(folder, { recursive: true, force: true });
  }
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
    return { status: response.statusCode, code, ms: performance.now() - beganMs, text };
  };

const AGAIN_AFTER_MS = 1_000;

/** Repeats a call while the refusal is an overload. @throws Error for any other refusal */
export async function insist(send: Send, method: string, path: string, body?: object): Promise<Outcome> {
  for (;;) {
    const outcome = await send(method, path, body);
    if (outcome.status < 300) return outcome;
    if (outcome.status !== 503) throw new Error(`${method} ${path} was answered ${outcome.status} ${outcome.text}`);
    await sleep(AGAIN_AFTER_MS);
  }
}

const SETTING_UP_AT_ONCE = 16;

/** Adds teams, each with credit. */
export const addTeams = async (send: Send, ids: readonly string[], credit: string): Promise<void> => {
  await inLanes(ids.length, SETTING_UP_AT_ONCE, async (index) => {
    const id = ids[index] as string;
    await insist(send, 'POST', '/v1/teams', { id, name: 'Load', email: 'load@teams.example' });
    await insist(send, 'POST', `/v1/teams/${id}/grants`, { id: `grant-${id}`, amount: credit, note: 'bench' });
  });
};

/** The body of a start at a given price. */
export const startOf = (team: string, id: string, hourly: string) => ({
  ...{ id, team, gpuType: 'h100', region: 'eu', pricing: 'on_demand', hourly },
});

/** Starts instances of teams in turn, and returns their ids. */
export async function startInstances(
  send: Send,
  teams: readonly string[],
  count: number,
  hourly: string,
): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `${teams[index % teams.length]}-${index}`);
  await inLanes(count, SETTING_UP_AT_ONCE, (index) =>
    insist(send, 'POST', '/v1/instances', startOf(teams[index % teams.length] as string, ids[index] as string, hourly)),
  );
  return ids;
}

/** Acts a number of times, with a number at once. Returns the results, and the milliseconds of each act. */
export async function inLanes(
  count: number,
  callers: number,
  act: (index: number) => Promise<unknown>,
): Promise<{ tookMs: number; times: number[] }> {
  const times: number[] = [];
  let next = 0;
  const beganMs = performance.now();
  const lane = async () => {
    while (next < count) {
      const index = next++;
      const actBeganMs = performance.now();
      await act(index);
      times.push(performance.now() - actBeganMs);
    }
  };
  await Promise.all(Array.from({ length: Math.min(callers, count) }, lane));
  return { tookMs: performance.now() - beganMs, times };
}

/** The value at or below which a share of the values lies. */
export const quantile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
};

export const rounded = (value: number): number => Number(value.toPrecision(4));
export const perSecond = (count: number, tookMs: number): number => rounded((count / tookMs) * 1_000);
export const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
