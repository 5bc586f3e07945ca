/**
 * Token usage recorded together: selects the new events of a team, computes the amount that each event posts, and
 * settles holds. Source: docs/rules.md#token-usage.
 */
import type { Account, BillingSettings } from './account.ts';
import type { FactOutcome } from './change.ts';
import type { FailureCode } from './errors.ts';
import { recordUsage } from './facts.ts';
import { type Hold, hasExpired } from './holds.ts';
import { type Micros, ZERO } from './money.ts';
import { chargesOf, MILLIONTHS_PER_MICRO, type MicroMillionths, type ModelPrice, tokensCost } from './tokens.ts';

/** The body of an event as the caller sent the event. An equal body under the same id is a duplicate. */
export interface UsageBody {
  model: string;
  project: string | null;
  inputTokens: number;
  outputTokens: number;
  /** The second of the usage, if the caller named a second. */
  atSecond: number | null;
  holdId: string | null;
}

export interface UsageEvent extends UsageBody {
  teamId: string;
  eventId: string;
  /** The price in force at the second of the usage. Null: the model had no price then. */
  price: ModelPrice | null;
}

/** A recorded event: body and posted amount, with the team's carried remainder. */
export interface RecordedUsage {
  event: UsageBody;
  chargeMicros: Micros;
}

/** A new event. */
export interface NewUsage extends RecordedUsage {
  event: UsageEvent;
  /** Exact, in millionths of a micro. */
  cost: MicroMillionths;
}

/** `chargeMicros`: the posted amount; for a duplicate, the amount of the first posting. */
export type UsageResult =
  | { status: 'accepted' | 'duplicate'; chargeMicros: Micros }
  | { status: 'conflict' }
  | { status: 'invalid'; code: FailureCode; message: string; param?: string };

export type NamedHold = Hold & { teamId: string; status: string };

/** The data needed to decide on a team's events. */
export interface UsageGiven {
  account: Account;
  settings: BillingSettings;
  /** Events recorded before under the same ids. */
  knownEvents: ReadonlyMap<string, RecordedUsage>;
  /** The holds that the events name, of any team. */
  holds: ReadonlyMap<string, NamedHold>;
  nowSecond: number;
}

export interface UsageDecision {
  /** A result for each event, in order. */
  results: UsageResult[];
  /** The new events. */
  rows: NewUsage[];
  /** Released holds, each with the first event that names the hold. */
  settled: Array<{ holdId: string; settledBy: string }>;
  outcome: FactOutcome;
}

export const NO_TEAM: UsageResult = { status: 'invalid', code: 'not_found', message: 'no such team', param: 'team' };
const ARCHIVED: UsageResult = {
  status: 'invalid',
  code: 'team_archived',
  message: 'the team is archived: unarchive it and send the event again',
  param: 'team',
};
const NO_HOLD: UsageResult = { status: 'invalid', code: 'not_found', message: 'no such hold', param: 'hold' };
const noPrice = ({ atSecond }: UsageEvent): UsageResult => ({
  status: 'invalid',
  code: 'price_not_found',
  message:
    atSecond === null
      ? 'the model has no price now: if it was used earlier, send at; see GET /v1/models'
      : 'the model had no price at that time: see GET /v1/models',
  param: 'model',
});
const UNCOUNTABLE: UsageResult = {
  status: 'invalid',
  code: 'amount_out_of_range',
  message: 'it costs more than can be counted',
};

/**
 * Decides on each event. An id is accepted once: the same id and body is a duplicate, another body a conflict, also
 * within the batch. The new events together are one fact with one row.
 */
export function decideUsage(events: readonly UsageEvent[], given: UsageGiven): UsageDecision {
  const { account, settings, holds, nowSecond } = given;
  const { rows, decided } = sort(events, given);
  const charges = chargesOf(
    rows.map(({ cost }) => cost),
    account.remainderMillionths,
  );
  rows.forEach((row, index) => {
    row.chargeMicros = charges[index] ?? ZERO;
  });
  const results = decided.map((result) =>
    'as' in result ? { status: result.status, chargeMicros: result.as.chargeMicros } : result,
  );
  const settledHolds = settledBy(rows, holds);
  const [first] = rows;
  if (!first) return { results, rows, settled: [], outcome: { account, effects: [] } };

  const cost = rows.reduce((sum, row) => sum + row.cost, 0n);
  const model = commonOf(rows.map(({ event }) => event.model));
  const project = commonOf(rows.map(({ event }) => event.project));
  const usage = {
    eventId: first.event.eventId,
    cost,
    holds: settledHolds.map(({ hold }) => hold),
    ...(model !== null && { model }),
    ...(project !== null && { project }),
    spends: rows.map(({ event, chargeMicros }) => ({ project: event.project, micros: chargeMicros })),
  };
  const outcome = recordUsage(account, settings, usage, nowSecond);
  const released = settledHolds.filter(({ hold }) => !hasExpired(hold, outcome.account));
  const settled = released.map(({ hold: { holdId }, event: { eventId } }) => ({ holdId, settledBy: eventId }));
  return { results, rows, settled, outcome };
}

/** The common value of all, or null where the values differ. */
const commonOf = <T>(values: readonly T[]): T | null =>
  values.every((value) => value === values[0]) ? (values[0] ?? null) : null;

/** A result, or the input for the result's charge. */
type Decided = UsageResult | { status: 'accepted' | 'duplicate'; as: RecordedUsage };

/**
 * Sorts events into new, duplicate and conflicting, with their costs. The charges are computed once all new events are
 * known.
 */
function sort(
  events: readonly UsageEvent[],
  { account, knownEvents, holds }: UsageGiven,
): { rows: NewUsage[]; decided: Decided[] } {
  const rows: NewUsage[] = [];
  const eventsById = new Map<string, RecordedUsage>(knownEvents);
  let room = roomOf(account);
  const decided = events.map((event): Decided => {
    const before = eventsById.get(event.eventId);
    if (before) return sameBody(before.event, event) ? { status: 'duplicate', as: before } : { status: 'conflict' };
    if (account.archivedSecond !== null) return ARCHIVED;
    if (event.holdId !== null && holds.get(event.holdId)?.teamId !== event.teamId) return NO_HOLD;
    if (event.price === null) return noPrice(event);
    const cost = tokensCost(event.price, event.inputTokens, event.outputTokens);
    if (cost > room) return UNCOUNTABLE;
    room -= cost;
    const row: NewUsage = { event, cost, chargeMicros: ZERO };
    rows.push(row);
    eventsById.set(event.eventId, row);
    return { status: 'accepted', as: row };
  });
  return { rows, decided };
}

const sameBody = (a: UsageBody, b: UsageBody): boolean =>
  a.model === b.model &&
  a.inputTokens === b.inputTokens &&
  a.outputTokens === b.outputTokens &&
  a.project === b.project &&
  a.atSecond === b.atSecond &&
  a.holdId === b.holdId;

/** The largest cost that still fits into the team's owed amount. */
const roomOf = ({ owedMicros }: Account): MicroMillionths =>
  BigInt(Number.MAX_SAFE_INTEGER - owedMicros - 1) * MILLIONTHS_PER_MICRO;

/** An ended hold is not settled: the usage is charged as if no hold was named. */
function settledBy(
  rows: readonly NewUsage[],
  holds: ReadonlyMap<string, NamedHold>,
): Array<{ hold: NamedHold; event: UsageEvent }> {
  const settled = new Map<string, { hold: NamedHold; event: UsageEvent }>();
  for (const { event } of rows) {
    const hold = event.holdId === null ? undefined : holds.get(event.holdId);
    if (hold?.status === 'pending' && !settled.has(hold.holdId)) settled.set(hold.holdId, { hold, event });
  }
  return [...settled.values()];
}
