/** The identity of a process. The system reuses pids, so the start of the process is compared too. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface ProcessIdentity {
  pid: number;
  /** The start of the process, in the system's notation. */
  born: string;
}

const outputOf = async (file: string, args: string[]): Promise<string> =>
  (await promisify(execFile)(file, args).catch(() => ({ stdout: '' }))).stdout.trim();

/** Undefined when no process has this pid, or only a zombie does. */
export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  const born =
    process.platform === 'linux' ? await bornOnLinux(pid) : await outputOf('ps', ['-p', `${pid}`, '-o', 'lstart=']);
  return born ? { pid, born } : undefined;
}

/** Ticks since the boot, with the id of the boot, because ticks of another boot mean another moment. */
async function bornOnLinux(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name before the last parenthesis may hold spaces.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (!stat || state === 'Z' || state === 'X') return undefined;
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return `${boot.trim()}/${fields[18]}`;
}

export async function isStillRunning({ pid, born }: ProcessIdentity): Promise<boolean> {
  return (await identityOf(pid))?.born === born;
}
