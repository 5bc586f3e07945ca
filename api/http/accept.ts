/** Reads the `Accept` header of a request. */
import type { Request } from 'express';

/** A parameter of a media range other than its weight: `; charset=utf-8`, `;header="present"`. */
const PARAMETER = /;\s*(?!q\s*=)[^;,=\s]+\s*=\s*("(?:\\.|[^"\\])*"|[^;,]*)/gi;

/**
 * The type of `offered` that the caller prefers, by weight and then by the caller's order; the first where the caller
 * takes any type, or none of the offered. Parameters are ignored, because each type is offered in one form.
 */
export function preferredType(request: Request, offered: readonly [string, ...string[]]): string {
  const accept = request.get('Accept');
  if (accept === undefined) return offered[0];
  const bare = Object.create(request, {
    headers: { value: { ...request.headers, accept: accept.replace(PARAMETER, '') } },
  });
  const preferred = (bare as Request).accepts([...offered]);
  return typeof preferred === 'string' ? preferred : offered[0];
}
