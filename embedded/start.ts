/** `npm start`: everything in one process group, each neighbour that is not configured embedded, data kept in `.data/`. */
import { join } from 'node:path';
import { migrateBy } from '../prisma/migrate.ts';
import { readConfig } from '../worker/config.ts';
import { SEARCH_ATTRIBUTES } from '../workflows/messages.ts';
import { type Neighbours, startNeighbours } from './neighbours.ts';
import type { Child } from './process.ts';
import { answers, startProduct } from './product.ts';
import { publishEnvironment, withdrawEnvironment } from './published.ts';

const dataDir = process.env.BURNRATE_DATA_DIR ?? join(import.meta.dirname, '..', '.data');
const say = (line: string) => process.stdout.write(`${line}\n`);

/**
 * npm does not pass a SIGTERM on to what it runs, it only leaves it behind; so that ending `npm start` ends all of it,
 * losing the parent counts as being told.
 */
function whenOrphaned(leave: () => void): void {
  const parent = process.ppid;
  const look = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(look);
    leave();
  }, 500);
  look.unref();
}

/** In production nothing is embedded: what is missing stops the process with a sentence that names it. */
const productionNeighbours = (): Neighbours => {
  readConfig(process.env);
  const environment = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const none = { postgres: null, temporal: null, inbox: null, stripe: null, copperx: null, platform: null };
  return { environment: { PORT: '3000', ...environment }, ...none, stop: async () => {} };
};

async function main(): Promise<void> {
  const embed = process.env.NODE_ENV !== 'production';
  const neighbours = embed
    ? await startNeighbours({
        dataDir,
        environment: process.env,
        searchAttributes: SEARCH_ATTRIBUTES,
        usualPorts: true,
        say,
      })
    : productionNeighbours();
  const { environment } = neighbours;
  const processes: Child[] = [];
  let stopping: Promise<void> | null = null;

  const stop = () => {
    stopping ??= (async () => {
      if (embed) await withdrawEnvironment(dataDir);
      await Promise.all(processes.map((child) => child.end()));
      await neighbours.stop();
    })();
    return stopping;
  };
  const leave = () => void stop().then(() => process.exit(0));
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, leave);
  whenOrphaned(leave);

  try {
    await migrateBy(environment);
    if (embed) await publishEnvironment(dataDir, environment);
    processes.push(
      ...(await Promise.all([startProduct('worker', environment, say), startProduct('api', environment, say)])),
    );
    const base = `http://127.0.0.1:${environment.PORT}`;
    while (!(await answers(`${base}/readyz`))) await new Promise((resolve) => setTimeout(resolve, 200));
    say('');
    say(`API           ${base}/v1   (documents: ${base}/docs)`);
    if (neighbours.temporal) say(`Temporal UI   ${neighbours.temporal.uiUrl}`);
    if (neighbours.inbox) say(`Mail inbox    ${neighbours.inbox.webUrl}`);
    if (neighbours.stripe) say(`Stripe        ${neighbours.stripe.url}   (stand-in)`);
    if (neighbours.copperx) say(`CopperX       ${neighbours.copperx.url}   (stand-in)`);
    if (neighbours.platform) say(`Platform      ${neighbours.platform.webUrl}   (stand-in)`);
    if (embed && !process.env.BURNRATE_PLATFORM_KEY) say(`Platform key  ${environment.BURNRATE_PLATFORM_KEY}`);
    say('Ready. Ctrl-C ends all of it.');
    const ended = await Promise.race(processes.map(async (child) => `${child.tail()}\n(${await child.exited})`));
    if (!stopping) throw new Error(`a process has ended:\n${ended}`);
    await stopping;
  } catch (error) {
    await stop();
    throw error;
  }
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
