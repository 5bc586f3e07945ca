/**
 * Compares the clock of this process with the database's clock, which all processes share. A process with a wrong clock
 * would record facts at wrong seconds, so the process refuses to record until its clock is right again.
 *
 * Only the clock of the process is compared, never the second of a fact: simulations and samples choose their seconds.
 */
import { BillingError } from '../billing/errors.ts';
import type { ClockProbe, Db } from '../prisma/client.ts';
import { readDatabaseMs } from '../prisma/clock.ts';
import type { Log } from './world.ts';

/** The largest accepted offset, beyond the uncertainty from the round trip. */
export const MOST_OFF_MS = 2_000;
const LOOK_EVERY_MS = 60_000;
/** The interval while the clock is wrong. Calls are refused meanwhile, so the recovery must be found soon. */
const LOOK_AGAIN_EVERY_MS = 2_000;

export interface ClockWatch extends ClockProbe {
  /** Asks the database for its time. Without an answer nothing changes. */
  look(): Promise<void>;
  /** The milliseconds by which this process is ahead of the database; null before the first look. */
  aheadMs(): number | null;
  /** @throws BillingError `clock_wrong` while the clock is wrong */
  mustBeRight(): void;
  isRight(): boolean;
  /** Looks at once, each minute, and every two seconds while the clock is wrong. Resolves after the first look. */
  start(): Promise<void>;
  stop(): void;
}

export function createClockWatch(db: Db, log: Pick<Log, 'warn' | 'info'>, nowMs: () => number = Date.now): ClockWatch {
  let ahead: number | null = null;
  let right = true;
  let timer: NodeJS.Timeout | null = null;
  let stopped = false;

  /** The database read its clock at some moment between the question and the answer. */
  const observe = (sentMs: number, databaseMs: number, receivedMs: number): void => {
    const openMs = (receivedMs - sentMs) / 2;
    ahead = sentMs + openMs - databaseMs;
    const isRight = Math.abs(ahead) - openMs <= MOST_OFF_MS;
    if (isRight !== right)
      log[isRight ? 'info' : 'warn']({ aheadMs: ahead }, isRight ? 'the clock is right' : sentence());
    right = isRight;
  };

  const sentence = (): string => {
    const seconds = (Math.abs(ahead ?? 0) / 1000).toFixed(1);
    const side = (ahead ?? 0) > 0 ? 'ahead of' : 'behind';
    return `the clock of this server is ${seconds} s ${side} the database’s, so nothing is recorded until it is set right`;
  };

  const mustBeRight = (): void => {
    if (!right) throw new BillingError('clock_wrong', sentence());
  };

  const look = async (): Promise<void> => {
    const sentMs = nowMs();
    const databaseMs = await readDatabaseMs(db).catch(() => null);
    if (databaseMs !== null) observe(sentMs, databaseMs, nowMs());
  };

  const lookAndGoOn = async (): Promise<void> => {
    await look();
    if (stopped) return;
    timer = setTimeout(() => void lookAndGoOn(), right ? LOOK_EVERY_MS : LOOK_AGAIN_EVERY_MS);
    timer.unref();
  };

  return {
    look,
    aheadMs: () => ahead,
    isRight: () => right,
    mustBeRight,
    reading: () => {
      const sentMs = nowMs();
      return (databaseMs) => {
        observe(sentMs, databaseMs, nowMs());
        mustBeRight();
      };
    },
    start: lookAndGoOn,
    stop: () => {
      stopped = true;
      if (timer) clearTimeout(timer);
    },
  };
}
