/** The product's own processes, started like in production: by their entry files and their environment alone. */
import { join } from 'node:path';
import { buildPrograms } from './build.mjs';
import { isListening } from './ports.ts';
import { type Child, startChild } from './process.ts';

const ROOT = join(import.meta.dirname, '..');
const PREPARED = join(import.meta.dirname, 'prepared.mjs');
/** Only a process that hangs takes longer. On a machine that is busy with other programs, a start takes minutes. */
const READY_WITHIN_MS = 600_000;

export type ProductName = 'api' | 'worker';

export interface ProductProcess extends Child {
  readonly name: ProductName;
}

/** A process with packages loaded or being loaded, waiting for its environment. */
export interface PreparedProduct {
  readonly pid: number;
  /** Runs the program. Resolves once the program serves. */
  start(environment: Record<string, string>): Promise<ProductProcess>;
  /** Ends a prepared process that is not needed. */
  end(): Promise<void>;
}

/** Begins a process of `npm run api` or `npm run worker` before its environment is known. */
export async function prepareProduct(name: ProductName, log?: (line: string) => void): Promise<PreparedProduct> {
  const programs = await buildPrograms();
  // The owner's address is for migrations alone.
  const { MIGRATE_DATABASE_URL: _, ...env } = process.env;
  const child = await startChild({
    name,
    file: process.execPath,
    args: programs
      ? [PREPARED, programs[name], ...(name === 'worker' ? [programs.bundle, '--optional'] : [])]
      : ['--import', 'tsx', PREPARED, join(ROOT, name, 'main.ts')],
    env,
    reads: true,
    ...(log && { log }),
  });
  return {
    pid: child.pid,
    end: () => child.kill(),
    async start(environment) {
      const { MIGRATE_DATABASE_URL: _, ...env } = environment;
      child.write(JSON.stringify(env));
      try {
        await (name === 'api'
          ? child.ready(() => serves(Number(environment.PORT)), READY_WITHIN_MS)
          : child.waitForLine(/worker runs/, READY_WITHIN_MS));
      } catch (error) {
        await child.kill();
        throw error;
      }
      return { ...child, name };
    },
  };
}

/** Starts `npm run api` or `npm run worker` and resolves once the program serves. */
export async function startProduct(
  name: ProductName,
  environment: Record<string, string>,
  log?: (line: string) => void,
): Promise<ProductProcess> {
  return (await prepareProduct(name, log)).start(environment);
}

/**
 * True if the api serves. Until the api listens, an HTTP call would cost as much processor time as the api gets between
 * two calls, so the port is checked first.
 */
const serves = async (port: number): Promise<boolean> =>
  (await isListening(port)) && (await answers(`http://127.0.0.1:${port}/healthz`));

/** Whether an address answers 2xx. */
export const answers = async (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false,
  );
