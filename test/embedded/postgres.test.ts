/** Tests the embedded Postgres: settings, databases, crashes, data folder, and the process that runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Postgres, startPostgres } from '../../embedded/postgres.ts';
import { isRunning, programOf } from '../../embedded/strangers.ts';

const hasty = { fsync: 'off' };
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'burnrate-postgres-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function rows(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const result = await client.query(sql).finally(() => client.end());
  return result.rows;
}

/** A client that does nothing; `cut` resolves when the server ends the connection. */
async function connectIdle(url: string): Promise<{ cut: Promise<void> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return { cut: new Promise((resolve) => client.on('error', () => resolve())) };
}

describe('the embedded Postgres', () => {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await startPostgres({ dataDir: join(dir, 'shared'), settings: { ...hasty, max_connections: '57' } });
  });
  afterAll(() => postgres.stop());

  it('is a Postgres 18 with the given settings', async () => {
    const [settings] = await rows(
      postgres.url,
      `SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('max_connections') AS connections`,
    );
    expect(settings).toEqual({ major: 18, connections: '57' });
  });

  it('listens on the loopback only', async () => {
    expect(await rows(postgres.url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    expect(await rows(postgres.url, 'SHOW unix_socket_directories')).toEqual([{ unix_socket_directories: '' }]);
  });

  it('stores text in UTF-8, sorted the same way on every machine', async () => {
    await postgres.createDatabase('text');
    const sorted = await rows(
      postgres.databaseUrl('text'),
      `SELECT t FROM (VALUES ('é'), ('b'), ('B')) v(t) ORDER BY t`,
    );
    expect(sorted.map(({ t }) => t)).toEqual(['B', 'b', 'é']);
  });

  it('creates a database once, and answers whether it did', async () => {
    expect(await postgres.createDatabase('once "quoted"')).toBe(true);
    expect(await postgres.createDatabase('once "quoted"')).toBe(false);
    expect(await rows(postgres.databaseUrl('once "quoted"'), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('copies a template', async () => {
    await postgres.createDatabase('template');
    await rows(postgres.databaseUrl('template'), 'CREATE TABLE kept AS SELECT 42 AS answer');
    await postgres.createDatabase('copy', { template: 'template' });
    expect(await rows(postgres.databaseUrl('copy'), 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('drops a database in use, and accepts a missing database', async () => {
    await postgres.createDatabase('doomed');
    const { cut } = await connectIdle(postgres.databaseUrl('doomed'));
    await postgres.dropDatabase('doomed');
    await cut;
    await postgres.dropDatabase('doomed');
    await expect(rows(postgres.databaseUrl('doomed'), 'SELECT 1')).rejects.toThrow('does not exist');
  });

  it('keeps committed rows through a SIGKILL', async () => {
    await postgres.createDatabase('crash');
    const url = postgres.databaseUrl('crash');
    await rows(url, 'CREATE TABLE kept AS SELECT 7 AS answer');
    const firstPid = postgres.pid;
    await postgres.kill();
    expect(isRunning(firstPid)).toBe(false);
    await expect(rows(url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    await postgres.restart();
    expect(postgres.pid).not.toBe(firstPid);
    expect(await rows(url, 'SELECT answer FROM kept')).toEqual([{ answer: 7 }]);
  });

  it('ends at once while a client is connected', async () => {
    const { cut } = await connectIdle(postgres.url);
    await postgres.stop();
    await cut;
    await postgres.restart();
  });
});

describe('the data of the embedded Postgres', () => {
  it('is created once and found again, despite a postmaster.pid with the pid of another process', async () => {
    const dataDir = join(dir, 'again');
    const first = await startPostgres({ dataDir, settings: hasty });
    await first.createDatabase('mine');
    await first.stop();
    // As after a reboot: the number is alive, and is somebody else. Here it is this test.
    await writeFile(join(dataDir, 'postmaster.pid'), `${process.pid}\n${dataDir}\n`);
    const second = await startPostgres({ dataDir, settings: hasty });
    expect(await second.createDatabase('mine')).toBe(false);
    await second.stop();
  });

  it('is created completely, without temporary files beside it', async () => {
    const parent = await mkdtemp(join(dir, 'whole-'));
    const starts = [0, 1].map(() => startPostgres({ dataDir: join(parent, `${Math.random()}`), settings: hasty }));
    const [a, b] = await Promise.all(starts);
    expect(await readdir(parent)).toHaveLength(2);
    await Promise.all([a?.stop(), b?.stop()]);
  });

  it('is not served at an occupied port', async () => {
    const first = await startPostgres({ dataDir: join(dir, 'port-a'), settings: hasty });
    const second = startPostgres({ dataDir: join(dir, 'port-b'), port: first.port, settings: hasty });
    await expect(second).rejects.toThrow(/could not bind/);
    await first.stop();
  });
});

describe('a process that embeds a Postgres', () => {
  /** Runs `lines` in a process of its own with a started `postgres`, and answers the pid of that Postgres and how the process ended. */
  async function runParent(name: string, lines: string): Promise<{ pid: number; ended: unknown }> {
    const file = join(dir, `${name}.mts`);
    const source = new URL('../../embedded/postgres.ts', import.meta.url).pathname;
    await writeFile(
      file,
      `import { startPostgres } from ${JSON.stringify(source)};
       const postgres = await startPostgres({ dataDir: ${JSON.stringify(join(dir, name))}, settings: { fsync: 'off' } });
       console.log(postgres.pid);
       ${lines}`,
    );
    const parent = spawn(process.execPath, ['--import', 'tsx', file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exit = once(parent, 'exit');
    const [line] = await once(parent.stdout, 'data');
    const [code, signal] = await exit;
    return { pid: Number(String(line)), ended: signal ?? code };
  }
  const gone = (pid: number) => expect.poll(() => programOf(pid)).toBeUndefined();

  it('can exit, and the Postgres exits too', async () => {
    const { pid, ended } = await runParent('forgetful', '');
    expect(ended).toBe(0);
    await gone(pid);
  });

  it('leaves no Postgres running after a SIGKILL, and its data start again', async () => {
    const { pid, ended } = await runParent('killed', `process.kill(process.pid, 'SIGKILL');`);
    expect(ended).toBe('SIGKILL');
    const successor = await startPostgres({ dataDir: join(dir, 'killed'), settings: hasty });
    await gone(pid);
    await successor.stop();
  });
});
