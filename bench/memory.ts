/**
 * The memory of the worker, the api and the engine for each open instance, beside an empty workflow; and whether the
 * memory stays flat under a steady load.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startEmptyEngine } from './empty/engine.ts';
import type { Measured } from './measured.ts';
import { type LoadOptions, scaled } from './options.ts';
import {
  addTeams,
  inLanes,
  insist,
  names,
  onProduct,
  type Product,
  quantile,
  rounded,
  startInstances,
  startOf,
} from './product.ts';

const run = promisify(execFile);

const TEAMS = 100;
const OPEN = 2_000;
const WARM_UP = 200;
/** Time for the memory of the calls themselves to be released as far as possible. */
const REST_MS = 10_000;
const STEADY_PER_SECOND = 5;
const SAMPLE_EVERY_MS = 10_000;

type Part = 'api' | 'worker' | 'engine';
const PARTS: readonly Part[] = ['api', 'worker', 'engine'];

/** The memory of a process, in KiB. */
async function heldBy(pid: number): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout.trim());
}

async function heldByAll({ pids, neighbours }: Product): Promise<Record<Part, number>> {
  const engine = neighbours.temporal?.pid;
  if (engine === undefined) throw new Error('this bench needs the embedded Temporal: unset TEMPORAL_ADDRESS');
  const [api, worker, temporal] = await Promise.all([pids.api, pids.worker, engine].map(heldBy));
  return { api: api ?? 0, worker: worker ?? 0, engine: temporal ?? 0 };
}

export const memory = (options: LoadOptions): Promise<Measured[]> =>
  onProduct(async (product) => {
    const teams = names('open', scaled(TEAMS, options, 4));
    const count = scaled(OPEN, options, 20);
    await addTeams(product.send, teams, '100000');
    await startInstances(product.send, names('open', 4), scaled(WARM_UP, options, 8), '0.01');
    const empty = await startEmptyEngine(product);
    try {
      await inLanes(scaled(WARM_UP, options, 8), 16, (index) => empty.start(`warm-${index}`));
      const all = async () => {
        await sleep(REST_MS);
        return { ...(await heldByAll(product)), bench: await heldBy(process.pid) };
      };
      const before = await all();
      await inLanes(count, 16, (index) => empty.start(`open-${index}`));
      const withEmpty = await all();
      await inLanes(count, 16, (index) =>
        insist(
          product.send,
          'POST',
          '/v1/instances',
          startOf(teams[index % teams.length] ?? '', `held-${index}`, '0.01'),
        ),
      );
      const withOpen = await all();
      // Free memory of the process may have served before, so a negative amount counts as zero.
      const each = (after: number, was: number) => Math.max(0.001, rounded((after - was) / count));
      const referenceOf = { api: 'bench', worker: 'bench', engine: 'engine' } as const;
      return PARTS.map((part) => ({
        bench: 'load memory',
        what: `the ${part}, for each of ${count} open instances`,
        figure: each(withOpen[part], withEmpty[part]),
        unit: 'KiB',
        lessIsBetter: true,
        reference:
          part === 'engine'
            ? 'the engine, for each open empty workflow'
            : 'client and worker together, for each open empty workflow',
        referenceFigure: each(withEmpty[referenceOf[part]], before[referenceOf[part]]),
        counts: { beforeMiB: rounded(withEmpty[part] / 1_024), afterMiB: rounded(withOpen[part] / 1_024) },
      }));
    } finally {
      await empty.close();
    }
  });

/** Starts, reads and stops at a steady pace. The second quarter of the time is the reference of the last. */
export const memoryOverTime = (options: LoadOptions): Promise<Measured[]> =>
  onProduct(async (product) => {
    const { send } = product;
    const teams = names('steady', scaled(TEAMS, options, 4));
    await addTeams(send, teams, '100000');
    const samples: Array<Record<Part, number>> = [];
    const endMs = Date.now() + options.minutes * 60_000;
    const load = (async () => {
      for (let number = 0; Date.now() < endMs; number += 1) {
        const team = teams[number % teams.length] ?? '';
        const life = async () => {
          await insist(send, 'POST', '/v1/instances', startOf(team, `steady-${number}`, '0.01'));
          await insist(send, 'GET', `/v1/teams/${team}/balance`);
          await insist(send, 'POST', `/v1/instances/steady-${number}/stop`);
        };
        await Promise.all([life(), sleep(1_000 / STEADY_PER_SECOND)]);
      }
    })();
    const sampled = (async () => {
      while (Date.now() < endMs) {
        samples.push(await heldByAll(product));
        await sleep(Math.min(SAMPLE_EVERY_MS, Math.max(1, endMs - Date.now())));
      }
    })();
    await Promise.all([load, sampled]);
    const quarter = Math.max(1, Math.floor(samples.length / 4));
    const median = (of: Array<Record<Part, number>>, part: Part) =>
      rounded(
        quantile(
          of.map((sample) => sample[part]),
          0.5,
        ) / 1_024,
      );
    return PARTS.map((part) => ({
      bench: 'load memory over time',
      what: `the ${part} in the last quarter of ${options.minutes} minutes`,
      figure: median(samples.slice(-quarter), part),
      unit: 'MiB',
      lessIsBetter: true,
      // The first minutes fill caches, so the last quarter is compared with the second.
      reference: `the ${part} in the second quarter`,
      referenceFigure: median(samples.slice(quarter, 2 * quarter), part),
      atLeast: 0.95,
      counts: { samples: samples.length },
    }));
  });
