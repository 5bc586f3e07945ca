/** Processes that this one did not start. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isStillRunning, type ProcessIdentity } from '../worker/process-identity.ts';

/** Asks a process that this one did not start to end, insists after `graceMs`, and resolves when it has gone. */
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

/** True when a process with this pid exists, whoever owns it. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The path of the program that a live process runs; undefined when there is none, or only a zombie. */
export async function programOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return commandLine.split('\0')[0] || undefined;
  }
  const { stdout } = await promisify(execFile)('ps', ['-p', String(pid), '-o', 'comm=']).catch(() => ({ stdout: '' }));
  return stdout.trim() || undefined;
}
