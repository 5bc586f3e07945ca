import { type Fields, type Form, list, type Params, readParams, text } from './params.ts';
import type { World } from './world.ts';

export type Method = 'GET' | 'POST' | 'DELETE';

export interface Endpoint {
  method: Method;
  /** As Express writes paths: `/v1/customers/:id`. */
  path: string;
  /** Reads the parameters, and refuses everything that Stripe refuses before the execution. */
  read(form: Form): { params: unknown; expand: string[] };
  run(world: World, params: unknown, path: Record<string, string>): object;
}

/** An operation of the API: its parameters by rule, and its effect. Every operation has `expand`. */
export function endpoint<F extends Fields>(
  operation: `${Method} /v1/${string}`,
  fields: F,
  run: (world: World, params: Params<F>, path: Record<string, string>) => object,
): Endpoint {
  const [method, path] = operation.split(' ') as [Method, string];
  return {
    method,
    path,
    read(form) {
      const { expand, ...rest } = form;
      return {
        params: readParams(fields, rest),
        expand: expand === undefined ? [] : list(text)(expand, 'expand'),
      };
    },
    run: (world, params, pathParams) => run(world, params as Params<F>, pathParams),
  };
}
