import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The received items of an embedded part, in order: listed, awaited, and (with a file) found again after a restart. */
export interface Journal<Entry> {
  all(): readonly Entry[];
  /** Resolves once the entry is in the file, if any. */
  append(entry: Entry): Promise<void>;
  /**
   * The first entry for which `predicate` holds, including past entries. Rejects after `timeoutMs` with a list of the
   * present entries.
   */
  waitFor(predicate: (entry: Entry) => boolean, timeoutMs?: number): Promise<Entry>;
  /** Calls `listener` at each new entry and at `clear`, until the answer is called. */
  onChange(listener: () => void): () => void;
  clear(): Promise<void>;
}

const WAIT_MS = 10_000;

/** `describe` gives a short text of an entry, for the message of a failed wait. */
export async function openJournal<Entry>(
  file: string | undefined,
  describe: (entry: Entry) => string,
): Promise<Journal<Entry>> {
  const entries: Entry[] = file === undefined ? [] : await readEntries<Entry>(file);
  const listeners = new Set<() => void>();
  let written: Promise<unknown> = Promise.resolve();
  if (file !== undefined) await mkdir(dirname(file), { recursive: true });

  /** Writes run in sequence, so the file has the order of the list. A failed write does not block the next. */
  function write(work: () => Promise<unknown>): Promise<void> {
    const done = written.then(work);
    written = done.catch(() => {});
    return done.then(() => {});
  }
  const changed = () => {
    for (const listener of [...listeners]) listener();
  };
  function onChange(listener: () => void): () => void {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  return {
    all: () => [...entries],
    onChange,
    async append(entry) {
      if (file !== undefined) await write(() => appendFile(file, `${JSON.stringify(entry)}\n`, { mode: 0o600 }));
      entries.push(entry);
      changed();
    },
    waitFor(predicate, timeoutMs = WAIT_MS) {
      const past = entries.find(predicate);
      if (past !== undefined) return Promise.resolve(past);
      return new Promise((resolve, reject) => {
        const forget = onChange(() => {
          const found = entries.find(predicate);
          if (found === undefined) return;
          clearTimeout(timer);
          forget();
          resolve(found);
        });
        const timer = setTimeout(() => {
          forget();
          const there = entries.map(describe).join('; ') || 'nothing at all';
          reject(new Error(`Waited ${timeoutMs} ms in vain. What arrived: ${there}.`));
        }, timeoutMs);
      });
    },
    async clear() {
      if (file !== undefined) await write(() => writeFile(file, '', { mode: 0o600 }));
      entries.length = 0;
      changed();
    },
  };
}

/** A crash may have cut the last line short. Such a line was never acknowledged and is skipped. */
async function readEntries<Entry>(file: string): Promise<Entry[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Entry];
    } catch {
      return [];
    }
  });
}
