/**
 * Delivers again the facts that a workflow has not seen: due looks of balance watches, due starts and ends of
 * instances, and due beginnings and changes of reservations, refunds and deposits (prisma/due-work.ts). The process
 * that records a fact delivers the fact at once, so the sweeper finds work only after a process died between its commit
 * and its call to the engine, or while the engine was away. Several sweepers may run, because a second delivery changes
 * nothing.
 *
 * Facts send no wake while the watch sleeps until an early enough second (prisma/look-marks.ts). The sweeper therefore also
 * wakes a watch that has not looked at its second, or has not passed on its news: its workflow was terminated, or the
 * answer of its last look was lost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../activities/world.ts';
import type { BegunReservation } from '../ledger/reservations.ts';
import type { StartedInstance } from '../ledger/starting.ts';
import type { Db, Tx } from '../prisma/client.ts';
import type { DepositKind } from '../prisma/deposits.ts';
import {
  type DueAfter,
  type DueLook,
  dueDeposits,
  dueInstances,
  dueLooks,
  dueRefunds,
  dueReservations,
  FROM_THE_FIRST,
  overdueLooks,
  waitingNews,
} from '../prisma/due-work.ts';

/** Deliveries of due work. Each resolves once the engine has accepted the delivery. */
export interface Deliveries {
  look(teamId: string): Promise<void>;
  instance(started: StartedInstance): Promise<void>;
  reservation(begun: BegunReservation): Promise<void>;
  deposit(deposit: { depositId: string; teamId: string; kind: DepositKind }): Promise<void>;
  refund(refund: { refundId: string; teamId: string; depositId: string }): Promise<void>;
}

export interface SweeperOptions {
  db: Db;
  deliver: Deliveries;
  log: Log;
  /** Unix milliseconds. */
  nowMs: () => number;
}

export interface Sweeper {
  /** Delivers the due work once, and returns the numbers of accepted and failed deliveries. */
  sweep(): Promise<Swept>;
  /** Sweeps until `stop` is called. */
  run(): Promise<void>;
  stop(): void;
}

export interface Swept {
  accepted: number;
  failed: number;
}

/** Longer than the delivery by the recording process takes. */
const DUE_SINCE_SECONDS = 3;
/** Longer than a watch takes under load from its timer to its look, and from a look to the last of the announcements. */
const OVERDUE_SINCE_SECONDS = 10;
const SWEEP_EVERY_MS = 1_000;
/** While the engine or the database is away. */
const SWEEP_EVERY_AT_MOST_MS = 10_000;
const PAGE = 500;
const AT_ONCE = 20;
/** Work that was delivered and is still due is delivered again after this time, and then after twice the time each. */
const REPEAT_AFTER_MS = 5_000;
const REPEAT_AFTER_AT_MOST_MS = 10 * 60_000;

interface Delivery {
  /** Names the due work, to recognise a repeat. */
  key: string;
  teamId: string;
  deliver(): Promise<void>;
}

export function createSweeper(options: SweeperOptions): Sweeper {
  const { log, nowMs } = options;
  const stopping = new AbortController();
  const repeats = createRepeats(nowMs);

  async function sweep(): Promise<Swept> {
    const dueItems = await dueWork(options);
    repeats.forgetExcept(dueItems);
    const waiting = byTurns(dueItems.filter(repeats.mayDeliver));
    const swept = { accepted: 0, failed: 0 };
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next && !stopping.signal.aborted; next = waiting.shift()) {
        try {
          await next.deliver();
          repeats.noteDelivered(next);
          swept.accepted += 1;
        } catch (error) {
          swept.failed += 1;
          log.warn({ what: next.key, err: error }, 'due work was not accepted by the engine; it is delivered again');
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (swept.accepted > 0) log.info(swept, 'due work was delivered again');
    return swept;
  }

  return {
    sweep,
    stop: () => stopping.abort(),
    async run() {
      let waitMs = SWEEP_EVERY_MS;
      while (!stopping.signal.aborted) {
        try {
          const { failed } = await sweep();
          waitMs = failed > 0 ? Math.min(waitMs * 2, SWEEP_EVERY_AT_MOST_MS) : SWEEP_EVERY_MS;
        } catch (error) {
          waitMs = Math.min(waitMs * 2, SWEEP_EVERY_AT_MOST_MS);
          log.warn({ err: error }, 'due work could not be read');
        }
        await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    },
  };
}

/** Remembers delivered work that may still be due, and the time from which the work may be delivered again. */
function createRepeats(nowMs: () => number) {
  const byKey = new Map<string, { notBeforeMs: number; waitMs: number }>();
  return {
    mayDeliver: ({ key }: Delivery): boolean => (byKey.get(key)?.notBeforeMs ?? 0) <= nowMs(),

    noteDelivered({ key }: Delivery): void {
      const waitMs = Math.min((byKey.get(key)?.waitMs ?? REPEAT_AFTER_MS / 2) * 2, REPEAT_AFTER_AT_MOST_MS);
      byKey.set(key, { notBeforeMs: nowMs() + waitMs, waitMs });
    },

    /** Forgets work that is no longer due. */
    forgetExcept(due: readonly Delivery[]): void {
      const keys = new Set(due.map(({ key }) => key));
      for (const key of byKey.keys()) if (!keys.has(key)) byKey.delete(key);
    },
  };
}

/** The due work of all kinds. */
async function dueWork(options: SweeperOptions): Promise<Delivery[]> {
  const { deliver } = options;
  const look = ({ teamId }: DueLook) => ({ id: teamId, teamId, deliver: () => deliver.look(teamId) });
  return [
    ...(await dueOf(options, 'look', dueLooks, look)),
    ...(await dueOf(options, 'overdue look', overdueLooks, look, OVERDUE_SINCE_SECONDS)),
    ...(await dueOf(options, 'news', waitingNews, look, OVERDUE_SINCE_SECONDS)),
    ...(await dueOf(options, 'instance', dueInstances, ({ instance, rateMicrosPerHour }) => ({
      ...{ id: instance.id, teamId: instance.teamId },
      deliver: () => deliver.instance({ instance, rateMicrosPerHour }),
    }))),
    ...(await dueOf(options, 'reservation', dueReservations, ({ reservation, firstTerm }) => ({
      ...{ id: reservation.id, teamId: reservation.teamId },
      deliver: () => deliver.reservation({ reservation, firstTerm }),
    }))),
    ...(await dueOf(options, 'deposit', dueDeposits, ({ dueSecond: _, ...deposit }) => ({
      ...{ id: deposit.depositId, teamId: deposit.teamId },
      deliver: () => deliver.deposit(deposit),
    }))),
    ...(await dueOf(options, 'refund', dueRefunds, ({ dueSecond: _, ...refund }) => ({
      ...{ id: refund.refundId, teamId: refund.teamId },
      deliver: () => deliver.refund(refund),
    }))),
  ];
}

/** The due work of one kind. The key includes the due second, because a later fact is other work. */
async function dueOf<T extends { dueSecond: number }>(
  { db, nowMs }: SweeperOptions,
  kind: string,
  readPage: (tx: Tx, throughSecond: number, after: DueAfter, limit: number) => Promise<T[]>,
  about: (due: T) => { id: string; teamId: string; deliver: () => Promise<void> },
  sinceSeconds = DUE_SINCE_SECONDS,
): Promise<Delivery[]> {
  const throughSecond = Math.floor(nowMs() / 1000) - sinceSeconds;
  const all = await allPages(
    (after) => readPage(db, throughSecond, after, PAGE),
    (due) => ({ second: due.dueSecond, id: about(due).id }),
  );
  return all.map((due) => {
    const { id, teamId, deliver } = about(due);
    return { key: `${kind}/${id}/${due.dueSecond}`, teamId, deliver };
  });
}

/** Reads page after page of a list until a page is not full. */
async function allPages<T>(readPage: (after: DueAfter) => Promise<T[]>, placeOf: (item: T) => DueAfter): Promise<T[]> {
  const all: T[] = [];
  for (let after = FROM_THE_FIRST; ; ) {
    const page = await readPage(after);
    all.push(...page);
    const last = page.at(-1);
    if (page.length < PAGE || last === undefined) return all;
    after = placeOf(last);
  }
}

/** Takes a delivery of each team in turn, so no team waits behind the many deliveries of another. */
function byTurns(deliveries: readonly Delivery[]): Delivery[] {
  const takenByTeam = new Map<string, number>();
  const placed = deliveries.map((delivery) => {
    const turn = takenByTeam.get(delivery.teamId) ?? 0;
    takenByTeam.set(delivery.teamId, turn + 1);
    return { delivery, turn };
  });
  return placed.sort((a, b) => a.turn - b.turn).map(({ delivery }) => delivery);
}
