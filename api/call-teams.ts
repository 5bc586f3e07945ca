/**
 * Which team a call is about, so that teams share the places for calls evenly. The key of a team, the path and the body name
 * it in most calls; where only a thing of the team is named, the team is looked up, and many such calls share one look.
 */
import type { Request } from 'express';
import type { Db } from '../prisma/client.ts';
import { isOwned, type Owned, teamsOf } from '../prisma/owners.ts';
import type { Call } from './calls.ts';
import type { Route } from './route.ts';

/** Calls that are about no team, or about one that is not known, are counted as one team. */
export const NO_TEAM = '';
const ID = /^[A-Za-z0-9_-]{1,128}$/;
/** Things whose team is remembered. A thing never changes its team. */
const MOST_REMEMBERED = 20_000;
/** Ids that one statement asks for. */
const MOST_AT_ONCE = 1_000;

const asId = (value: unknown): string | undefined => (typeof value === 'string' && ID.test(value) ? value : undefined);

/** The team that the path names. */
export const teamOfPath = (route: Route, request: Request): string | undefined =>
  route.path.includes('{team}') ? (asId(request.params.team) ?? NO_TEAM) : undefined;

/** The team that a body names: its `team`, or that of its first event. */
function teamOfBody(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { team, events } = body as { team?: unknown; events?: unknown };
  if (team !== undefined) return asId(team);
  const [first] = Array.isArray(events) ? events : [];
  return typeof first === 'object' && first !== null ? asId((first as { team?: unknown }).team) : undefined;
}

/** The thing that a path names first: `/v1/instances/{id}/stop` names an instance. */
function thingOfPath({ path }: Route, { params }: Request): { noun: Owned; id: string } | undefined {
  const [, noun, param] = /^\/v1\/(\w+)\/\{(\w+)\}/.exec(path) ?? [];
  const id = param === undefined ? undefined : asId(params[param]);
  return noun !== undefined && isOwned(noun) && id !== undefined ? { noun, id } : undefined;
}

export interface CallTeams {
  /** The team as far as the request itself names it, or the look at what it names was made before. */
  named(route: Route, request: Request, call: Call): string | undefined;
  /** The team, looked up where it is not named. A look that fails finds none. */
  find(route: Route, request: Request, call: Call): Promise<string>;
}

export function createCallTeams(db: Db): CallTeams {
  const looks = new Map<Owned, Look>();
  const lookFor = (noun: Owned): Look => {
    const look = looks.get(noun) ?? new Look((ids) => teamsOf(db, noun, ids));
    looks.set(noun, look);
    return look;
  };
  const named: CallTeams['named'] = (route, request, { caller }) => {
    if (caller.kind === 'key') return caller.teamId;
    const said = teamOfPath(route, request) ?? teamOfBody(request.body) ?? asId(request.query.team);
    if (said !== undefined) return said;
    const thing = thingOfPath(route, request);
    return thing === undefined ? NO_TEAM : lookFor(thing.noun).known(thing.id);
  };
  return {
    named,
    async find(route, request, call) {
      const said = named(route, request, call);
      const thing = thingOfPath(route, request);
      if (said !== undefined || !thing) return said ?? NO_TEAM;
      return (
        (await lookFor(thing.noun)
          .find(thing.id)
          .catch(() => undefined)) ?? NO_TEAM
      );
    },
  };
}

/** Looks up teams, one statement at a time: whoever asks meanwhile shares the next one. */
class Look {
  readonly #read: (ids: string[]) => Promise<Map<string, string>>;
  readonly #teams = new Map<string, string>();
  #next: { ids: Set<string>; found: Promise<Map<string, string>> } | null = null;
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(read: (ids: string[]) => Promise<Map<string, string>>) {
    this.#read = read;
  }

  known(id: string): string | undefined {
    return this.#teams.get(id);
  }

  async find(id: string): Promise<string | undefined> {
    if (!this.#next || this.#next.ids.size >= MOST_AT_ONCE) this.#open();
    this.#next?.ids.add(id);
    return (await this.#next?.found)?.get(id);
  }

  #open(): void {
    const ids = new Set<string>();
    const found = this.#underWay.then(async () => {
      if (this.#next?.ids === ids) this.#next = null;
      const teams = await this.#read([...ids]);
      for (const [id, team] of teams) this.#remember(id, team);
      return teams;
    });
    this.#next = { ids, found };
    this.#underWay = found.catch(() => {});
  }

  #remember(id: string, team: string): void {
    const [oldest] = this.#teams.keys();
    if (this.#teams.size >= MOST_REMEMBERED && oldest !== undefined) this.#teams.delete(oldest);
    this.#teams.set(id, team);
  }
}
