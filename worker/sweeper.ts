/**
 * Delivers again what a workflow has not seen: looks that are due of balance watches, starts and ends that are due of
 * instances, beginnings and changes that are due of reservations, refunds and deposits (prisma/due-work.ts). The process that records a fact delivers it at once, so the sweeper finds something only
 * after a process died between its commit and its call to the engine, or while the engine was away. Several sweepers may
 * run: a delivery too many changes nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { StartedInstance } from '../activities/ledger/instances.ts';
import type { BegunReservation } from '../activities/ledger/reservations.ts';
import type { Log } from '../activities/world.ts';
import type { Db, Tx } from '../prisma/client.ts';
import type { DepositKind } from '../prisma/deposits.ts';
import {
  type DueAfter,
  dueDeposits,
  dueInstances,
  dueLooks,
  dueRefunds,
  dueReservations,
  FROM_THE_FIRST,
} from '../prisma/due-work.ts';

/** How due work is delivered. Each resolves once the engine has accepted it. */
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
  /** Delivers what is due once, and answers how many deliveries were accepted and how many were not. */
  sweep(): Promise<Swept>;
  /** Sweeps until `stop` is called. */
  run(): Promise<void>;
  stop(): void;
}

export interface Swept {
  accepted: number;
  failed: number;
}

/** Longer than a delivery by the process that has recorded the fact takes. */
const DUE_SINCE_SECONDS = 3;
const SWEEP_EVERY_MS = 1_000;
/** While the engine or the database is away. */
const SWEEP_EVERY_AT_MOST_MS = 10_000;
const PAGE = 500;
const AT_ONCE = 20;
/** What was delivered and is still due is delivered again after this time, and then after twice as long each time. */
const REPEAT_AFTER_MS = 5_000;
const REPEAT_AFTER_AT_MOST_MS = 10 * 60_000;

interface Delivery {
  /** Names the matter, so that a repeat of it is known. */
  key: string;
  teamId: string;
  deliver(): Promise<void>;
}

export function createSweeper({ db, deliver, log, nowMs }: SweeperOptions): Sweeper {
  const stopping = new AbortController();
  /** When a matter that was delivered before may be delivered again. */
  const repeats = new Map<string, { notBeforeMs: number; waitMs: number }>();

  const mayDeliver = ({ key }: Delivery): boolean => (repeats.get(key)?.notBeforeMs ?? 0) <= nowMs();

  const noteDelivered = ({ key }: Delivery): void => {
    const waitMs = Math.min((repeats.get(key)?.waitMs ?? REPEAT_AFTER_MS / 2) * 2, REPEAT_AFTER_AT_MOST_MS);
    repeats.set(key, { notBeforeMs: nowMs() + waitMs, waitMs });
  };

  /** What of one kind is due. The key of a matter has the second since which it is due: a later fact is another matter. */
  async function dueOf<T extends { dueSecond: number }>(
    kind: string,
    read: (tx: Tx, throughSecond: number, after: DueAfter, limit: number) => Promise<T[]>,
    about: (due: T) => { id: string; teamId: string; deliver: () => Promise<void> },
  ): Promise<Delivery[]> {
    const throughSecond = Math.floor(nowMs() / 1000) - DUE_SINCE_SECONDS;
    const all = await allPages(
      (after) => read(db, throughSecond, after, PAGE),
      (due) => ({ second: due.dueSecond, id: about(due).id }),
    );
    return all.map((due) => {
      const { id, teamId, deliver } = about(due);
      return { key: `${kind}/${id}/${due.dueSecond}`, teamId, deliver };
    });
  }

  async function due(): Promise<Delivery[]> {
    return [
      ...(await dueOf('look', dueLooks, ({ teamId }) => ({ id: teamId, teamId, deliver: () => deliver.look(teamId) }))),
      ...(await dueOf('instance', dueInstances, ({ instance, rateMicrosPerHour }) => ({
        ...{ id: instance.id, teamId: instance.teamId },
        deliver: () => deliver.instance({ instance, rateMicrosPerHour }),
      }))),
      ...(await dueOf('reservation', dueReservations, ({ reservation, firstTerm }) => ({
        ...{ id: reservation.id, teamId: reservation.teamId },
        deliver: () => deliver.reservation({ reservation, firstTerm }),
      }))),
      ...(await dueOf('deposit', dueDeposits, ({ dueSecond: _, ...deposit }) => ({
        ...{ id: deposit.depositId, teamId: deposit.teamId },
        deliver: () => deliver.deposit(deposit),
      }))),
      ...(await dueOf('refund', dueRefunds, ({ dueSecond: _, ...refund }) => ({
        ...{ id: refund.refundId, teamId: refund.teamId },
        deliver: () => deliver.refund(refund),
      }))),
    ];
  }

  async function sweep(): Promise<Swept> {
    const found = await due();
    const keys = new Set(found.map(({ key }) => key));
    for (const key of repeats.keys()) if (!keys.has(key)) repeats.delete(key);
    const waiting = byTurns(found.filter(mayDeliver));
    const swept = { accepted: 0, failed: 0 };
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next && !stopping.signal.aborted; next = waiting.shift()) {
        try {
          await next.deliver();
          noteDelivered(next);
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

/** Reads page after page of a list until one is not full. */
async function allPages<T>(read: (after: DueAfter) => Promise<T[]>, placeOf: (item: T) => DueAfter): Promise<T[]> {
  const all: T[] = [];
  for (let after = FROM_THE_FIRST; ; ) {
    const page = await read(after);
    all.push(...page);
    const last = page.at(-1);
    if (page.length < PAGE || last === undefined) return all;
    after = placeOf(last);
  }
}

/** One delivery of each team in turn, so that no team waits behind the many of another. */
function byTurns(deliveries: readonly Delivery[]): Delivery[] {
  const taken = new Map<string, number>();
  const placed = deliveries.map((delivery) => {
    const turn = taken.get(delivery.teamId) ?? 0;
    taken.set(delivery.teamId, turn + 1);
    return { delivery, turn };
  });
  return placed.sort((a, b) => a.turn - b.turn).map(({ delivery }) => delivery);
}
