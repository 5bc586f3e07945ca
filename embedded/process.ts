import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** What to run, and how it wants to be ended. */
export interface ChildSpec {
  /** Its name in messages: "Postgres". */
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  /** The signal that asks it to end in order. */
  readonly endSignal?: NodeJS.Signals;
  readonly log?: (line: string) => void;
  /** Whether it reads what `write` is given. */
  readonly reads?: boolean;
}

/** A child process with its end in view. Everything here acts on this child's own pid, never on a name. */
export interface Child {
  readonly pid: number;
  /** Resolves when the process has gone, with how it went: "code 1", "SIGKILL". */
  readonly exited: Promise<string>;
  isAlive(): boolean;
  /** Writes to its standard input, which then ends. */
  write(text: string): void;
  /** The last lines it wrote, for an error message. */
  tail(): string;
  /** Resolves when `check` first answers true; rejects with the child's last words if it ends, or is not ready in time. */
  ready(check: () => Promise<boolean>, timeoutMs: number): Promise<void>;
  /** Resolves with the first line (past ones of the tail included) that matches. */
  waitForLine(pattern: RegExp, timeoutMs: number): Promise<string>;
  /** Asks it to end, insists with SIGKILL after `graceMs`, and resolves when it has gone. */
  end(graceMs?: number): Promise<void>;
  /** SIGKILL, as a crash would. Resolves when it has gone. */
  kill(): Promise<void>;
}

const TAIL_LINES = 40;

/** Starts a child that neither outlives this process nor, once it is ready, keeps this process from exiting. */
export async function startChild(spec: ChildSpec): Promise<Child> {
  const endSignal = spec.endSignal ?? 'SIGTERM';
  const child = spawn(spec.file, spec.args, {
    stdio: [spec.reads ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    ...(spec.env && { env: spec.env }),
    ...(spec.uid !== undefined && { uid: spec.uid }),
    ...(spec.gid !== undefined && { gid: spec.gid }),
  });
  const lines: string[] = [];
  const listeners = new Set<(line: string) => void>();
  let ending = false;
  // One that has gone meanwhile says so by its exit.
  child.stdin?.once('error', () => {});
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > TAIL_LINES) lines.shift();
      if (!ending) spec.log?.(line); // what it complains of while it is being ended helps nobody
      for (const listener of listeners) listener(line);
    });
  }
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`${spec.name} could not be started: ${error.message}`)));
  });
  const pid = child.pid!;
  let gone = false;
  // 'close' rather than 'exit': by then its last words have been read.
  const exited = new Promise<string>((resolve) => {
    child.once('close', (code, signal) => {
      gone = true;
      resolve(signal ?? `code ${code}`);
    });
  });
  const guard = startGuard(pid, endSignal);
  // The guard must go with the child, or it would one day signal a stranger who was given the same pid.
  child.once('exit', () => guard?.kill('SIGKILL'));

  /** An idle embedded part is no reason for the process to go on; one that is being waited for is. */
  const holdProcess = (hold: boolean) => {
    for (const handle of [child, child.stdout, child.stderr] as unknown as Socket[])
      hold ? handle.ref() : handle.unref();
  };

  const tail = () => lines.join('\n');
  const ended = (how: string) => new Error(`${spec.name} ended (${how}) before it was ready.\n${tail()}`);
  const late = (timeoutMs: number) => new Error(`${spec.name} was not ready within ${timeoutMs} ms.\n${tail()}`);

  return {
    pid,
    exited,
    tail,
    write: (text) => void child.stdin?.end(text),
    isAlive: () => !gone,
    async ready(check, timeoutMs) {
      const deadline = Date.now() + timeoutMs;
      while (!(await check())) {
        if (gone) throw ended(await exited);
        if (Date.now() > deadline) throw late(timeoutMs);
        await sleep(15);
      }
      // Another program may have answered in its place.
      if (gone) throw ended(await exited);
      holdProcess(false);
    },
    async waitForLine(pattern, timeoutMs) {
      const past = lines.find((line) => pattern.test(line));
      if (past !== undefined) return past;
      let listener: (line: string) => void = () => {};
      const timeout = new AbortController();
      try {
        return await Promise.race([
          new Promise<string>((resolve) => {
            listener = (line) => pattern.test(line) && resolve(line);
            listeners.add(listener);
          }),
          exited.then((how) => Promise.reject(ended(how))),
          sleep(timeoutMs, undefined, { signal: timeout.signal }).then(() => Promise.reject(late(timeoutMs))),
        ]);
      } finally {
        listeners.delete(listener);
        timeout.abort();
        holdProcess(false);
      }
    },
    async end(graceMs = 10_000) {
      ending = true;
      if (gone) return;
      holdProcess(true);
      child.kill(endSignal);
      const insist = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(insist);
    },
    async kill() {
      if (gone) return;
      holdProcess(true);
      child.kill('SIGKILL');
      await exited;
    },
  };
}

// Reads until this process lets go of the pipe, which the kernel sees to however this process ends; then ends the child.
const GUARD = `trap '' HUP INT TERM
read -r _
kill -s "$2" "$1" || exit 0
tries=0
while kill -0 "$1" && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -s KILL "$1"`;

/** SIGKILL runs no exit hook, so a small shell watches this process and ends the child if this process goes first. */
function startGuard(pid: number, signal: NodeJS.Signals): ChildProcess | undefined {
  if (process.platform === 'win32') return undefined;
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', String(pid), signal.replace('SIG', '')], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.once('error', () => {});
  guard.stdin?.once('error', () => {});
  guard.unref();
  (guard.stdin as Socket | null)?.unref();
  return guard;
}
