/** Tests the lock, the permissions and the recovery of the data folder of npm start, and its published environment. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { takeDataFolder } from '../../embedded/data-folder.ts';
import { publishEnvironment } from '../../embedded/published.ts';
import { identityOf, isStillRunning } from '../../process/identity.ts';
import { readPublishedEnvironment } from '../../process/published.ts';

const root = mkdtempSync(join(tmpdir(), 'burnrate-folder-'));
afterAll(() => rm(root, { recursive: true, force: true }));
let folder: string;
let folders = 0;
beforeEach(() => {
  folder = join(root, `${++folders}`);
});

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const startSleeper = async () => {
  const child = spawn('sleep', ['600']);
  await once(child, 'spawn');
  return { child, identity: (await identityOf(child.pid!))! };
};

describe('the data folder of npm start', () => {
  it('is used by one start at a time, and the refusal names the running start', async () => {
    const first = await takeDataFolder(folder);
    await first.note('http://127.0.0.1:3010', []);
    await expect(takeDataFolder(folder)).rejects.toThrow(
      `npm start already runs with the data folder ${folder} (pid ${process.pid}, API http://127.0.0.1:3010/v1). Stop it first, or set BURNRATE_DATA_DIR to another folder.`,
    );
    await first.release();
    await (await takeDataFolder(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is taken by exactly one of many simultaneous starts', async () => {
    const takes = await Promise.allSettled(Array.from({ length: 20 }, () => takeDataFolder(folder)));
    expect(takes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is readable only by its owner, with the files of an earlier version', async () => {
    await mkdir(folder);
    await chmod(folder, 0o755);
    await writeFile(join(folder, 'temporal.db'), '', { mode: 0o644 });
    await mkdir(join(folder, 'temporal-venv'), { mode: 0o755 });
    await writeFile(join(folder, 'tool'), '', { mode: 0o755 });
    await (await takeDataFolder(folder)).release();
    expect(await modeOf(folder)).toBe(0o700);
    expect(await modeOf(join(folder, 'temporal.db'))).toBe(0o600);
    expect(await modeOf(join(folder, 'temporal-venv'))).toBe(0o700);
    expect(await modeOf(join(folder, 'tool'))).toBe(0o700);
  });

  it('of a killed start is taken over, and its remaining processes are ended', async () => {
    const { child, identity } = await startSleeper();
    const dead = await startSleeper();
    dead.child.kill('SIGKILL');
    await once(dead.child, 'exit');
    await mkdir(folder);
    const children = [{ ...identity, name: 'Temporal', signal: 'SIGTERM' }];
    await writeFile(join(folder, 'running.json'), JSON.stringify({ ...dead.identity, apiUrl: null, children }));
    const said: string[] = [];
    const ended = once(child, 'exit');
    const taken = await takeDataFolder(folder, (line) => void said.push(line));
    await ended;
    expect(said).toEqual([`Temporal (pid ${identity.pid}) was left behind by a start that was killed: it is ended.`]);
    await taken.release();
  });

  it('is taken over without ending another process that has a recorded pid', async () => {
    const { child, identity } = await startSleeper();
    await mkdir(folder);
    const stranger = { pid: identity.pid, born: 'another moment' };
    const children = [{ ...stranger, name: 'Temporal', signal: 'SIGTERM' }];
    await writeFile(join(folder, 'running.json'), JSON.stringify({ ...stranger, apiUrl: null, children }));
    await (await takeDataFolder(folder)).release();
    expect(await isStillRunning(identity)).toBe(true);
    child.kill('SIGKILL');
  });

  it('is taken over when the file with its user is unreadable', async () => {
    await mkdir(folder);
    await writeFile(join(folder, 'running.json'), '{"pid":');
    await (await takeDataFolder(folder)).release();
  });
});

describe('the published environment', () => {
  it('has the settings of Burnrate, and no other variables of the shell', async () => {
    await mkdir(folder);
    const settings = {
      DATABASE_URL: 'postgresql://db/burnrate',
      TEMPORAL_ADDRESS: 't:7233',
      TEMPORAL_NAMESPACE: 'default',
    };
    await publishEnvironment(folder, { ...settings, PATH: '/bin', AWS_SECRET_ACCESS_KEY: 'x', HOME: '/root' });
    expect(await readPublishedEnvironment(folder)).toEqual(settings);
    const file = join(folder, 'environment.json');
    expect(await readFile(file, 'utf8')).not.toMatch(/AWS|PATH|HOME/);
    expect(await modeOf(file)).toBe(0o600);
  });

  it('is empty when the pid of its publisher belongs to another process', async () => {
    await mkdir(folder);
    const published = { pid: process.pid, born: 'another moment', environment: { DATABASE_URL: 'x' } };
    await writeFile(join(folder, 'environment.json'), JSON.stringify(published));
    expect(await readPublishedEnvironment(folder)).toEqual({});
  });
});
