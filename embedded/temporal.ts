import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { SearchAttributeType } from '@temporalio/common';
import { type Logger, toLog } from './log.ts';
import { freePort, isListening } from './ports.ts';
import { type Child, startChild } from './process.ts';
import { resolveTemporalCli } from './temporal-programs.ts';

export { resolveTemporalCli, resolveTemporalTestServer } from './temporal-programs.ts';

/** The result of `defineSearchAttributeKey` of @temporalio/common. */
export interface SearchAttribute {
  readonly name: string;
  readonly type: SearchAttributeType;
}

export interface TemporalDevServerOptions {
  /** The folder of the CLI if the CLI has to be fetched. */
  readonly dataDir?: string;
  /** The file of all workflows, through restarts and crashes. Without a file workflows live in memory. */
  readonly dbFile?: string;
  readonly port?: number;
  readonly uiPort?: number;
  readonly namespace?: string;
  readonly searchAttributes?: readonly SearchAttribute[];
  readonly logger?: Logger;
}

export interface TemporalDevServer {
  readonly address: string;
  readonly uiUrl: string;
  readonly namespace: string;
  readonly pid: number;
  /** Resolves when the present server has gone, with the manner of its end. */
  exited(): Promise<string>;
  stop(): Promise<void>;
  /** SIGKILL, for crash tests. */
  kill(): Promise<void>;
  /** Stops a running server, and starts the server again with the same address and file. */
  restart(): Promise<void>;
}

const READY_TIMEOUT_MS = 300_000;
const PORT_TRIES = 3;

/** The CLI's names for the SDK's types. */
const CLI_TYPES: Record<SearchAttributeType, string> = {
  TEXT: 'Text',
  KEYWORD: 'Keyword',
  INT: 'Int',
  DOUBLE: 'Double',
  BOOL: 'Bool',
  DATETIME: 'Datetime',
  KEYWORD_LIST: 'KeywordList',
};

/** A real Temporal server with its UI as a child process, on 127.0.0.1 only. Resolves once the namespace is served. */
export async function startTemporalDevServer(options: TemporalDevServerOptions = {}): Promise<TemporalDevServer> {
  const log = toLog(options.logger);
  const cli = await resolveTemporalCli(options);
  const dbFile = options.dbFile === undefined ? undefined : resolve(options.dbFile);
  if (dbFile !== undefined) await mkdir(dirname(dbFile), { recursive: true });
  const namespace = options.namespace ?? 'default';
  let port = options.port ?? (await freePort());
  let uiPort = options.uiPort ?? (await freePort());
  let server: Child;

  async function start(): Promise<void> {
    for (let tries = 1; ; tries++) {
      // Another server on the port would answer instead.
      if (await isListening(port)) throw new Error(`Temporal cannot have port ${port}: address already in use.`);
      const attempt = await startChild({
        name: 'Temporal',
        file: cli,
        args: commandLine({ port, uiPort, namespace, dbFile, searchAttributes: options.searchAttributes ?? [] }),
        log,
      });
      try {
        await attempt.ready(() => serves(port, uiPort, namespace), READY_TIMEOUT_MS);
        server = attempt;
        return;
      } catch (error) {
        await attempt.kill();
        // Another process may take the port between the choice of a free port and the server's start.
        const portTaken = /address already in use|can't set .*port/i.test((error as Error).message);
        if (!portTaken || tries === PORT_TRIES) throw error;
        port = options.port ?? (await freePort());
        uiPort = options.uiPort ?? (await freePort());
      }
    }
  }
  await start();

  return {
    get address() {
      return `127.0.0.1:${port}`;
    },
    get uiUrl() {
      return `http://127.0.0.1:${uiPort}`;
    },
    namespace,
    get pid() {
      return server.pid;
    },
    exited: () => server.exited,
    stop: () => server.end(),
    kill: () => server.kill(),
    async restart() {
      await server.end();
      await start();
    },
  };
}

/**
 * The server's dynamic configuration. The server ignores keys that it does not know.
 * Source: https://docs.temporal.io/references/dynamic-configuration, https://github.com/temporalio/cli/pull/574
 */
export const DYNAMIC_CONFIG = {
  // The server would ask its makers for new versions, and an embedded part must not call outside.
  'frontend.enableServerVersionCheck': false,
  // Tasks of equal priority are served in turn by fairness key. Priority and fairness hold within a partition of a task
  // queue. With one partition instead of four they hold for the whole queue, which suffices for several hundred tasks a second.
  'matching.enableFairness': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  // The number of workflows whose state is cached, about 30 KiB each. Closed workflows stay in the cache for an hour, so
  // with the 8,096 of the CLI the memory of a server with a few starts a second grows for that hour.
  'history.hostLevelCacheMaxSize': 2_048,
} as const;

interface CommandLine {
  readonly port: number;
  readonly uiPort: number;
  readonly namespace: string;
  readonly dbFile: string | undefined;
  readonly searchAttributes: readonly SearchAttribute[];
}

function commandLine({ port, uiPort, namespace, dbFile, searchAttributes }: CommandLine): string[] {
  const args = ['server', 'start-dev', '--headless=false', '--ip', '127.0.0.1', '--ui-ip', '127.0.0.1'];
  args.push('--port', String(port), '--ui-port', String(uiPort), '--namespace', namespace);
  args.push('--log-level', 'warn', '--log-format', 'text', '--ui-disable-news-fetch');
  for (const [key, value] of Object.entries(DYNAMIC_CONFIG)) args.push('--dynamic-config-value', `${key}=${value}`);
  if (dbFile !== undefined) {
    args.push('--db-filename', dbFile);
    // A killed server loses nothing. Otherwise each transaction would wait for the disk, which takes most of the time.
    args.push('--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal');
  }
  for (const { name, type } of searchAttributes) args.push('--search-attribute', `${name}=${CLI_TYPES[type]}`);
  return args;
}

/**
 * True if the namespace can be used, some time after the port opens. The check asks the UI, because the UI describes
 * the namespace over HTTP by its own call to the server, and a gRPC client takes longer to load than to answer.
 */
async function serves(port: number, uiPort: number, namespace: string): Promise<boolean> {
  if (!(await isListening(port))) return false;
  const description = `http://127.0.0.1:${uiPort}/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  return fetch(description, { signal: AbortSignal.timeout(2_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}
