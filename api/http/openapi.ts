/** The OpenAPI 3.1 document, made from the routes. */

import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import type { FailureCode } from '../../billing/errors.ts';
import { errorAnswers, REQUEST_ID_HEADER, registerErrorExamples } from '../reference/error-answers.ts';
import { registerEvents } from '../reference/events.ts';
import { finish } from '../reference/finish.ts';
import { INTRODUCTION, TAGS } from '../reference/tags.ts';
import type { Who } from './auth.ts';
import { isRefusedToArchived, isRepeatable, type Route, takesBody } from './route.ts';
import { z } from './schemas.ts';
import { SESSION_COOKIE } from './sessions.ts';

export type OpenApiDocument = object & { paths: Record<string, object> };

const JSON_TYPE = 'application/json';

/** The refusals of every call with a key. */
const ALWAYS: FailureCode[] = [
  'invalid_request',
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'internal',
  'engine_unavailable',
  'overloaded',
];

function failuresOf(route: Route): Set<FailureCode> {
  const failures = new Set<FailureCode>([...ALWAYS, ...route.fails]);
  if (route.path.includes('{') || namesTeam(route.query) || namesTeam(route.body)) failures.add('not_found');
  if (isRefusedToArchived(route)) failures.add('team_archived');
  if (route.records) failures.add('clock_wrong').add('outcome_unknown').add('amount_out_of_range');
  if (takesBody(route)) failures.add('payload_too_large').add('unsupported_media_type');
  if (isRepeatable(route)) failures.add('idempotency_key_reused').add('idempotency_in_flight');
  return failures;
}

const IdempotencyKey = z.object({
  'Idempotency-Key': z.string().optional().openapi({ description: 'a repeat within 24 h gets the first answer again' }),
});

const isObject = (schema: z.ZodType): schema is z.ZodObject => schema instanceof z.ZodObject;
/** A missing team, or another caller's team, is `not_found` wherever the call names the team. */
const namesTeam = (schema: z.ZodType): boolean => isObject(schema) && 'team' in schema.shape;
const hasFields = (schema: z.ZodType): boolean => isObject(schema) && Object.keys(schema.shape).length > 0;

function register(registry: OpenAPIRegistry, route: Route): void {
  const { params, query, body, answer } = route;
  registry.registerPath({
    method: route.method,
    path: route.path,
    tags: [route.tag],
    operationId: operationId(route),
    summary: route.summary,
    description: `Needs ${NEEDS[route.who]}.`,
    security: securityOf(route.who),
    request: {
      ...(isObject(params) && hasFields(params) && { params }),
      ...(isObject(query) && hasFields(query) && { query }),
      ...(isRepeatable(route) && { headers: IdempotencyKey }),
      ...(takesBody(route) && {
        body: {
          required: hasFields(body),
          content: { [JSON_TYPE]: { schema: isObject(body) ? body.strict() : body } },
        },
      }),
    },
    responses: {
      [answer.status]: {
        description: route.summary,
        headers: headersOf(route),
        content: {
          [answer.type ?? JSON_TYPE]: { schema: answer.schema },
          ...(route.csv && { 'text/csv': { schema: { type: 'string' as const } } }),
        },
      },
      ...errorAnswers(failuresOf(route)),
    },
  });
}

const headersOf = (route: Route) => ({
  'X-Request-Id': REQUEST_ID_HEADER,
  ...(isRepeatable(route) && {
    'Idempotent-Replayed': {
      description: '`true` if this is the kept answer of an earlier request under the same `Idempotency-Key`.',
      schema: { type: 'string' as const, enum: ['true'], example: 'true' },
    },
  }),
});

/** The permitted callers of a route, in words. */
const NEEDS: Record<Who, string> = {
  anyone: 'no key',
  session: 'a session',
  platform_key: 'the platform key',
  platform: 'the platform key, or an operator’s session',
  team_billing: 'the platform key, or a session with the role `billing`',
  read: 'the platform key, a team key with `read`, or a session',
  billing: 'the platform key, a team key with `billing`, or a session with the role `billing`',
  usage: 'the platform key, or a team key with `usage`',
  any_scope: 'the platform key, a team key, or a session',
};

/** Every route for the platform is also for an operator's session, unless it names the key. */
function securityOf(who: Who): Array<Record<string, string[]>> {
  if (who === 'anyone') return [];
  return [...(who === 'session' ? [] : [{ key: [] }]), ...(who === 'platform_key' ? [] : [{ session: [] }])];
}

/** `post /v1/teams/{team}/keys` → `postTeamsTeamKeys`. */
const operationId = ({ method, path }: Route): string =>
  method + path.replace('/v1', '').replace(/[^A-Za-z]+(\w?)/g, (_, letter: string) => letter.toUpperCase());

const PROVIDER_FAILURES: FailureCode[] = [
  'invalid_request',
  'webhook_invalid',
  'payload_too_large',
  'unsupported_media_type',
  'internal',
  'engine_unavailable',
  'outcome_unknown',
  'overloaded',
  'clock_wrong',
  'provider_unavailable',
];

/** Each part by name, with the readiness. */
const Readiness = z
  .object({ status: z.enum(['ready', 'not_ready']) })
  .catchall(z.boolean())
  .openapi({ example: { status: 'ready', database: true, writable: true, temporal: true, worker: true } });

/** Replacements for paths that yield no operation name. */
const NAMES: Record<string, string> = { '/': '/root', '/v1': '/version' };

/** Routes outside the api's own conventions: of providers and of probes. */
function registerOthers(registry: OpenAPIRegistry): void {
  const plain = (path: string, summary: string, schema: z.ZodType, type = JSON_TYPE, notReady?: z.ZodType) =>
    registry.registerPath({
      method: 'get',
      path,
      tags: ['Service'],
      operationId: `get${(NAMES[path] ?? path).replace(/^\/v1(?=\/)/, '').replace(/\W+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
      summary,
      security: [],
      responses: {
        200: {
          description: summary,
          headers: { 'X-Request-Id': REQUEST_ID_HEADER },
          content: { [type]: { schema } },
        },
        ...(notReady && { 503: { description: 'Not ready', content: { [type]: { schema: notReady } } } }),
      },
    });
  const Front = z.object({
    service: z.string().openapi({ example: 'burnrate' }),
    documents: z.string().openapi({ example: 'https://billing.example/docs' }),
    openapi: z.string().openapi({ example: 'https://billing.example/v1/openapi.json' }),
  });
  plain('/', 'The service, and where it is explained', Front);
  plain('/v1', 'The service, and where it is explained', Front);
  plain('/healthz', 'The process is up', z.object({ status: z.literal('ok') }));
  plain('/readyz', 'The service can do its work', Readiness, JSON_TYPE, Readiness);
  plain(
    '/metrics',
    'Prometheus metrics',
    z.string().openapi({ example: 'burnrate_running_instances 3' }),
    'text/plain',
  );
  plain('/v1/openapi.json', 'This document', z.looseObject({}).openapi({ example: { openapi: '3.1.0' } }));
  registry.registerPath({
    method: 'post',
    path: '/v1/webhooks/stripe',
    tags: ['Providers'],
    operationId: 'postWebhooksStripe',
    summary: 'Receive Stripe’s events; an event only causes its object to be fetched',
    security: [],
    request: {
      headers: z.object({ 'Stripe-Signature': z.string().openapi({ example: 't=1795324321,v1=5257a869e7ec…' }) }),
      body: { required: true, content: { [JSON_TYPE]: { schema: z.any() } } },
    },
    responses: {
      200: { description: 'Received', content: { [JSON_TYPE]: { schema: z.object({ received: z.literal(true) }) } } },
      ...errorAnswers(PROVIDER_FAILURES),
    },
  });
  registry.registerPath({
    method: 'post',
    path: '/v1/webhooks/copperx',
    tags: ['Providers'],
    operationId: 'postWebhooksCopperx',
    summary: 'Receive CopperX’s events; 404 if no crypto deposits are offered',
    security: [],
    request: {
      headers: z.object({ 'x-webhook-signature': z.string().openapi({ example: '5257a869e7ec…' }) }),
      body: { required: true, content: { [JSON_TYPE]: { schema: z.any() } } },
    },
    responses: {
      200: { description: 'Received', content: { [JSON_TYPE]: { schema: z.object({ received: z.literal(true) }) } } },
      ...errorAnswers([...PROVIDER_FAILURES, 'not_found']),
    },
  });
}

export function openApiDocument(routes: Route[], publicUrl: string): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'The platform key, or a team key with the scopes `read`, `billing`, `usage`',
  });
  registry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: SESSION_COOKIE,
    description:
      'The session of a person in the dashboard, from `POST /v1/session`. Every call other than a `GET` also needs the header `X-Burnrate-Session: 1`',
  });
  registerErrorExamples(registry);
  for (const route of routes) register(registry, route);
  registerOthers(registry);
  registerEvents(registry);
  const document = new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Burnrate',
      version: '1',
      description: INTRODUCTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: TAGS,
    servers: [{ url: publicUrl }],
  });
  return finish({ ...document, paths: document.paths ?? {} });
}
