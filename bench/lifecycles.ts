/**
 * Whole lifecycles over HTTP, start and stop, beside empty workflows on the same server: started with an update, ended by a
 * signal. Time runs until the last workflow has seen its start and has ended.
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
  onProduct,
  type Product,
  perSecond,
  quantile,
  rounded,
  startOf,
} from './product.ts';

const BENCH = 'load lifecycles';
const CALLERS = [1, 32, 128];
/** The number for each of the callers, within bounds, because a single caller takes long. */
const LIFECYCLES: Record<number, number> = { 1: 100, 32: 1_000, 128: 2_000 };
const TEAMS = 128;
const WARM_UP = 64;
const LOOK_AGAIN_MS = 50;

interface Round {
  perSecond: number;
  starts: number[];
}

export const lifecycles = (options: LoadOptions): Promise<Measured[]> =>
  onProduct(async (product) => {
    const teams = names('life-team', scaled(TEAMS, options, 4));
    await addTeams(product.send, teams, '1000');
    const engine = await startEmptyEngine(product);
    const pool = new pg.Pool({ connectionString: product.environment.DATABASE_URL, max: 1 });
    try {
      const rounds = roundsOn(product, { engine, pool, teams });
      const warm = scaled(WARM_UP, options, 4);
      await rounds.bare(warm, warm);
      await rounds.whole(warm, warm);
      const figures: Measured[] = [];
      for (const callers of CALLERS) {
        const count = scaled(LIFECYCLES[callers] ?? 0, options, 4);
        const bare = await rounds.bare(count, callers);
        const whole = await rounds.whole(count, callers);
        figures.push(sustained(callers, whole, bare));
        if (callers === 1) figures.push(startTime(whole, bare));
      }
      return figures;
    } finally {
      await pool.end();
      await engine.close();
    }
  });

const sustained = (callers: number, whole: Round, bare: Round): Measured => ({
  bench: BENCH,
  what: `lifecycles over HTTP, ${callers} callers, until the last workflow has ended`,
  figure: whole.perSecond,
  unit: 'lifecycles/s',
  reference: 'an empty workflow: update with start, signal, result',
  referenceFigure: bare.perSecond,
  atLeast: 0.8,
  counts: { startP50Ms: rounded(quantile(whole.starts, 0.5)), startP99Ms: rounded(quantile(whole.starts, 0.99)) },
});

const startTime = (whole: Round, bare: Round): Measured => ({
  bench: BENCH,
  what: 'a start over HTTP, 1 caller, p50',
  figure: rounded(quantile(whole.starts, 0.5)),
  unit: 'ms',
  lessIsBetter: true,
  reference: 'update with the start of an empty workflow',
  referenceFigure: rounded(quantile(bare.starts, 0.5)),
  atLeast: 1,
});

function roundsOn({ send }: Product, { engine, pool, teams }: { engine: EmptyEngine; pool: pg.Pool; teams: string[] }) {
  let round = 0;
  /** Acts in lanes, then waits for the last workflow. Times the first half of each act, the start. */
  async function timed(
    count: number,
    callers: number,
    start: (id: string, index: number) => Promise<unknown>,
    end: (id: string) => Promise<unknown>,
    untilEnded: () => Promise<void>,
  ): Promise<Round> {
    round += 1;
    const starts: number[] = [];
    const beganMs = performance.now();
    await inLanes(count, callers, async (index) => {
      const id = `life-${round}-${index}`;
      const startedMs = performance.now();
      await start(id, index);
      starts.push(performance.now() - startedMs);
      await end(id);
    });
    await untilEnded();
    return { perSecond: perSecond(count, performance.now() - beganMs), starts };
  }

  return {
    bare: (count: number, callers: number) =>
      timed(
        count,
        callers,
        (id) => engine.start(id),
        (id) => engine.end(id),
        async () => {},
      ),
    whole: (count: number, callers: number) =>
      timed(
        count,
        callers,
        (id, index) => insist(send, 'POST', '/v1/instances', startOf(teams[index % teams.length] ?? '', id, '0.01')),
        (id) => insist(send, 'POST', `/v1/instances/${id}/stop`),
        () => untilAllEnded(pool, engine),
      ),
  };
}

/** Waits until each workflow has seen the end of its instance, and none is open. */
async function untilAllEnded(pool: pg.Pool, { client }: EmptyEngine): Promise<void> {
  const due = async () =>
    (await pool.query('SELECT count(*)::int AS due FROM instances WHERE workflow_due_second IS NOT NULL')).rows[0].due;
  while ((await due()) > 0) await sleep(LOOK_AGAIN_MS);
  const open = async () =>
    (await client.workflow.count("WorkflowType = 'instance' AND ExecutionStatus = 'Running'")).count;
  while ((await open()) > 0) await sleep(LOOK_AGAIN_MS);
}
