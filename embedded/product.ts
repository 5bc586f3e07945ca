/** The product's own processes, started as they are in production: by their entry files and their environment alone. */
import { join } from 'node:path';
import { type Child, startChild } from './process.ts';

const ROOT = join(import.meta.dirname, '..');

export interface ProductProcess extends Child {
  readonly name: 'api' | 'worker';
}

/** Only a process that hangs takes longer: transpiling and bundling take minutes on a machine that is busy with other programs. */
const READY_WITHIN_MS = 600_000;

/** Starts `npm run api` or `npm run worker` and resolves once it serves. */
export async function startProduct(
  name: 'api' | 'worker',
  environment: Record<string, string>,
  log?: (line: string) => void,
): Promise<ProductProcess> {
  // The owner's address is for migrations alone.
  const { MIGRATE_DATABASE_URL: _, ...env } = { ...process.env, ...environment };
  const child = await startChild({
    name,
    file: process.execPath,
    args: ['--import', 'tsx', join(ROOT, name, 'main.ts')],
    env,
    ...(log && { log }),
  });
  try {
    await (name === 'api'
      ? child.ready(() => answers(`http://127.0.0.1:${environment.PORT}/healthz`), READY_WITHIN_MS)
      : child.waitForLine(/worker works/, READY_WITHIN_MS));
  } catch (error) {
    await child.kill();
    throw error;
  }
  return { ...child, name };
}

/** Whether an address answers 2xx. */
export const answers = async (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false,
  );
