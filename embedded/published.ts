/**
 * The settings that `npm start` gave its processes, for commands beside `npm start`: a file next to the data, readable
 * by its owner alone and removed at the end. The file holds the settings of Burnrate and nothing else of the
 * environment.
 */
import { rename, rm, writeFile } from 'node:fs/promises';
import { SETTINGS } from '../process/config.ts';
import { identityOf } from '../process/identity.ts';
import { publishedFile } from '../process/published.ts';

/** Settings of commands that the api and the workers do not read. */
const OF_COMMANDS = ['MIGRATE_DATABASE_URL', 'TEMPORAL_CLI_PATH'];

export async function publishEnvironment(dataDir: string, environment: Record<string, string>): Promise<void> {
  const ours = [...SETTINGS, ...OF_COMMANDS].flatMap((name) =>
    environment[name] === undefined ? [] : [[name, environment[name]] as const],
  );
  const published = { ...(await identityOf(process.pid)), environment: Object.fromEntries(ours) };
  const draft = `${publishedFile(dataDir)}.${process.pid}`;
  await writeFile(draft, JSON.stringify(published), { mode: 0o600 });
  await rename(draft, publishedFile(dataDir));
}

export const withdrawEnvironment = (dataDir: string): Promise<void> => rm(publishedFile(dataDir), { force: true });
