import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A way to run a program as an account that Postgres accepts. */
export interface Account {
  /** The required owner of the data; undefined when this process itself may run Postgres. */
  readonly owner?: Ids;
  /** The command that runs `file` with `args` under this account. */
  command(file: string, args: readonly string[]): { file: string; args: readonly string[]; uid?: number; gid?: number };
}

interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Postgres refuses to run as root, and in a container everything is root. Root therefore runs Postgres as the owner of
 * the data, or as `postgres`, or else as `nobody`, which always exists: no account is made on the host. `paths` must be
 * reachable by the account.
 */
export async function postgresAccount(dataDir: string, paths: readonly string[]): Promise<Account> {
  if (process.getuid?.() !== 0) return { command: (file, args) => ({ file, args }) };
  const owner = (await ownerOf(dataDir)) ?? (await idsOf('postgres')) ?? (await idsOf('nobody'));
  if (owner === undefined) {
    throw new Error(
      'Postgres does not run as root, and this system has neither a postgres nor a nobody account for it.',
    );
  }
  for (const path of paths) {
    const closed = await closedFolderAbove(path, owner);
    if (closed !== undefined) return await accountThatPasses(closed, owner);
  }
  return { owner, command: (file, args) => ({ file, args, ...owner }) };
}

async function ownerOf(dataDir: string): Promise<Ids | undefined> {
  const { uid, gid } = await stat(`${dataDir}/PG_VERSION`).catch(() => ({ uid: 0, gid: 0 }));
  return uid === 0 ? undefined : { uid, gid };
}

async function idsOf(name: string): Promise<Ids | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, name])).stdout)),
    );
    return { uid: uid!, gid: gid! };
  } catch {
    return undefined;
  }
}

/** The nearest folder above `path` that the account may not pass through, such as root's own home. */
async function closedFolderAbove(path: string, { uid, gid }: Ids): Promise<string | undefined> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined);
    if (found !== undefined) {
      const mayPass = found.uid === uid ? 0o100 : found.gid === gid ? 0o010 : 0o001;
      if ((found.mode & mayPass) === 0) return folder;
    }
    if (folder === dirname(folder)) return undefined;
  }
}

/**
 * Root may lend the account its right to pass through closed folders. The alternative is to open a folder of the
 * user's.
 */
async function accountThatPasses(closed: string, owner: Ids): Promise<Account> {
  const lend = ['--reuid', `${owner.uid}`, '--regid', `${owner.gid}`, '--clear-groups'];
  lend.push('--inh-caps', '+dac_override', '--ambient-caps', '+dac_override');
  await run('setpriv', [...lend, 'true']).catch(() => {
    throw new Error(
      `Postgres does not run as root, and the account it would run as may not enter ${closed}. ` +
        'Move the checkout and its data out of that folder, or run as an ordinary user.',
    );
  });
  return { owner, command: (file, args) => ({ file: 'setpriv', args: [...lend, file, ...args] }) };
}
