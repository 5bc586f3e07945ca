/** Runs the programs of README.md, "Integrate in five calls", unchanged, against the product's own processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Neighbours, startNeighbours } from '../../embedded/neighbours.ts';
import { freePort } from '../../embedded/ports.ts';
import { answers, type ProductProcess, startProduct } from '../../embedded/product.ts';
import { resolveTemporalCli } from '../../embedded/temporal.ts';
import { migrateBy } from '../../prisma/migrate.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SECRET = `whsec_${Buffer.from('a secret of the platform').toString('base64')}`;
const IN_TIME = { timeout: 120_000, interval: 200 };

let folder: string;
let neighbours: Neighbours;
let processes: ProductProcess[] = [];
let port: number;
let url: string;
let key: string;

beforeAll(async () => {
  process.env.TEMPORAL_CLI_PATH ??= await resolveTemporalCli();
  folder = await mkdtemp(join(tmpdir(), 'burnrate-integrate-'));
  port = await freePort();
  neighbours = await startNeighbours({
    dataDir: folder,
    environment: {
      LOG_LEVEL: 'warn',
      PLATFORM_WEBHOOK_URL: `http://127.0.0.1:${port}/events`,
      PLATFORM_WEBHOOK_SECRET: SECRET,
    },
    searchAttributes: SEARCH_ATTRIBUTES,
    postgresSettings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' },
  });
  const { environment } = neighbours;
  await migrateBy(environment);
  processes = await Promise.all((['worker', 'api'] as const).map((name) => startProduct(name, environment)));
  url = `http://127.0.0.1:${environment.PORT}`;
  key = environment.BURNRATE_PLATFORM_KEY ?? '';
  await vi.waitUntil(() => answers(`${url}/readyz`), IN_TIME);
});
afterAll(async () => {
  await Promise.all(processes.map((child) => child.end()));
  await neighbours?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The program as the README has it, but for the team's name, so that each language has a team of its own. */
async function programOf(language: 'ts' | 'python', team: string): Promise<string> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const section = /## Integrate in five calls\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? '';
  const block = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(section)?.[1] ?? '';
  expect(block).toContain('instance.terminate');
  return block.replace(/\bacme(?=["'/-])/g, team);
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the api answers.
async function callApi(method: string, path: string, body?: object): Promise<any> {
  const response = await fetch(`${url}/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  return response.json();
}

/** A delivery to the program, signed with a secret, at a time. */
const deliver = async (secret: string, sentAt: Date): Promise<number> => {
  const body = JSON.stringify({ type: 'instance.terminate', data: { id: 'forged' } });
  const headers = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign('evt_1', sentAt, body),
  };
  return (await fetch(`http://127.0.0.1:${port}/events`, { method: 'POST', headers, body })).status;
};

const LANGUAGES: Array<['ts' | 'python', string, (file: string) => [string, string[]]]> = [
  ['ts', 'five-calls.mts', (file) => [process.execPath, ['--import', 'tsx', file]]],
  ['python', 'five_calls.py', (file) => ['python3', [file]]],
];

describe.each(LANGUAGES)('the program in %s', (language, name, commandOf) => {
  const team = `acme-${language}`;
  let file: string;
  let running: ChildProcess | null = null;
  let said = '';

  /** Runs it until it has said what the machine cost. */
  async function run(): Promise<void> {
    said = '';
    const [command, args] = commandOf(file);
    const env = { ...process.env, BURNRATE_URL: url, BURNRATE_KEY: key, PLATFORM_WEBHOOK_SECRET: SECRET };
    const child = spawn(command, args, { cwd: ROOT, env: { ...env, PORT: String(port) } });
    running = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += String(bytes)));
    await expect.poll(() => said, IN_TIME).toMatch(/ran \d+ s and cost \$\d+\.\d{6}/);
  }
  async function end(): Promise<void> {
    const child = running;
    running = null;
    if (!child || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  beforeAll(async () => {
    // Within the project, where its packages are found.
    const inside = await mkdtemp(join(ROOT, 'node_modules', '.integrate-'));
    file = join(inside, name);
    await writeFile(file, await programOf(language, team));
    return () => rm(inside, { recursive: true, force: true });
  });
  afterAll(end);

  it('bills a machine from its start to its stop', async () => {
    await run();
    const instance = await callApi('GET', `/instances/${team}-train-1`);
    expect(instance).toMatchObject({ team, status: 'terminated', reason: 'stopped', hourly: '2.490000' });
    expect(said).toContain(`${instance.id} ran ${instance.seconds} s and cost $${instance.cost}`);
    const { posted } = await callApi('GET', `/teams/${team}/balance`);
    expect(Math.round((Number(posted) + Number(instance.cost)) * 1e6)).toBe(15_000_000);
  });

  it('stops the machine that Burnrate orders it to stop, and ignores a forged order', async () => {
    const asked = { id: `${team}-train-2`, team, gpuType: 'g', region: 'r', pricing: 'on_demand', hourly: '1' };
    expect((await callApi('POST', '/instances', asked)).status).toBe('active');
    expect((await callApi('POST', `/teams/${team}/stop`, {})).count).toBe(1);
    await expect.poll(() => said, IN_TIME).toContain(`stop machine ${team}-train-2`);
    const other = `whsec_${Buffer.from('the secret of another').toString('base64')}`;
    expect(await deliver(other, new Date())).toBe(400);
    expect(await deliver(SECRET, new Date(Date.now() - 3_600_000))).toBe(400);
    expect(said).not.toContain('stop machine forged');
    expect(await deliver(SECRET, new Date())).toBe(204);
    await expect.poll(() => said, IN_TIME).toContain('stop machine forged');
  });

  it('can be run again, and creates, charges and starts nothing a second time', async () => {
    await end();
    const before = await callApi('GET', `/teams/${team}/transactions`);
    await run();
    expect(await callApi('GET', `/teams/${team}/transactions`)).toEqual(before);
    expect((await callApi('GET', `/instances?team=${team}`)).data).toHaveLength(2);
    expect((await callApi('GET', `/teams/${team}/payment-methods`)).data).toHaveLength(1);
    await end();
  });
});
