/** Token usage: up to a thousand events a call, each answered for itself. */

import { CALLER_ID } from '../../billing/ids.ts';
import type { UsageResult } from '../../billing/usage-batch.ts';
import type { UsageAnswer as Recorded } from '../../ledger/usage.ts';
import { createUsageLanes, type RecordUsageCall } from '../../ledger/usage-lanes.ts';
import type { SaidUsage } from '../../ledger/usage-prices.ts';
import type { Db } from '../../prisma/client.ts';
import { forSeveral, limitsNow } from '../../prisma/limits.ts';
import { modelPricesInForce } from '../../prisma/prices.ts';
import { noteRecorded, notingRecords } from '../../prisma/recorded.ts';
import type { Wakes } from '../engine/wakes.ts';
import { type Call, teamOfCaller } from '../http/calls.ts';
import { problemsOf } from '../http/messages.ts';
import { didYouMean } from '../http/nearest.ts';
import { type Route, route } from '../http/route.ts';
import { Id, PathId, Second, text, z } from '../http/schemas.ts';
import { type EventError, type EventView, UsageAnswer, viewBalances, viewInvalid, viewResult } from '../views/usage.ts';
import type { ApiWorld } from '../world.ts';

const MAX_EVENTS = 1_000;
const MAX_TOKENS = 10 ** 12;
/** The seconds by which a caller's clock may be ahead of this process. */
const AHEAD_SECONDS = 60;

const Tokens = z
  .int()
  .min(0)
  .max(MAX_TOKENS)
  .openapi({ type: 'integer', minimum: 0, maximum: MAX_TOKENS, example: 1200 });

const NewUsageEvent = z
  .strictObject({
    id: Id.openapi({ description: 'accepted once per team; the same event again is a duplicate' }),
    team: Id,
    model: text(100).openapi({ example: 'llama-3.3-70b-instruct' }),
    inputTokens: Tokens,
    outputTokens: Tokens,
    project: text(100).optional(),
    at: Second.optional().openapi({ description: 'the time of the usage: the price of that second is charged' }),
    hold: PathId.optional().openapi({ description: 'the hold that the event settles' }),
  })
  .openapi('NewUsageEvent');
type ParsedEvent = z.output<typeof NewUsageEvent>;

/** The fault of an event, with its id if any. */
type InvalidEvent = { id: string | null; error: EventError };

/** The faults of a malformed event, in the words of a request's faults. */
function invalidEvent(value: unknown): InvalidEvent {
  const [first, ...rest] = problemsOf(NewUsageEvent, value, 'event');
  const { id } = (value ?? {}) as { id?: unknown };
  const param = first === undefined || first.param === 'event' ? undefined : first.param;
  const message =
    first === undefined ? 'the event is not valid' : [first, ...rest].map((one) => one.message).join('; ');
  return {
    id: typeof id === 'string' && CALLER_ID.test(id) ? id : null,
    error: { code: 'invalid_request', message: message.slice(0, 300), ...(param !== undefined && { param }) },
  };
}

/** A bad event does not fail the call: the event gets its error, and the other events go on. */
const ReadEvent = z.union([
  NewUsageEvent,
  z
    .unknown()
    .transform(invalidEvent)
    .openapi({ description: 'any other value: its result is `invalid`, and the other events are processed' }),
]);

const UsageBody = z.object({ events: z.array(ReadEvent).min(1).max(MAX_EVENTS) });

const NO_TEAM: EventError = { code: 'not_found', message: 'no such team', param: 'team' };
const NOT_YET: EventError = { code: 'at_out_of_range', message: 'at lies in the future', param: 'at' };

/** The event for the ledger, or its fault. An event of another team is refused as if the team did not exist. */
function toEvent(event: ParsedEvent, { caller, receivedSecond }: Call): SaidUsage | InvalidEvent {
  const { id: eventId, team: teamId, model, inputTokens, outputTokens, at, hold, project } = event;
  if ((teamOfCaller(caller) ?? teamId) !== teamId) return { id: eventId, error: NO_TEAM };
  if (at !== undefined && at > receivedSecond + AHEAD_SECONDS) return { id: eventId, error: NOT_YET };
  return {
    teamId,
    eventId,
    model,
    project: project ?? null,
    inputTokens,
    outputTokens,
    atSecond: at ?? null,
    holdId: hold ?? null,
  };
}

/** Results in the order of the call. The ledger has answered for the valid events. */
function viewEvents(all: ReadonlyArray<SaidUsage | InvalidEvent>, results: readonly UsageResult[]): EventView[] {
  let answered = 0;
  return all.map((event) => {
    if ('error' in event) return viewInvalid(event.id, event.error);
    const result = results[answered];
    if (!result) throw new Error('an event was not answered');
    answered += 1;
    return viewResult(event.eventId, result);
  });
}

const NOTHING: Recorded = { results: [], teams: new Map() };

/** Adds the nearest names to the refusal of a model without a price. */
async function withNames(db: Db, events: readonly SaidUsage[], results: readonly UsageResult[], second: number) {
  if (!results.some((result) => result.status === 'invalid' && result.code === 'price_not_found')) return results;
  const names = (await modelPricesInForce(db, second)).map((price) => price.model);
  return results.map((result, n): UsageResult => {
    if (result.status !== 'invalid' || result.code !== 'price_not_found') return result;
    return { ...result, message: `${result.message}${didYouMean(events[n]?.model ?? '', names)}` };
  });
}

export function usage({ db, settings, ledger }: ApiWorld, wake: Wakes): Route[] {
  // Calls of several callers are recorded together, so no call notes the recorded facts of another call.
  const inLanes = createUsageLanes((calls) => notingRecords(() => forSeveral(() => ledger.recordUsageOf(calls))));

  /** @throws BillingError `outcome_unknown` when the database fails some teams of a call: others may be recorded */
  const record: RecordUsageCall = async (parsedEvents) => {
    try {
      const outcomes = await inLanes(parsedEvents);
      noteRecorded();
      return outcomes;
    } catch (error) {
      const [first, ...others] = parsedEvents.events;
      if (others.some(({ teamId }) => teamId !== first?.teamId)) noteRecorded();
      throw error;
    }
  };

  return [
    route({
      method: 'post',
      path: '/v1/usage',
      tag: 'Usage',
      summary: 'Report token usage: 1 to 1,000 events, each accepted once, with a result for each',
      who: 'usage',
      body: UsageBody,
      answer: { status: 200, schema: UsageAnswer },
      handle: async ({ body, call }) => {
        const { receivedSecond, requestId: causedBy } = call;
        const all = body.events.map((parsedEvent) =>
          'error' in parsedEvent ? parsedEvent : toEvent(parsedEvent, call),
        );
        const events = all.filter((event) => 'eventId' in event);
        limitsNow().begins?.();
        const { results, teams } = events.length > 0 ? await record({ events, receivedSecond, causedBy }) : NOTHING;
        // The call does not wait for the wakes, since the looks are due in the rows (prisma/due-work.ts).
        for (const [id, { urgent, isWakeSpared }] of teams)
          if (urgent || !isWakeSpared) void wake({ what: urgent ? 'watch' : 'watchSoon', id });

        const worded = await withNames(db, events, results, receivedSecond);
        return {
          status: 200,
          body: { events: viewEvents(all, worded), balances: viewBalances(teams, settings, receivedSecond) },
        };
      },
    }),
  ];
}
