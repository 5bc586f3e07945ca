import { setTimeout as sleep } from 'node:timers/promises';
import express, { type Request, type Response, type Router } from 'express';
import { z } from 'zod';
import type { Point } from '../gates.ts';
import type { Faults } from '../stripe/faults.ts';
import type { CopperxGates } from './gates.ts';
import type { World } from './world.ts';

export interface LoggedRequest {
  method: string;
  path: string;
  body: unknown;
  /** By the stand-in's clock, in milliseconds. */
  at: number;
  /** Null while unanswered, and for ever after a fault without an answer. */
  status: number | null;
}

export interface Api {
  world: World;
  faults: Faults;
  gates: CopperxGates;
  requests: LoggedRequest[];
  /** Ends waiting calls when the stand-in closes. */
  closing: AbortSignal;
}

const units = z.string().regex(/^[1-9]\d{0,23}$/, 'unitAmount must be a whole number as a string');
const newSession = z.object({
  successUrl: z.string().min(1),
  cancelUrl: z.string().nullish(),
  clientReferenceId: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  expiresAt: z.iso.datetime().nullish(),
  lineItems: z.object({
    data: z
      .array(
        z.object({
          priceData: z.object({
            currency: z.enum(['usdc', 'usdt', 'dai']),
            unitAmount: units,
            type: z.literal('one_time').default('one_time'),
            productData: z.object({ name: z.string().min(1) }),
          }),
          quantity: z.number().int().positive().default(1),
        }),
      )
      .length(1),
  }),
  paymentSetting: z
    .object({
      allowSwap: z.boolean().default(true),
      allowedChains: z.array(z.object({ chainId: z.number() })).default([]),
    })
    .default({ allowSwap: true, allowedChains: [] }),
});
const listed = z.object({
  page: z.coerce.number().int().positive().default(1),
  limit: z.coerce.number().int().positive().max(100).default(10),
  clientReferenceId: z.string().optional(),
});

/** A refusal, in the words of CopperX's framework. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

type Effect = (request: Request) => { status: number; body: unknown };

/** `/api/v1/checkout/sessions`: create, retrieve, list. Source: https://copperx.readme.io/reference */
export function apiRouter(api: Api): Router {
  const { world } = api;
  const router = express.Router();
  const path = '/api/v1/checkout/sessions';
  router.use('/api', express.json());
  router.post(path, (request, response) =>
    answer(api, request, response, () => {
      const asked = parsed(newSession, request.body);
      const [line] = asked.lineItems.data;
      if (!line) throw new Refusal(400, 'lineItems.data must contain 1 element');
      const session = world.create({
        unitAmount: line.priceData.unitAmount,
        quantity: line.quantity,
        currency: line.priceData.currency,
        productName: line.priceData.productData.name,
        clientReferenceId: asked.clientReferenceId ?? null,
        metadata: asked.metadata ?? null,
        successUrl: asked.successUrl,
        cancelUrl: asked.cancelUrl ?? null,
        expiresAt: asked.expiresAt ?? null,
        ...asked.paymentSetting,
      });
      return { status: 201, body: session };
    }),
  );
  router.get(path, (request, response) =>
    answer(api, request, response, () => {
      const { page, limit, clientReferenceId } = parsed(listed, request.query);
      const found = world.state.sessions
        .filter((session) => clientReferenceId === undefined || session.clientReferenceId === clientReferenceId)
        .toReversed();
      const data = found.slice((page - 1) * limit, page * limit);
      return { status: 200, body: { page, limit, count: found.length, hasMore: page * limit < found.length, data } };
    }),
  );
  router.get(`${path}/:id`, (request, response) =>
    answer(api, request, response, () => {
      const session = world.find(String(request.params.id));
      if (!session) throw new Refusal(404, 'Checkout session not found');
      return { status: 200, body: session };
    }),
  );
  return router;
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new Refusal(400, result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
}

async function answer(
  { world, faults, gates, requests, closing }: Api,
  request: Request,
  response: Response,
  effect: Effect,
): Promise<void> {
  const path = request.originalUrl.replace(/\?.*$/, '');
  const params = { ...request.query, ...(request.body as object | undefined) };
  const entry: LoggedRequest = { method: request.method, path, body: request.body, at: world.now(), status: null };
  requests.push(entry);
  const send = (status: number, body: unknown) => {
    entry.status = status;
    response.status(status).json(body);
  };
  const fail = (status: number, message: string) => send(status, { statusCode: status, message });

  const pass = (point: Point) => {
    const session = world.find(path.split('/').at(-1) ?? '');
    return gates.pass({ point, method: request.method, path, body: request.body, session }, request.socket);
  };
  const came = await pass('arrival');
  if (came === 'error') return fail(500, 'Internal server error');
  const held = came === 'on' ? undefined : came;
  const arrival = held ?? faults.outage ?? faults.strike('arrival', request.method, path, params)?.kind;
  if (arrival === 'hang') return;
  if (arrival === 'drop') return void request.socket.destroy();
  if (arrival === 'rate_limit') return fail(429, 'ThrottlerException: Too Many Requests');
  if (arrival !== undefined) return fail(503, 'Service Unavailable');
  if (!/^Bearer \S+$/.test(request.get('Authorization') ?? '')) return fail(401, 'Unauthorized');

  const fault = faults.strike('execution', request.method, path, params);
  const wait = () => sleep(fault?.ms ?? 1000, undefined, { signal: closing }).catch(() => {});
  if (fault?.kind === 'slow') await wait();
  if (fault?.kind === 'error') return fail(500, 'Internal server error');
  if (fault?.kind === 'refuse') return fail(fault.refusal?.status ?? 400, fault.refusal?.message ?? 'Bad Request');
  let done: ReturnType<Effect>;
  try {
    world.expireDue();
    // A copy of the present state, so later events do not change the answer on its way.
    done = structuredClone(effect(request));
  } catch (error) {
    if (error instanceof Refusal) return fail(error.status, error.message);
    throw error;
  }
  const way = await pass('answer');
  if (way === 'drop') return void request.socket.destroy();
  if (way === 'rate_limit') return fail(429, 'ThrottlerException: Too Many Requests');
  if (way === 'error') return fail(500, 'Internal server error');
  if (fault?.kind === 'hang_after_effect') return;
  if (fault?.kind === 'drop_after_effect') return void request.socket.destroy();
  if (fault?.kind === 'error_after_effect') return fail(500, 'Internal server error');
  if (fault?.kind === 'slow_after_effect') await wait();
  send(done.status, done.body);
}
