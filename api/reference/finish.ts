/** Adds text and examples to the document made from the schemas. */
import { FIELD_CODES, inLines } from './codes.ts';
import { EXAMPLES, FIELD_EXAMPLES } from './examples/index.ts';
import { OPERATIONS } from './operations/index.ts';

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const COMPONENT = '#/components/schemas/';

export function finish<Document extends object>(document: Document): Document {
  const { paths = {}, components } = document as { paths?: Record<string, Json>; components?: { schemas?: Json } };
  const schemas = (components?.schemas ?? {}) as Record<string, Json>;
  for (const [name, schema] of Object.entries(schemas)) schemas[name] = flat(schema, schemas);
  for (const [name, schema] of Object.entries(schemas)) addExamples(schema, name, EXAMPLES[name]);
  for (const schema of Object.values(schemas)) schema.example = wholeExample(schema, schemas);
  for (const [path, methods] of Object.entries(paths))
    for (const [method, operation] of Object.entries(methods))
      finishOperation(operation as Json, `${method} ${path}`, schemas);
  return document;
}

/**
 * A schema with its extended schema written out: `allOf` cannot narrow a field, and generators read `allOf` in many
 * ways.
 */
function flat(schema: Json, schemas: Record<string, Json>): Json {
  if (!Array.isArray(schema.allOf)) return schema;
  const parts = schema.allOf.map((part: Json) => flat(resolved(part, schemas), schemas));
  const { allOf: _, ...rest } = schema;
  return {
    type: 'object',
    ...rest,
    properties: Object.assign({}, ...parts.map((part) => part.properties)),
    required: [...new Set(parts.flatMap((part) => (part.required as string[] | undefined) ?? []))],
  };
}

function resolved(schema: Json, schemas: Record<string, Json>): Json {
  const { $ref } = schema;
  return typeof $ref === 'string' && $ref.startsWith(COMPONENT)
    ? (schemas[$ref.slice(COMPONENT.length)] ?? {})
    : schema;
}

/**
 * Sets the example of each field, and the codes of fields that hold a code. A field of another named schema takes the
 * examples of its own schema.
 */
function addExamples(schema: Json, at: string, example: unknown): void {
  if (schema.$ref !== undefined) return;
  const own = FIELD_EXAMPLES[at];
  const value = example === undefined || example === null ? (own ?? example) : example;
  if (isObject(schema.properties)) {
    for (const [name, field] of Object.entries(schema.properties))
      addExamples(field as Json, `${at}.${name}`, isObject(value) ? value[name] : undefined);
    if (isObject(value)) schema.example = value;
    return;
  }
  const codes = FIELD_CODES[at];
  if (codes) {
    const mayBeNull = Array.isArray(schema.type) && schema.type.includes('null');
    schema.enum = [...Object.keys(codes), ...(mayBeNull ? [null] : [])];
    schema.description = inLines(codes);
  }
  if (isObject(schema.items)) addExamples(schema.items, at, Array.isArray(value) ? value[0] : undefined);
  if (value !== undefined && value !== null) schema.example = value;
}

/** The example of a schema. Required fields without a value in the example take their own example. */
function wholeExample(schema: Json, schemas: Record<string, Json>): unknown {
  const { example, required, properties } = schema;
  if (!isObject(example) || !Array.isArray(required) || !isObject(properties)) return exampleOf(schema, schemas);
  const missing = required.filter((name: string) => !(name in example));
  return {
    ...example,
    ...Object.fromEntries(missing.map((name: string) => [name, exampleOf(properties[name] as Json, schemas)])),
  };
}

/** An example of a schema, made of the examples of its parts. */
export function exampleOf(schema: Json, schemas: Record<string, Json>): unknown {
  const whole = resolved(schema, schemas);
  if (whole.example !== undefined) return whole.example;
  if (Array.isArray(whole.anyOf)) return exampleOf(whole.anyOf[0] as Json, schemas);
  if (Array.isArray(whole.enum)) return whole.enum[0];
  if (isObject(whole.items)) return [exampleOf(whole.items, schemas)];
  if (isObject(whole.properties))
    return Object.fromEntries(
      Object.entries(whole.properties).flatMap(([name, field]) => {
        const value = name === 'nextCursor' ? null : exampleOf(field as Json, schemas);
        return value === undefined ? [] : [[name, value]];
      }),
    );
  return Array.isArray(whole.type) && whole.type.includes('null') ? null : undefined;
}

function finishOperation(operation: Json, name: string, schemas: Record<string, Json>): void {
  const text = OPERATIONS[name];
  const needs = typeof operation.description === 'string' ? `\n\n${operation.description}` : '';
  if (text) operation.description = text.description + needs;
  const body = (operation.requestBody as { content?: Record<string, Json> } | undefined)?.content?.['application/json'];
  if (body && text?.requests) {
    body.examples = text.requests;
    const values: Json[] = Object.values(text.requests).map(({ value }) => value as Json);
    const fields = resolved(body.schema as Json, schemas).properties as Record<string, Json> | undefined;
    for (const [field, schema] of Object.entries(fields ?? {}))
      schema.example ??= values.map((value) => value[field]).find((value) => value !== undefined);
  }
  for (const answer of Object.values(operation.responses as Record<string, Json>)) {
    for (const [type, media] of Object.entries((answer.content ?? {}) as Record<string, Json>)) {
      const example = type === 'application/json' ? exampleOf(media.schema as Json, schemas) : undefined;
      if (example !== undefined && media.example === undefined && media.examples === undefined) media.example = example;
    }
  }
}
