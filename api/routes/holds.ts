/** Holds: credit set aside before a request is served, so the request's usage is never owed. */

import { LONGEST_HOLD_SECONDS } from '../../billing/holds.ts';
import type { HoldRecorded } from '../../ledger/holds.ts';
import { getHold, type HoldOfTeam, listHolds } from '../../prisma/holds.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import type { Wakes } from '../engine/wakes.ts';
import { type Call, mustSee, newId } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import { Id, listOf, PathId, pageQuery, pageRequest, TeamPath, TokenCount, text, z } from '../http/schemas.ts';
import { withModelNames } from '../http/suggestions.ts';
import { Hold, readHolds, viewHold } from '../views/hold.ts';
import type { ApiWorld } from '../world.ts';

const HoldPath = z.object({ hold: PathId });

const NewHold = z.object({
  id: Id.optional().openapi({ description: 'the same id and body again is the same hold', example: 'request-1042' }),
  team: Id,
  model: text(100).openapi({ example: 'llama-3.3-70b-instruct' }),
  project: text(100).optional().openapi({ description: 'for the budgets of the project', example: 'vision' }),
  maxInputTokens: TokenCount,
  maxOutputTokens: TokenCount,
  ttlSeconds: z.int().min(1).max(LONGEST_HOLD_SECONDS).openapi({
    description: 'the seconds until the hold expires, unless it is settled or voided before',
    example: 600,
  }),
});

/** Another team's hold is not there. */
const holdSeenBy = async ({ db }: ApiWorld, id: string, call: Call): Promise<HoldOfTeam> => {
  const hold = await getHold(db, id);
  mustSee(call, hold.teamId, 'hold', 'hold');
  return hold;
};

/**
 * Wakes the watch: credit may end sooner or later now, or a charge may be due. The call does not wait for the wake, since
 * the look is due in the rows (prisma/due-work.ts).
 */
const wakeWatch = (wake: Wakes, teamId: string, { urgent }: HoldRecorded) =>
  void wake({ what: urgent ? 'watch' : 'watchSoon', id: teamId });

const place = ({ db, ledger }: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/holds',
    tag: 'Usage',
    summary: 'Hold the most that a request can cost; usage that names the hold settles it',
    who: 'usage',
    body: NewHold,
    answer: { status: 201, schema: Hold },
    fails: ['id_taken', 'insufficient_credit', 'budget_met', 'team_suspended', 'team_archived', 'price_not_found'],
    handle: async ({ body: { id, team: teamId, ...asked }, call }) => {
      mustSee(call, teamId, 'team', 'team');
      const nowSecond = call.receivedSecond;
      const order = { holdId: id ?? newId(call, 'hold'), teamId, ...asked, nowSecond };
      const placed = await withModelNames(db, order.model, nowSecond, () => ledger.placeHold(order, call.requestId));
      wakeWatch(wake, teamId, placed);
      return { status: 201, body: viewHold(placed.hold) };
    },
  });

const release = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'post',
    path: '/v1/holds/{hold}/void',
    tag: 'Usage',
    summary: 'Release a hold before it expires; a repeat returns the same answer',
    who: 'usage',
    params: HoldPath,
    body: z.object({}),
    answer: { status: 200, schema: Hold },
    fails: ['hold_closed'],
    handle: async ({ params, call }) => {
      const { holdId, teamId } = await holdSeenBy(world, params.hold, call);
      const voided = await world.ledger.voidHold({ holdId, nowSecond: call.receivedSecond }, call.requestId);
      wakeWatch(wake, teamId, voided);
      return { status: 200, body: viewHold(voided.hold) };
    },
  });

const get = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/holds/{hold}',
    tag: 'Usage',
    summary: 'Get a hold and its status',
    who: 'any_scope',
    params: HoldPath,
    answer: { status: 200, schema: Hold },
    handle: async ({ params, call }) => {
      await holdSeenBy(world, params.hold, call);
      return inSnapshot(world.db, async (tx) => {
        const [body] = await readHolds(tx, world.settings, [await getHold(tx, params.hold)], call.receivedSecond);
        if (!body) throw new Error('a hold that was read has no view');
        return { status: 200, body };
      });
    },
  });

const listOfTeam = ({ db, settings }: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/teams/{team}/holds',
    tag: 'Usage',
    summary: 'List a team’s holds, newest first',
    who: 'any_scope',
    params: TeamPath,
    query: pageQuery(),
    answer: { status: 200, schema: listOf(Hold) },
    handle: ({ params, query, call }) =>
      inSnapshot(db, async (tx) => {
        const { data, nextCursor } = await listHolds(tx, params.team, pageRequest(query));
        return { status: 200, body: { data: await readHolds(tx, settings, data, call.receivedSecond), nextCursor } };
      }),
  });

export const holds = (world: ApiWorld, wake: Wakes): Route[] => [
  place(world, wake),
  release(world, wake),
  get(world),
  listOfTeam(world),
];
