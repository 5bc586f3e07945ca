/**
 * The last uses of keys, to the minute. Uses are collected in memory and written by one statement a second at most, so that
 * a call by a key causes no write of its own.
 */
import type { Logger } from 'pino';
import { noteKeyUses } from '../../prisma/api-keys.ts';
import type { Db } from '../../prisma/client.ts';

export const MINUTE_SECONDS = 60;
const WRITE_AFTER_MS = 1_000;
/** The number of keys whose last written use is remembered. A forgotten key causes one more write. */
const MOST_REMEMBERED = 50_000;

export interface KeyUses {
  note(keyId: string, second: number): void;
}

export function createKeyUses(db: Db, log: Logger): KeyUses {
  /** The second of the last written use, by the id of the key. */
  const written = new Map<string, number>();
  let uses = new Map<string, number>();
  const write = async (): Promise<void> => {
    const batch = uses;
    uses = new Map();
    try {
      await noteKeyUses(db, batch);
    } catch (error) {
      for (const keyId of batch.keys()) written.delete(keyId);
      log.warn({ err: error, keys: batch.size }, 'the last uses of keys were not stored');
    }
  };
  return {
    note(keyId, second) {
      const last = written.get(keyId);
      if (last !== undefined && second < last + MINUTE_SECONDS) return;
      if (written.size >= MOST_REMEMBERED) written.clear();
      written.set(keyId, second);
      if (uses.size === 0) setTimeout(write, WRITE_AFTER_MS).unref();
      uses.set(keyId, second);
    },
  };
}
