/** The api as one express application. Listening is left to main.ts. */
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { BillingError } from '../billing/errors.ts';
import { secondOf } from '../billing/time.ts';
import { createWakes } from './engine/wakes.ts';
import { bearerOf, callerOf } from './http/auth.ts';
import { type Call, newCall } from './http/calls.ts';
import { answeringInTime, CALL_TIMES } from './http/deadlines.ts';
import { errorAnswer } from './http/errors.ts';
import { front } from './http/front.ts';
import type { Gate } from './http/gate.ts';
import { healthz, readyz } from './http/health.ts';
import { createKeyUses } from './http/key-uses.ts';
import { fewBodiesAtOnce, limitKeys, limitStrangers } from './http/limits.ts';
import { logCalls } from './http/log.ts';
import { createMetrics, type Metrics } from './http/metrics.ts';
import { type OpenApiDocument, openApiDocument } from './http/openapi.ts';
import { checkAddress, jsonBody, strangersJsonBody } from './http/reading.ts';
import { authorizing, expressPath, type Route, takesBody } from './http/route.ts';
import { createServing, readingLater, type Serving } from './http/serving.ts';
import { callerOfCookie, cookieOf, mustBeOwnOrigin, mustBeOwnPage } from './http/sessions.ts';
import { unknownPath } from './http/unknown-path.ts';
import { alerts } from './routes/alerts.ts';
import { audit } from './routes/audit.ts';
import { autoTopUp } from './routes/auto-top-up.ts';
import { balance } from './routes/balance.ts';
import { billingDetails } from './routes/billing-details.ts';
import { calculator } from './routes/calculator.ts';
import { corrections } from './routes/corrections.ts';
import { deposits } from './routes/deposits.ts';
import { discount } from './routes/discount.ts';
import { forecast } from './routes/forecast.ts';
import { grants } from './routes/grants.ts';
import { holds } from './routes/holds.ts';
import { instances } from './routes/instances.ts';
import { keys } from './routes/keys.ts';
import { models } from './routes/models.ts';
import { pages } from './routes/pages.ts';
import { paymentMethods } from './routes/payment-methods.ts';
import { prices } from './routes/prices.ts';
import { quote } from './routes/quote.ts';
import { receipts } from './routes/receipts.ts';
import { reconciliation } from './routes/reconciliation.ts';
import { refunds } from './routes/refunds.ts';
import { reservations } from './routes/reservations.ts';
import { sessions } from './routes/sessions.ts';
import { shedding } from './routes/shedding.ts';
import { teamState } from './routes/team-state.ts';
import { teams } from './routes/teams.ts';
import { transactions } from './routes/transactions.ts';
import { usage } from './routes/usage.ts';
import { usageSums } from './routes/usage-sums.ts';
import { copperxWebhook } from './webhooks/copperx.ts';
import { stripeWebhook } from './webhooks/stripe.ts';
import type { ApiWorld } from './world.ts';

/** Larger than any event of a provider. Anybody can send a body before its signature is checked. */
const WEBHOOK_LIMIT = '256kb';

/** Every route of the api's own language. */
export function routesOf(world: ApiWorld, metrics: Metrics): Route[] {
  const wake = createWakes(world, metrics);
  return [
    ...teams(world, wake),
    ...teamState(world, wake),
    ...keys(world),
    ...sessions(world),
    ...balance(world),
    ...instances(world, wake),
    ...shedding(world, wake),
    ...autoTopUp(world, wake),
    ...alerts(world, wake),
    ...paymentMethods(world, wake),
    ...deposits(world),
    ...refunds(world, wake),
    ...receipts(world),
    ...billingDetails(world),
    ...transactions(world),
    ...grants(world, wake),
    ...corrections(world, wake),
    ...discount(world, wake),
    ...holds(world, wake),
    ...prices(world, wake),
    ...models(world),
    ...quote(world),
    ...forecast(world),
    ...usage(world, wake),
    ...usageSums(world),
    ...reservations(world, wake),
    ...calculator(world),
    ...reconciliation(world),
    ...audit(world),
  ];
}

export function createApp(world: ApiWorld): Express {
  const metrics = createMetrics(world);
  const serving = createServing(world, metrics);
  const routes = routesOf(world, metrics);
  let madeDocument: OpenApiDocument | undefined;
  // Making the document takes a tenth of the api's start, and most processes never need the document.
  const document = () => {
    madeDocument ??= openApiDocument(routes, world.publicUrl);
    return madeDocument;
  };
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('strict routing', true);
  app.set('case sensitive routing', true);
  app.set('trust proxy', world.trustedProxies);

  app.use(logCalls(world));
  app.use(
    helmet({
      contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    }),
  );
  app.use(metrics.countCalls);
  app.use(checkAddress);
  app.use(answeringInTime(world.callTimes ?? CALL_TIMES));

  app.get('/healthz', teamInCall('/healthz'), healthz);
  app.get('/readyz', teamInCall('/readyz'), readyz(world));
  app.get('/metrics', teamInCall('/metrics'), metrics.serve);
  app.get('/v1/openapi.json', teamInCall('/v1/openapi.json'), (_request, response) => void response.json(document()));
  serveWebhooks(app, world, serving);
  app.use(front(world));
  app.use(pages(world, serving));

  const noStore: RequestHandler = (_request, response, next) => {
    response.set('Cache-Control', 'no-store');
    next();
  };
  const guards = [authenticating(world, serving.gates.keys), limitKeys(world.rateLimitPerMinute)];
  const strangersGuards = [limitStrangers(), receivingStranger(world), fewBodiesAtOnce()];
  for (const described of routes)
    app[described.method](
      expressPath(described.path),
      teamInCall(described.path),
      noStore,
      serving.door(described),
      ...(described.who === 'anyone' ? strangersGuards : guards),
      authorizing(described),
      ...(takesBody(described)
        ? [serving.door(described), readingLater(described.who === 'anyone' ? strangersJsonBody : jsonBody)]
        : []),
      serving.serve(described),
    );

  app.use(
    unknownPath(() => Object.entries(document().paths).map(([path, item]) => ({ path, methods: Object.keys(item) }))),
  );
  app.use(answerError(world));
  return app;
}

/** The events of providers. Their callers have no key, so few bodies are read at once. */
function serveWebhooks(app: Express, world: ApiWorld, serving: Serving): void {
  const strangersBodies = fewBodiesAtOnce();
  for (const [provider, handler] of [
    ['stripe', stripeWebhook(world)],
    ['copperx', copperxWebhook(world)],
  ] as const)
    app.post(
      `/v1/webhooks/${provider}`,
      teamInCall(`/v1/webhooks/${provider}`),
      receiving(world),
      strangersBodies,
      express.raw({ type: () => true, limit: WEBHOOK_LIMIT }),
      serving.placed('webhooks', () => provider, handler),
    );
}

/** Names the route for logs and metrics, instead of the path with its ids. */
const teamInCall =
  (path: string): RequestHandler =>
  (_request, response, next) => {
    response.locals.route = path;
    next();
  };

const logOf = (request: { log?: unknown }, world: ApiWorld): Logger => (request.log as Logger | undefined) ?? world.log;

/** A call of a provider, authenticated by its signature. */
const receiving =
  (world: ApiWorld): RequestHandler =>
  (request, response, next) => {
    // Checked before the signature: a wrong clock would refuse a good signature as too old, and the provider would not
    // send the event again.
    world.clock?.mustBeRight();
    response.locals.call = newCall(String(request.id), world.nowMs(), { kind: 'provider' }, logOf(request, world));
    next();
  };

/** A call of a person without a key, who exchanges a link. An Authorization header is ignored. */
const receivingStranger =
  (world: ApiWorld): RequestHandler =>
  (request, response, next) => {
    mustBeOwnOrigin(world, request);
    response.locals.call = newCall(String(request.id), world.nowMs(), { kind: 'stranger' }, logOf(request, world));
    next();
  };

/** Authenticates the caller by a key, or else by the cookie of a session. The second of the call is the second of its arrival, not of its handling. */
function authenticating(world: ApiWorld, looks: Gate): RequestHandler {
  const slowDown = limitStrangers();
  const uses = createKeyUses(world.db, world.log);
  return async (request, response, next) => {
    const receivedMs = world.nowMs();
    const placed = <T>(look: () => Promise<T>) => looks.run(String(request.ip), look);
    try {
      const cookie = request.get('Authorization') === undefined ? cookieOf(request.get('Cookie')) : null;
      const secret = cookie ?? bearerOf(request.get('Authorization'));
      const caller =
        cookie === null
          ? await callerOf(world, secret, placed)
          : await callerOfCookie(world, cookie, secondOf(receivedMs), placed);
      if (cookie !== null) mustBeOwnPage(world, request);
      if (caller.kind === 'key') uses.note(caller.keyId, secondOf(receivedMs));
      const call: Call = newCall(String(request.id), receivedMs, caller, logOf(request, world));
      Object.assign(response.locals, { call, secret });
      next();
    } catch (error) {
      const refused = error instanceof BillingError && error.code === 'unauthenticated';
      if (!refused) throw error;
      await slowDown(request, response, (limited) => next(limited ?? error));
    }
  };
}

const answerError =
  (world: ApiWorld): ErrorRequestHandler =>
  (error, request, response, next) => {
    const { status, headers, body } = errorAnswer(error, String(request.id));
    response.locals.errorCode = body.error.code;
    // Refusals of a flood have a line each already, and are counted.
    if (status === 503 && body.error.code !== 'overloaded')
      logOf(request, world).warn({ err: error }, 'a call could not be served');
    else if (status >= 500 && status !== 503) logOf(request, world).error({ err: error }, 'a call failed');
    if (response.locals.overdue) return;
    // A file that failed half way can only be cut off.
    if (response.headersSent) return next(error);
    // The rest of a body that is too large is not read.
    if (status === 413) response.set('Connection', 'close');
    response.status(status).set(headers).json(body);
  };
