/** Reads bodies and addresses, and refuses ambiguous ones: broken encodings, and names that come twice. */
import { isUtf8 } from 'node:buffer';
import express, { type RequestHandler } from 'express';
import { BillingError } from '../../billing/errors.ts';
import { shown } from './messages.ts';

const DEEPEST = 64;
const QUOTE = 34;
const BACKSLASH = 92;
const COLON = 58;

/** The index after the closing quote of the JSON string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return end + 1;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9;

/** A name after JSON decoding: `"\u0061"` is `a`. */
function nameOf(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted;
  }
}

/**
 * Checks a JSON text for duplicate names, because `JSON.parse` silently keeps the last of two.
 * @throws BillingError `invalid_request` for a name that comes twice in an object, and for nesting beyond 64 levels
 */
export function checkJson(text: string): void {
  /** The names of each open object; null for a list. */
  const open: Array<Set<string> | null> = [];
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x7b || code === 0x5b) {
      open.push(code === 0x7b ? new Set() : null);
      if (open.length > DEEPEST) throw new BillingError('invalid_request', 'the body is nested too deeply', 'body');
    } else if (code === 0x7d || code === 0x5d) open.pop();
    else if (code === QUOTE) {
      const end = endOfString(text, index);
      let next = end;
      while (isSpace(text.charCodeAt(next))) next += 1;
      const names = open.at(-1);
      if (names && text.charCodeAt(next) === COLON) {
        const name = nameOf(text.slice(index, end));
        if (names.has(name)) {
          const param = shown(name);
          throw new BillingError('invalid_request', `${param} is sent twice in one object: send it once`, param);
        }
        names.add(name);
      }
      index = end - 1;
    }
  }
}

/** Other Unicode encodings are refused, because a caller who names another encoding has not sent UTF-8. */
const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]+)/i;

function readJson(bytes: Buffer, contentType: string): unknown {
  const charset = CHARSET.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8';
  if (charset !== 'utf-8' && charset !== 'utf8')
    throw new BillingError('unsupported_media_type', 'the charset is not supported: send UTF-8');
  if (!isUtf8(bytes)) throw new BillingError('invalid_request', 'the body is not valid UTF-8', 'body');
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
  checkJson(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    const [, position] = /at position (\d+)/.exec((error as Error).message) ?? [];
    const where =
      position === undefined ? '' : `: it breaks off, or has a mistake, at character ${Number(position) + 1}`;
    throw new BillingError('invalid_request', `the body is not valid JSON${where}`, 'body');
  }
}

/** Reads a JSON body. No body at all leaves `request.body` undefined. */
const jsonBodyWithin = (limit: string): RequestHandler[] => [
  (request, _response, next) => {
    const hasBody =
      request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
    if (hasBody && !request.is('application/json'))
      throw new BillingError('unsupported_media_type', 'send JSON, as "Content-Type: application/json"');
    next();
  },
  express.raw({ type: () => true, limit }),
  (request, _response, next) => {
    const bytes: unknown = request.body;
    request.body =
      Buffer.isBuffer(bytes) && bytes.length > 0 ? readJson(bytes, request.headers['content-type'] ?? '') : undefined;
    next();
  },
];

export const jsonBody = jsonBodyWithin('1mb');
/** The body of a caller who is not authenticated. */
export const strangersJsonBody = jsonBodyWithin('256kb');

/** True if a part of an address is UTF-8: `%FF` would be read as the sign of a broken encoding. */
function decodes(part: string): boolean {
  try {
    decodeURIComponent(part);
    return /^[\x21-\x7e]*$/.test(part);
  } catch {
    return false;
  }
}

/** @throws BillingError `invalid_request` for an address whose escapes are no UTF-8 */
export const checkAddress: RequestHandler = (request, _response, next) => {
  const [path = '', ...query] = request.url.split('?');
  if (!decodes(path)) throw new BillingError('invalid_request', 'the path is not percent-encoded UTF-8', 'path');
  for (const pair of query.join('?').split('&')) {
    const [name = ''] = pair.split('=', 1);
    if (decodes(pair)) continue;
    const param = decodes(name) ? shown(decodeURIComponent(name)) : 'query';
    throw new BillingError(
      'invalid_request',
      `${param === 'query' ? 'the query' : param} is not percent-encoded UTF-8`,
      param,
    );
  }
  next();
};
