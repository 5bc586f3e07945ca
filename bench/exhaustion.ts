/**
 * Very many instances that run dry within one minute while others start: the delay from the computed second to the
 * order to stop the machine, beside bare timers of the engine for the same seconds under the same load.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type EmptyEngine, startEmptyEngine } from './empty/engine.ts';
import type { Measured } from './measured.ts';
import { type LoadOptions, scaled } from './options.ts';
import {
  addTeams,
  inLanes,
  insist,
  names,
  type Outcome,
  onProduct,
  type Product,
  quantile,
  rounded,
  type Send,
  startInstances,
  startOf,
} from './product.ts';

const TEAMS = 200;
const INSTANCES = 1_000;
const CREDIT = 10;
const SLOW_HOURLY = '0.01';
const STARTS_PER_SECOND = 20;
const OTHER_TEAMS = 50;
/** Teams run dry in the minute that begins this long after the begin of the last preparation. */
const AHEAD_S = 60;
const MINUTE_S = 60;
const LEAST_LEFT_S = 5;
const LOOK_AGAIN_MS = 500;
const GIVE_UP_AFTER_MS = 20 * 60_000;

export const exhaustion = (options: LoadOptions): Promise<Measured[]> =>
  onProduct(async (product) => {
    const { send } = product;
    const teams = names('dry', scaled(TEAMS, options, 4));
    const others = names('other', scaled(OTHER_TEAMS, options, 4));
    await addTeams(send, teams, String(CREDIT));
    await addTeams(send, others, '100000');
    // All instances but the last of each team, which takes the rest of the credit.
    const slow = await startInstances(send, teams, scaled(INSTANCES, options, 8) - teams.length, SLOW_HOURLY);
    const engine = await startEmptyEngine(product);
    const pool = new pg.Pool({ connectionString: product.environment.DATABASE_URL, max: 1 });
    try {
      const fromMs = Date.now() + AHEAD_S * 1_000;
      const load = startSteadily(send, others, fromMs + MINUTE_S * 1_000);
      await inLanes(teams.length, 16, async (index) => {
        const dueMs = fromMs + Math.floor((index * MINUTE_S) / teams.length) * 1_000;
        // On a slow machine the preparations take longer than was meant.
        const secondsLeft = Math.max(LEAST_LEFT_S, (dueMs - Date.now()) / 1_000);
        const hourly = ((CREDIT * 3_600) / secondsLeft).toFixed(6);
        await insist(send, 'POST', '/v1/instances', startOf(teams[index] as string, `last-${index}`, hourly));
        await engine.setTimer(`timer-${index}`, Math.max(dueMs, Date.now() + LEAST_LEFT_S * 1_000));
      });
      const starts = await load;
      return await result(product, { engine, pool, teams, ids: [...slow, ...names('last', teams.length)], starts });
    } finally {
      await pool.end();
      await engine.close();
    }
  });

/** Starts instances at a steady pace until an instant, without waiting for earlier answers. */
async function startSteadily(send: Send, teams: readonly string[], untilMs: number): Promise<Outcome[]> {
  const answered: Array<Promise<Outcome>> = [];
  for (let number = 0; Date.now() < untilMs; number += 1) {
    const body = startOf(teams[number % teams.length] as string, `steady-${number}`, SLOW_HOURLY);
    answered.push(send('POST', '/v1/instances', body));
    await sleep(1_000 / STARTS_PER_SECOND);
  }
  return Promise.all(answered);
}

interface Dry {
  engine: EmptyEngine;
  pool: pg.Pool;
  teams: string[];
  ids: string[];
  starts: Outcome[];
}

async function result({ neighbours }: Product, { engine, pool, teams, ids, starts }: Dry): Promise<Measured[]> {
  const orderedMs = await untilStopOrders(neighbours, new Set(ids));
  while (engine.late.length < teams.length) await sleep(LOOK_AGAIN_MS);
  const { rows: ended } = await pool.query('SELECT id, end_second::int AS second FROM instances WHERE id = ANY($1)', [
    ids,
  ]);
  const late = ended.map(({ id, second }) => (orderedMs.get(id) ?? Number.NaN) - second * 1_000);
  const { rows } = await pool.query(
    `SELECT count(*) FILTER (WHERE posted_micros < 0 OR owed_micros > 0)::int AS overdrawn,
       COALESCE(sum(LEAST(posted_micros, 0) - owed_micros), 0)::bigint::text AS overdraft
     FROM accounts WHERE team_id = ANY($1)`,
    [teams],
  );
  const times = starts.filter(({ status }) => status < 300).map(({ ms }) => ms);
  const counts = {
    instances: ids.length,
    teams: teams.length,
    teamsOverdrawn: rows[0].overdrawn,
    overdraftMicros: Number(rows[0].overdraft),
    startsOffered: starts.length,
    started: times.length,
    startP50Ms: rounded(quantile(times, 0.5)),
    startP99Ms: rounded(quantile(times, 0.99)),
  };
  return [0.5, 0.99].map((share) => ({
    bench: 'load exhaustion',
    what: `from the second at which credit ends to the platform's call, p${share * 100} (goal: ${share === 0.5 ? 1_000 : 3_000} ms)`,
    figure: rounded(quantile(late, share)),
    unit: 'ms',
    lessIsBetter: true,
    reference: `lateness of bare timers of the engine under the same load, p${share * 100}`,
    referenceFigure: rounded(quantile(engine.late, share)),
    counts,
  }));
}

/** When the platform was first told to stop each machine, in unix milliseconds. */
async function untilStopOrders(
  { platform }: Product['neighbours'],
  ids: ReadonlySet<string>,
): Promise<Map<string, number>> {
  const giveUpMs = Date.now() + GIVE_UP_AFTER_MS;
  for (;;) {
    const orderedMs = new Map<string, number>();
    for (const { type, data, at } of platform?.events() ?? []) {
      const id = String(data.id);
      if (type === 'instance.terminate' && ids.has(id) && !orderedMs.has(id)) orderedMs.set(id, Date.parse(at));
    }
    if (orderedMs.size === ids.size) return orderedMs;
    if (Date.now() > giveUpMs) throw new Error(`the platform was told of ${orderedMs.size} of ${ids.size} machines`);
    await sleep(LOOK_AGAIN_MS);
  }
}
