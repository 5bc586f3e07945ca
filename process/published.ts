/** The settings of a running `npm start`, for an operator's commands: a file in the data folder. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isStillRunning, type ProcessIdentity } from './identity.ts';

/** The data folder of `npm start`: BURNRATE_DATA_DIR, or `.data` in the project's folder. */
export const dataFolder = (environment: Record<string, string | undefined>): string =>
  environment.BURNRATE_DATA_DIR || join(import.meta.dirname, '..', '.data');

export const publishedFile = (dataDir: string): string => join(dataDir, 'environment.json');

/** The published settings; none without a file, or when the publishing process is gone. */
export async function readPublishedEnvironment(dataDir: string): Promise<Record<string, string>> {
  try {
    const { environment, ...publisher } = JSON.parse(
      await readFile(publishedFile(dataDir), 'utf8'),
    ) as ProcessIdentity & {
      environment: Record<string, string>;
    };
    return (await isStillRunning(publisher)) ? environment : {};
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

/** The settings of an operator's command: its own environment first, then the published settings of `npm start`. */
export async function commandEnvironment(
  environment: Record<string, string | undefined>,
): Promise<Record<string, string | undefined>> {
  if (environment.NODE_ENV === 'production') return environment;
  const set = Object.entries(environment).filter(([, value]) => value !== undefined && value !== '');
  return { ...(await readPublishedEnvironment(dataFolder(environment))), ...Object.fromEntries(set) };
}
