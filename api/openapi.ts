/** The OpenAPI 3.1 document, made from the routes that serve. */

import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import type { Who } from './auth.ts';
import { STATUS_OF } from './errors.ts';
import { type Route, takesBody } from './route.ts';
import { ErrorBody, z } from './schemas.ts';

const JSON_TYPE = 'application/json';

const MEANING: Record<number, string> = {
  400: 'The request is not valid; `param` names the argument at fault',
  401: 'No key, or one that is not known',
  402: 'Not enough credit, or the card was declined',
  403: 'The key may not do this',
  404: 'Not there, or another team’s',
  409: 'In conflict with what is so',
  413: 'The body is too large',
  415: 'The body is not JSON',
  422: 'Well formed, but cannot be done',
  429: 'Too many calls; see Retry-After',
  502: 'A provider refused our request; the cause is neither the caller nor a card, and the message says what was recorded',
  503: 'The engine, or a provider, is away; the message says whether anything was recorded; see Retry-After',
};

const error = (status: number) => ({
  description: MEANING[status] ?? 'An error',
  content: { [JSON_TYPE]: { schema: ErrorBody } },
});

function errorsOf(route: Route): Record<string, ReturnType<typeof error>> {
  const statuses = new Set([400, 401, 403, 429, 503, ...route.fails.map((code) => STATUS_OF[code])]);
  if (route.path.includes('{') || namesTeam(route.query) || namesTeam(route.body)) statuses.add(404);
  if (takesBody(route)) for (const status of [413, 415]) statuses.add(status);
  if (route.method === 'post') statuses.add(409);
  return Object.fromEntries([...statuses].sort().map((status) => [String(status), error(status)]));
}

const IdempotencyKey = z.object({
  'Idempotency-Key': z.string().optional().openapi({ description: 'the first answer again for a repeat within 24 h' }),
});

const isObject = (schema: z.ZodType): schema is z.ZodObject => schema instanceof z.ZodObject;
/** A team that there is not, or that is not the caller's, is not found, wherever it is named. */
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
    description: `Needs ${keyFor(route.who)}.`,
    security: [{ key: [] }],
    request: {
      ...(isObject(params) && hasFields(params) && { params }),
      ...(isObject(query) && hasFields(query) && { query }),
      ...(route.method === 'post' && { headers: IdempotencyKey }),
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
        content: {
          [answer.type ?? JSON_TYPE]: { schema: answer.schema },
          ...(route.csv && { 'text/csv': { schema: { type: 'string' as const } } }),
        },
      },
      ...errorsOf(route),
    },
  });
}

function keyFor(who: Who): string {
  if (who === 'platform') return 'the platform key';
  return who === 'any_scope' ? 'the platform key, or a team key' : `the platform key, or a team key with \`${who}\``;
}

/** `post /v1/teams/{team}/keys` → `postTeamsTeamKeys`. */
const operationId = ({ method, path }: Route): string =>
  method + path.replace('/v1', '').replace(/[^A-Za-z]+(\w?)/g, (_, letter: string) => letter.toUpperCase());

/** Routes that are not the api's own language: a provider's, a probe's. */
function registerOthers(registry: OpenAPIRegistry): void {
  const plain = (path: string, summary: string, type = JSON_TYPE, alsoNotReady = false) =>
    registry.registerPath({
      method: 'get',
      path,
      tags: ['Service'],
      summary,
      security: [],
      responses: {
        200: { description: summary, content: { [type]: { schema: z.any() } } },
        ...(alsoNotReady && { 503: { description: 'Not ready', content: { [type]: { schema: z.any() } } } }),
      },
    });
  plain('/healthz', 'The process is up');
  plain('/readyz', 'Database and Temporal answer, and a worker asks for work', JSON_TYPE, true);
  plain('/metrics', 'Prometheus metrics', 'text/plain');
  plain('/v1/openapi.json', 'This document');
  registry.registerPath({
    method: 'post',
    path: '/v1/webhooks/stripe',
    tags: ['Providers'],
    summary: 'Stripe’s events: a hint to look, whatever their order and however often they come',
    security: [],
    request: {
      headers: z.object({ 'Stripe-Signature': z.string() }),
      body: { required: true, content: { [JSON_TYPE]: { schema: z.any() } } },
    },
    responses: {
      200: { description: 'Taken in', content: { [JSON_TYPE]: { schema: z.object({ received: z.literal(true) }) } } },
      400: error(400),
      503: error(503),
    },
  });
  registry.registerPath({
    method: 'post',
    path: '/v1/webhooks/copperx',
    tags: ['Providers'],
    summary: 'CopperX’s events: a hint to look; 404 where no crypto deposits are offered',
    security: [],
    request: {
      headers: z.object({ 'x-webhook-signature': z.string() }),
      body: { required: true, content: { [JSON_TYPE]: { schema: z.any() } } },
    },
    responses: {
      200: { description: 'Taken in', content: { [JSON_TYPE]: { schema: z.object({ received: z.literal(true) }) } } },
      400: error(400),
      404: error(404),
      503: error(503),
    },
  });
}

export function openApiDocument(routes: Route[], publicUrl: string): object {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'The platform key, or a team key with the scopes `read`, `billing`, `usage`',
  });
  for (const route of routes) register(registry, route);
  registerOthers(registry);
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Burnrate',
      version: '1',
      description:
        'Prepaid-credit billing, durable to the second. Money is a decimal string of dollars, never a JSON number. Times are RFC 3339, UTC.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: publicUrl }],
  });
}
