/**
 * Holds each exchange of a test against the OpenAPI document that the service serves: status, headers, content type and
 * body of the answer, and the request too where it was accepted. A field that the document does not name is a fault.
 */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { routesOf } from '../../api/app.ts';
import type { Metrics } from '../../api/http/metrics.ts';
import { openApiDocument } from '../../api/http/openapi.ts';
import type { ApiWorld } from '../../api/world.ts';

export interface Exchange {
  method: string;
  /** With its query. */
  path: string;
  requestBody: unknown;
  status: number;
  headers: Headers;
  text: string;
}

type Json = Record<string, unknown>;
interface Parameter {
  in: 'path' | 'query' | 'header' | 'cookie';
  name: string;
  required?: boolean;
}
interface Media {
  schema?: Json;
  examples?: Json;
}
interface Answer {
  headers?: Record<string, { required?: boolean }>;
  content?: Record<string, Media>;
}
interface Operation {
  parameters?: Parameter[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, Answer>;
}
export interface OpenApiDocument {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  webhooks?: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json>; responses?: Record<string, Answer>; examples?: Json };
}

export const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

/** Statuses of an answer that stands for no operation: nothing at the path, another method, a path that cannot be read. */
const WITHOUT_OPERATION = ['400', '401', '404', '405', '429'];

const pointer = (...parts: Array<string | number>): string =>
  `document#/${parts.map((part) => encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;

const isJson = (value: unknown): value is Json => value !== null && typeof value === 'object';

/** A copy whose answers may hold documented fields only. Clients must accept more; a test must not. */
function strictly(document: OpenApiDocument): OpenApiDocument {
  const copy = structuredClone(document);
  const close = (value: unknown, within: string): void => {
    if (Array.isArray(value)) for (const item of value) close(item, within);
    else if (isJson(value)) {
      if (isJson(value.properties) && !('additionalProperties' in value) && within !== 'allOf')
        value.unevaluatedProperties = false;
      for (const [name, part] of Object.entries(value))
        if (name !== 'example' && name !== 'examples') close(part, name);
    }
  };
  close(copy, '');
  return copy;
}

/** Fails a test with a sentence that names the exchange. */
export class ContractBroken extends Error {}

export function contractOf(document: OpenApiDocument) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(strictly(document), 'document');
  const compiled = new Map<string, ValidateFunction>();
  const templates = Object.keys(document.paths)
    .map((path) => ({
      path,
      matches: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '([^/]+)')}$`),
      parameters: (path.match(/\{/g) ?? []).length,
    }))
    .sort((a, b) => a.parameters - b.parameters);

  /** What is wrong with a value by the schema at a place of the document; null: nothing. */
  function faultOf(at: string, value: unknown): string | null {
    let validate = compiled.get(at);
    if (!validate) {
      validate = ajv.compile({ $ref: at });
      compiled.set(at, validate);
    }
    return validate(value) ? null : ajv.errorsText(validate.errors, { dataVar: 'body' });
  }

  /** The answer as it is written, and where: an operation may name a shared one. */
  function answerAt(template: string, method: string, status: string): { answer: Answer; at: string[] } | null {
    const answer = document.paths[template]?.[method]?.responses[status] as (Answer & { $ref?: string }) | undefined;
    if (!answer) return null;
    if (answer.$ref === undefined) return { answer, at: ['paths', template, method, 'responses', status] };
    const name = answer.$ref.slice('#/components/responses/'.length);
    const shared = document.components.responses?.[name];
    if (!shared) throw new ContractBroken(`the document has no answer ${answer.$ref}`);
    return { answer: shared, at: ['components', 'responses', name] };
  }

  function checkRequest({ path, requestBody }: Exchange, template: string, method: string): string[] {
    const operation = document.paths[template]?.[method];
    if (!operation) return [];
    const faults: string[] = [];
    const [bare = '', query = ''] = path.split('?');
    const media = operation.requestBody?.content['application/json'];
    if (media && requestBody !== undefined) {
      const fault = faultOf(
        pointer('paths', template, method, 'requestBody', 'content', 'application/json', 'schema'),
        requestBody,
      );
      if (fault !== null) faults.push(`the request was accepted and its body is not as documented: ${fault}`);
    }
    const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
    const values = templates.find((known) => known.path === template)?.matches.exec(bare) ?? [];
    const sent: Array<[Parameter['in'], string, string]> = [
      ...names.map((name, index): [Parameter['in'], string, string] => [
        'path',
        name,
        decodeURIComponent(values[index + 1] ?? ''),
      ]),
      ...[...new URLSearchParams(query)].map(([name, value]): [Parameter['in'], string, string] => [
        'query',
        name,
        value,
      ]),
    ];
    for (const [place, name, value] of sent) {
      const index = (operation.parameters ?? []).findIndex((known) => known.in === place && known.name === name);
      if (index < 0) faults.push(`the request was accepted with a parameter that is not documented: ${name}`);
      else {
        const at = pointer('paths', template, method, 'parameters', index, 'schema');
        // A list is a parameter that is sent once for each of its items.
        const list = sent.filter((one) => one[0] === place && one[1] === name).map((one) => one[2]);
        const read = /^-?\d+(\.\d+)?$/.test(value) ? [value, Number(value), list] : [value, list];
        const found = read.map((one) => faultOf(at, one));
        if (!found.includes(null))
          faults.push(`the request was accepted and its ${name} is not as documented: ${found[0]}`);
      }
    }
    return faults;
  }

  function checkBody({ status, headers, text }: Exchange, answer: Answer, at: string[]): string[] {
    const type = headers.get('content-type')?.split(';')[0] ?? '';
    const media = answer.content?.[type];
    if (status === 204 || text === '') return answer.content && status !== 204 ? ['the answer has no body'] : [];
    if (!media) return [`the content type ${type} is not documented`];
    if (type !== 'application/json') return [];
    const body = JSON.parse(text) as { error?: { code?: string } };
    const fault = faultOf(pointer(...at, 'content', type, 'schema'), body);
    if (fault !== null) return [`the body is not as documented: ${fault}`];
    const code = body.error?.code;
    if (status >= 400 && code !== undefined && media.examples && !(code in media.examples))
      return [`the code "${code}" is not documented for it`];
    return [];
  }

  function checkHeaders({ headers }: Exchange, answer: Answer, at: string[]): string[] {
    return Object.entries(answer.headers ?? {}).flatMap(([name, { required }]) => {
      const value = headers.get(name);
      if (value === null) return required ? [`the header ${name} is missing`] : [];
      const read = /^\d+$/.test(value) ? Number(value) : value;
      const fault = faultOf(pointer(...at, 'headers', name, 'schema'), read);
      return fault === null ? [] : [`the header ${name} is not as documented: ${fault}`];
    });
  }

  function faultsOf(exchange: Exchange): string[] {
    const { path, status } = exchange;
    const [bare = ''] = path.split('?');
    const method = exchange.method.toLowerCase() === 'head' ? 'get' : exchange.method.toLowerCase();
    const template = templates.find(
      ({ path: known, matches }) => matches.test(bare) && document.paths[known]?.[method],
    )?.path;
    if (template === undefined) {
      const isOurs = exchange.headers.get('content-type')?.includes('json');
      if (!isOurs || exchange.text === '') return [];
      if (!WITHOUT_OPERATION.includes(String(status))) return [`no operation is documented that answers ${status}`];
      const fault = faultOf(pointer('components', 'schemas', 'Error'), JSON.parse(exchange.text));
      return fault === null ? [] : [`the error is not as documented: ${fault}`];
    }
    const found = answerAt(template, method, String(status));
    if (!found) return [`the status ${status} is not documented for it`];
    const { answer, at } = found;
    const isHead = exchange.method.toUpperCase() === 'HEAD';
    return [
      ...(status < 300 ? checkRequest(exchange, template, method) : []),
      ...checkHeaders(exchange, answer, at),
      ...(isHead ? [] : checkBody(exchange, answer, at)),
    ];
  }

  return {
    faultOf,
    /** What is wrong with an outgoing event by the document's `webhooks`; null: nothing. */
    faultOfEvent(event: { type: string; timestamp: string; data: unknown }): string | null {
      if (!document.webhooks?.[event.type]) return `no event ${event.type} is documented`;
      const at = ['webhooks', event.type, 'post', 'requestBody', 'content', 'application/json', 'schema'];
      return faultOf(pointer(...at), event);
    },
    /** @throws ContractBroken naming each disagreement */
    check(exchange: Exchange): void {
      const faults = faultsOf(exchange);
      if (faults.length === 0) return;
      const { method, path, status, text } = exchange;
      throw new ContractBroken(
        `${method} ${path} answered ${status} against the served document: ${faults.join('; ')}\n${text.slice(0, 2_000)}`,
      );
    },
  };
}

export type Contract = ReturnType<typeof contractOf>;

/** The contract of the routes of this code, without a service; routes are described without a world. */
export const documentedContract = (): Contract =>
  contractOf(
    openApiDocument(routesOf({} as ApiWorld, {} as Metrics), 'http://127.0.0.1') as unknown as OpenApiDocument,
  );

const known = new Map<string, Contract>();

/** The contract that a running service serves; one for equal documents, since compiling its schemas takes a while. */
export async function servedContract(url: string): Promise<Contract> {
  const text = await (await fetch(`${url}/v1/openapi.json`)).text();
  const contract = known.get(text) ?? contractOf(JSON.parse(text) as OpenApiDocument);
  known.set(text, contract);
  return contract;
}
