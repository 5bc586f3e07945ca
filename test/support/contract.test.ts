/** Tests that the check of answers against the document finds each kind of disagreement. */
import { beforeAll, describe, expect, it } from 'vitest';
import { EXAMPLES } from '../../api/reference/examples/index.ts';
import { type Contract, documentedContract, type Exchange } from './contract.ts';

let contract: Contract;
beforeAll(() => {
  contract = documentedContract();
});

const TEAM = EXAMPLES.Team as Record<string, unknown>;
const exchange = ({
  headers = {},
  body = TEAM,
  ...change
}: Partial<Omit<Exchange, 'headers' | 'text'>> & {
  headers?: Record<string, string>;
  body?: unknown;
}): Exchange => ({
  method: 'GET',
  path: '/v1/teams/acme',
  requestBody: undefined,
  status: 200,
  headers: new Headers({ 'Content-Type': 'application/json; charset=utf-8', 'X-Request-Id': 'req_1', ...headers }),
  text: typeof body === 'string' ? body : JSON.stringify(body),
  ...change,
});
const error = (code: string, change: object = {}) => ({
  error: { type: 'invalid_request_error', code, message: 'not now', requestId: 'req_1', ...change },
});

describe('an exchange that agrees with the document', () => {
  it.each([
    ['an answer', {}],
    ['a refusal', { status: 404, body: error('not_found', { param: 'team' }) }],
    ['a refusal with its headers', { status: 429, headers: { 'Retry-After': '3' }, body: error('rate_limited') }],
    ['a path where nothing is', { path: '/v1/nowhere', status: 404, body: error('not_found') }],
    ['a page for people', { path: '/docs', headers: { 'Content-Type': 'text/html' }, body: '<!doctype html>' }],
    ['a query', { path: '/v1/instances?limit=5&status=active', body: { data: [], nextCursor: null } }],
  ])('passes: %s', (_name, change) => {
    expect(() => contract.check(exchange(change))).not.toThrow();
  });
});

describe('an exchange that disagrees with the document', () => {
  it.each([
    ['a field that is not documented', { body: { ...TEAM, colour: 'red' } }, /unevaluated properties/],
    ['a field that is missing', { body: { ...TEAM, email: undefined } }, /required property 'email'/],
    ['a field of another type', { body: { ...TEAM, name: 1 } }, /name must be string/],
    ['a time without a zone', { body: { ...TEAM, createdAt: '2026-03-01T00:00:00' } }, /date-time/],
    ['a status that is not documented', { status: 418 }, /status 418 is not documented/],
    ['a status without an operation', { path: '/v1/nowhere', status: 200 }, /no operation is documented/],
    ['another content type', { headers: { 'Content-Type': 'text/html' }, body: '<p>' }, /content type text\/html/],
    ['no body', { body: '' }, /has no body/],
    ['a refusal with a code of other operations', { status: 404, body: error('price_not_found') }, /"price_not_found"/],
    ['a refusal with a further field', { status: 404, body: error('not_found', { stack: 'x' }) }, /unevaluated/],
    [
      'a refusal without the header that it must have',
      { status: 429, body: error('rate_limited') },
      /Retry-After is missing/,
    ],
    [
      'a header of another type',
      { status: 429, headers: { 'Retry-After': 'soon' }, body: error('rate_limited') },
      /Retry-After is not as documented/,
    ],
    [
      'a request body that was accepted',
      { method: 'PATCH', requestBody: { name: 1 } },
      /its body is not as documented/,
    ],
    ['a query that was accepted', { path: '/v1/teams/acme?colour=red' }, /parameter that is not documented: colour/],
    [
      'a query of another type',
      { path: '/v1/instances?limit=many', body: { data: [], nextCursor: null } },
      /limit is not as documented/,
    ],
  ])('fails by name: %s', (_name, change, fault) => {
    expect(() => contract.check(exchange(change))).toThrow(fault);
  });
});
