import type { Router } from 'express';
import { z } from 'zod';
import { count, idOf, providerControlRoutes } from '../control-routes.ts';
import type { Control } from './control.ts';

const text = z.string().exactOptional();
const payBody = z.strictObject({
  amount: text,
  transactionHash: text,
  output: z.number().int().nonnegative().exactOptional(),
  confirmations: z.number().int().nonnegative().exactOptional(),
  currency: text,
  chainId: z.number().int().exactOptional(),
});

/** A missing session or an invalid amount is reported in the control's own words. */
const inItsWords = (error: unknown) =>
  error instanceof z.ZodError ? undefined : { status: 400, body: { message: (error as Error).message } };

/** The control object over HTTP, for scripts in other processes: JSON in, JSON out. */
export const controlRoutes = (control: Control): Router =>
  providerControlRoutes(control, inItsWords, (on) => {
    on('POST /sessions/:id/pay', (request, body) => control.pay(idOf(request), payBody.parse(body)));
    on('POST /sessions/:id/repeat', (request, body) =>
      control.repeat(idOf(request), z.strictObject({ transactionHash: z.string() }).parse(body).transactionHash),
    );
    on('POST /sessions/:id/correct', (request, body) => {
      const { transactionHash, amount } = z
        .strictObject({ transactionHash: z.string(), amount: z.string() })
        .parse(body);
      return control.correct(idOf(request), transactionHash, amount);
    });
    on('POST /sessions/:id/reorganise', (request, body) =>
      control.reorganise(idOf(request), z.strictObject({ transactionHash: z.string() }).parse(body).transactionHash),
    );
    on('POST /sessions/:id/expire', (request) => control.expire(idOf(request)));
    on('POST /sessions/:id/cancel', (request) => control.cancel(idOf(request)));
    on('DELETE /sessions/:id', (request) => control.forget(idOf(request)));
    on('DELETE /sessions', () => control.exchangeAccount());
    on('POST /mine', (_, body) => control.mine(z.strictObject({ blocks: count.default(1) }).parse(body).blocks));

    on('GET /sessions', () => control.sessions());
    on('GET /events', () => control.events());
    on('GET /requests', () => control.requests());
  });
