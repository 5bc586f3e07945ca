import { execFile } from 'node:child_process';
import { chown, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { type Logger, toLog } from './log.ts';
import { freePort } from './ports.ts';
import { type Account, postgresAccount } from './postgres-account.ts';
import { findPostgresBinaries } from './postgres-binaries.ts';
import { type Child, startChild } from './process.ts';
import { isRunning, programOf } from './strangers.ts';

const run = promisify(execFile);

export interface PostgresOptions {
  /** The folder of the cluster: made on first use, and found again later, also after a SIGKILL. */
  readonly dataDir: string;
  /** A free port by default. */
  readonly port?: number;
  /** Extra server settings, such as `{fsync: 'off'}` in tests. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly logger?: Logger;
}

/** The databases of a server that runs. */
export interface Databases {
  /** As the superuser, who owns the tables of migrations. */
  databaseUrl(name: string): string;
  /** As the role of the api and the workers. */
  runtimeUrl(name: string): string;
  /** True when the database was made now, false when it existed. */
  createDatabase(name: string, options?: { template?: string }): Promise<boolean>;
  /** Drops the database with its connections. A missing database is no error. */
  dropDatabase(name: string): Promise<void>;
}

export interface Postgres extends Databases {
  /** The address of the maintenance database, `postgres`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the present server has gone, with the manner of its end. */
  exited(): Promise<string>;
  /** An orderly end; transactions in flight are rolled back. */
  stop(): Promise<void>;
  /** SIGKILL, for crash tests. */
  kill(): Promise<void>;
  /** Stops a running server, and starts the server again with the same data and port. */
  restart(): Promise<void>;
}

const USER = 'burnrate';
/** The role of the api and the workers: owns nothing, and has the privileges that migrations grant. */
export const RUNTIME_ROLE = 'burnrate_app';
const CREATE_RUNTIME_ROLE = `DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${RUNTIME_ROLE}') THEN CREATE ROLE ${RUNTIME_ROLE} LOGIN; END IF;
END $$`;
/** Recovery after a crash reads the log since the last checkpoint, which can take a while on a slow disk. */
const READY_TIMEOUT_MS = 300_000;
/** The time for which an ending Postgres may still hold the data. */
const RELEASE_TIMEOUT_MS = 15_000;
const DUPLICATE_DATABASE = '42P04';

/** A real Postgres 18 as a child process, on 127.0.0.1 only. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const dataDir = resolve(options.dataDir);
  const log = toLog(options.logger);
  const binaries = await findPostgresBinaries();
  const account = await postgresAccount(dataDir, [dataDir, binaries.postgres]);
  await initialiseOnce(dataDir, binaries.initdb, account, options.settings?.fsync === 'off');

  let port = options.port ?? (await freePort());
  let server: Child;

  async function start(): Promise<void> {
    const deadline = Date.now() + RELEASE_TIMEOUT_MS;
    for (;;) {
      await releaseOf(dataDir);
      const attempt = await startServer(binaries.postgres, {
        dataDir,
        port,
        account,
        log,
        settings: options.settings ?? {},
      });
      try {
        await attempt.waitForLine(/database system is ready to accept connections/, READY_TIMEOUT_MS);
        server = attempt;
        return;
      } catch (error) {
        await attempt.kill();
        const { message } = error as Error;
        const portTaken = /could not bind .* address/i.test(message);
        // After a SIGKILL the backends of the dead server need a moment to notice, and hold its shared memory till
        // then.
        const stillHeld = /lock file .* already exists|shared memory block .* is still in use/s.test(message);
        if (Date.now() > deadline || !(stillHeld || (portTaken && options.port === undefined))) throw error;
        if (portTaken) port = await freePort();
        await sleep(50);
      }
    }
  }
  await start();

  const databases = databasesAt(() => port);
  await databases.query(CREATE_RUNTIME_ROLE);

  return {
    ...databases,
    get url() {
      return databases.databaseUrl('postgres');
    },
    get port() {
      return port;
    },
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

/** The databases of a Postgres that `startPostgres` has started, perhaps in another process. */
export function databasesAt(port: () => number): Databases & { query(sql: string): Promise<void> } {
  const urlAs = (user: string, name: string) => `postgresql://${user}@127.0.0.1:${port()}/${encodeURIComponent(name)}`;
  const databaseUrl = (name: string) => urlAs(USER, name);
  /** As the superuser, in the maintenance database. */
  async function query(sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: databaseUrl('postgres') });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  }
  return {
    query,
    databaseUrl,
    runtimeUrl: (name) => urlAs(RUNTIME_ROLE, name),
    async createDatabase(name, { template } = {}) {
      // As files, a template of many small tables is copied four times as fast as through the write-ahead log.
      const from = template === undefined ? '' : ` TEMPLATE ${pg.escapeIdentifier(template)} STRATEGY FILE_COPY`;
      try {
        await query(`CREATE DATABASE ${pg.escapeIdentifier(name)}${from}`);
        return true;
      } catch (error) {
        if ((error as pg.DatabaseError).code === DUPLICATE_DATABASE) return false;
        throw error;
      }
    },
    dropDatabase: (name) => query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`),
  };
}

interface ServerSpec {
  readonly dataDir: string;
  readonly port: number;
  readonly account: Account;
  readonly settings: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
}

function startServer(postgres: string, { dataDir, port, account, settings, log }: ServerSpec): Promise<Child> {
  const all = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings };
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return startChild({
    name: 'Postgres',
    ...account.command(postgres, ['-D', dataDir, '-p', String(port), ...flags]),
    endSignal: 'SIGINT', // its "fast shutdown"; SIGTERM would wait for every client to leave
    log,
  });
}

/** Makes the cluster beside its place and moves the whole folder, so a crash leaves no half cluster. */
async function initialiseOnce(dataDir: string, initdb: string, account: Account, hasty: boolean): Promise<void> {
  if (await exists(join(dataDir, 'PG_VERSION'))) return;
  await mkdir(dirname(dataDir), { recursive: true });
  await removeLeftovers(dataDir);
  const draft = `${dataDir}.init-${process.pid}`;
  await mkdir(draft, { mode: 0o700 });
  if (account.owner !== undefined) await chown(draft, account.owner.uid, account.owner.gid);
  // No password: the server listens on the loopback only, and a fixed password in the source would protect nothing.
  const flags = [`--pgdata=${draft}`, `--username=${USER}`, '--auth=trust', '--encoding=UTF8', '--locale=C'];
  const { file, args, ...ids } = account.command(initdb, hasty ? [...flags, '--no-sync'] : flags);
  try {
    await run(file, args, ids);
    await rename(draft, dataDir);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another process may have made the cluster meanwhile, which is equally good.
    if (!(await exists(join(dataDir, 'PG_VERSION')))) throw error;
  }
}

/** Drafts of processes that died while making a cluster. */
async function removeLeftovers(dataDir: string): Promise<void> {
  const prefix = `${basename(dataDir)}.init-`;
  for (const name of await readdir(dirname(dataDir))) {
    if (!name.startsWith(prefix) || isRunning(Number(name.slice(prefix.length)))) continue;
    await rm(join(dirname(dataDir), name), { recursive: true, force: true });
  }
}

/**
 * Waits until no server holds the data. A `postmaster.pid` whose process has died, or whose pid now belongs to some other
 * program, as happens after a reboot or in a new container, is removed: Postgres itself would take the stranger for a server.
 */
async function releaseOf(dataDir: string): Promise<void> {
  const file = join(dataDir, 'postmaster.pid');
  const deadline = Date.now() + RELEASE_TIMEOUT_MS;
  for (;;) {
    const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0]);
    if (!pid) return;
    const program = await programOf(pid);
    if (program === undefined || !basename(program).startsWith('postgres')) return await rm(file, { force: true });
    if (Date.now() > deadline)
      throw new Error(`Another Postgres (pid ${pid}) already serves ${dataDir}; stop it first.`);
    await sleep(50);
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
