import { setTimeout as sleep } from 'node:timers/promises';
import express, { type Request, type Response, type Router } from 'express';
import type { Point } from '../gates.ts';
import { balanceTransactionEndpoints } from './balance-transactions.ts';
import { chargeEndpoints } from './charges.ts';
import { checkoutSessionEndpoints } from './checkout-session-endpoints.ts';
import { expireDueSessions } from './checkout-sessions.ts';
import { customerEndpoints } from './customers.ts';
import { disputeEndpoints } from './disputes.ts';
import type { Endpoint } from './endpoint.ts';
import { apiError, invalidRequest, rateLimited, refusalOf, StripeRefusal } from './errors.ts';
import { eventEndpoints } from './events.ts';
import { expanded } from './expand.ts';
import type { Fault, Faults } from './faults.ts';
import { objectOf, type StripeGates } from './gates.ts';
import { type Answer, IdempotencyKey } from './idempotency.ts';
import { newId } from './ids.ts';
import type { Form } from './params.ts';
import { paymentIntentEndpoints } from './payment-intent-endpoints.ts';
import { paymentMethodEndpoints } from './payment-methods.ts';
import { refundEndpoints } from './refunds.ts';
import type { RequestLog } from './request-log.ts';
import { setupIntentEndpoints } from './setup-intents.ts';
import { API_VERSION, type World } from './world.ts';

const ENDPOINTS: Endpoint[] = [
  ...balanceTransactionEndpoints,
  ...chargeEndpoints,
  ...checkoutSessionEndpoints,
  ...customerEndpoints,
  ...disputeEndpoints,
  ...eventEndpoints,
  ...paymentIntentEndpoints,
  ...paymentMethodEndpoints,
  ...refundEndpoints,
  ...setupIntentEndpoints,
];

export interface Api {
  world: World;
  faults: Faults;
  gates: StripeGates;
  log: RequestLog;
  /** Ends waiting calls when the stand-in closes. */
  closing: AbortSignal;
  onUnexpected: (error: unknown) => void;
}

/** The error of a gate: like the fault `error`, nothing is executed, and the key stores the answer. */
const ERROR: Fault = { on: '*', kind: 'error' };

/** The API of `api.stripe.com`: `/v1/…`. */
export function apiRouter(api: Api): Router {
  const router = express.Router();
  router.use(express.urlencoded({ extended: true, limit: '1mb', parameterLimit: 10_000 }));
  for (const endpoint of ENDPOINTS) {
    const verb = endpoint.method.toLowerCase() as 'get' | 'post' | 'delete';
    router[verb](endpoint.path, (request, response) => answer(api, endpoint, request, response));
  }
  router.use('/v1', (request, response) => answer(api, unrecognized(request), request, response));
  return router;
}

async function answer(api: Api, endpoint: Endpoint, request: Request, response: Response): Promise<void> {
  const { world, faults } = api;
  const path = request.originalUrl.replace(/\?.*$/, '');
  const form: Form = { ...request.query, ...(request.body as Form | undefined) };
  const requestId = newId('req').slice(0, 18);
  const keyHeader = request.method === 'POST' ? request.get('Idempotency-Key') : undefined;
  const entry = api.log.begin({
    id: requestId,
    method: request.method,
    path,
    params: form,
    idempotencyKey: keyHeader ?? null,
    at: world.now(),
  });
  response.set({
    'Request-Id': requestId,
    'Stripe-Version': request.get('Stripe-Version') ?? API_VERSION,
    ...(keyHeader === undefined ? {} : { 'Idempotency-Key': keyHeader }),
  });
  const send = ({ status, body }: Answer) => {
    entry.status = status;
    response.status(status).type('application/json').send(body);
  };

  const { method } = request;
  const pass = (point: Point) =>
    api.gates.pass({ point, method, path, params: form, object: objectOf(world, path, form) }, request.socket);
  const came = await pass('arrival');
  const held = came === 'drop' || came === 'rate_limit' ? came : undefined;
  const arrival = held ?? faults.outage ?? faults.strike('arrival', method, path, form)?.kind;
  if (arrival === 'hang') return;
  if (arrival === 'drop') {
    request.socket.destroy();
    return;
  }
  let key: IdempotencyKey | undefined;
  try {
    if (arrival === 'rate_limit') throw rateLimited();
    if (arrival !== undefined)
      throw new StripeRefusal(503, apiError('Stripe is unavailable. Please try again later.').body);
    authenticate(request);
    refuseJson(request);
    const { params, expand } = endpoint.read(form);
    const candidate = keyHeader ? new IdempotencyKey(world, keyHeader) : undefined;
    const stored = candidate?.claim(`${request.method} ${path}`, form);
    if (stored) {
      entry.replayed = true;
      response.set({ 'Idempotent-Replayed': 'true', 'Original-Request': stored.requestId });
      send(stored);
      return;
    }
    key = candidate;
    const fault = came === 'error' ? ERROR : faults.strike('execution', method, path, form);
    if (fault?.kind === 'slow') await sleep(fault.ms ?? 1000, undefined, { signal: api.closing });
    const execute = () => {
      world.request = { id: requestId, idempotency_key: keyHeader ?? null };
      expireDueSessions(world);
      return expanded(world, endpoint.run(world, params, request.params as Record<string, string>), expand);
    };
    const given = attempt(api, requestId, fault, execute);
    if (fault?.kind === 'slow_after_effect') await sleep(fault.ms ?? 1000, undefined, { signal: api.closing });
    const way = await pass('answer');
    const sentAnswer = way === 'error' ? answerOf(apiError(), requestId, api) : given;
    key?.store(sentAnswer);
    if (request.method !== 'GET') world.onChange();
    if (fault?.kind === 'hang_after_effect') return;
    if (way === 'rate_limit') throw rateLimited();
    if (way === 'drop' || fault?.kind === 'drop_after_effect') {
      request.socket.destroy();
      return;
    }
    // A repeat would only return the same stored 500, and Stripe tells its SDKs so.
    if (sentAnswer.status === 500 && key) response.set('Stripe-Should-Retry', 'false');
    send(sentAnswer);
  } catch (error) {
    key?.release();
    if (api.closing.aborted) return;
    send(answerOf(error, requestId, api));
  }
}

/** Runs the effect and returns the answer, which may be a refusal, and is a 500 where a fault says so. */
function attempt(api: Api, requestId: string, fault: Fault | undefined, execute: () => object): Answer {
  try {
    if (fault?.kind === 'error') throw apiError();
    if (fault?.kind === 'refuse') throw refusalOf(fault.refusal);
    const object = execute();
    if (fault?.kind === 'error_after_effect') throw apiError();
    return { status: 200, body: JSON.stringify(object, null, 2), requestId };
  } catch (error) {
    if (fault?.kind === 'error_after_effect') return answerOf(apiError(), requestId, api);
    return answerOf(error, requestId, api);
  }
}

function answerOf(error: unknown, requestId: string, api: Api): Answer {
  if (!(error instanceof StripeRefusal)) api.onUnexpected(error);
  const refusal = error instanceof StripeRefusal ? error : apiError();
  const logUrl = `${api.world.url}/_control/requests?id=${requestId}`;
  const body = JSON.stringify({ error: { ...refusal.body, request_log_url: logUrl } }, null, 2);
  return { status: refusal.status, body, requestId };
}

function authenticate(request: Request): void {
  const header = request.get('Authorization') ?? '';
  const [scheme = '', credentials = ''] = header.split(' ');
  const basic = () => Buffer.from(credentials, 'base64').toString().split(':')[0] ?? '';
  const key = scheme.toLowerCase() === 'bearer' ? credentials : scheme.toLowerCase() === 'basic' ? basic() : '';
  if (/^(sk|rk)_test_\S+$/.test(key)) return;
  const message =
    key === ''
      ? "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details."
      : `Invalid API Key provided: ${key.slice(0, 8)}${'*'.repeat(Math.max(0, key.length - 12))}${key.slice(12).slice(-4)}`;
  throw invalidRequest(message, { status: 401 });
}

function refuseJson(request: Request): void {
  if (!request.is('json')) return;
  throw invalidRequest(
    'Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.',
  );
}

function unrecognized(request: Request): Endpoint {
  const path = request.originalUrl.replace(/\?.*$/, '');
  return {
    method: 'GET',
    path,
    read: () => {
      throw invalidRequest(
        `Unrecognized request URL (${request.method}: ${path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.`,
        { status: 404 },
      );
    },
    run: () => ({}),
  };
}
