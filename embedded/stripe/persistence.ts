import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { emptyState, type State } from './state.ts';

const DEBOUNCE_MS = 200;

/**
 * Stores the state in one JSON file. A new file is written beside the old one and renamed, so the file is always whole.
 */
export class StateFile {
  readonly #path: string;
  readonly #current: () => { url: string; state: State };
  #timer: NodeJS.Timeout | undefined;

  constructor(path: string, current: () => { url: string; state: State }) {
    this.#path = path;
    this.#current = current;
  }

  /** The state of the last run, with the pages at the addresses of this run. */
  load(url: string): State | undefined {
    const text = readIfThere(this.#path);
    if (text === undefined) return undefined;
    const kept = JSON.parse(text) as { url: string };
    const { state } = JSON.parse(text.replaceAll(kept.url, url)) as { state: Record<keyof State, unknown[]> };
    return revived(state);
  }

  /** Saves soon, once for many changes. */
  touch(): void {
    this.#timer ??= setTimeout(() => this.save(), DEBOUNCE_MS);
  }

  save(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { url, state } = this.#current();
    const text = JSON.stringify({ url, state: flattened(state) });
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(`${this.#path}.new`, text, { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }
}

/**
 * Maps and sets as arrays. A key whose request is still under way is left out: after a restart the request never ran.
 */
function flattened(state: State): Record<string, unknown[]> {
  const answered = [...state.idempotencyKeys].filter(([, kept]) => kept.answer !== null);
  const entries = Object.entries(state).map(([name, kept]) => [name, [...(kept as Iterable<unknown>)]]);
  return { ...Object.fromEntries(entries), idempotencyKeys: answered };
}

function revived(flat: Record<string, unknown[]>): State {
  const entries = Object.entries(emptyState()).map(([name, empty]) => {
    const items = flat[name] ?? [];
    return [name, empty instanceof Set ? new Set(items) : new Map(items as [string, unknown][])];
  });
  return Object.fromEntries(entries) as State;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
