import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program to run, with the way to end its process. */
export interface ChildSpec {
  /** Its name in messages: "Postgres". */
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  /** The signal for an orderly end. */
  readonly endSignal?: NodeJS.Signals;
  readonly log?: (line: string) => void;
  /** True if the process reads its standard input. */
  readonly reads?: boolean;
}

/** A child process with a safe end. Everything here acts on this child's own pid, never on a name. */
export interface Child {
  readonly pid: number;
  /** Resolves when the process has ended, with its exit code or signal: "code 1", "SIGKILL". */
  readonly exited: Promise<string>;
  isAlive(): boolean;
  /** Writes to the standard input of the child, and closes the input. */
  write(text: string): void;
  /** The last lines of the child, for an error message. */
  tail(): string;
  /**
   * Resolves when `check` first answers true. Rejects with the child's last words if the child ends, or is not ready in
   * time.
   */
  ready(check: () => Promise<boolean>, timeoutMs: number): Promise<void>;
  /** Resolves with the first matching line, including past lines of the tail. */
  waitForLine(pattern: RegExp, timeoutMs: number): Promise<string>;
  /** Asks the child to end, sends SIGKILL after `graceMs`, and resolves when the child has gone. */
  end(graceMs?: number): Promise<void>;
  /** Sends SIGKILL, like a crash. Resolves when the child has gone. */
  kill(): Promise<void>;
}

const TAIL_LINES = 40;

/** Starts a child that neither outlives this process nor, once ready, keeps this process from exiting. */
export async function startChild(spec: ChildSpec): Promise<Child> {
  const endSignal = spec.endSignal ?? 'SIGTERM';
  const child = spawn(spec.file, spec.args, {
    stdio: [spec.reads ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    ...(spec.env && { env: spec.env }),
    ...(spec.uid !== undefined && { uid: spec.uid }),
    ...(spec.gid !== undefined && { gid: spec.gid }),
  });
  let ending = false;
  // A child that has gone meanwhile is reported by its exit.
  child.stdin?.once('error', () => {});
  const output = readOutput(child, (line) => {
    if (!ending) spec.log?.(line); // complaints during the end of the child are not logged
  });
  await spawned(child, spec.name);
  const pid = child.pid!;
  let gone = false;
  // 'close' rather than 'exit': by then the child's last words have been read.
  const exited = new Promise<string>((resolve) => {
    child.once('close', (code, signal) => {
      gone = true;
      resolve(signal ?? `code ${code}`);
    });
  });
  const guard = startGuard(pid, endSignal);
  // The guard must end with the child, or the guard might later signal another process with the same pid.
  child.once('exit', () => guard?.kill('SIGKILL'));

  const { tail } = output;
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
      // Another program may have answered instead.
      if (gone) throw ended(await exited);
      holdProcess(child, false);
    },
    async waitForLine(pattern, timeoutMs) {
      const past = output.find(pattern);
      if (past !== undefined) return past;
      let stopListening = () => {};
      const timeout = new AbortController();
      try {
        return await Promise.race([
          new Promise<string>((resolve) => {
            stopListening = output.listen((line) => pattern.test(line) && resolve(line));
          }),
          exited.then((how) => Promise.reject(ended(how))),
          sleep(timeoutMs, undefined, { signal: timeout.signal }).then(() => Promise.reject(late(timeoutMs))),
        ]);
      } finally {
        stopListening();
        timeout.abort();
        holdProcess(child, false);
      }
    },
    async end(graceMs = 10_000) {
      ending = true;
      if (gone) return;
      holdProcess(child, true);
      child.kill(endSignal);
      const insist = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(insist);
    },
    async kill() {
      if (gone) return;
      holdProcess(child, true);
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Resolves when the process of a child runs. */
const spawned = (child: ChildProcess, name: string): Promise<void> =>
  new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`${name} could not be started: ${error.message}`)));
  });

/** Reads the lines that a child writes, and keeps the last of them. */
function readOutput({ stdout, stderr }: ChildProcess, onLine: (line: string) => void) {
  const lines: string[] = [];
  const listeners = new Set<(line: string) => void>();
  for (const stream of [stdout!, stderr!]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > TAIL_LINES) lines.shift();
      onLine(line);
      for (const listener of listeners) listener(line);
    });
  }
  return {
    tail: () => lines.join('\n'),
    find: (pattern: RegExp) => lines.find((line) => pattern.test(line)),
    /** @returns the function that ends the listening */
    listen(listener: (line: string) => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** An idle embedded part must not keep this process alive. A part that is awaited must. */
function holdProcess(child: ChildProcess, hold: boolean): void {
  for (const handle of [child, child.stdout, child.stderr] as unknown as Socket[]) hold ? handle.ref() : handle.unref();
}

// Reads until the pipe closes. The kernel closes the pipe however this process ends. Then ends the child.
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
