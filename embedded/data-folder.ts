/**
 * The data folder of one `npm start`: readable by its owner alone, and used by one `npm start` at a time. Its
 * `running.json` names the processes and survives a SIGKILL, so the next start can end the processes left behind.
 */
import { chmod, link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf, isStillRunning, type ProcessIdentity } from '../process/identity.ts';
import { endProcess } from './strangers.ts';

/** A process started by `npm start`, with the signal for an orderly end. */
export interface Started extends ProcessIdentity {
  name: string;
  signal: NodeJS.Signals;
}

interface Running extends ProcessIdentity {
  /** Absent until the process has written the value. */
  apiUrl: string | null;
  children: Started[];
}

export interface DataFolder {
  readonly path: string;
  /** Stores the processes to end after a kill of this process. */
  note(apiUrl: string, children: Array<{ name: string; pid: number; signal: NodeJS.Signals }>): Promise<void>;
  /** Another `npm start` may use the folder from now on. */
  release(): Promise<void>;
}

const END_WITHIN_MS = 10_000;
/** A stranger's file is taken away at most so often: each time, another start was faster. */
const TRIES = 20;

/**
 * Takes the folder for this process, and ends the processes of a killed start.
 * @throws Error with a sentence that names the `npm start` that uses the folder
 */
export async function takeDataFolder(path: string, say: (line: string) => void = () => {}): Promise<DataFolder> {
  await makePrivate(path);
  const file = join(path, 'running.json');
  const me = (await identityOf(process.pid))!;
  const draft = `${file}.${process.pid}`;
  const write = async (apiUrl: string | null, children: Started[]) => {
    const running: Running = { ...me, apiUrl, children };
    await writeFile(draft, JSON.stringify(running), { mode: 0o600 });
  };
  await write(null, []);
  try {
    await claim(file, draft, path, say);
  } finally {
    await rm(draft, { force: true });
  }
  return {
    path,
    async note(apiUrl, children) {
      const known = await Promise.all(
        children.map(async ({ pid, ...rest }) => ({ ...rest, ...((await identityOf(pid)) ?? { pid, born: '' }) })),
      );
      await write(apiUrl, known);
      await rename(draft, file);
    },
    release: () => rm(file, { force: true }),
  };
}

/** Links the draft into place, which only one process can do. A file of a killed process is removed before. */
async function claim(file: string, draft: string, path: string, say: (line: string) => void): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const done = await link(draft, file).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false;
        throw error;
      },
    );
    if (done) return;
    const text = await readFile(file, 'utf8').catch(() => undefined);
    const running = text === undefined ? undefined : parsed(text);
    if (running !== undefined && (await isStillRunning(running))) throw new Error(refusal(path, running));
    if (running !== undefined) await endLeftBehind(running.children, say);
    if (text !== undefined) await removeIfUnchanged(file, text);
  }
  throw new Error(`The data folder ${path} could not be taken: other starts were always faster.`);
}

const refusal = (path: string, { pid, apiUrl }: Running): string =>
  `npm start already runs with the data folder ${path} (pid ${pid}${apiUrl ? `, API ${apiUrl}/v1` : ''}). ` +
  'Stop it first, or set BURNRATE_DATA_DIR to another folder.';

function parsed(text: string): Running | undefined {
  try {
    return JSON.parse(text) as Running;
  } catch {
    return undefined;
  }
}

/**
 * Between the check of the file and its removal another start may have put its own file in place. Such a file is put
 * back.
 */
async function removeIfUnchanged(file: string, text: string): Promise<void> {
  const aside = `${file}.aside-${process.pid}`;
  const moved = await rename(file, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  if ((await readFile(aside, 'utf8')) !== text) await link(aside, file).catch(() => {});
  await rm(aside, { force: true });
}

async function endLeftBehind(children: Started[], say: (line: string) => void): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      // The guard of a killed start ends its children within a moment.
      for (let looks = 0; looks < 10 && (await isStillRunning(child)); looks++) await sleep(50);
      if (!(await isStillRunning(child))) return;
      say(`${child.name} (pid ${child.pid}) was left behind by a start that was killed: it is ended.`);
      await endProcess(child, child.signal, END_WITHIN_MS);
    }),
  );
}

/**
 * Makes the folder and its files readable by the owner alone. Programs stay executable, and Postgres protects its own
 * folder.
 */
async function makePrivate(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
  for (const name of await readdir(path)) {
    const entry = join(path, name);
    const found = await stat(entry).catch(() => undefined);
    if (found !== undefined && (found.mode & 0o077) !== 0) await chmod(entry, found.mode & 0o700).catch(() => {});
  }
}
