/** Tests `npm start` unmodified: its processes are killed, and it is killed itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, it } from 'vitest';
import { resolveTemporalCli } from '../../embedded/temporal.ts';
import { SETTINGS } from '../../process/config.ts';
import { isStillRunning, type ProcessIdentity } from '../../process/identity.ts';

const LAUNCHER = join(import.meta.dirname, '..', '..', 'embedded', 'launch.mjs');
const folder = mkdtempSync(join(tmpdir(), 'burnrate-start-'));
const WITHIN_MS = 240_000;
const started: ChildProcess[] = [];

afterAll(async () => {
  for (const child of started.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  await rm(folder, { recursive: true, force: true });
}, WITHIN_MS);

async function npmStart() {
  const ours = new Set([...SETTINGS, 'NODE_ENV']);
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.has(name)));
  const cli = await resolveTemporalCli();
  const child = spawn(process.execPath, [LAUNCHER], {
    env: { ...inherited, BURNRATE_DATA_DIR: folder, LOG_LEVEL: 'warn', TEMPORAL_CLI_PATH: cli, NOT_OURS: 'secret' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream! }).on('line', (line) => void lines.push(line));
  return { child, lines, exit: once(child, 'exit') as Promise<[number | null]> };
}
type Running = Awaited<ReturnType<typeof npmStart>>;

const untilLine = (running: Running, line: string) =>
  expect.poll(() => running.lines, { timeout: WITHIN_MS, interval: 100 }).toContain(line);
const READY = 'Ready. Ctrl-C ends all of it.';

const apiOf = ({ lines }: Running) =>
  /^API {11}(http:\/\/127\.0\.0\.1:\d+\/v1) /.exec(lines.find((line) => line.startsWith('API ')) ?? '')?.[1] ?? '';
const keyOf = ({ lines }: Running) =>
  /^Platform key {2}(\S+)/.exec(lines.find((line) => line.startsWith('Platform key')) ?? '')?.[1] ?? '';
const call = (running: Running, path: string, body?: unknown) =>
  fetch(`${apiOf(running)}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${keyOf(running)}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
const isReady = async (running: Running) =>
  fetch(`${apiOf(running).slice(0, -3)}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );

interface Child extends ProcessIdentity {
  name: string;
}
const children = async (): Promise<Child[]> =>
  (JSON.parse(await readFile(join(folder, 'running.json'), 'utf8')) as { children: Child[] }).children;

/** Every path below the data folder that the group or others may use. */
async function openPaths(): Promise<string[]> {
  const paths = (await readdir(folder, { recursive: true })).map((name) => join(folder, name));
  const modes = await Promise.all(
    [folder, ...paths].map(async (path) => ({ path, mode: (await stat(path).catch(() => ({ mode: 0 }))).mode })),
  );
  return modes.filter(({ mode }) => (mode & 0o077) !== 0).map(({ path }) => path);
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 });
    const answer = (does: boolean) => {
      socket.destroy();
      resolve(does);
    };
    socket
      .once('connect', () => answer(true))
      .once('error', () => answer(false))
      .once('timeout', () => answer(false));
  });
}

let running: Running;

it(
  'npm start becomes ready, keeps its files private and listens only on the loopback',
  async () => {
    running = await npmStart();
    await untilLine(running, READY);
    expect(running.lines[0]).toBe('Burnrate is starting.');
    expect(running.lines.join('\n')).toMatch(/Postgres is not configured: embedded at postgresql:\/\/\S+\/burnrate$/m);
    expect(await isReady(running)).toBe(true);
    expect((await call(running, '/teams', { id: 'acme', name: 'Acme', email: 'a@acme.example' })).status).toBe(201);

    expect(await openPaths()).toEqual([]);
    const { environment } = JSON.parse(await readFile(join(folder, 'environment.json'), 'utf8'));
    expect(environment).toMatchObject({ TEMPORAL_NAMESPACE: 'default', HOST: '127.0.0.1' });
    expect(environment.DATABASE_URL).toMatch(/\/burnrate$/);
    expect(Object.keys(environment)).not.toContain('NOT_OURS');
    expect(Object.keys(environment)).not.toContain('PATH');

    const outside = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const ports = Object.values(JSON.parse(await readFile(join(folder, 'ports.json'), 'utf8'))) as number[];
    for (const port of ports) expect(await accepts('127.0.0.1', port), `${port}`).toBe(true);
    for (const { address, internal, family } of outside)
      if (!internal && family === 'IPv4')
        for (const port of ports) expect(await accepts(address, port), `${address}:${port}`).toBe(false);
  },
  WITHIN_MS,
);

it(
  'a second npm start with the same data is refused with a sentence that names the first',
  async () => {
    const second = await npmStart();
    expect((await second.exit)[0]).toBe(1);
    expect(second.lines.join('\n')).toContain(
      `npm start already runs with the data folder ${folder} (pid ${running.child.pid}, API ${apiOf(running)}). Stop it first`,
    );
  },
  WITHIN_MS,
);

it(
  'npm start restarts Postgres, Temporal, the api and the worker when they are killed, with their data',
  async () => {
    const before = await children();
    expect(before.map(({ name }) => name)).toEqual(['Postgres', 'Temporal', 'the worker', 'the api']);
    for (const { pid } of before) process.kill(pid, 'SIGKILL');
    for (const name of ['Postgres', 'Temporal', 'worker', 'api']) await untilLine(running, `${name} is back.`);
    await expect.poll(() => isReady(running), { timeout: WITHIN_MS, interval: 200 }).toBe(true);
    expect((await call(running, '/teams/acme')).status).toBe(200);
    const instance = { id: 'i1', team: 'acme', gpuType: 'h100', region: 'eu', pricing: 'on_demand', hourly: '1.00' };
    // Refused for lack of credit by the workflow, and so by Temporal and the worker.
    await expect
      .poll(async () => (await call(running, '/instances', instance)).status, { timeout: WITHIN_MS })
      .toBe(402);
    await expect
      .poll(async () => (await children()).some(({ pid }) => before.some((old) => old.pid === pid)))
      .toBe(false);
  },
  WITHIN_MS,
);

it(
  'npm start after a killed npm start ends its remaining processes, and has the same addresses, key and data',
  async () => {
    const [api, key, left] = [apiOf(running), keyOf(running), await children()];
    running.child.kill('SIGKILL');
    await running.exit;
    running = await npmStart();
    await untilLine(running, READY);
    for (const child of left) expect(await isStillRunning(child), child.name).toBe(false);
    expect([apiOf(running), keyOf(running)]).toEqual([api, key]);
    expect((await call(running, '/teams/acme')).status).toBe(200);
  },
  WITHIN_MS,
);

it(
  'SIGTERM ends all processes of npm start',
  async () => {
    const left = await children();
    running.child.kill('SIGTERM');
    expect((await running.exit)[0]).toBe(0);
    for (const child of left) expect(await isStillRunning(child), child.name).toBe(false);
    expect(await readdir(folder)).not.toContain('environment.json');
    expect(await readdir(folder)).not.toContain('running.json');
  },
  WITHIN_MS,
);
