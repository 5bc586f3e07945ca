/** Tests `npm run dev` in a copy of the checkout: an edit restarts the affected processes and no other process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { resolveTemporalCli } from '../../embedded/temporal.ts';
import { SETTINGS } from '../../process/config.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const ROOMS = ['billing', 'prisma', 'ledger', 'activities', 'workflows', 'process', 'worker', 'api', 'embedded'];
const WITHIN_MS = 240_000;

let checkout: string;
let dev: ChildProcess | null = null;
const lines: string[] = [];

beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), 'burnrate-dev-'));
  const copied = [...ROOMS, 'package.json', 'package-lock.json', 'tsconfig.json'];
  await Promise.all(copied.map((name) => cp(join(ROOT, name), join(checkout, name), { recursive: true })));
  await linkPackages(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
  const ours = new Set([...SETTINGS, 'NODE_ENV']);
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.has(name)));
  dev = spawn(process.execPath, [join(checkout, 'embedded', 'launch.mjs'), '--dev'], {
    cwd: checkout,
    env: {
      ...inherited,
      BURNRATE_DATA_DIR: join(checkout, '.data'),
      LOG_LEVEL: 'info',
      TEMPORAL_CLI_PATH: await resolveTemporalCli(),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [dev.stdout, dev.stderr])
    createInterface({ input: stream! }).on('line', (line) => void lines.push(line));
  await untilPrinted(/^Watching /);
});
afterAll(async () => {
  if (dev?.exitCode === null && dev.signalCode === null) {
    dev.kill('SIGTERM');
    await once(dev, 'exit');
  }
  await rm(checkout, { recursive: true, force: true });
});

/** Links each package by itself: the copy has a build cache of its own, so its builds stay out of the checkout's cache. */
async function linkPackages(from: string, to: string): Promise<void> {
  await mkdir(to);
  const names = (await readdir(from)).filter((name) => !name.startsWith('.'));
  await Promise.all(names.map((name) => symlink(join(from, name), join(to, name))));
}

async function untilPrinted(line: RegExp): Promise<void> {
  const isPrinted = () => lines.some((printed) => line.test(printed));
  await vi.waitUntil(() => isPrinted() || dev?.exitCode !== null, { timeout: WITHIN_MS, interval: 50 }).catch(() => {});
  if (!isPrinted()) throw new Error(`No line matches ${line}. The last lines:\n${lines.slice(-10).join('\n')}`);
}
const address = () => /^API {11}(\S+)\/v1 /.exec(lines.find((line) => line.startsWith('API ')) ?? '')?.[1] ?? '';
const health = async () => (await fetch(`${address()}/healthz`)).json();

type Pids = Record<string, number>;
const pids = async (): Promise<Pids> => {
  const { children } = JSON.parse(await readFile(join(checkout, '.data', 'running.json'), 'utf8'));
  return Object.fromEntries(children.map(({ name, pid }: { name: string; pid: number }) => [name, pid]));
};
/** `running.json` is written shortly after a restart. Returns the process ids once exactly `names` have new ones. */
async function untilReplaced(before: Pids, names: string[]): Promise<Pids> {
  const replaced = async () => {
    const now = await pids();
    return Object.keys(now).filter((name) => now[name] !== before[name]);
  };
  await expect.poll(replaced).toEqual(names);
  return await pids();
}
/** Writes the edited file beside the source and renames it, so that no build reads half of it. */
async function edit(path: string, from: string, to: string): Promise<void> {
  const text = await readFile(join(checkout, path), 'utf8');
  expect(text).toContain(from);
  await writeFile(join(checkout, `${path}.draft`), text.replace(from, to));
  await rename(join(checkout, `${path}.draft`), join(checkout, path));
}

it('An edit restarts the affected process, and a syntax error restarts no process.', async () => {
  const first = await pids();
  expect(Object.keys(first)).toEqual(['Postgres', 'Temporal', 'the worker', 'the api']);
  expect(await health()).toEqual({ status: 'ok' });

  await edit('api/http/health.ts', "{ status: 'ok' }", "{ status: 'ok', edited: true }");
  await untilPrinted(/^api\/http\/health\.ts changed: the api restarted in \d+\.\d s\.$/);
  expect(await health()).toEqual({ status: 'ok', edited: true });
  const second = await untilReplaced(first, ['the api']);

  await edit('api/http/health.ts', '{ status: ', '{{ status: ');
  await untilPrinted(/^api\/http\/health\.ts: Build failed/);
  expect(await health()).toEqual({ status: 'ok', edited: true });
  expect(await pids()).toEqual(second);

  await edit('api/http/health.ts', "{{ status: 'ok', edited: true }", "{ status: 'mended' }");
  await expect.poll(() => health().catch(() => null)).toEqual({ status: 'mended' });
  const third = await untilReplaced(second, ['the api']);

  await edit('workflows/details.ts', '/**', '/** Edited. */\n/**');
  await untilPrinted(/^workflows\/details\.ts changed: the worker restarted in \d+\.\d s\.$/);
  await untilReplaced(third, ['the worker']);
});
