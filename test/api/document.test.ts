/** Tests the served OpenAPI document: valid by the schema, complete, with valid examples and portable patterns. */
import { execFileSync } from 'node:child_process';
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { routesOf } from '../../api/app.ts';
import type { Metrics } from '../../api/http/metrics.ts';
import { openApiDocument } from '../../api/http/openapi.ts';
import { ERROR_CODES } from '../../api/reference/error-codes.ts';
import { EVENTS } from '../../api/reference/events.ts';
import { OPERATIONS } from '../../api/reference/operations/index.ts';
import { TAGS } from '../../api/reference/tags.ts';
import { TRANSACTION_CODES } from '../../api/reference/transaction-codes.ts';
import type { ApiWorld } from '../../api/world.ts';
import { PAYMENT_FAILURES } from '../../billing/failure-reasons.ts';
import { contractOf, type OpenApiDocument } from '../support/contract.ts';

type Json = Record<string, unknown>;
interface Media {
  schema: Json;
  example?: unknown;
  examples?: Record<string, { value?: unknown; $ref?: string }>;
}
interface Operation {
  tags: string[];
  operationId: string;
  summary: string;
  description: string;
  parameters?: Array<{ in: string; name: string; description?: string; schema: Json; example?: unknown }>;
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
}

const document = openApiDocument(routesOf({} as ApiWorld, {} as Metrics), 'http://127.0.0.1') as unknown as {
  paths: Record<string, Record<string, Operation>>;
  webhooks: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json>; examples: Record<string, { value: unknown }> };
  tags: Array<{ name: string }>;
};
const contract = contractOf(document as unknown as OpenApiDocument);
const at = (...parts: string[]) =>
  `document#/${parts.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation, name: `${method} ${path}` })),
);
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Every schema of the document with the place where it stands. */
function schemasIn(value: unknown, place: string, found: Array<[string, Json]> = []): Array<[string, Json]> {
  if (Array.isArray(value)) for (const [n, item] of value.entries()) schemasIn(item, `${place}[${n}]`, found);
  else if (isObject(value))
    for (const [name, part] of Object.entries(value)) {
      if (name === 'example' || name === 'examples') continue;
      if (name === 'properties' && isObject(part))
        for (const [field, schema] of Object.entries(part)) found.push([`${place}.${field}`, schema as Json]);
      schemasIn(part, name === 'properties' || name === 'items' ? place : `${place}.${name}`, found);
    }
  return found;
}

describe('the document', () => {
  it('is valid OpenAPI 3.1 by the official schema, and every reference resolves', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(JSON.parse(JSON.stringify(document)));
    expect(errors ?? []).toEqual([]);
    expect([valid, validator.version]).toEqual([true, '3.1']);
    for (const [, kind = '', name = ''] of JSON.stringify(document).matchAll(/"#\/components\/(\w+)\/([\w.]+)"/g))
      expect((document.components as unknown as Record<string, Json>)[kind], name).toHaveProperty([name]);
  });

  it('has no schema that narrows another schema', () => {
    expect(JSON.stringify(document)).not.toContain('"allOf"');
  });

  it('explains each operation in prose, and has no text for an unknown operation', () => {
    const names = operations.map(({ name }) => name);
    expect(names.filter((name) => !((OPERATIONS[name]?.description.length ?? 0) > 20))).toEqual([]);
    expect(Object.keys(OPERATIONS).filter((name) => !names.includes(name))).toEqual([]);
    for (const { name, operation } of operations) {
      expect(operation.description, name).toContain(OPERATIONS[name]?.description);
      expect(operation.operationId, name).toMatch(/^[a-z][A-Za-z]+$/);
    }
  });

  it('has its tags in order, each described and each used', () => {
    expect(document.tags).toEqual(TAGS);
    for (const { description } of TAGS) expect(description.length).toBeGreaterThan(20);
    const used = [
      ...operations.map(({ operation }) => operation),
      ...Object.values(document.webhooks).flatMap(Object.values),
    ];
    expect(new Set(used.flatMap(({ tags }) => tags))).toEqual(new Set(TAGS.map(({ name }) => name)));
  });

  it('has an example for each field', () => {
    const fields = schemasIn(document, 'document');
    expect(fields.length).toBeGreaterThan(300);
    const bare = fields.filter(
      ([place, { $ref, type, example, enum: values, items, properties, anyOf, additionalProperties, minimum }]) =>
        example === undefined &&
        $ref === undefined &&
        values === undefined &&
        properties === undefined &&
        anyOf === undefined &&
        additionalProperties === undefined &&
        !isObject(items) &&
        type !== 'boolean' &&
        !(type === 'integer' && minimum !== undefined) &&
        !place.endsWith('.nextCursor'),
    );
    expect(bare.map(([place]) => place.replace(/^document\./, ''))).toEqual([]);
  });

  it('has a valid example for each answer', () => {
    const faults: string[] = [];
    for (const { path, method, operation, name } of operations)
      for (const [status, { content = {} }] of Object.entries(operation.responses)) {
        const media = content['application/json'];
        if (!media) continue;
        const schema = at('paths', path, method, 'responses', status, 'content', 'application/json', 'schema');
        const examples = media.examples
          ? Object.values(media.examples).map(
              ({ $ref = '', value }) => document.components.examples[$ref.split('/').at(-1) ?? '']?.value ?? value,
            )
          : [media.example];
        for (const example of examples) {
          const fault = example === undefined ? 'has no example' : contract.faultOf(schema, example);
          if (fault !== null) faults.push(`${name} ${status}: ${fault}`);
        }
      }
    expect(faults).toEqual([]);
  });

  it('has valid examples for each body', () => {
    const faults: string[] = [];
    for (const { path, method, operation, name } of operations) {
      const media = operation.requestBody?.content['application/json'];
      if (!media) continue;
      const schema = at('paths', path, method, 'requestBody', 'content', 'application/json', 'schema');
      const examples = Object.values(media.examples ?? {});
      if (examples.length === 0) faults.push(`${name}: has no example`);
      for (const { value } of examples) {
        const fault = contract.faultOf(schema, value);
        if (fault !== null) faults.push(`${name}: ${fault}`);
      }
    }
    expect(faults).toEqual([]);
  });

  it('describes each parameter with an example, a default or its values', () => {
    const bare = operations.flatMap(({ name, operation }) =>
      (operation.parameters ?? [])
        .filter(
          ({ schema, example }) =>
            ![example, schema.example, schema.default, schema.enum, schema.format].some((one) => one !== undefined),
        )
        .map((parameter) => `${name} ${parameter.name}`),
    );
    expect(bare.filter((name) => !/ (cursor|Idempotency-Key)$/.test(name))).toEqual([]);
  });

  it('lists each code of errors, transactions and failures with its meaning', () => {
    const { schemas } = document.components;
    const field = (schema: string, ...path: string[]) =>
      path.reduce((part: Json, name) => (part.properties as Record<string, Json>)[name] ?? {}, schemas[schema] ?? {});
    const codes: Array<[Json, string[]]> = [
      [field('Error', 'error', 'code'), Object.keys(ERROR_CODES)],
      [field('Transaction', 'code'), Object.keys(TRANSACTION_CODES)],
      [field('Deposit', 'failureCode'), [...PAYMENT_FAILURES]],
      [field('AutoTopUp', 'disabledReason'), [...PAYMENT_FAILURES]],
    ];
    for (const [schema, expected] of codes) {
      expect((schema.enum as unknown[]).filter((code) => code !== null)).toEqual(expected);
      for (const code of expected) expect(schema.description).toContain(`\`${code}\``);
    }
    for (const { name, operation } of operations)
      for (const [status, { description, content = {} }] of Object.entries(operation.responses))
        for (const code of Object.keys(content['application/json']?.examples ?? {}))
          expect(description, `${name} ${status}`).toContain(`\`${code}\``);
  });

  it('describes each outgoing event with its payload, a valid example, and the check of its signature', () => {
    expect(Object.keys(document.webhooks)).toEqual(Object.keys(EVENTS));
    for (const [type, { post }] of Object.entries(document.webhooks)) {
      const { $ref } = post?.requestBody?.content['application/json']?.schema ?? {};
      const name = String($ref).split('/').at(-1) ?? '';
      const example = document.components.schemas[name]?.example as { type: string };
      expect(example.type).toBe(type);
      expect(contract.faultOf(at('components', 'schemas', name), example), type).toBeNull();
      expect(post?.parameters?.map((parameter) => parameter.name)).toEqual([
        'webhook-id',
        'webhook-timestamp',
        'webhook-signature',
      ]);
    }
    expect(TAGS.find(({ name }) => name === 'Events')?.description).toContain('HMAC-SHA256');
  });
});

describe('the patterns', () => {
  const patterns = [
    ...new Set(
      schemasIn(document, 'document')
        .map(([, { pattern }]) => pattern)
        .concat(
          operations.flatMap(({ operation }) => (operation.parameters ?? []).map(({ schema }) => schema.pattern)),
        ),
    ),
  ].filter((pattern): pattern is string => typeof pattern === 'string');
  const TEXTS = [
    'acme',
    'train-1',
    '2.49',
    '2.490000',
    'Größe 😀',
    '株式会社',
    'a\u0000b',
    'a\u202eb',
    '',
    ' ',
    'a b',
    '-1',
    '1e5',
    'h100-80gb',
    'x'.repeat(200),
    'billing@acme.example',
    '2026-03-01',
    'a\ud7ffb',
    'ab\n'.slice(0, 2),
  ];

  it('mean the same in JavaScript with and without the u flag, and in Python', () => {
    expect(patterns.length).toBeGreaterThan(5);
    const plain = patterns.map((pattern) => TEXTS.map((text) => new RegExp(pattern).test(text)));
    expect(patterns.map((pattern) => TEXTS.map((text) => new RegExp(pattern, 'u').test(text)))).toEqual(plain);
    const script =
      'import json, re, sys; given = json.load(sys.stdin); print(json.dumps([[re.search(p, t) is not None for t in given["texts"]] for p in given["patterns"]]))';
    const input = JSON.stringify({ patterns, texts: TEXTS });
    expect(JSON.parse(execFileSync('python3', ['-c', script], { input, encoding: 'utf8' }))).toEqual(plain);
  });
});
