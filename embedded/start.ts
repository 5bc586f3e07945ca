/** `npm start`: everything in one process group, with each unconfigured neighbour embedded, and data in `.data/`. */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrateBy } from '../prisma/migrate.ts';
import { readCommandLine, UsageError } from '../process/command-line.ts';
import { readConfig } from '../process/config.ts';
import { dataFolder } from '../process/published.ts';
import { SEARCHED_BY } from '../workflows/search-attributes.ts';
import { claimPorts } from './claimed-ports.ts';
import { type DataFolder, takeDataFolder } from './data-folder.ts';
import { type Neighbours, startNeighbours, USUAL_PORTS } from './neighbours.ts';
import { type Product, startProducts } from './products.ts';
import { publishEnvironment, withdrawEnvironment } from './published.ts';
import { readableLog } from './readable-log.ts';
import { notReadyBecause, watchReadiness } from './readiness.ts';
import { createSupervisor, type Supervised } from './supervisor.ts';
import { toolsFolder } from './tools-folder.ts';
import { watchSources } from './watched-sources.ts';

const USAGE = `usage: npm start
       npm run dev     restarts the api and the worker when a source changes, and prints readable logs

Runs Burnrate with an embedded Postgres, Temporal, mail inbox and stand-ins for Stripe, CopperX and the platform, each
unless the environment names another one. README.md lists the settings.

  BURNRATE_DATA_DIR   where the data is kept (default: .data)
  NODE_ENV=production embeds nothing`;

const write = (line: string) => process.stdout.write(`${line}\n`);

/**
 * npm does not pass a SIGTERM on to its command, but ends and leaves the command behind. The loss of the parent counts
 * as a signal, so the end of `npm start` ends all processes.
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

/** Lines of the start, each with the seconds since its begin. */
function progress(): (line: string) => void {
  return (line) => write(`${(performance.now() / 1000).toFixed(1).padStart(5)} s  ${line}`);
}

/** The started parts of `npm start`, stopped in the opposite order. */
class Started {
  readonly #stops: Array<() => Promise<unknown>> = [];
  #stopped: Promise<void> | null = null;

  get isStopping(): boolean {
    return this.#stopped !== null;
  }

  onStop(stop: () => Promise<unknown>): void {
    this.#stops.push(stop);
  }

  stop(): Promise<void> {
    this.#stopped ??= (async () => {
      for (const stop of this.#stops.reverse())
        await stop().catch((error: Error) => process.stderr.write(`${error.message}\n`));
    })();
    return this.#stopped;
  }
}

/** Placeholders for the settings of embedded neighbours, so the given settings are checked before anything starts. */
const EMBEDDED_SETTINGS = {
  DATABASE_URL: 'postgresql://embedded/burnrate',
  TEMPORAL_ADDRESS: 'embedded:7233',
  STRIPE_SECRET_KEY: 'sk_embedded',
  STRIPE_WEBHOOK_SECRET: 'whsec_embedded',
  COPPERX_WEBHOOK_SECRET: 'embedded',
  SMTP_URL: 'smtp://embedded',
  MAIL_FROM: 'billing@burnrate.example',
  PLATFORM_WEBHOOK_URL: 'http://embedded',
  PLATFORM_WEBHOOK_SECRET: 'embedded-embedded',
  BURNRATE_PLATFORM_KEY: 'embedded-embedded',
  PUBLIC_URL: 'http://embedded',
};

const nonEmpty = (environment: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => Boolean(entry[1])));

async function startEmbedded(started: Started, folder: DataFolder, say: (line: string) => void): Promise<Neighbours> {
  const { PORT } = process.env;
  const ports = await claimPorts(join(folder.path, 'ports.json'), USUAL_PORTS, {
    say,
    ...(PORT && { fixed: { api: Number(PORT) } }),
  });
  started.onStop(async () => ports.release());
  const neighbours = await startNeighbours({
    dataDir: folder.path,
    toolsDir: await toolsFolder(folder.path),
    environment: process.env,
    searchAttributes: SEARCHED_BY,
    ports: ports.of,
    say,
  });
  started.onStop(() => neighbours.stop());
  return neighbours;
}

const supervisedOf = ({ postgres, temporal }: Neighbours): Supervised[] => [
  ...(postgres ? [{ name: 'Postgres', exited: postgres.exited, start: postgres.restart }] : []),
  ...(temporal ? [{ name: 'Temporal', exited: temporal.exited, start: temporal.restart }] : []),
];

function childrenOf(neighbours: Neighbours, products: readonly Product[]) {
  const { postgres, temporal } = neighbours;
  return [
    ...(postgres ? [{ name: 'Postgres', pid: postgres.pid, signal: 'SIGINT' as const }] : []),
    ...(temporal ? [{ name: 'Temporal', pid: temporal.pid, signal: 'SIGTERM' as const }] : []),
    ...products.map(({ name, pid }) => ({ name: `the ${name}`, pid: pid(), signal: 'SIGTERM' as const })),
  ];
}

function printAddresses(base: string, neighbours: Neighbours | null, platformKey: string | undefined): void {
  write('');
  write(`API           ${base}/v1   (documents: ${base}/docs)`);
  if (neighbours?.temporal) write(`Temporal UI   ${neighbours.temporal.uiUrl}`);
  if (neighbours?.inbox) write(`Mail inbox    ${neighbours.inbox.webUrl}`);
  if (neighbours?.stripe) write(`Stripe        ${neighbours.stripe.url}   (stand-in)`);
  if (neighbours?.copperx) write(`CopperX       ${neighbours.copperx.url}   (stand-in)`);
  if (neighbours?.platform) write(`Platform      ${neighbours.platform.webUrl}   (stand-in)`);
  if (platformKey) write(`Platform key  ${platformKey}`);
  write('Ready. Ctrl-C ends all of it.');
}

async function run(started: Started, isDev: boolean): Promise<void> {
  const say = progress();
  const embeds = process.env.NODE_ENV !== 'production';
  const given = nonEmpty(process.env);
  readConfig(embeds ? { ...EMBEDDED_SETTINGS, ...given } : given);
  const folder = embeds ? await takeDataFolder(resolve(dataFolder(process.env)), say) : null;
  if (folder) {
    started.onStop(() => folder.release());
    say(`data folder ${folder.path}`);
  }

  // The packages of the api and the worker are loaded while the neighbours start.
  const products = await startProducts(isDev || process.stdout.isTTY ? readableLog(write) : write);
  const neighbours = folder && (await startEmbedded(started, folder, say));
  started.onStop(() => products.end());
  const environment = neighbours?.environment ?? { PORT: '3000', ...given };
  const base = `http://127.0.0.1:${environment.PORT}`;

  const applied = await migrateBy(environment);
  say(applied.length > 0 ? `${applied.length} migrations applied` : 'the database is up to date');
  if (folder) {
    await publishEnvironment(folder.path, environment);
    started.onStop(() => withdrawEnvironment(folder.path));
  }

  const note = () => {
    if (folder && neighbours)
      folder.note(base, childrenOf(neighbours, products.all)).catch((error: Error) => say(error.message));
  };
  const supervisor = createSupervisor({ say: write, restarted: note, givesUp: !isDev });
  // The first of the stops, so no ending part is restarted.
  started.onStop(() => supervisor.stop());
  if (neighbours) for (const part of supervisedOf(neighbours)) supervisor.watch(part);
  note();
  await products.run(environment, say);
  for (const product of products.all) supervisor.watch(product);
  note();

  const ready = async () => {
    for (let tries = 1; (await notReadyBecause(base)) !== null; tries++) {
      if (tries % 50 === 0) say(`not ready yet: ${await notReadyBecause(base)}`);
      await sleep(200);
    }
  };
  await Promise.race([ready(), supervisor.failed]);
  printAddresses(base, neighbours, process.env.BURNRATE_PLATFORM_KEY ? undefined : environment.BURNRATE_PLATFORM_KEY);
  const endWatch = watchReadiness(base, write);
  started.onStop(async () => endWatch());
  if (isDev) watchSources({ say: write, products, environment, restarted: note });
  await supervisor.failed;
}

async function main(): Promise<void> {
  const command = readCommandLine({ usage: USAGE, options: { dev: { type: 'boolean', default: false } } });
  if (!command) return;
  // The written files hold secrets and addresses.
  process.umask(0o077);
  const started = new Started();
  const leave = () => void started.stop().then(() => process.exit(0));
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, leave);
  whenOrphaned(leave);
  try {
    await run(started, command.values.dev);
  } catch (error) {
    // During the stop, parts fail because other parts have ended.
    if (started.isStopping) return await started.stop();
    await started.stop();
    throw error;
  }
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
});
