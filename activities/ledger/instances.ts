/** What is recorded of an instance: its admission, its re-prices, its settlements, its end. */
import { type Account, moneySecond, nextCrossing, spendableMicros, type Terms } from '../../billing/account.ts';
import type { Effect, EndReason } from '../../billing/change.ts';
import { BillingError } from '../../billing/errors.ts';
import { advance, repriceInstance, settleInstance, startInstance, stopInstance } from '../../billing/facts.ts';
import { type Micros, micros } from '../../billing/money.ts';
import { costMicros } from '../../billing/usage.ts';
import { isAbandoned } from '../../prisma/abandoned-calls.ts';
import { isUniqueViolation, type Tx } from '../../prisma/client.ts';
import {
  confirmTerminated,
  findInstance,
  getInstance,
  type InstanceSpec,
  insertInstance,
} from '../../prisma/instances.ts';
import { recordFact } from '../../prisma/record.ts';
import { closedSegmentsOf, type SegmentOfInstance, segmentsOf } from '../../prisma/segments.ts';
import { lastPostingReference } from '../../prisma/transfers.ts';
import type { LedgerWorld } from '../world.ts';

export type Admission =
  | { status: 'admitted'; startSecond: number; rateMicrosPerHour: Micros }
  | { status: 'refused'; code: 'insufficient_credit' | 'id_taken' | 'start_expired' };

export interface Receipt {
  instanceId: string;
  teamId: string;
  startSecond: number;
  endSecond: number;
  seconds: number;
  costMicros: Micros;
  reason: EndReason;
}

/**
 * How an instance stands after a settlement: running, or ended, by whomever. `watchMustKnow`: this settlement recorded
 * what the clock had brought, an end of credit or a charge that is due, and only the watch has people and machines told.
 */
export type Settlement = { watchMustKnow?: true } & (
  | {
      status: 'running';
      rateMicrosPerHour: Micros;
      costMicros: Micros;
      availableMicros: Micros;
      next: { second: number; what: string } | null;
    }
  | { status: 'ended'; receipt: Receipt; machineGone: boolean }
);

const costOf = (segments: SegmentOfInstance[], throughSecond: number): Micros =>
  micros(
    segments.reduce((sum, segment) => {
      const end = Math.min(segment.endSecond ?? throughSecond, throughSecond);
      return sum + costMicros(segment.rateMicrosPerHour, end - segment.startSecond);
    }, 0),
  );

async function receiptOf(tx: Tx, instanceId: string): Promise<Receipt> {
  const { id, teamId, startSecond, endSecond, reason } = await getInstance(tx, instanceId);
  if (endSecond === null || reason === null) throw new Error(`instance ${instanceId} is still running`);
  const cost = costOf(await segmentsOf(tx, [instanceId]), endSecond);
  return { instanceId: id, teamId, startSecond, endSecond, seconds: endSecond - startSecond, costMicros: cost, reason };
}

async function settlementOf(tx: Tx, instanceId: string, account: Account, terms: Terms): Promise<Settlement> {
  const instance = await getInstance(tx, instanceId);
  if (instance.endSecond !== null && instance.reason !== null)
    return {
      status: 'ended',
      receipt: await receiptOf(tx, instanceId),
      machineGone: instance.terminatedConfirmedSecond !== null,
    };
  const segments = await segmentsOf(tx, [instanceId]);
  return {
    status: 'running',
    rateMicrosPerHour: segments.at(-1)?.rateMicrosPerHour ?? micros(0),
    costMicros: costOf(segments, moneySecond(account, account.asOfSecond)),
    availableMicros: spendableMicros(account, account.asOfSecond),
    next: nextCrossing(account, terms),
  };
}

const isForTheWatch = (kind: Effect['kind']) => kind === 'exhausted' || kind === 'attempt_opened' || kind === 'low';

export const instanceActs = ({ db, terms }: LedgerWorld) => ({
  /**
   * Admits an instance: under the team's row lock the minimum is checked, the price fixed and the meter opened. The same
   * id with the same request again is the same admission; a call that was answered 503 is refused.
   */
  admitInstance: async (
    input: {
      spec: InstanceSpec;
      rateMicrosPerHour: Micros;
      callId: string;
      notAfterMs: number;
      nowMs: number;
      receivedSecond: number;
    },
    causedBy: string,
  ): Promise<Admission> => {
    const { spec, rateMicrosPerHour } = input;
    try {
      return await recordFact<Admission>(db, spec.teamId, causedBy, async (account, tx) => {
        const existing = await findInstance(tx, spec.id);
        if (existing) {
          if (existing.requestHash !== spec.requestHash || existing.teamId !== spec.teamId)
            throw new BillingError('id_taken', 'another instance has this id', 'id');
          const [first] = await segmentsOf(tx, [spec.id]);
          return {
            outcome: { account, effects: [] },
            answer: async () => ({
              status: 'admitted',
              startSecond: existing.startSecond,
              rateMicrosPerHour: first?.rateMicrosPerHour ?? rateMicrosPerHour,
            }),
          };
        }
        // After the look: a try that is late may follow one that was in time and whose answer was lost.
        if (input.nowMs > input.notAfterMs || (await isAbandoned(tx, input.callId)))
          throw new BillingError('start_expired', 'the caller was answered already');
        const instance = { instanceId: spec.id, rateMicrosPerHour };
        const outcome = startInstance(account, terms, instance, input.receivedSecond);
        const startSecond = outcome.account.asOfSecond;
        await insertInstance(tx, spec, startSecond).catch((error) => {
          // Another team has the id since we looked: its row lock is not ours.
          throw isUniqueViolation(error) ? new BillingError('id_taken', 'another instance has this id', 'id') : error;
        });
        return { outcome, answer: async () => ({ status: 'admitted', startSecond, rateMicrosPerHour }) };
      });
    } catch (error) {
      const code = error instanceof BillingError ? error.code : null;
      if (code === 'insufficient_credit' || code === 'id_taken' || code === 'start_expired')
        return { status: 'refused', code };
      throw error;
    }
  },

  /** Posts what the instance owes through `nowSecond`, and answers how it stands: the workflow's way of seeing an end. */
  settleInstance: async (input: { instanceId: string; nowSecond: number }, causedBy: string): Promise<Settlement> => {
    const { teamId } = await getInstance(db, input.instanceId);
    return recordFact(db, teamId, causedBy, async (account) => {
      const outcome = settleInstance(account, terms, input.instanceId, input.nowSecond);
      const watchMustKnow = outcome.effects.some(({ kind }) => isForTheWatch(kind)) && { watchMustKnow: true as const };
      const answer = async (tx: Tx): Promise<Settlement> => ({
        ...(await settlementOf(tx, input.instanceId, outcome.account, terms)),
        ...watchMustKnow,
      });
      return { outcome, answer };
    });
  },

  /**
   * Records the end of an instance and answers the receipt, from the same transaction. One that has ended keeps its
   * receipt. `platformAsked`: the platform knows of the end and sees to its machine, so that it needs no telling.
   * @throws BillingError `not_found`, `at_out_of_range`
   */
  stopInstance: async (
    input: { instanceId: string; reason: EndReason; atSecond?: number; nowSecond: number; platformAsked: boolean },
    causedBy: string,
  ): Promise<Receipt> => {
    const instance = await getInstance(db, input.instanceId);
    return recordFact(db, instance.teamId, causedBy, async (account, tx) => {
      const current = await getInstance(tx, input.instanceId);
      const answer = async (within: Tx) => {
        if (input.platformAsked) await confirmTerminated(within, input.instanceId, input.nowSecond);
        return receiptOf(within, input.instanceId);
      };
      if (current.endSecond !== null) return { outcome: advance(account, terms, input.nowSecond), answer };
      const lastReference = await lastPostingReference(tx, input.instanceId);
      const stop = {
        instanceId: input.instanceId,
        reason: input.reason,
        closedSegments: await closedSegmentsOf(tx, input.instanceId),
        ...(input.atSecond !== undefined && { atSecond: input.atSecond }),
        ...(lastReference !== undefined && { lastPostingReference: lastReference }),
      };
      return { outcome: stopInstance(account, terms, stop, input.nowSecond), answer };
    });
  },

  /**
   * Ends one segment and begins the next.
   * @throws BillingError `not_found`, `instance_ended`, `at_out_of_range`
   */
  repriceInstance: async (
    input: { instanceId: string; rateMicrosPerHour: Micros; atSecond?: number; nowSecond: number },
    causedBy: string,
  ): Promise<void> => {
    const { teamId } = await getInstance(db, input.instanceId);
    const { instanceId, rateMicrosPerHour, atSecond } = input;
    const reprice = { instanceId, rateMicrosPerHour, ...(atSecond !== undefined && { atSecond }) };
    await recordFact(db, teamId, causedBy, async (account) => ({
      outcome: repriceInstance(account, terms, reprice, input.nowSecond),
      answer: async () => {},
    }));
  },

  /** Remembers that the platform has confirmed that the machine is gone. */
  confirmTerminated: (input: { instanceId: string; nowSecond: number }): Promise<void> =>
    confirmTerminated(db, input.instanceId, input.nowSecond),
});
