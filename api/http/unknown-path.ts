/** Answers calls without a route: a wrong method, or an unknown path with the likely path. */
import type { RequestHandler } from 'express';
import { BillingError } from '../../billing/errors.ts';
import { shown } from './messages.ts';
import { distance, orList } from './nearest.ts';

/** Paths in OpenAPI's notation, each with its methods in lower case. */
export type KnownPaths = ReadonlyArray<{ path: string; methods: readonly string[] }>;

/** Pages for people, which are in no document. */
const PAGES: KnownPaths = ['/docs', '/return', '/billing'].map((path) => ({ path, methods: ['get'] }));

const isParameter = (segment: string): boolean => segment.startsWith('{');
const segmentsOf = (path: string): string[] => path.split('/').slice(1);

/** True if a path matches a template: `/v1/teams/acme` matches `/v1/teams/{team}`. */
function fits(template: string, path: string): boolean {
  const [wanted, given] = [segmentsOf(template), segmentsOf(path)];
  return (
    wanted.length === given.length &&
    wanted.every((segment, n) => (isParameter(segment) ? given[n] !== '' : segment === given[n]))
  );
}

/** The number of letters by which the fixed segments of a path differ from a template; null for another path. */
function differenceOf(template: string, path: string): number | null {
  const [wanted, given] = [segmentsOf(template), segmentsOf(path)];
  if (wanted.length !== given.length) return null;
  let sum = 0;
  for (const [n, segment] of wanted.entries()) {
    const other = given[n] ?? '';
    if (isParameter(segment)) {
      if (other === '') return null;
    } else {
      const letters = distance(segment.toLowerCase(), other.toLowerCase());
      if (letters > Math.max(1, Math.floor(segment.length / 3))) return null;
      sum += letters;
    }
  }
  return sum;
}

/** A path in the form of a template: ids of the path, words of the template. */
const written = (template: string, path: string): string => {
  const given = segmentsOf(path);
  return `/${segmentsOf(template)
    .map((segment, n) => (isParameter(segment) ? given[n] : segment))
    .join('/')}`;
};

/** The path that was likely meant, if any. */
function meant(known: KnownPaths, path: string): string | null {
  const bare = path.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
  const withVersion = bare.replace(/^\/(?:api\/v\d+|api|v\d+)(?=\/)/i, '').replace(/^/, '/v1');
  for (const candidate of [bare, withVersion]) {
    const near = known
      .map((one) => ({ template: one.path, difference: differenceOf(one.path, candidate) }))
      .filter((one): one is { template: string; difference: number } => one.difference !== null)
      .sort((a, b) => a.difference - b.difference)[0];
    if (near) return written(near.template, candidate);
  }
  return null;
}

function whyNotFound(known: KnownPaths, path: string): string {
  const instead = meant(known, path);
  if (instead === null) return `there is nothing at ${shown(path)}: GET /v1/openapi.json lists every path`;
  if (`${instead}/` === path) return `paths have no slash at their end: use ${shown(instead)}`;
  if (instead === `/v1${path}`) return `paths begin with /v1: use ${shown(instead)}`;
  return `there is nothing at ${shown(path)}: did you mean ${shown(instead)}?`;
}

/**
 * Answers a call that no route has answered: OPTIONS with the methods of the path, another method with 405 and `Allow`, an
 * unknown path with 404. `paths` is called at the first such call.
 */
export function unknownPath(paths: () => KnownPaths): RequestHandler {
  let known: KnownPaths | undefined;
  return (request, response) => {
    const { path, method } = request;
    known ??= [...paths(), ...PAGES];
    const methodsOfPath = new Set(known.filter((one) => fits(one.path, path)).flatMap(({ methods }) => methods));
    if (methodsOfPath.size === 0) throw new BillingError('not_found', whyNotFound(known, path));
    const methods = [...methodsOfPath].map((one) => one.toUpperCase());
    response.set('Allow', [...methods, ...(methodsOfPath.has('get') ? ['HEAD'] : []), 'OPTIONS'].join(', '));
    if (method === 'OPTIONS') return void response.status(204).end();
    throw new BillingError('method_not_allowed', `${shown(path)} takes ${orList(methods)}, not ${shown(method)}`);
  };
}
