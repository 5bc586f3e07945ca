import express, { type Request, type Router } from 'express';
import { z } from 'zod';
import { FAULT_KINDS, type FaultKind } from '../stripe/faults.ts';
import type { Control } from './control.ts';

const count = z.number().int().positive();
const text = z.string().exactOptional();
const faultBody = z.strictObject({
  on: z.string(),
  kind: z.enum(FAULT_KINDS as [FaultKind]),
  where: z.record(z.string(), z.string()).exactOptional(),
  skip: z.number().int().nonnegative().exactOptional(),
  times: z.union([count, z.literal('always')]).exactOptional(),
  ms: z.number().nonnegative().exactOptional(),
});
const outageBody = z.strictObject({ kind: z.enum(['error', 'drop', 'hang', 'rate_limit']).default('error') });
const payBody = z.strictObject({
  amount: text,
  transactionHash: text,
  output: z.number().int().nonnegative().exactOptional(),
  confirmations: z.number().int().nonnegative().exactOptional(),
  currency: text,
  chainId: z.number().int().exactOptional(),
});
const someEvents = { count: count.default(1), type: z.string().default('*') };

/** The control object over HTTP, for scripts in other processes: JSON in, JSON out. */
export function controlRoutes(control: Control): Router {
  const router = express.Router();
  const { faults, webhooks } = control;
  router.use(express.json());
  const on = (operation: string, act: (request: Request, body: unknown) => unknown) => {
    const [method = '', path = ''] = operation.split(' ');
    router[method.toLowerCase() as 'get' | 'put' | 'post' | 'delete'](path, (request, response) => {
      try {
        response.json(act(request, request.body ?? {}) ?? { ok: true });
      } catch (error) {
        const message = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
        response.status(400).json({ error: { message } });
      }
    });
  };
  const id = (request: Request) => String(request.params.id);

  on('GET /faults', () => ({ outage: faults.outage, faults: faults.pending() }));
  on('POST /faults', (_, body) => ({ id: faults.add(faultBody.parse(body)) }));
  on('DELETE /faults', () => faults.reset());
  on('PUT /outage', (_, body) => faults.beginOutage(outageBody.parse(body).kind));
  on('DELETE /outage', () => faults.endOutage());

  on('PUT /webhook', (_, body) => {
    const { url, secret } = z.strictObject({ url: z.url(), secret: z.string() }).parse(body);
    control.setWebhook(url, secret);
  });
  on('POST /webhooks/pause', () => webhooks.pause());
  on('POST /webhooks/resume', () => webhooks.resume());
  on('POST /webhooks/lose', (_, body) => {
    const some = z.strictObject(someEvents).parse(body);
    webhooks.lose(some.count, some.type);
  });
  on('POST /webhooks/duplicate', (_, body) => {
    const some = z.strictObject({ ...someEvents, copies: count.default(2) }).parse(body);
    webhooks.duplicate(some.count, some.type, some.copies);
  });
  on('POST /webhooks/delay', (_, body) => {
    const some = z.strictObject({ ...someEvents, ms: count }).parse(body);
    webhooks.delay(some.ms, some.count, some.type);
  });
  on('POST /webhooks/reorder', (_, body) => webhooks.reorder(z.strictObject({ count }).parse(body).count));
  on('GET /deliveries', () => webhooks.deliveries);
  on('POST /events/:id/resend', (request) => void control.resendEvent(id(request)));

  on('POST /sessions/:id/pay', (request, body) => control.pay(id(request), payBody.parse(body)));
  on('POST /sessions/:id/repeat', (request, body) =>
    control.repeat(id(request), z.strictObject({ transactionHash: z.string() }).parse(body).transactionHash),
  );
  on('POST /sessions/:id/expire', (request) => control.expire(id(request)));
  on('POST /sessions/:id/cancel', (request) => control.cancel(id(request)));
  on('POST /mine', (_, body) => control.mine(z.strictObject({ blocks: count.default(1) }).parse(body).blocks));
  on('POST /tick', () => control.tick());
  on('POST /reset', () => control.reset());

  on('GET /sessions', () => control.sessions());
  on('GET /events', () => control.events());
  on('GET /requests', () => control.requests());
  on('DELETE /requests', () => control.clearRequests());
  return router;
}
