/**
 * What `npm start` gave its processes, for commands that are run beside it: a file next to the data, readable by its owner
 * alone and gone when it ends.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const fileIn = (dataDir: string): string => join(dataDir, 'environment.json');

export async function publishEnvironment(dataDir: string, environment: Record<string, string>): Promise<void> {
  await writeFile(fileIn(dataDir), JSON.stringify({ pid: process.pid, environment }), { mode: 0o600 });
}

export const withdrawEnvironment = (dataDir: string): Promise<void> => rm(fileIn(dataDir), { force: true });

/** Nothing when nobody has published, or whoever did was killed. */
export async function readPublishedEnvironment(dataDir: string): Promise<Record<string, string>> {
  try {
    const { pid, environment } = JSON.parse(await readFile(fileIn(dataDir), 'utf8')) as {
      pid: number;
      environment: Record<string, string>;
    };
    process.kill(pid, 0);
    return environment;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return {};
    throw error;
  }
}
