/** Reservations: begun, watched, renewed or not. */
import { BillingError } from '../../billing/errors.ts';
import { RESERVATION_TERMS } from '../../billing/prices.ts';
import { readAccount } from '../../prisma/accounts.ts';
import type { Tx } from '../../prisma/client.ts';
import { gpuPriceAt } from '../../prisma/prices.ts';
import {
  findReservation,
  getReservation,
  listReservations,
  type Reservation as ReservationRow,
} from '../../prisma/reservations.ts';
import { inSnapshot } from '../../prisma/snapshot.ts';
import { getTeam } from '../../prisma/teams.ts';
import { readRecorded } from '../engine/recorded.ts';
import { createEarlyRefusals, type UnlessRefused } from '../engine/refused-early.ts';
import { reserve } from '../engine/reserving.ts';
import type { Wakes } from '../engine/wakes.ts';
import { type Call, mustSee, newId, teamOfCaller } from '../http/calls.ts';
import { type Route, route } from '../http/route.ts';
import { Id, listOf, PathId, pageQuery, pageRequest, text, z } from '../http/schemas.ts';
import { withGpuNames } from '../http/suggestions.ts';
import { Reservation, type ReservationView, readReservations, STATUSES } from '../views/reservation.ts';
import { standingOf } from '../views/standing.ts';
import type { ApiWorld } from '../world.ts';

const ReservationPath = z.object({ id: PathId });
const MAX_COUNT = 1_000;

const NewReservation = z.object({
  id: Id.optional(),
  team: Id,
  gpuType: text(100).openapi({ example: 'h100-80gb' }),
  region: text(100).openapi({ example: 'eu-west-1' }),
  count: z
    .int()
    .min(1)
    .max(MAX_COUNT)
    .openapi({ description: 'the number of instances that the reservation can cover at the same time' }),
  term: z.enum(RESERVATION_TERMS),
  renew: z.boolean().default(false),
});

const viewOf = async ({ db, settings }: ApiWorld, row: ReservationRow, second: number): Promise<ReservationView> => {
  const [view] = await inSnapshot(db, (tx) => readReservations(tx, settings, [row], second));
  if (!view) throw new BillingError('not_found', 'no such reservation', 'id');
  return view;
};

const reservationSeenBy = async ({ db }: ApiWorld, id: string, call: Call): Promise<ReservationRow> => {
  const row = await getReservation(db, id);
  mustSee(call, row.teamId, 'reservation', 'id');
  return row;
};

const hasUnrecordedEnds = async ({ settings }: ApiWorld, tx: Tx, teamId: string, second: number): Promise<boolean> => {
  const { effects } = standingOf(await readAccount(tx, teamId, { throughSecond: second }), settings, second);
  return effects.some((effect) => effect.kind === 'reservation_closed' && effect.how !== 'renewed');
};

const begin = (world: ApiWorld, wake: Wakes, unlessRefused: UnlessRefused): Route =>
  route({
    method: 'post',
    path: '/v1/reservations',
    tag: 'Reservations',
    summary: 'Reserve instances for a term, which begins now; the same id and body again is the same reservation',
    who: 'platform',
    body: NewReservation,
    answer: { status: 201, schema: Reservation },
    fails: [
      'insufficient_credit',
      'budget_met',
      'burn_limit',
      'team_suspended',
      'team_archived',
      'id_taken',
      'price_not_found',
      'engine_unavailable',
    ],
    handle: async ({ body, call }) => {
      await getTeam(world.db, body.team);
      const { team: teamId, id = newId(call, 'resv'), ...asked } = body;
      const goesOn = async () =>
        (await findReservation(world.db, id)) !== null ||
        (await gpuPriceAt(world.db, asked, call.receivedSecond)) === null;
      const row = await unlessRefused(call, { teamId, goesOn }, () =>
        withGpuNames(world.db, asked, call.receivedSecond, () => reserve(world, wake, call, { id, teamId, ...asked })),
      );
      return { status: 201, body: await readRecorded(world, call, () => viewOf(world, row, call.receivedSecond)) };
    },
  });

const get = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/reservations/{id}',
    tag: 'Reservations',
    summary: 'Get a reservation with its cost and its covered instances at the second of the call',
    who: 'read',
    params: ReservationPath,
    answer: { status: 200, schema: Reservation },
    handle: async ({ params, call }) => ({
      status: 200,
      body: await viewOf(world, await reservationSeenBy(world, params.id, call), call.receivedSecond),
    }),
  });

const list = (world: ApiWorld): Route =>
  route({
    method: 'get',
    path: '/v1/reservations',
    tag: 'Reservations',
    summary: 'List reservations, newest first',
    who: 'read',
    query: pageQuery().extend({ team: Id.optional(), status: z.enum(STATUSES).optional() }),
    answer: { status: 200, schema: listOf(Reservation) },
    handle: async ({ query, call }) => {
      const { team, status } = query;
      const second = call.receivedSecond;
      if (team !== undefined) mustSee(call, team, 'team', 'team');
      const teamId = teamOfCaller(call.caller) ?? team;
      if (teamId !== undefined) await getTeam(world.db, teamId);
      return inSnapshot(world.db, async (tx) => {
        // A reservation that a crossing has ended reads as ended before any row says so. The filter "ended" of such a
        // team therefore reads open rows too.
        const isLate =
          teamId !== undefined && status === 'ended' && (await hasUnrecordedEnds(world, tx, teamId, second));
        const filter = {
          ...(teamId !== undefined && { teamId }),
          ...(status !== undefined && !isLate && { status }),
        };
        const page = await listReservations(tx, filter, pageRequest(query));
        const views = await readReservations(tx, world.settings, page.data, second);
        const data = views.filter((view) => status === undefined || view.status === status);
        return { status: 200, body: { data, nextCursor: page.nextCursor } };
      });
    },
  });

const change = (world: ApiWorld, wake: Wakes): Route =>
  route({
    method: 'patch',
    path: '/v1/reservations/{id}',
    tag: 'Reservations',
    summary: 'Set whether another term follows, at the reserved price in force then',
    who: 'billing',
    params: ReservationPath,
    body: z.object({ renew: z.boolean() }),
    answer: { status: 200, schema: Reservation },
    fails: ['reservation_ended'],
    handle: async ({ params, body, call }) => {
      const { id, teamId } = await reservationSeenBy(world, params.id, call);
      const { receivedSecond: nowSecond } = call;
      await world.ledger.setRenewal({ reservationId: id, renew: body.renew, nowSecond }, call.requestId);
      await wake({ what: 'watch', id: teamId }, { what: 'reservation', id });
      return { status: 200, body: await viewOf(world, await getReservation(world.db, id), nowSecond) };
    },
  });

export function reservations(world: ApiWorld, wake: Wakes): Route[] {
  const unlessRefused = createEarlyRefusals(world);
  return [begin(world, wake, unlessRefused), get(world), list(world), change(world, wake)];
}
