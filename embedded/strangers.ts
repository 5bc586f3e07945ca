/** Processes that other programs started. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isStillRunning, type ProcessIdentity } from '../process/identity.ts';

/** Asks another program's process to end, sends SIGKILL after `graceMs`, and resolves when the process has gone. */
export async function endProcess(identity: ProcessIdentity, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  const insistAtMs = Date.now() + graceMs;
  let asked: NodeJS.Signals | undefined;
  while (await isStillRunning(identity)) {
    const wanted = Date.now() < insistAtMs ? signal : 'SIGKILL';
    if (wanted !== asked) process.kill(identity.pid, wanted);
    asked = wanted;
    await sleep(50);
  }
}

/** True when a process with this pid exists, whoever owns the process. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The path of the program of a live process; undefined for no process or a zombie. */
export async function programOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return commandLine.split('\0')[0] || undefined;
  }
  const { stdout } = await promisify(execFile)('ps', ['-p', String(pid), '-o', 'comm=']).catch(() => ({ stdout: '' }));
  return stdout.trim() || undefined;
}
