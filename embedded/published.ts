/**
 * What `npm start` gave its processes, for commands that are run beside it: a file next to the data, readable by its owner
 * alone and gone when it ends.
 */
import { rm, writeFile } from 'node:fs/promises';
import { publishedFile } from '../worker/published.ts';

export async function publishEnvironment(dataDir: string, environment: Record<string, string>): Promise<void> {
  await writeFile(publishedFile(dataDir), JSON.stringify({ pid: process.pid, environment }), { mode: 0o600 });
}

export const withdrawEnvironment = (dataDir: string): Promise<void> => rm(publishedFile(dataDir), { force: true });
