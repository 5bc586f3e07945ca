/**
 * Token usage: facts about the past, charged exactly, never dropped. They come by the thousand, and so calls of several
 * teams are recorded together: accounts are read, the pure rules compute, and one statement writes all of it, wherever the
 * account is still as it was read. Whatever asks for more (a charge that is due, an end of credit, a mail) or was overtaken
 * takes the way of all facts, a team at a time under its row lock.
 */
import type { Account } from '../../billing/account.ts';
import type { Outcome } from '../../billing/change.ts';
import { BillingError } from '../../billing/errors.ts';
import type { Transfer } from '../../billing/ledger.ts';
import { MetersNeeded } from '../../billing/meter-sums.ts';
import {
  decideUsage,
  type NamedHold,
  NO_TEAM,
  type RecordedUsage,
  type UsageDecision,
  type UsageEvent,
  type UsageResult,
} from '../../billing/usage-batch.ts';
import { type AccountAsOf, isMovedByUsageOnly, readAccountsAsOf } from '../../prisma/accounts.ts';
import { isRefusedByDatabase, type Tx } from '../../prisma/client.ts';
import { closeHolds, findHolds } from '../../prisma/holds.ts';
import { recordFact } from '../../prisma/record.ts';
import {
  insertUsageEvents,
  knownUsageEvents,
  type PostedUsage,
  postUsage,
  type UsagePosting,
} from '../../prisma/usage-events.ts';
import type { LedgerWorld } from '../world.ts';
import { isUrgent } from './urgency.ts';
import { type SaidUsage, withPrices } from './usage-prices.ts';

/** Events that were received together. */
export interface UsageCall {
  events: readonly SaidUsage[];
  receivedSecond: number;
  causedBy: string;
}

/** How a team stands after its events, and whether something follows from them that the watch must see to at once. */
export interface TeamAfterUsage {
  account: Account;
  urgent: boolean;
  /** Whether another call has undertaken to wake the watch, and a look is still to follow. */
  isWakeUndertaken: boolean;
}

export interface UsageAnswer {
  /** One for each event of the call, in its order. */
  results: UsageResult[];
  /** Those of its events whose team there is. */
  teams: Map<string, TeamAfterUsage>;
}

/** What became of a call: its answer, or why it was not recorded whole. */
export type UsageOutcome = { answer: UsageAnswer } | { error: unknown };

/** The events of one team in one flush, in the order of their calls. */
interface TeamBatch {
  teamId: string;
  /** Of the last of them: none is posted before it was received. */
  receivedSecond: number;
  /** What the first of them was caused by. */
  causedBy: string;
  events: UsageEvent[];
}

/** What became of a batch: one result for each event, in their order. */
type Recorded = Answered | { error: unknown };
interface Answered {
  results: UsageResult[];
  after: TeamAfterUsage | null;
}

type KnownByTeam = ReadonlyMap<string, ReadonlyMap<string, RecordedUsage>>;
const NOTHING: ReadonlyMap<string, RecordedUsage> = new Map();

const keysOf = ({ teamId, events }: Pick<TeamBatch, 'teamId' | 'events'>) => ({
  teamId,
  eventIds: events.map(({ eventId }) => eventId),
});

/** Those that would be refused though they may have been recorded before, while their model had a price: no row of theirs would tell. */
const unpricedOf = ({ teamId, events }: TeamBatch) =>
  keysOf({ teamId, events: events.filter(({ price }) => price === null) });

const recordedBy = ({ results, outcome: { account, effects } }: UsageDecision): Answered => ({
  results,
  after: { account, urgent: isUrgent(effects), isWakeUndertaken: false },
});

const withWake = ({ results, after }: Answered, isWakeUndertaken: boolean): Answered => ({
  results,
  after: after && { ...after, isWakeUndertaken },
});

const transfersOf = ({ effects }: Outcome): Transfer[] =>
  effects.flatMap((effect) => (effect.kind === 'transfer' ? [effect.transfer] : []));

/** Whether the one statement writes all that an outcome asks for. */
const isPlain = (before: Account, { account, effects }: Outcome): boolean =>
  effects.every(({ kind }) => kind === 'transfer') && isMovedByUsageOnly(before, account);

type PricedCall = Omit<UsageCall, 'events'> & { events: readonly UsageEvent[] };

/** The events of all calls by team, and where each call finds its own again. */
function byTeam(calls: readonly PricedCall[]): Map<string, TeamBatch> {
  const batches = new Map<string, TeamBatch>();
  for (const { events, receivedSecond, causedBy } of calls)
    for (const event of events) {
      const batch = batches.get(event.teamId);
      if (batch) {
        batch.events.push(event);
        batch.receivedSecond = Math.max(batch.receivedSecond, receivedSecond);
      } else batches.set(event.teamId, { teamId: event.teamId, receivedSecond, causedBy, events: [event] });
    }
  return batches;
}

/** The answer of each call, from what became of its teams' batches. */
function answersOf(calls: readonly UsageCall[], recorded: ReadonlyMap<string, Recorded>): UsageOutcome[] {
  const taken = new Map<string, number>();
  return calls.map(({ events }) => {
    const results: UsageResult[] = [];
    const teams = new Map<string, TeamAfterUsage>();
    let failed: { error: unknown } | null = null;
    for (const { teamId } of events) {
      const index = taken.get(teamId) ?? 0;
      taken.set(teamId, index + 1);
      const of = recorded.get(teamId) ?? { error: new Error(`usage of ${teamId} was not recorded`) };
      if ('error' in of) failed ??= of;
      else {
        results.push(of.results[index] ?? NO_TEAM);
        if (of.after) teams.set(teamId, of.after);
      }
    }
    return failed ?? { answer: { results, teams } };
  });
}

async function holdsNamedBy(tx: Tx, batches: readonly TeamBatch[]): Promise<ReadonlyMap<string, NamedHold>> {
  const ids = new Set<string>();
  for (const { events } of batches) for (const { holdId } of events) if (holdId !== null) ids.add(holdId);
  return new Map((await findHolds(tx, [...ids])).map((hold) => [hold.holdId, hold]));
}

const isUncountable = (result: UsageResult): boolean =>
  result.status === 'invalid' && result.code === 'amount_out_of_range';

const noTeam = ({ events }: TeamBatch): Recorded => ({ results: events.map(() => NO_TEAM), after: null });
const isNotFound = (error: unknown): boolean => error instanceof BillingError && error.code === 'not_found';

/** What the database refused to keep, for whichever team's sake, it has kept nothing of. */
const orNoneOfThem = (error: unknown): null => {
  if (isRefusedByDatabase(error)) return null;
  throw error;
};

/** What the sums of the meters decide, or null where they do not. */
function decidedBySums<T>(decide: () => T): T | null {
  try {
    return decide();
  } catch (error) {
    if (error instanceof MetersNeeded) return null;
    throw error;
  }
}

export const usageActs = ({ db, terms }: LedgerWorld) => {
  /** Records what one statement can write, and answers what became of that; of the other teams, nothing is written. */
  async function recordTogether(batches: readonly TeamBatch[], known: KnownByTeam): Promise<Map<string, Recorded>> {
    const teamIds = batches.map(({ teamId }) => teamId);
    const throughSecond = Math.max(...batches.map(({ receivedSecond }) => receivedSecond));
    const accounts = await readAccountsAsOf(db, teamIds, { throughSecond });
    const holds = await holdsNamedBy(db, batches);
    const recorded = new Map<string, Recorded>();
    const postings = new Map<string, UsagePosting & { recorded: Answered }>();
    for (const batch of batches) {
      const { teamId } = batch;
      const read = accounts.get(teamId);
      const decided = read && decide(batch, read, known.get(teamId) ?? NOTHING, holds);
      if (!decided) recorded.set(teamId, noTeam(batch));
      else if ('posting' in decided) postings.set(teamId, decided.posting);
      else if ('recorded' in decided) recorded.set(teamId, decided.recorded);
    }
    const posted = postings.size > 0 ? await postUsage(db, [...postings.values()]) : new Map<string, PostedUsage>();
    for (const [teamId, { isWakeUndertaken }] of posted) {
      const posting = postings.get(teamId);
      if (posting) recorded.set(teamId, withWake(posting.recorded, isWakeUndertaken));
    }
    return recorded;
  }

  /** What there is to be written of a batch, in one statement with others; or that nothing is; or neither. */
  function decide(
    { teamId, causedBy, events, receivedSecond: nowSecond }: TeamBatch,
    { account: before, version }: AccountAsOf,
    known: ReadonlyMap<string, RecordedUsage>,
    holds: ReadonlyMap<string, NamedHold>,
  ): { posting: UsagePosting & { recorded: Answered } } | { recorded: Recorded } | { alone: true } {
    const decision = decidedBySums(() => decideUsage(events, { account: before, terms, known, holds, nowSecond }));
    if (!decision) return { alone: true };
    const { rows, settled, outcome } = decision;
    const recorded = recordedBy(decision);
    // What costs too much by now may have been recorded when it did not.
    if (!isPlain(before, outcome) || decision.results.some(isUncountable)) return { alone: true };
    if (rows.length === 0) return { recorded };
    const { account } = outcome;
    const transfers = transfersOf(outcome);
    return { posting: { teamId, causedBy, version, account, transfers, settled, rows, recorded } };
  }

  /** Records the events of one team in the way of all facts. */
  const recordAlone = (batch: TeamBatch): Promise<Recorded> => {
    const { teamId, causedBy, events, receivedSecond: nowSecond } = batch;
    return recordFact<Recorded>(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx) => {
      const known = (await knownUsageEvents(tx, [keysOf(batch)])).get(teamId) ?? NOTHING;
      const holds = await holdsNamedBy(tx, [batch]);
      const decision = decideUsage(events, { account, terms, known, holds, nowSecond });
      const { rows, settled, outcome } = decision;
      const second = outcome.account.asOfSecond;
      if (rows.length > 0) await insertUsageEvents(tx, teamId, second, rows);
      return {
        outcome,
        answer: async () => {
          await closeHolds(tx, settled, 'settled', second);
          return recordedBy(decision);
        },
      };
    });
  };

  /**
   * Records the usage of several calls. What fails for one team fails the calls that name it, and no other; what was
   * recorded of them by then is a duplicate when they come again.
   * @throws whatever keeps the database from being asked
   */
  async function recordUsageOf(calls: readonly UsageCall[]): Promise<UsageOutcome[]> {
    const batches = [...byTeam(await withPrices(db, calls)).values()];
    const unpriced = batches.map(unpricedOf).filter(({ eventIds }) => eventIds.length > 0);
    const known: KnownByTeam = unpriced.length > 0 ? await knownUsageEvents(db, unpriced) : new Map();
    let recorded = await recordTogether(batches, known).catch(orNoneOfThem);
    // Others were recorded before: which, is asked only now. When it happens again, others record them at this very moment.
    recorded ??= await recordTogether(batches, await knownUsageEvents(db, batches.map(keysOf))).catch(orNoneOfThem);
    recorded ??= new Map<string, Recorded>();
    for (const batch of batches)
      if (!recorded.has(batch.teamId))
        recorded.set(
          batch.teamId,
          await recordAlone(batch).catch((error: unknown) => (isNotFound(error) ? noTeam(batch) : { error })),
        );
    return answersOf(calls, recorded);
  }

  return {
    recordUsageOf,
    /** Records the usage of one call. */
    recordUsage: async (call: UsageCall): Promise<UsageAnswer> => {
      const [outcome] = await recordUsageOf([call]);
      if (outcome && 'answer' in outcome) return outcome.answer;
      throw outcome?.error ?? new Error('the call was not recorded');
    },
  };
};
