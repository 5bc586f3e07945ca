/**
 * Finds the team of each call, so teams share the places for calls evenly. Most calls name the team by their key, path
 * or body. For other calls the team of the named object is looked up, and many calls share one lookup.
 */
import type { Request } from 'express';
import type { Db } from '../../prisma/client.ts';
import { isOwned, type Owned, teamsOf } from '../../prisma/owners.ts';
import { type Call, teamOfCaller } from './calls.ts';
import type { Route } from './route.ts';

/** Calls without a team, or with an unknown one, are counted as one team. */
export const NO_TEAM = '';
const ID = /^[A-Za-z0-9_-]{1,128}$/;
/** The number of objects whose team is remembered. An object never changes its team. */
const MOST_REMEMBERED = 20_000;
/** The largest number of ids in a single statement. */
const MOST_AT_ONCE = 1_000;

const asId = (value: unknown): string | undefined => (typeof value === 'string' && ID.test(value) ? value : undefined);

/** The team in the path. */
export const teamOfPath = (route: Route, request: Request): string | undefined =>
  route.path.includes('{team}') ? (asId(request.params.team) ?? NO_TEAM) : undefined;

/** The team in a body: its `team`, or the team of its first event. */
function teamOfBody(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { team, events } = body as { team?: unknown; events?: unknown };
  if (team !== undefined) return asId(team);
  const [first] = Array.isArray(events) ? events : [];
  return typeof first === 'object' && first !== null ? asId((first as { team?: unknown }).team) : undefined;
}

/** The first object in the path: `/v1/instances/{id}/stop` names an instance. */
function thingOfPath({ path }: Route, { params }: Request): { noun: Owned; id: string } | undefined {
  const [, noun, param] = /^\/v1\/(\w+)\/\{(\w+)\}/.exec(path) ?? [];
  const id = param === undefined ? undefined : asId(params[param]);
  return noun !== undefined && isOwned(noun) && id !== undefined ? { noun, id } : undefined;
}

export interface CallTeams {
  /** The team, if the request names a team or the named object was looked up before. */
  teamOf(route: Route, request: Request, call: Call): string | undefined;
  /** The team, looked up if necessary. A lookup that fails finds no team. */
  find(route: Route, request: Request, call: Call): Promise<string>;
}

export function createCallTeams(db: Db): CallTeams {
  const looks = new Map<Owned, Look>();
  const lookFor = (noun: Owned): Look => {
    const look = looks.get(noun) ?? new Look((ids) => teamsOf(db, noun, ids));
    looks.set(noun, look);
    return look;
  };
  const teamNamedBy: CallTeams['teamOf'] = (route, request, { caller }) => {
    const own = teamOfCaller(caller);
    if (own !== null) return own;
    const teamInCall = teamOfPath(route, request) ?? teamOfBody(request.body) ?? asId(request.query.team);
    if (teamInCall !== undefined) return teamInCall;
    const thing = thingOfPath(route, request);
    return thing === undefined ? NO_TEAM : lookFor(thing.noun).remembered(thing.id);
  };
  return {
    teamOf: teamNamedBy,
    async find(route, request, call) {
      const teamInCall = teamNamedBy(route, request, call);
      const thing = thingOfPath(route, request);
      if (teamInCall !== undefined || !thing) return teamInCall ?? NO_TEAM;
      return (
        (await lookFor(thing.noun)
          .find(thing.id)
          .catch(() => undefined)) ?? NO_TEAM
      );
    },
  };
}

/** Looks up teams, one statement at a time. Requests during a statement share the next statement. */
class Look {
  readonly #read: (ids: string[]) => Promise<Map<string, string>>;
  readonly #teams = new Map<string, string>();
  #next: { ids: Set<string>; teams: Promise<Map<string, string>> } | null = null;
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(read: (ids: string[]) => Promise<Map<string, string>>) {
    this.#read = read;
  }

  remembered(id: string): string | undefined {
    return this.#teams.get(id);
  }

  async find(id: string): Promise<string | undefined> {
    if (!this.#next || this.#next.ids.size >= MOST_AT_ONCE) this.#open();
    this.#next?.ids.add(id);
    return (await this.#next?.teams)?.get(id);
  }

  #open(): void {
    const ids = new Set<string>();
    const teams = this.#underWay.then(async () => {
      if (this.#next?.ids === ids) this.#next = null;
      const teamsById = await this.#read([...ids]);
      for (const [id, team] of teamsById) this.#remember(id, team);
      return teamsById;
    });
    this.#next = { ids, teams };
    this.#underWay = teams.catch(() => {});
  }

  #remember(id: string, team: string): void {
    const [oldest] = this.#teams.keys();
    if (this.#teams.size >= MOST_REMEMBERED && oldest !== undefined) this.#teams.delete(oldest);
    this.#teams.set(id, team);
  }
}
