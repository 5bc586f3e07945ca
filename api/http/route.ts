/**
 * A route in one description: allowed callers, request, answer and work. The same description checks the request and
 * makes the OpenAPI entry, so both always agree.
 */
import type { Request, RequestHandler, Response } from 'express';
import { BillingError, type FailureCode } from '../../billing/errors.ts';
import { teamArchived } from '../../billing/team-state.ts';
import { withoutLimits } from '../../prisma/limits.ts';
import { getTeam, isArchived } from '../../prisma/teams.ts';
import type { ApiWorld } from '../world.ts';
import { preferredType } from './accept.ts';
import { authorize, type Who } from './auth.ts';
import type { Call } from './calls.ts';
import { once } from './idempotency.ts';
import { parse } from './messages.ts';
import { recording } from './outcome.ts';
import { z } from './schemas.ts';

const NOTHING = z.object({});
type Nothing = typeof NOTHING;

export interface Given<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  params: z.output<P>;
  query: z.output<Q>;
  body: z.output<B>;
  call: Call;
  /** The secret of the caller's key or cookie. */
  secret: string;
  /** The form that the caller prefers: `text/csv` where a route offers CSV. */
  accept: 'json' | 'csv';
}

/** A file instead of a JSON body, written a piece at a time. */
export interface FileAnswer {
  status: 200;
  file: { type: string; name: string; write: (response: Response) => Promise<void> };
}

export interface Route<
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
  A extends z.ZodType = z.ZodType,
> {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** In the notation of OpenAPI: `/v1/teams/{team}`. */
  path: string;
  tag: string;
  summary: string;
  who: Who;
  params: P;
  query: Q;
  body: B;
  /** `type` where the answer is not JSON. */
  answer: { status: number; schema: A; type?: string };
  csv: boolean;
  fails: FailureCode[];
  /** True if a change of the team in the path is allowed while the team is archived. */
  archivedToo: boolean;
  /** True if the call records something. Such calls are refused while the clock of this process is wrong. */
  records: boolean;
  /** Whether the call waits for a payment provider. */
  asksProvider: boolean;
  handle: (
    given: Given<P, Q, B>,
  ) => Promise<{ status: number; body: z.input<A>; headers?: Record<string, string> } | FileAnswer>;
}

type Described<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType> = Omit<
  Route<P, Q, B, A>,
  'params' | 'query' | 'body' | 'fails' | 'csv' | 'archivedToo' | 'records' | 'asksProvider' | 'handle'
> & {
  params?: P;
  query?: Q;
  body?: B;
  fails?: FailureCode[];
  csv?: boolean;
  archivedToo?: boolean;
  records?: boolean;
  asksProvider?: boolean;
  handle: Route<P, Q, B, A>['handle'];
};

/** Describes a route. A route takes nothing for a part that is left out. */
export function route<
  A extends z.ZodType,
  P extends z.ZodType = Nothing,
  Q extends z.ZodType = Nothing,
  B extends z.ZodType = Nothing,
>(described: Described<P, Q, B, A>): Route {
  return {
    params: NOTHING,
    query: NOTHING,
    body: NOTHING,
    fails: [],
    csv: false,
    archivedToo: false,
    records: described.method !== 'get',
    asksProvider: described.fails?.includes('provider_unavailable') ?? false,
    ...described,
  } as unknown as Route;
}

export const takesBody = ({ method }: Route): boolean => method === 'post' || method === 'put' || method === 'patch';

/** True if a repeat of a call under an Idempotency-Key gets the first answer. A caller without a key has no scope of keys. */
export const isRepeatable = ({ method, who }: Route): boolean => method === 'post' && who !== 'anyone';

/** True if a call changes the team in its path. Such calls are refused while the team is archived. */
export const isRefusedToArchived = ({ method, path, archivedToo }: Route): boolean =>
  method !== 'get' && path.includes('{team}') && !archivedToo;

/** `/v1/teams/{team}` in the notation of express. */
export const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

/** Refuses a field that no schema names: a misspelt filter must not list everything. */
const strict = (schema: z.ZodType): z.ZodType => (schema instanceof z.ZodObject ? schema.strict() : schema);

/** Checks the caller's key against the route, before the body is read. */
export const authorizing =
  ({ who, path }: Route): RequestHandler =>
  (request, response, next) => {
    const { caller } = response.locals.call as Call;
    authorize(caller, who, path.includes('{team}') ? String(request.params.team) : undefined);
    next();
  };

/**
 * Checks the team in the path.
 * @throws BillingError `not_found`, `team_archived`
 */
export async function checkTeam(world: ApiWorld, route: Route, request: Request, { caller }: Call): Promise<void> {
  if (!route.path.includes('{team}')) return;
  const team = String(request.params.team);
  if (caller.kind === 'platform') {
    if (!/^[A-Za-z0-9_-]{1,128}$/.test(team)) throw new BillingError('not_found', 'no such team', 'team');
    await getTeam(world.db, team);
  }
  // Facts about money look again, under the team's row lock.
  if (isRefusedToArchived(route) && (await isArchived(world.db, team))) throw teamArchived();
}

/** The normalised path: an escaped letter does not make another path. */
const pathOf = ({ path }: Route, { params }: Request): string =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => String(params[name]));

/** An absent body counts as an empty object. A body of `null` does not. */
const bodyOf = ({ body }: Request): unknown => (body === undefined ? {} : body);

/** Writes the rest of an answer. */
type Rest = () => Promise<void>;

/** Reads the request, does the work, answers. The caller writes the rest of an answer, if any. */
export const handling = (
  world: ApiWorld,
  described: Route,
): ((request: Request, response: Response) => Promise<Rest | undefined>) => {
  const [query, body] = [strict(described.query), strict(described.body)];

  const work = (request: Request, response: Response) => async (call: Call) => {
    const params = described.params.safeParse(request.params);
    if (!params.success)
      throw new BillingError('not_found', 'there is nothing here', String(params.error.issues[0]?.path[0]));
    return described.handle({
      params: params.data,
      query: parse(query, { ...request.query }, 'query'),
      body: takesBody(described) ? parse(body, bodyOf(request), 'body') : {},
      call,
      secret: String(response.locals.secret),
      accept: described.csv && preferredType(request, ['application/json', 'text/csv']) === 'text/csv' ? 'csv' : 'json',
    });
  };

  const answering = async (request: Request, response: Response): Promise<Rest | undefined> => {
    const call = response.locals.call as Call;
    const key = isRepeatable(described) ? request.get('Idempotency-Key') : undefined;
    const secret = response.locals.secret as string;
    const answer =
      key === undefined
        ? await work(request, response)(call)
        : await once(
            world,
            { key, secret, path: pathOf(described, request), body: bodyOf(request) },
            call,
            async (inner) => {
              const answer = await work(request, response)(inner);
              if ('file' in answer) throw new Error('a POST answers no file');
              return answer;
            },
          );
    if (response.headersSent) return undefined;
    if ('file' in answer) {
      response.status(answer.status).type(answer.file.type).attachment(answer.file.name);
      return () => withoutLimits(() => answer.file.write(response));
    }
    response
      .status(answer.status)
      .set(answer.headers ?? {})
      .json(answer.body);
    return undefined;
  };

  if (!described.records) return answering;
  const recorded = recording(async (request, response) => {
    world.clock?.mustBeRight();
    await (await answering(request, response))?.();
  });
  return async (request, response) => {
    await recorded(request, response);
    return undefined;
  };
};
