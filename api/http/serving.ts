/**
 * Gives calls their places. A call without a chance of a place is refused before its key is checked and its body is
 * read. Other calls are refused, or wait, once their team is known.
 */
import type { RequestHandler } from 'express';
import { limitsNow, withinLimits } from '../../prisma/limits.ts';
import type { ApiWorld } from '../world.ts';
import { createCallTeams, NO_TEAM, teamOfPath } from './call-teams.ts';
import type { Call } from './calls.ts';
import { CALL_CAPACITY, createGates, type Gates, type KindOfCall, kindOf } from './capacity.ts';
import { callerGone } from './deadlines.ts';
import type { Metrics } from './metrics.ts';
import { checkTeam, handling, type Route } from './route.ts';

export interface Serving {
  gates: Gates;
  /** Refuses a call of a route without a free place, as far as the team is known. */
  door(route: Route): RequestHandler;
  /** Serves a call once a place is free. */
  serve(route: Route): RequestHandler;
  /** The same for a call without a key. `turn` names the party that takes turns with others: a provider, an address. */
  placed(
    kind: KindOfCall,
    turn: (request: Parameters<RequestHandler>[0]) => string,
    work: RequestHandler,
  ): RequestHandler;
}

/** Reads a body and stores its fault for later, because an unknown team is answered first. */
export const readingLater =
  (readers: readonly RequestHandler[]): RequestHandler =>
  async (request, response, next) => {
    const read = (reader: RequestHandler) =>
      new Promise<void>((resolve, reject) => {
        const done = (error?: unknown) => (error === undefined ? resolve() : reject(error as Error));
        reader(request, response, done);
      });
    try {
      for (const reader of readers) await read(reader);
    } catch (error) {
      response.locals.bodyFault = error;
    }
    next();
  };

/**
 * The limits of a call once the call has a place. Work that has had a connection may have recorded something, and goes
 * on.
 */
function limitsOf(records: boolean, team: string, gone: AbortSignal) {
  let hasBegun = false;
  return {
    ...limitsNow(),
    isUnwanted: () => gone.aborted && !hasBegun,
    begins: () => {
      hasBegun ||= records;
    },
    ...(records && { recordsFor: team }),
  };
}

export function createServing(world: ApiWorld, metrics: Metrics): Serving {
  const gates = createGates({ ...CALL_CAPACITY, ...world.capacity }, metrics.refused);
  metrics.watchGates(gates);
  const teams = createCallTeams(world.db);

  return {
    gates,
    door: (route) => (request, response, next) => {
      const call = response.locals.call as Call | undefined;
      const team = call ? teams.teamOf(route, request, call) : teamOfPath(route, request);
      gates[kindOf(route)].mustHaveRoomFor(team);
      next();
    },
    serve(route) {
      const gate = gates[kindOf(route)];
      const handle = handling(world, route);
      return async (request, response) => {
        const call = response.locals.call as Call;
        const gone = callerGone(response);
        const team = gate.isIdle
          ? (teams.teamOf(route, request, call) ?? NO_TEAM)
          : await teams.find(route, request, call);
        const work = async () => {
          await checkTeam(world, route, request, call);
          if (response.locals.bodyFault !== undefined) throw response.locals.bodyFault;
          return handle(request, response);
        };
        const rest = await gate.run(team, () => withinLimits(limitsOf(route.records, team, gone), work), gone);
        // A file takes as long as its reader does, and takes no place.
        await rest?.();
      };
    },
    placed: (kind, turn, work) => async (request, response, next) =>
      gates[kind].run(turn(request), async () => work(request, response, next), callerGone(response)),
  };
}
