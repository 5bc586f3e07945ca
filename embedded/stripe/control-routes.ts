import express, { type Request, type Response, type Router } from 'express';
import { z } from 'zod';
import type { Control } from './control.ts';
import { StripeRefusal } from './errors.ts';
import { FAULT_KINDS, type FaultKind } from './faults.ts';

const count = z.number().int().positive();
const faultBody = z.strictObject({
  on: z.string(),
  kind: z.enum(FAULT_KINDS as [FaultKind]),
  where: z.record(z.string(), z.string()).exactOptional(),
  skip: z.number().int().nonnegative().exactOptional(),
  times: z.union([count, z.literal('always')]).exactOptional(),
  ms: z.number().nonnegative().exactOptional(),
});
const outageBody = z.strictObject({ kind: z.enum(['error', 'drop', 'hang', 'rate_limit']).default('error') });
const selector = {
  customer: z.string().exactOptional(),
  paymentMethod: z.string().exactOptional(),
  fingerprint: z.string().exactOptional(),
};
const declineBody = z.strictObject({
  ...selector,
  after: z.number().int().nonnegative().exactOptional(),
  declineCode: z.string().exactOptional(),
});
const selectorBody = z.strictObject(selector);
const endpointBody = z.strictObject({ url: z.url(), secret: z.string(), events: z.array(z.string()).optional() });
const someEvents = { count: count.default(1), type: z.string().default('*') };
const disputeBody = z.strictObject({
  charge: z.string(),
  reason: z.string().exactOptional(),
  amount: count.exactOptional(),
  inquiry: z.boolean().exactOptional(),
});
const text = z.string().exactOptional();
const pageBody = z.strictObject({
  cardNumber: text,
  cardExpiry: text,
  cardCvc: text,
  billingName: text,
  email: text,
  billingCountry: text,
  billingPostalCode: text,
  saveCard: text,
});

/** The control object over HTTP, for scripts in other processes: JSON in, JSON out. */
export function controlRoutes(control: Control): Router {
  const router = express.Router();
  const { faults, cards, webhooks } = control;
  router.use(express.json());

  const on = (operation: string, act: (request: Request) => unknown) => {
    const [method = '', path = ''] = operation.split(' ');
    router[method.toLowerCase() as 'get' | 'put' | 'post' | 'delete'](path, (request: Request, response: Response) => {
      try {
        response.json(act(request) ?? { ok: true });
      } catch (error) {
        if (error instanceof StripeRefusal) response.status(error.status).json({ error: error.body });
        else if (error instanceof z.ZodError) response.status(400).json({ error: { message: z.prettifyError(error) } });
        else throw error;
      }
    });
  };
  const id = (request: Request) => String(request.params.id);

  on('GET /faults', () => ({ outage: faults.outage, faults: faults.pending() }));
  on('POST /faults', ({ body }) => ({ id: faults.add(faultBody.parse(body)) }));
  on('DELETE /faults', () => faults.reset());
  on('DELETE /faults/:id', (request) => faults.remove(id(request)));
  on('PUT /outage', ({ body = {} }) => faults.beginOutage(outageBody.parse(body).kind));
  on('DELETE /outage', () => faults.endOutage());

  on('POST /cards/decline', ({ body }) => cards.decline(declineBody.parse(body)));
  on('POST /cards/accept', ({ body }) => cards.accept(selectorBody.parse(body)));
  on('POST /cards/processing', ({ body }) => cards.leaveProcessing(selectorBody.parse(body)));

  on('PUT /webhook', ({ body }) => {
    const { url, secret, events } = endpointBody.parse(body);
    control.setWebhook(url, secret, events);
  });
  on('POST /webhooks/pause', () => webhooks.pause());
  on('POST /webhooks/resume', () => webhooks.resume());
  on('POST /webhooks/lose', ({ body = {} }) => {
    const some = z.strictObject(someEvents).parse(body);
    webhooks.lose(some.count, some.type);
  });
  on('POST /webhooks/duplicate', ({ body = {} }) => {
    const some = z.strictObject({ ...someEvents, copies: count.default(2) }).parse(body);
    webhooks.duplicate(some.count, some.type, some.copies);
  });
  on('POST /webhooks/delay', ({ body = {} }) => {
    const some = z.strictObject({ ...someEvents, ms: count }).parse(body);
    webhooks.delay(some.ms, some.count, some.type);
  });
  on('POST /webhooks/reorder', ({ body = {} }) => webhooks.reorder(z.strictObject({ count }).parse(body).count));
  on('GET /deliveries', () => webhooks.deliveries);
  on('POST /events/:id/resend', (request) => void control.resendEvent(id(request)));

  on('POST /disputes', ({ body }) => {
    const { charge, ...opening } = disputeBody.parse(body);
    return control.openDispute(charge, opening);
  });
  on('POST /disputes/:id/close', (request) => {
    const { outcome } = z.strictObject({ outcome: z.enum(['won', 'lost']) }).parse(request.body);
    return control.closeDispute(id(request), outcome);
  });
  on('POST /intents/:id/authenticate', (request) => {
    const { outcome } = z.strictObject({ outcome: z.enum(['complete', 'fail']) }).parse(request.body);
    return control.authenticate(id(request), outcome);
  });
  on('POST /payment_intents/:id/settle', (request) => {
    const { declineCode } = z.strictObject({ declineCode: z.string().optional() }).parse(request.body ?? {});
    return control.settlePayment(id(request), declineCode === undefined ? 'succeeded' : { declineCode });
  });
  on('POST /refunds/:id/settle', (request) => {
    const { outcome } = z.strictObject({ outcome: z.enum(['succeeded', 'failed']) }).parse(request.body);
    return control.settleRefund(id(request), outcome);
  });
  on('POST /checkout/sessions/:id/submit', (request) =>
    control.submitCheckout(id(request), pageBody.parse(request.body ?? {})),
  );
  on('PUT /search', ({ body }) =>
    control.setSearchLag(z.strictObject({ lagSeconds: z.number() }).parse(body).lagSeconds),
  );
  on('POST /tick', () => control.tick());
  on('POST /reset', () => control.reset());

  on('GET /requests', ({ query }) =>
    control.requests().filter((request) => query.id === undefined || request.id === query.id),
  );
  on('DELETE /requests', () => control.clearRequests());
  on('GET /customers', () => control.customers());
  on('GET /payment_methods', () => control.paymentMethods());
  on('GET /setup_intents', () => control.setupIntents());
  on('GET /payment_intents', () => control.paymentIntents());
  on('GET /charges', () => control.charges());
  on('GET /refunds', () => control.refunds());
  on('GET /disputes', () => control.disputes());
  on('GET /balance_transactions', () => control.balanceTransactions());
  on('GET /checkout/sessions', () => control.checkoutSessions());
  on('GET /events', () => control.events());
  return router;
}
