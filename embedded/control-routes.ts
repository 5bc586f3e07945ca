/** The HTTP controls of every provider's stand-in: faults, outages, and the delivery of webhooks. */
import express, { type Request, type Router } from 'express';
import { z } from 'zod';
import { FAULT_KINDS, type FaultKind, type Faults } from './stripe/faults.ts';
import type { Announced, Webhooks } from './stripe/webhooks.ts';

export interface ProviderControl {
  faults: Faults;
  webhooks: Pick<Webhooks<Announced>, 'pause' | 'resume' | 'lose' | 'duplicate' | 'delay' | 'reorder' | 'deliveries'>;
  setWebhook(url: string, secret: string, events?: string[]): void;
  resendEvent(event: string): unknown;
  tick(): void;
  reset(): void;
  clearRequests(): void;
}

/** Adds `POST /path`: JSON in, JSON out. A missing field is a 400 that names the field. */
export type On = (operation: string, act: (request: Request, body: unknown) => unknown) => void;

/** The answer to a refusal of the stand-in itself. Undefined for other errors. */
export type Refusing = (error: unknown) => { status: number; body: unknown } | undefined;

export const count = z.number().int().positive();
const faultBody = z.strictObject({
  on: z.string(),
  kind: z.enum(FAULT_KINDS as [FaultKind]),
  where: z.record(z.string(), z.string()).exactOptional(),
  skip: z.number().int().nonnegative().exactOptional(),
  times: z.union([count, z.literal('always')]).exactOptional(),
  ms: z.number().nonnegative().exactOptional(),
  refusal: z
    .strictObject({
      status: z.number().int().min(400).max(599).exactOptional(),
      type: z.string().exactOptional(),
      code: z.string().exactOptional(),
      declineCode: z.string().exactOptional(),
      param: z.string().exactOptional(),
      message: z.string().exactOptional(),
    })
    .exactOptional(),
});
const outageBody = z.strictObject({ kind: z.enum(['error', 'drop', 'hang', 'rate_limit']).default('error') });
const endpointBody = z.strictObject({ url: z.url(), secret: z.string(), events: z.array(z.string()).optional() });
const someEvents = { count: count.default(1), type: z.string().default('*') };

export const idOf = (request: Request): string => String(request.params.id);

/** The routes of all stand-ins; `more` adds the provider's own. */
export function providerControlRoutes(control: ProviderControl, refusing: Refusing, more: (on: On) => void): Router {
  const router = express.Router();
  const { faults, webhooks } = control;
  router.use(express.json());
  const on: On = (operation, act) => {
    const [method = '', path = ''] = operation.split(' ');
    router[method.toLowerCase() as 'get' | 'put' | 'post' | 'delete'](path, (request, response) => {
      try {
        response.json(act(request, request.body ?? {}) ?? { ok: true });
      } catch (error) {
        const refusal = refusing(error);
        if (refusal) response.status(refusal.status).json({ error: refusal.body });
        else if (error instanceof z.ZodError) response.status(400).json({ error: { message: z.prettifyError(error) } });
        else throw error;
      }
    });
  };

  on('GET /faults', () => ({ outage: faults.outage, faults: faults.pending() }));
  on('POST /faults', (_, body) => ({ id: faults.add(faultBody.parse(body)) }));
  on('DELETE /faults', () => faults.reset());
  on('DELETE /faults/:id', (request) => faults.remove(idOf(request)));
  on('PUT /outage', (_, body) => faults.beginOutage(outageBody.parse(body).kind));
  on('DELETE /outage', () => faults.endOutage());

  on('PUT /webhook', (_, body) => {
    const { url, secret, events } = endpointBody.parse(body);
    control.setWebhook(url, secret, events);
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
  on('POST /events/:id/resend', (request) => void control.resendEvent(idOf(request)));

  on('POST /tick', () => control.tick());
  on('POST /reset', () => control.reset());
  on('DELETE /requests', () => control.clearRequests());
  more(on);
  return router;
}
