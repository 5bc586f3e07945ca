/**
 * Token usage: facts about the past, charged exactly, never dropped. Events come by the thousand, so calls of several
 * teams are recorded together: accounts are read, the pure rules compute, and one statement writes everything for each
 * account unchanged since the read. A batch with further effects (a due charge, an end of credit, a mail), or with a
 * changed account, is recorded like other facts, one team at a time under its row lock.
 */
import type { Account, BillingSettings } from '../billing/account.ts';
import type { FactOutcome } from '../billing/change.ts';
import { BillingError } from '../billing/errors.ts';
import type { Transfer } from '../billing/ledger.ts';
import { lookAfter } from '../billing/looks.ts';
import { MetersNeeded } from '../billing/meter-sums.ts';
import {
  decideUsage,
  type NamedHold,
  NO_TEAM,
  type RecordedUsage,
  type UsageDecision,
  type UsageEvent,
  type UsageResult,
} from '../billing/usage-batch.ts';
import { isMovedByUsageOnly } from '../prisma/account-row.ts';
import { type AccountAsOf, readAccountsAsOf } from '../prisma/accounts.ts';
import { isRefusedByDatabase, type Tx } from '../prisma/client.ts';
import { closeHolds, findHolds } from '../prisma/holds.ts';
import { isSpared, marksAfterFact, type Wake } from '../prisma/look-marks.ts';
import { recordFact } from '../prisma/record.ts';
import { notedWake } from '../prisma/recorded.ts';
import { insertUsageEvents, knownUsageEvents, postUsage, type UsagePosting } from '../prisma/usage-events.ts';
import { isUrgent } from './urgency.ts';
import { type SaidUsage, withPrices } from './usage-prices.ts';
import { actIn, type LedgerWorld } from './world.ts';

/** Events received together. */
export interface UsageCall {
  events: readonly SaidUsage[];
  receivedSecond: number;
  causedBy: string;
}

/** The state of a team after its events, and whether the watch must act on a consequence at once. */
export interface TeamAfterUsage {
  account: Account;
  urgent: boolean;
  /** Whether the watch looks in time, or another call has undertaken to wake it. */
  isWakeSpared: boolean;
}

export interface UsageAnswer {
  /** A result for each event of the call, in order. */
  results: UsageResult[];
  /** The teams of the call's events that exist. */
  teams: Map<string, TeamAfterUsage>;
}

/** The outcome of a call: its answer, or the reason why the call was not recorded whole. */
export type UsageOutcome = { answer: UsageAnswer } | { error: unknown };

/** The events of one team in one flush, in the order of their calls. */
interface TeamBatch {
  teamId: string;
  /** The receipt of the last event: no event is posted before its receipt. */
  receivedSecond: number;
  /** The cause of the first event. */
  causedBy: string;
  events: UsageEvent[];
}

/** The outcome of a batch: a result for each event, in order. */
type Recorded = Answered | { error: unknown };
interface Answered {
  results: UsageResult[];
  after: TeamAfterUsage | null;
}

type KnownByTeam = ReadonlyMap<string, ReadonlyMap<string, RecordedUsage>>;
const NOTHING: ReadonlyMap<string, RecordedUsage> = new Map();

export const usageActs = (world: LedgerWorld) => ({
  recordUsage: actIn(world, recordUsage),
  recordUsageOf: actIn(world, recordUsageOf),
});

/** Records the usage of one call. */
async function recordUsage(world: LedgerWorld, call: UsageCall): Promise<UsageAnswer> {
  const [outcome] = await recordUsageOf(world, [call]);
  if (outcome && 'answer' in outcome) return outcome.answer;
  throw outcome?.error ?? new Error('the call was not recorded');
}

/**
 * Records the usage of several calls. A failure for one team fails the calls that name the team, and no other call.
 * Events recorded by then are duplicates in a repeat.
 * @throws errors that keep the database from being asked
 */
async function recordUsageOf(world: LedgerWorld, calls: readonly UsageCall[]): Promise<UsageOutcome[]> {
  const { db } = world;
  const batches = [...byTeam(await withPrices(db, calls)).values()];
  const unpriced = batches.map(unpricedOf).filter(({ eventIds }) => eventIds.length > 0);
  const knownEvents: KnownByTeam = unpriced.length > 0 ? await knownUsageEvents(db, unpriced) : new Map();
  let answersByTeam = await recordTogether(world, batches, knownEvents).catch(nullIfRejected);
  // Some events were recorded before; their ids are read only now. A second refusal means that another process
  // records them at this moment.
  answersByTeam ??= await recordTogether(world, batches, await knownUsageEvents(db, batches.map(keysOf))).catch(
    nullIfRejected,
  );
  answersByTeam ??= new Map<string, Recorded>();
  for (const batch of batches)
    if (!answersByTeam.has(batch.teamId))
      answersByTeam.set(
        batch.teamId,
        await recordAlone(world, batch).catch((error: unknown) => (isNotFound(error) ? noTeam(batch) : { error })),
      );
  return answersOf(calls, answersByTeam);
}

/**
 * Records the batches that one statement can write, and returns their outcomes. Nothing is written for other teams.
 */
async function recordTogether(
  { db, settings }: LedgerWorld,
  batches: readonly TeamBatch[],
  knownEvents: KnownByTeam,
): Promise<Map<string, Recorded>> {
  const teamIds = batches.map(({ teamId }) => teamId);
  const throughSecond = Math.max(...batches.map(({ receivedSecond }) => receivedSecond));
  const accounts = await readAccountsAsOf(db, teamIds, { throughSecond });
  const holds = await holdsNamedBy(db, batches);
  const answersByTeam = new Map<string, Recorded>();
  const postings = new Map<string, UsagePosting & { recorded: Answered }>();
  for (const batch of batches) {
    const { teamId } = batch;
    const read = accounts.get(teamId);
    const decided = read && decide(settings, batch, read, knownEvents.get(teamId) ?? NOTHING, holds);
    if (!decided) answersByTeam.set(teamId, noTeam(batch));
    else if ('posting' in decided) postings.set(teamId, decided.posting);
    else if ('recorded' in decided) answersByTeam.set(teamId, decided.recorded);
  }
  for (const teamId of postings.size > 0 ? await postUsage(db, [...postings.values()]) : []) {
    const posting = postings.get(teamId);
    if (posting) answersByTeam.set(teamId, posting.recorded);
  }
  return answersByTeam;
}

/**
 * How to store a batch: `posting` in the shared statement, `recorded` for nothing to write, `alone` in its own
 * transaction.
 */
function decide(
  settings: BillingSettings,
  { teamId, causedBy, events, receivedSecond: nowSecond }: TeamBatch,
  { account: before, marks: marksBefore, version }: AccountAsOf,
  knownEvents: ReadonlyMap<string, RecordedUsage>,
  holds: ReadonlyMap<string, NamedHold>,
): { posting: UsagePosting & { recorded: Answered } } | { recorded: Recorded } | { alone: true } {
  const decision = decidedBySums(() =>
    decideUsage(events, { account: before, settings, knownEvents, holds, nowSecond }),
  );
  if (!decision) return { alone: true };
  const { rows, settled, outcome } = decision;
  // An event that is too expensive by now may have been recorded earlier.
  if (!isPlain(before, outcome) || decision.results.some(isUncountable)) return { alone: true };
  if (rows.length === 0) return { recorded: recordedBy(decision) };
  const { account } = outcome;
  const fact = { second: account.asOfSecond, mayWake: true, lookBy: () => lookAfter(outcome) };
  const { marks, wake } = marksAfterFact(marksBefore, fact);
  const transfers = transfersOf(outcome);
  const recorded = withWake(recordedBy(decision), wake);
  return { posting: { teamId, causedBy, version, account, marks, transfers, settled, rows, recorded } };
}

/** Records the events of one team like other facts. */
async function recordAlone({ db, settings }: LedgerWorld, batch: TeamBatch): Promise<Recorded> {
  const { teamId, causedBy, events, receivedSecond: nowSecond } = batch;
  const recorded = await recordFact(db, { teamId, causedBy, throughSecond: nowSecond }, async (account, tx) => {
    const knownEvents = (await knownUsageEvents(tx, [keysOf(batch)])).get(teamId) ?? NOTHING;
    const holds = await holdsNamedBy(tx, [batch]);
    const decision = decideUsage(events, { account, settings, knownEvents, holds, nowSecond });
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
  return withWake(recorded, notedWake(teamId));
}

const keysOf = ({ teamId, events }: Pick<TeamBatch, 'teamId' | 'events'>) => ({
  teamId,
  eventIds: events.map(({ eventId }) => eventId),
});

/**
 * Events without a price that may have been recorded before, while their model had a price. A refused event inserts no
 * row, so the primary key would not show the earlier recording.
 */
const unpricedOf = ({ teamId, events }: TeamBatch) =>
  keysOf({ teamId, events: events.filter(({ price }) => price === null) });

const recordedBy = ({ results, outcome: { account, effects } }: UsageDecision): Answered => ({
  results,
  after: { account, urgent: isUrgent(effects), isWakeSpared: false },
});

const withWake = ({ results, after }: Answered, wake: Wake | undefined): Answered => ({
  results,
  after: after && { ...after, isWakeSpared: isSpared(wake) },
});

const transfersOf = ({ effects }: FactOutcome): Transfer[] =>
  effects.flatMap((effect) => (effect.kind === 'transfer' ? [effect.transfer] : []));

/** True if the one statement can write all effects of an outcome. */
const isPlain = (before: Account, { account, effects }: FactOutcome): boolean =>
  effects.every(({ kind }) => kind === 'transfer') && isMovedByUsageOnly(before, account);

type PricedCall = Omit<UsageCall, 'events'> & { events: readonly UsageEvent[] };

/** The events of all calls by team, with the positions of each call's events. */
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

/** The answer of each call, from the outcomes of its teams' batches. */
function answersOf(calls: readonly UsageCall[], answersByTeam: ReadonlyMap<string, Recorded>): UsageOutcome[] {
  const takenByTeam = new Map<string, number>();
  return calls.map(({ events }) => {
    const results: UsageResult[] = [];
    const teams = new Map<string, TeamAfterUsage>();
    let failed: { error: unknown } | null = null;
    for (const { teamId } of events) {
      const index = takenByTeam.get(teamId) ?? 0;
      takenByTeam.set(teamId, index + 1);
      const of = answersByTeam.get(teamId) ?? { error: new Error(`usage of ${teamId} was not recorded`) };
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

/** Null if the database refused the statement, for any team's rows: nothing was stored. */
const nullIfRejected = (error: unknown): null => {
  if (isRefusedByDatabase(error)) return null;
  throw error;
};

/** The result from the sums of the meters, or null where the sums do not decide. */
function decidedBySums<T>(decide: () => T): T | null {
  try {
    return decide();
  } catch (error) {
    if (error instanceof MetersNeeded) return null;
    throw error;
  }
}
